//! The session's bytes at any split: which pass, which are dropped, and what is said in their place.

use bytes::Bytes;

use super::{
    errors::ERR,
    frame::{FULL, HEAD, Head, head, packet},
    opening::{can, in_clear},
    reply::{Kind, Reply},
    session::{Passing, Phase, Session, com},
};
use crate::wire::{
    dialogue::{After, Dialogue, Heard, Lost, Next, Told, Watch},
    errors::Refusal,
};

/// So much of a packet is looked at; of a longer statement the front tells what it is.
const LOOK: usize = 16 << 10;

/// So much of a packet of an answer is looked at.
const LOOK_AT_ANSWER: usize = 64;

/// The longest packet of an opening.
const MAX_OPENING: usize = 64 << 10;

/// The number of a deadlock: the server then ends the whole transaction.
const DEADLOCK: u16 = 1213;

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

/// The number of an error that was written in the catalogue's form.
fn number_of(refusal: &Refusal) -> Option<u16> {
    match refusal.bytes.get(HEAD..)? {
        [ERR, a, b, ..] => Some(u16::from_le_bytes([*a, *b])),
        _ => None,
    }
}

impl Dialogue for Session {
    fn hear(&mut self, input: &[u8], stops: bool) -> Result<Heard, Lost> {
        let (mut at, mut drop) = (0, 0);
        let heard = |pass, drop, then| Ok(Heard { pass, drop, then });
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
                    return heard(at, drop, Next::Again);
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
                    self.front = front.payload;
                    return heard(at, 0, Next::Command(command));
                }
            }
            self.asked.left = HEAD + front.payload;
        }
    }

    fn accept(&mut self) {
        self.accepted = true;
    }

    fn refuse(&mut self, refusal: Refusal) -> Bytes {
        // A deadlock costs the whole transaction; any other error only the statement, which is then never run.
        let instead: &[u8] = if number_of(&refusal) == Some(DEADLOCK) {
            b"ROLLBACK"
        } else {
            b"DO 0"
        };
        self.asked = Passing {
            left: HEAD + self.front,
            dropped: true,
            goes_on: self.front == FULL,
        };
        self.refused.push_back((self.begun, refusal));
        // There is room: a command beyond it is doomed, and not decided upon.
        let _ = self.expect(Kind::Results);
        let attributes: &[u8] = if self.both_can(can::QUERY_ATTRIBUTES) {
            &[0, 1]
        } else {
            &[]
        };
        packet(0, &[&[com::QUERY], attributes, instead].concat())
    }

    fn refuse_opening(&mut self, refusal: Refusal) {
        self.opening = Some(refusal);
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
            if self.phase == Phase::Stream {
                return stops(input.len(), After::More);
            }
            let between =
                self.phase == Phase::Commands && !self.waiting.front().is_some_and(Reply::has_begun);
            if watch.border && between {
                return stops(at, After::Border);
            }
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
            if !std::mem::replace(&mut self.said.goes_on, front.payload == FULL) {
                if opens {
                    return self.greets(at, there, front.sequence);
                }
                let instead = self.instead(there, front.sequence);
                self.says(there, front.payload)?;
                if let Some(refusal) = instead {
                    self.said.left = HEAD + front.payload;
                    self.said.dropped = true;
                    self.over = refusal.closes;
                    return Ok(told(at, 0, refusal.bytes, After::Again));
                }
            }
            self.said.left = HEAD + front.payload;
            self.said.dropped = false;
        }
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
    /// The greeting goes on in clear; a server that refuses at once says so as it is.
    fn greets(&mut self, at: usize, payload: &[u8], sequence: u8) -> Result<Told, Lost> {
        if payload.first() == Some(&ERR) {
            self.phase = Phase::Stream;
            return Ok(told(at, 0, Bytes::new(), After::Again));
        }
        let (greeting, can) = in_clear(payload).ok_or(Lost("the server's greeting is of an unknown form"))?;
        self.can = can;
        self.phase = Phase::Login;
        let say = packet(sequence, &greeting);
        Ok(told(at, HEAD + payload.len(), say, After::Again))
    }
}
