//! The session's bytes at any split: which pass, which are dropped, and what is said in their place.

use bytes::Bytes;

use super::{
    com,
    errors::ERR,
    frame::{FULL, HEAD, Head, head, packet},
    opening::{MAX_OPENING, PassedGreeting},
    refusing::prepared,
    reply::Reply,
    session::{By, Front, Phase, Replaced, Session},
};
use crate::wire::{
    dialogue::{After, Dialogue, Heard, Lost, Next, Statement, Stops, Told, Watch},
    errors::Refusal,
};

/// So much of a packet is looked at; of a longer statement the front tells what it is.
const LOOK: usize = 16 << 10;

/// So much of a packet of an answer is looked at.
const LOOK_AT_ANSWER: usize = 64;

/// As much of a packet's payload as is looked at; `None` until it is there.
fn front_of(bytes: &[u8], head: Head, look: usize) -> Option<&[u8]> {
    bytes.get(HEAD..HEAD + head.payload.min(look))
}

const fn told(pass: usize, drop: usize, say: Bytes, then: After) -> Told {
    Told {
        pass,
        drop,
        say,
        then,
    }
}

/// The head of a packet with another number.
fn renumbered(head: Head, sequence: u8) -> Bytes {
    let [a, b, c, _] = u32::try_from(head.payload).unwrap_or(0).to_le_bytes();
    Bytes::copy_from_slice(&[a, b, c, sequence])
}

impl Dialogue for Session {
    fn hear(&mut self, input: &[u8], stops: Stops) -> Result<Heard, Lost> {
        let (mut at, mut drop) = (0, 0);
        let heard = |pass, drop, then| Ok(Heard::plain(pass, drop, then));
        loop {
            if self.asked.left > 0 {
                let n = self.asked.left.min(input.len() - at - drop);
                self.asked.left -= n;
                *(if self.asked.dropped { &mut drop } else { &mut at }) += n;
                if self.asked.left > 0 {
                    return heard(at, drop, Next::More);
                }
                if self.asked.dropped && !self.asked.goes_on {
                    self.asked.dropped = false;
                    return Ok(Heard {
                        say: std::mem::take(&mut self.stub),
                        ..Heard::plain(at, drop, Next::Again)
                    });
                }
            }
            if self.phase == Phase::Stream {
                return heard(input.len(), 0, Next::More);
            }
            let rest = &input[at + drop..];
            let Some(front) = head(rest) else {
                return heard(at, drop, Next::More);
            };
            if !std::mem::replace(&mut self.asked.goes_on, front.payload == FULL) {
                if self.phase == Phase::Login && front.payload > MAX_OPENING {
                    return Err(Lost("the client's login is too long"));
                }
                let look = if self.phase == Phase::Login {
                    MAX_OPENING
                } else {
                    LOOK
                };
                let Some(there) = front_of(rest, front, look) else {
                    self.asked.goes_on = false;
                    return heard(at, 0, Next::More);
                };
                if let Some(command) = self.hears(there, front.payload, stops)? {
                    self.asked.goes_on = false;
                    self.front = Front {
                        length: front.payload,
                        prepared: prepared(there),
                    };
                    return heard(at, 0, Next::Command(command));
                }
                if self.renumbers() {
                    self.asked.left = front.payload;
                    return Ok(Heard {
                        say: renumbered(front, self.encrypted.for_server(front.sequence)),
                        ..Heard::plain(at, HEAD, Next::Again)
                    });
                }
            } else if self.asked.dropped
                && let Some(replaced) = self.refused.back_mut()
            {
                replaced.behind = replaced.behind.wrapping_add(1);
            }
            self.asked.left = HEAD + front.payload;
        }
    }

    fn accept(&mut self) {
        self.accepted = true;
    }

    fn statements(&self, input: &[u8]) -> Vec<Statement> {
        let there = (HEAD + self.front.length.min(LOOK)).min(input.len());
        let Some(&[com::QUERY, ref body @ ..]) = input.get(HEAD..there) else {
            return Vec::new();
        };
        let sql = self.sql(body);
        let before = there - sql.len();
        let placed = |(at, text): (usize, String)| Statement {
            text: text.into(),
            before: if at == 0 { 0 } else { before + at },
        };
        let statements = self.statements.of(sql);
        statements.into_iter().map(placed).collect()
    }

