//! Drives the dialogues of databases by a program of bytes, for fuzzing and for properties: whatever client and server say, and
//! however it is cut, nothing is lost or made up, and nobody panics.

use super::{
    dialogue::{After, Dialogue, Heard, Next, Stops, Told, Watch},
    errors::{KnownError, Refusal, Said, Words},
    mysql, postgres, redis,
};

/// A conversation with PostgreSQL, and what may come before one.
pub fn postgres(program: &[u8]) {
    let mut opening = bytes::BytesMut::from(program);
    while let Ok(Some(_)) = postgres::take_opening(&mut opening) {
        if opening.first() == Some(&TLS) {
            break;
        }
    }
    converse(
        postgres::Session::new,
        postgres::ERRORS,
        postgres::refusal,
        program,
    );
}

/// A conversation with MySQL.
pub fn mysql(program: &[u8]) {
    converse(mysql::Session::new, mysql::ERRORS, mysql::refusal, program);
}

/// A conversation with Redis.
pub fn redis(program: &[u8]) {
    converse(redis::Session::new, redis::ERRORS, redis::refusal, program);
}

/// The first byte of a TLS handshake, behind which nothing is read.
const TLS: u8 = 0x16;

/// Runs a program: who speaks and in what pieces, how much, and what is said, again and again. Once in whole sayings and once in
/// pieces, both ends must get the same.
fn converse<D: Dialogue>(
    new: impl Fn() -> D,
    errors: &[KnownError],
    refusal: impl Fn(&Said) -> Refusal,
    program: &[u8],
) {
    let refuse = |text: &str| {
        let chosen = text.len() % (errors.len() * 2);
        errors
            .get(chosen)
            .map(|error| refusal(&error.said(&Words::default())))
    };
    let (stops, steps) = match program.split_first() {
        Some((first, steps)) => (*first, steps),
        None => return,
    };
    let stops = Stops {
        commands: stops & 1 != 0,
        preparing: stops & 2 != 0,
        proofs: stops & 4 != 0,
        choices: stops & 8 != 0,
        pings: stops & 16 != 0,
    };
    let mut whole = Ends::new(new(), stops);
    let mut split = Ends::new(new(), stops);
    let mut steps = steps;
    while let [how, length, rest @ ..] = steps {
        let (said, rest) = rest.split_at(usize::from(*length).min(rest.len()));
        steps = rest;
        if said.is_empty() {
            continue;
        }
        let of_server = how & 1 != 0;
        whole.say(said, of_server, &refuse);
        for piece in said.chunks(1 + usize::from(how >> 1 & 7)) {
            split.say(piece, of_server, &refuse);
        }
        assert_eq!(whole.lost, split.lost, "at another split it is understood");
        if whole.lost {
            // What was begun when the bytes ceased to make sense passes in part or whole.
            return;
        }
        assert_eq!(
            whole.heard(),
            split.heard(),
            "at another split the ends get something else"
        );
    }
}

/// Both ends of a session, and what each of them got.
struct Ends<D> {
    session: D,
    stops: Stops,
    asked: Vec<u8>,
    said: Vec<u8>,
    server: Vec<u8>,
    client: Vec<u8>,
    commands: Vec<String>,
    /// The bytes are not understood any more.
    lost: bool,
    closed: bool,
}

impl<D: Dialogue> Ends<D> {
    const fn new(session: D, stops: Stops) -> Self {
        Self {
            session,
            stops,
            asked: Vec::new(),
            said: Vec::new(),
            server: Vec::new(),
            client: Vec::new(),
            commands: Vec::new(),
            lost: false,
            closed: false,
        }
    }

    /// What must be the same at any split.
    fn heard(&self) -> (&[u8], &[u8], &[String], bool) {
        (&self.server, &self.client, &self.commands, self.closed)
    }

    fn say(&mut self, bytes: &[u8], of_server: bool, refuse: &dyn Fn(&str) -> Option<Refusal>) {
        if self.closed || self.lost {
            return;
        }
        if of_server {
            self.said.extend_from_slice(bytes);
            self.tell();
        } else {
            self.asked.extend_from_slice(bytes);
            self.hear(refuse);
        }
    }

    fn hear(&mut self, refuse: &dyn Fn(&str) -> Option<Refusal>) {
        while !self.lost {
            let Ok(Heard {
                pass,
                drop,
                say,
                then,
            }) = self.session.hear(&self.asked, self.stops)
            else {
                self.lost = true;
                return;
            };
            self.server.extend(self.asked.drain(..pass));
            self.asked.drain(..drop);
            self.server.extend(say);
            match then {
                Next::More => return,
                Next::Again => {}
                Next::Command(command) => {
                    match refuse(&command.text).filter(|_| !command.doomed) {
                        Some(refusal) if command.text.len() % 3 == 0 => self.session.replace(refusal),
                        Some(refusal) => {
                            let statements = self.session.statements(&self.asked);
                            let done = statements.last().map_or(0, |last| last.before);
                            self.server.extend(self.session.refuse(
                                refusal,
                                &self.asked[..done],
                                &command.text,
                            ));
                        }
                        None => self.session.accept(),
                    }
                    self.commands.push(command.text.to_string());
                }
            }
        }
    }

    fn tell(&mut self) {
        while !self.lost {
            let Ok(told) = self.session.tell(&self.said, Watch::default()) else {
                self.lost = true;
                return;
            };
            let Told {
                pass,
                drop,
                say,
                then,
            } = told;
            self.client.extend(self.said.drain(..pass));
            self.said.drain(..drop);
            self.client.extend(say);
            match then {
                After::More => return,
                After::Again => {}
                After::Close => {
                    self.closed = true;
                    return;
                }
                After::Answer | After::Border => unreachable!("nobody watches for it"),
            }
        }
    }
}
