//! A session that has started: who says what when, at any split of its bytes.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use bytes::Bytes;

use super::frame::{HEAD, head, message, text};
use crate::wire::{
    dialogue::{After, Command, Dialogue, Heard, Lost, Next, Told, Watch},
    errors::{Moment, Refusal},
};

/// So much of a message is looked at; of a longer statement the front tells what it is.
const LOOK: usize = 64 << 10;

/// So many prepared statements and portals are remembered; what is forgotten is a statement without text.
const MOST_NAMES: usize = 4096;

/// So much text of prepared statements is remembered, over all of them.
const MOST_TEXT: usize = 4 << 20;

/// So many answers may be under way in the server's place at a time.
const MOST_REFUSALS: usize = 1024;

/// One side's message that is passing through.
#[derive(Debug, Default)]
struct Passing {
    /// How much of it is still to come.
    left: usize,
    /// Whether it is dropped.
    dropped: bool,
}

/// A command that was answered in the server's place: what the server refuses by this name is replaced.
#[derive(Debug)]
struct Replaced {
    name: String,
    unit: u64,
    refusal: Refusal,
}

/// A session of PostgreSQL's protocol 3, from the first byte after the startup packet.
#[derive(Debug, Default)]
pub struct Session {
    asked: Passing,
    said: Passing,
    /// The command at the front was accepted.
    accepted: bool,
    /// Commands are not stopped before: the server skips to the next Sync.
    skips: bool,
    /// The type and the length of the command at the front.
    front: (u8, usize),
    statements: Names,
    portals: Names,
    /// The unit that the client is in, and the one that the server answers.
    begun: u64,
    answered: u64,
    /// Whether the last unit begun is a simple query.
    simple: bool,
    copies_in: bool,
    /// What the server said last of transactions: idle, within one, or within one that failed.
    status: u8,
    started: bool,
    opening: Option<Refusal>,
    replaced: VecDeque<Replaced>,
    number: u64,
    key: Option<Bytes>,
    over: bool,
}

impl Session {
    /// A session whose startup packet has been sent.
    pub fn new() -> Self {
        Self {
            status: b'I',
            ..Self::default()
        }
    }

    /// The command that a message of the client is, if it is one.
    fn command(&self, kind: u8, body: &[u8]) -> Option<Arc<str>> {
        match kind {
            b'Q' => Some(lossy(text(body).map_or(body, |(sql, _)| sql))),
            b'E' => Some(self.portals.get(text(body)?.0).unwrap_or_default()),
            _ => None,
        }
    }

    /// Follows a message of the client that goes on.
    fn asks(&mut self, kind: u8, body: &[u8]) {
        match kind {
            b'Q' | b'F' => {
                self.begun += 1;
                self.simple = true;
                self.skips = false;
            }
            // In a copy the server ignores it.
            b'S' if self.copies_in => {}
            b'S' => {
                self.begun += 1;
                self.simple = false;
                self.skips = false;
            }
            b'P' => {
                if let Some((name, rest)) = text(body) {
                    let sql = text(rest).map_or(rest, |(sql, _)| sql);
                    self.statements.put(name, lossy(sql));
                }
            }
            b'B' => {
                if let Some((portal, rest)) = text(body)
                    && let Some((statement, _)) = text(rest)
                {
                    let sql = self.statements.get(statement).unwrap_or_default();
                    self.portals.put(portal, sql);
                }
            }
            b'C' => match body.split_first() {
                Some((b'S', name)) => self.statements.remove(text(name).map_or(name, |(name, _)| name)),
                Some((b'P', name)) => self.portals.remove(text(name).map_or(name, |(name, _)| name)),
                _ => {}
            },
            b'c' | b'f' => self.copies_in = false,
            _ => {}
        }
    }