    fn refuse(&mut self, refusal: Refusal, done: &[u8], text: &str) -> Bytes {
        self.refuses(refusal, done.get(HEAD..).unwrap_or_default(), text)
    }

    fn replace(&mut self, refusal: Refusal) {
        self.accepted = true;
        self.refused.push_back(Replaced {
            unit: self.begun,
            by: By::Deed,
            refusal,
            behind: 0,
        });
    }

    fn replace_next(&mut self, refusal: Refusal) -> bool {
        self.refuses_next(refusal);
        true
    }

    fn refuse_opening(&mut self, refusal: Refusal) {
        self.opening = Some(refusal);
    }

    fn has_refused_opening(&self) -> bool {
        self.refused_opening
    }

    fn tell(&mut self, input: &[u8], watch: Watch) -> Result<Told, Lost> {
        let mut at = 0;
        let stops = |at, then| Ok(told(at, 0, Bytes::new(), then));
        loop {
            if self.said.left > 0 {
                let n = self.said.left.min(input.len() - at);
                self.said.left -= n;
                let whole = self.said.left == 0;
                if self.said.dropped {
                    let then = if whole { After::Again } else { After::More };
                    return Ok(told(at, n, Bytes::new(), then));
                }
                at += n;
                if !whole {
                    return stops(at, After::More);
                }
            }
            if self.over {
                return stops(at, After::Close);
            }
            // Between two packets the connection may end, also in the middle of a result.
            if watch.border && self.is_welcome() && !self.said.goes_on {
                return stops(at, After::Border);
            }
            if self.phase == Phase::Stream {
                return stops(input.len(), After::More);
            }
            let between = self.is_between();
            let Some(front) = head(&input[at..]) else {
                return stops(at, After::More);
            };
            let answers = between && !self.waiting.is_empty();
            if answers && watch.unit.is_some_and(|unit| unit <= self.answered) {
                return stops(at, After::Answer);
            }
            let opens = self.phase == Phase::Greeting;
            let look = if opens { MAX_OPENING } else { LOOK_AT_ANSWER };
            let Some(there) = front_of(&input[at..], front, look) else {
                return stops(at, After::More);
            };
            let continues = std::mem::replace(&mut self.said.goes_on, front.payload == FULL);
            if !continues {
                if opens {
                    return self.greets(at, there);
                }
                if let Some(instead) = self.instead_of(front, there, at)? {
                    return Ok(instead);
                }
            }
            self.said.left = HEAD + front.payload;
            // What continues a packet that was dropped goes with it.
            self.said.dropped &= continues;
        }
    }

    fn parting(&self, said: Bytes) -> Bytes {
        match self.waiting.front() {
            // Nobody waits for anything: as it is.
            None if self.is_between() => said,
            // In place of an answer.
            Some(_) if self.is_between() && said.len() > HEAD => packet(1, &said[HEAD..]),
            // A server that ends a session in the middle of an answer only closes.
            _ => Bytes::new(),
        }
    }

    fn cancel_key(&self) -> Option<&[u8]> {
        self.thread.as_ref().map(<[u8; 4]>::as_slice)
    }

    fn cancelled(&mut self) -> Option<Box<[u8]>> {
        Some(self.ended.take()?.to_le_bytes().into())
    }

    fn login(&self) -> Option<(&str, &str)> {
        self.login.as_ref().map(|login| (&*login.user, &*login.database))
    }

    fn begun(&self) -> u64 {
        self.begun
    }

    fn answered(&self) -> u64 {
        self.answered
    }
}

impl Session {
    /// Whether the client has been let in.
    const fn is_welcome(&self) -> bool {
        matches!(self.phase, Phase::Commands | Phase::File | Phase::Stream)
    }

    /// Whether no answer is under way.
    fn is_between(&self) -> bool {
        self.phase == Phase::Commands && !self.waiting.front().is_some_and(Reply::has_begun)
    }

