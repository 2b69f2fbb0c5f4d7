//! A client, a session and a server, for tests of the protocols.

use super::{
    dialogue::{After, Dialogue, Next, Step, Stops, Watch},
    errors::Refusal,
};

/// A session between two ends, with all the bytes that each of them got.
#[derive(Default)]
pub(super) struct Line<S> {
    /// What follows the session.
    pub(super) session: S,
    asked: Vec<u8>,
    said: Vec<u8>,
    /// What reached the server.
    pub(super) server: Vec<u8>,
    /// What reached the client.
    pub(super) client: Vec<u8>,
    /// The commands that were decided upon.
    pub(super) commands: Vec<String>,
    /// What each of them wanted.
    pub(super) steps: Vec<Step>,
    /// Whether it is stopped before what prepares a command too.
    pub(super) preparing: bool,
    /// Whether it is stopped before what proves who the client is, and before nothing else.
    pub(super) proofs: bool,
    /// Whether answers are replaced once the server has given them, and not commands.
    pub(super) late: bool,
    /// Whether the session has ended.
    pub(super) closed: bool,
}

impl<S: Dialogue> Line<S> {
    /// The client sends this; each command for which there is an answer in `refuse` is refused with it.
    pub(super) fn asks(&mut self, bytes: &[u8], refuse: &dyn Fn(&str) -> Option<Refusal>) {
        self.asked.extend_from_slice(bytes);
        let stops = match (self.preparing, self.proofs) {
            (true, _) => Stops::ALL,
            (_, true) => Stops {
                proofs: true,
                ..Stops::default()
            },
            _ => Stops::COMMANDS,
        };
        loop {
            let heard = self.session.hear(&self.asked, stops).unwrap();
            self.server.extend(self.asked.drain(..heard.pass));
            self.asked.drain(..heard.drop);
            self.server.extend(heard.say);
            match heard.then {
                Next::More => return,
                Next::Again => {}
                Next::Command(command) => {
                    match refuse(&command.text) {
                        Some(refusal) if self.late => self.session.replace(refusal),
                        Some(refusal) => {
                            let statements = self.session.statements(&self.asked);
                            let first = statements.first().map_or(0, |first| first.before);
                            let found = statements
                                .iter()
                                .find_map(|one| Some((one.before, refuse(&one.text)?, one.text.clone())));
                            let (before, refusal, text) =
                                found.unwrap_or((first, refusal, command.text.clone()));
                            let instead = self.session.refuse(refusal, &self.asked[..before], &text);
                            self.server.extend(instead);
                        }
                        None => self.session.accept(),
                    }
                    self.commands.push(command.text.to_string());
                    self.steps.push(command.step);
                }
            }
        }
    }

    /// The server sends this.
    pub(super) fn says(&mut self, bytes: &[u8]) {
        self.said.extend_from_slice(bytes);
        loop {
            let told = self.session.tell(&self.said, Watch::default()).unwrap();
            self.client.extend(self.said.drain(..told.pass));
            self.said.drain(..told.drop);
            self.client.extend(told.say);
            match told.then {
                After::More => return,
                After::Close => {
                    self.closed = true;
                    return;
                }
                After::Again | After::Answer | After::Border => {}
            }
        }
    }

    /// What went on since this was asked last: to the server, and to the client.
    pub(super) fn took(&mut self) -> (Vec<u8>, Vec<u8>) {
        (std::mem::take(&mut self.server), std::mem::take(&mut self.client))
    }
}

/// Cuts bytes into pieces of these lengths, over and over.
pub(super) fn pieces<'a>(bytes: &'a [u8], lengths: &'a [usize]) -> impl Iterator<Item = &'a [u8]> {
    let mut rest = bytes;
    let mut lengths = lengths.iter().cycle();
    std::iter::from_fn(move || {
        let length = *lengths.next()?;
        let (piece, left) = rest.split_at(length.min(rest.len()));
        rest = left;
        (!piece.is_empty()).then_some(piece)
    })
}