    /// Follows a message of the server; what to say in its place, if anything.
    fn says(&mut self, kind: u8, body: &[u8]) -> Option<Refusal> {
        match kind {
            b'R' if !self.started && self.opening.is_some() => return self.welcome(body),
            b'K' => self.key = Some(Bytes::copy_from_slice(body)),
            b'Z' => {
                self.status = body.first().copied().unwrap_or(b'I');
                // The first one says that the session has started, and answers nothing.
                self.answered += u64::from(std::mem::replace(&mut self.started, true));
                self.begun = self.begun.max(self.answered);
                let answered = self.answered;
                self.replaced.retain(|replaced| replaced.unit >= answered);
            }
            b'G' => {
                self.copies_in = true;
                // A Sync that is on its way already will be ignored: only the one after the copy is answered.
                if !self.simple {
                    self.begun = self.answered;
                }
            }
            b'E' => {
                let place = self
                    .replaced
                    .iter()
                    .position(|replaced| memchr::memmem::find(body, replaced.name.as_bytes()).is_some())?;
                let replaced = self.replaced.remove(place)?;
                return Some(replaced.refusal);
            }
            _ => {}
        }
        None
    }

    /// Whether what the server says here is where the opening is refused.
    fn welcome(&mut self, body: &[u8]) -> Option<Refusal> {
        const OK: [u8; 4] = [0, 0, 0, 0];
        const SASL_FINAL: [u8; 4] = [0, 0, 0, 12];
        let code = body.get(..4)?;
        let moment = self.opening.as_ref()?.moment;
        let here = match moment {
            Moment::Proof => code == OK || code == SASL_FINAL,
            _ => code == OK,
        };
        if !here {
            return None;
        }
        let mut refusal = self.opening.take()?;
        if moment == Moment::Login {
            // It follows the welcome.
            refusal.bytes = [message(b'R', &OK), refusal.bytes.to_vec()].concat().into();
        }
        Some(refusal)
    }
}

/// Whether a message of the client tells something.
const fn is_heard(kind: u8) -> bool {
    matches!(kind, b'Q' | b'P' | b'B' | b'E' | b'C' | b'F' | b'S' | b'c' | b'f')
}

/// Whether a message of the server tells something.
const fn is_told(kind: u8) -> bool {
    matches!(kind, b'R' | b'K' | b'Z' | b'G' | b'E')
}

/// Whether the server says this unasked.
const fn is_unasked(kind: u8) -> bool {
    matches!(kind, b'N' | b'S' | b'A' | b'R' | b'K' | b'v')
}

/// How much of a message must be there before it is followed.
fn needed(kind: u8, bytes: &[u8], length: usize) -> usize {
    let there = &bytes[HEAD..length.min(bytes.len())];
    match kind {
        // Only its two names are of interest, not the values behind them.
        b'B' if text(there).and_then(|(_, rest)| text(rest)).is_some() => HEAD,
        _ => length.min(LOOK),
    }
}

impl Dialogue for Session {
    fn hear(&mut self, input: &[u8], stops: bool) -> Result<Heard, Lost> {
        let mut at = 0;
        let heard = |pass, drop, then| Ok(Heard { pass, drop, then });
        loop {
            if self.asked.left > 0 {
                let n = self.asked.left.min(input.len() - at);
                self.asked.left -= n;
                if self.asked.dropped {
                    let then = if self.asked.left == 0 {
                        Next::Again
                    } else {
                        Next::More
                    };
                    return heard(at, n, then);
                }
                at += n;
                if self.asked.left > 0 {
                    return heard(at, 0, Next::More);
                }
            }
            let rest = &input[at..];
            let Some((kind, length)) = head(rest)? else {
                return heard(at, 0, Next::More);
            };
            if is_heard(kind) {
                if rest.len() < needed(kind, rest, length) {
                    return heard(at, 0, Next::More);
                }
                let body = &rest[HEAD..length.min(rest.len())];
                if stops
                    && !std::mem::take(&mut self.accepted)
                    && !self.skips
                    && let Some(text) = self.command(kind, body)
                {
                    self.front = (kind, length);
                    let doomed = self.status == b'E' || self.replaced.len() >= MOST_REFUSALS;
                    return heard(at, 0, Next::Command(Command { text, doomed }));
                }
                self.asks(kind, body);
            }
            self.asked = Passing {
                left: length,
                dropped: false,
            };
        }
    }