    /// Follows a packet that begins, and what is done where it is not to pass as it is.
    fn instead_of(&mut self, head: Head, front: &[u8], at: usize) -> Result<Option<Told>, Lost> {
        let renumbers = self.renumbers();
        let sequence = if renumbers {
            self.encrypted.for_client(head.sequence)
        } else {
            head.sequence
        };
        let mutes = self.muted;
        let instead = self.instead(front, sequence);
        self.says(front, head.payload)?;
        let (dropped, say) = match instead {
            Some(refusal) => {
                self.over = refusal.closes;
                (true, refusal.bytes)
            }
            None if mutes => (true, Bytes::new()),
            None if renumbers => (false, renumbered(head, sequence)),
            None => return Ok(None),
        };
        self.said.dropped = dropped;
        self.said.left = head.payload + if dropped { HEAD } else { 0 };
        let drop = if dropped { 0 } else { HEAD };
        Ok(Some(told(at, drop, say, After::Again)))
    }

    /// The greeting goes on in clear; a server that refuses at once says so as it is.
    fn greets(&mut self, at: usize, payload: &[u8]) -> Result<Told, Lost> {
        if payload.first() == Some(&ERR) {
            self.phase = Phase::Stream;
            return Ok(told(at, 0, Bytes::new(), After::Again));
        }
        let greeting =
            PassedGreeting::read(payload).ok_or(Lost("the server's greeting is of an unknown form"))?;
        (self.can, self.thread) = (greeting.can, greeting.thread());
        self.phase = Phase::Login;
        Ok(told(
            at,
            HEAD + payload.len(),
            greeting.packet(false),
            After::Again,
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{
            opening::can,
            tests::{BASE, Line, OK, greeting, known, logged_in, login, no_change, query, result},
        },
        *,
    };

    const BORDER: Watch = Watch {
        unit: None,
        border: true,
    };

    #[test]
    fn a_session_may_end_between_two_packets_also_of_a_result() {
        let mut line = logged_in(BASE);
        let said = known("admin_shutdown").bytes;
        assert_eq!(line.session.tell(b"", BORDER).unwrap().then, After::Border);
        assert_eq!(line.session.parting(said.clone()), said, "nobody waits");
        line.asks(&query("select 1"), &no_change);
        assert_eq!(line.session.tell(b"", BORDER).unwrap().then, After::Border);
        let answer = line.session.parting(said.clone());
        assert_eq!((answer[3], &answer[HEAD..]), (1, &said[HEAD..]));
        // The number of columns has passed, and half of a column.
        let all = result(false, 2);
        line.says(&all[..5]);
        let told = line.session.tell(&all[5..], BORDER).unwrap();
        assert_eq!((told.pass, told.then), (0, After::Border));
        assert!(line.session.parting(said).is_empty(), "a server only closes");
    }

    #[test]
    fn within_a_packet_it_does_not_end() {
        let mut line = logged_in(BASE);
        line.asks(&query("select 1"), &no_change);
        line.says(&result(false, 2)[..result(false, 2).len() - 20]);
        let mut row = packet(5, &[b'x'; 200]).to_vec();
        row.extend(packet(6, b"\x01y"));
        let told = line.session.tell(&row[..100], BORDER);
        assert_eq!(told.unwrap().then, After::Border);
        line.says(&row[..100]);
        let told = line.session.tell(&row[100..], BORDER).unwrap();
        assert_eq!((told.pass, told.then), (HEAD + 100, After::Border));
    }

    #[test]
    fn who_names_no_database_is_let_in_where_one_is_missing() {
        let mut line = Line::default();
        let error = crate::wire::mysql::ERRORS
            .iter()
            .find(|error| error.name == "missing_database")
            .unwrap();
        let unknown = crate::wire::errors::Words {
            user: "{user}",
            database: "{database}",
            ..Default::default()
        };
        line.session
            .refuse_opening(crate::wire::mysql::refusal(&error.said(&unknown)));
        line.says(&greeting(BASE));
        line.asks(&login(BASE & !can::CONNECT_WITH_DB), &no_change);
        line.took();
        line.says(&packet(2, OK));
        assert_eq!((line.took().1, line.closed), (packet(2, OK).to_vec(), false));
    }
}