    fn accept(&mut self) {
        self.accepted = true;
    }

    fn refuse(&mut self, refusal: Refusal) -> Bytes {
        self.number += 1;
        let name = format!("chaosproxy_{}", self.number);
        let (kind, left) = self.front;
        self.asked = Passing { left, dropped: true };
        self.replaced.push_back(Replaced {
            name: name.clone(),
            unit: self.begun,
            refusal,
        });
        if kind == b'Q' {
            self.asks(kind, b"");
            message(b'Q', format!("SELECT \"{name}\"\0").as_bytes()).into()
        } else {
            // A portal that is not there; four zeros ask for all of its rows.
            self.skips = true;
            message(b'E', format!("{name}\0\0\0\0\0").as_bytes()).into()
        }
    }

    fn refuse_opening(&mut self, refusal: Refusal) {
        self.opening = Some(refusal);
    }

    fn tell(&mut self, input: &[u8], watch: Watch) -> Result<Told, Lost> {
        let mut at = 0;
        let told = |pass, drop, say, then| {
            Ok(Told {
                pass,
                drop,
                say,
                then,
            })
        };
        loop {
            if self.said.left > 0 {
                let n = self.said.left.min(input.len() - at);
                self.said.left -= n;
                if self.said.dropped {
                    let then = if self.said.left == 0 {
                        After::Again
                    } else {
                        After::More
                    };
                    return told(at, n, Bytes::new(), then);
                }
                at += n;
                if self.said.left > 0 {
                    return told(at, 0, Bytes::new(), After::More);
                }
            }
            if self.over {
                return told(at, 0, Bytes::new(), After::Close);
            }
            if watch.border {
                return told(at, 0, Bytes::new(), After::Border);
            }
            let rest = &input[at..];
            let Some((kind, length)) = head(rest)? else {
                return told(at, 0, Bytes::new(), After::More);
            };
            if self.started && !is_unasked(kind) && watch.unit.is_some_and(|unit| unit <= self.answered) {
                return told(at, 0, Bytes::new(), After::Answer);
            }
            if is_told(kind) {
                if rest.len() < length.min(LOOK) {
                    return told(at, 0, Bytes::new(), After::More);
                }
                if let Some(refusal) = self.says(kind, &rest[HEAD..length.min(rest.len())]) {
                    self.said = Passing {
                        left: length,
                        dropped: true,
                    };
                    self.over = refusal.closes;
                    return told(at, 0, refusal.bytes, After::Again);
                }
            }
            self.said = Passing {
                left: length,
                dropped: false,
            };
        }
    }

    fn cancel_key(&self) -> Option<&[u8]> {
        self.key.as_deref()
    }

    fn begun(&self) -> u64 {
        self.begun
    }

    fn answered(&self) -> u64 {
        self.answered
    }
}

/// Texts by name, within limits: what is too much is forgotten.
#[derive(Debug, Default)]
struct Names {
    texts: HashMap<Box<[u8]>, Arc<str>>,
    bytes: usize,
}

impl Names {
    fn put(&mut self, name: &[u8], text: Arc<str>) {
        self.remove(name);
        if self.texts.len() < MOST_NAMES && self.bytes + text.len() <= MOST_TEXT {
            self.bytes += text.len();
            self.texts.insert(name.into(), text);
        }
    }

    fn get(&self, name: &[u8]) -> Option<Arc<str>> {
        self.texts.get(name).cloned()
    }

    fn remove(&mut self, name: &[u8]) {
        if let Some(text) = self.texts.remove(name) {
            self.bytes -= text.len();
        }
    }
}

fn lossy(bytes: &[u8]) -> Arc<str> {
    String::from_utf8_lossy(bytes).into()
}
