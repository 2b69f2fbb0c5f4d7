//! A session that has started: who says what when, at any split of its bytes.

use std::{collections::VecDeque, sync::Arc};

use bytes::Bytes;

use super::{
    binding,
    frame::{message, text},
    places::{BOUND, CLOSED, DONE, PARSED, Places, counted},
};
use crate::wire::{
    dialogue::Step,
    errors::{Moment, Refusal},
    lexer::Grammar,
    prepared::{Change, Prepared, Remembered},
};

/// One side's message that is passing through.
#[derive(Debug, Default)]
pub(super) struct Passing {
    /// How much of it is still to come.
    pub(super) left: usize,
    /// Whether it is dropped.
    pub(super) dropped: bool,
}

/// A command whose answer is replaced.
#[derive(Debug)]
pub(super) struct Replaced {
    pub(super) by: By,
    pub(super) unit: u64,
    pub(super) refusal: Refusal,
}

/// By what an answer is known that is to be replaced.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum By {
    /// The server refuses something of this name.
    Name(String),
    /// It refuses anything of the unit.
    Alone,
    /// The same, once it has given the answers with these places to what we say ourselves.
    Behind(Places),
    /// It answers the Execute with this place in its unit.
    Place(u64),
}

/// What becomes of a message of the server.
#[derive(Debug)]
pub(super) enum Instead {
    Pass,
    Drop,
    Say(Refusal),
}

/// A session of PostgreSQL's protocol 3, from the first byte after the startup packet.
#[derive(Debug, Default)]
pub struct Session {
    pub(super) asked: Passing,
    pub(super) said: Passing,
    /// The command at the front was accepted.
    pub(super) accepted: bool,
    /// It stands before a command of which nothing is decided yet.
    pub(super) stopped: bool,
    /// Commands are not stopped before: the server skips to the next Sync.
    pub(super) skips: bool,
    /// The same where we do it in the server's place: it has done a command, and its client is told that it has failed.
    pub(super) drops: bool,
    /// The type and the length of the command at the front, and the name of the statement that it prepares.
    pub(super) front: (u8, usize),
    pub(super) front_name: Box<[u8]>,
    /// How much of its text only ends a transaction that has failed.
    pub(super) behind: usize,
    pub(super) statements: Remembered<Box<[u8]>>,
    pub(super) portals: Remembered<Box<[u8]>>,
    /// The unit that the client is in, and the one that the server answers.
    pub(super) begun: u64,
    pub(super) answered: u64,
    /// What the client has asked for within its unit, and what the server has given within its own.
    pub(super) places: Places,
    pub(super) given: Places,
    /// Whether a transaction is open once all is done that the client has sent.
    pub(super) open: bool,
    /// What has been sent ends the transaction that has failed.
    pub(super) is_revived: bool,
    /// Whether the last unit begun is a simple query.
    simple: bool,
    copies_in: bool,
    /// What the server said last of transactions: idle, within one, or within one that failed.
    pub(super) status: u8,
    pub(super) started: bool,
    pub(super) opening: Option<Refusal>,
    standby: bool,
    /// The client is not encrypted.
    in_clear: bool,
    pub(super) replaced: VecDeque<Replaced>,
    /// An answer was replaced, and nothing more of its unit is heard.
    muted: bool,
    pub(super) number: u64,
    pub(super) key: Option<Bytes>,
    pub(super) over: bool,
}

impl Session {
    /// A session whose startup packet has been sent.
    pub fn new() -> Self {
        Self {
            status: b'I',
            ..Self::default()
        }
    }

    /// The same, whose client is not encrypted.
    #[must_use]
    pub const fn in_clear(mut self) -> Self {
        self.in_clear = true;
        self
    }

    /// The client is told that the server is a replica.
    pub(super) const fn stand_by(&mut self) {
        self.standby = true;
    }

    /// The command that a message of the client is, if it is one.
    pub(super) fn command(&self, kind: u8, body: &[u8]) -> Option<(Arc<str>, Step)> {
        match kind {
            b'Q' => {
                let sql = text(body).map_or(body, |(sql, _)| sql);
                Some((self.meant(sql), Step::Whole))
            }
            b'P' => {
                let (_, rest) = text(body)?;
                let sql = text(rest).map_or(rest, |(sql, _)| sql);
                Some((self.meant(sql), Step::Prepare))
            }
            b'E' => {
                let Prepared { text, fresh } = self.portals.get(text(body)?.0);
                Some((text, if fresh { Step::First } else { Step::Whole }))
            }
            _ => None,
        }
    }

    /// What a text says; one that runs prepared statements by their names says what these do.
    fn meant(&self, sql: &[u8]) -> Arc<str> {
        let meant = self.statements.meant(Grammar::Postgres, sql);
        meant.unwrap_or_else(|| lossy(sql))
    }

    /// Follows a message of the client that goes on; `stopped` says that it was stopped before.
    pub(super) fn asks(&mut self, kind: u8, body: &[u8], stopped: bool) {
        match kind {
            b'Q' => {
                let sql = text(body).map_or(body, |(sql, _)| sql);
                self.does(sql, self.places.of(DONE));
                self.begins(true);
            }
            b'F' => self.begins(true),
            // In a copy the server ignores it.
            b'S' if self.copies_in => {}
            b'S' => self.begins(false),
            b'P' => {
                let place = self.places.take(PARSED);
                if let Some((name, rest)) = text(body) {
                    let sql = text(rest).map_or(rest, |(sql, _)| sql);
                    let prepared = Prepared {
                        text: self.meant(sql),
                        fresh: stopped,
                    };
                    self.expects(PARSED, place, Change::Put(name.into(), prepared));
                }
            }
            b'B' => {
                self.places.take(BOUND);
                if let Some((portal, rest)) = text(body)
                    && let Some((statement, _)) = text(rest)
                {
                    let prepared = self.statements.take(statement);
                    self.portals.put(portal.into(), prepared);
                }
            }
            b'E' => {
                let place = self.places.take(DONE);
                let portal = text(body).map_or(body, |(portal, _)| portal);
                let sql = self.portals.get(portal).text;
                self.does_one(sql.as_bytes(), place);
            }
            b'C' => {
                let place = self.places.take(CLOSED);
                match body.split_first() {
                    Some((b'S', name)) => {
                        let name = text(name).map_or(name, |(name, _)| name);
                        self.expects(CLOSED, place, Change::Remove(name.into()));
                    }
                    Some((b'P', name)) => self.portals.remove(text(name).map_or(name, |(name, _)| name)),
                    _ => {}
                }
            }
            b'c' | b'f' => self.copies_in = false,
            _ => {}
        }
    }

    /// The client has begun the next unit.
    fn begins(&mut self, simple: bool) {
        self.begun += 1;
        self.places = Places::default();
        self.simple = simple;
        self.skips = false;
        self.drops = false;
        if !self.open {
            // They end with their transaction, which may be that of the unit.
            self.portals.clear();
        }
    }

    /// Whether a message of the server tells something.
    pub(super) fn is_told(&self, kind: u8) -> bool {
        matches!(kind, b'R' | b'K' | b'Z' | b'G' | b'E')
            || (kind == b'S' && !self.started)
            || self.muted
            || (counted(kind).is_some() && self.started)
            || (kind == b'D' && self.is_replaced())
    }

    /// Whether the answer that the server is giving is replaced.
    fn is_replaced(&self) -> bool {
        let by = By::Place(self.given.of(DONE));
        let here = |replaced: &Replaced| replaced.unit == self.answered && replaced.by == by;
        self.replaced.iter().any(here)
    }

    /// Follows a message of the server; what to say in its place, if anything.
    pub(super) fn says(&mut self, kind: u8, body: &[u8]) -> Instead {
        let done = self.given.of(DONE);
        if self.counts(kind) {
            return Instead::Drop;
        }
        if self.muted && kind != b'Z' {
            return if is_unasked(kind) {
                Instead::Pass
            } else {
                Instead::Drop
            };
        }
        let instead = match kind {
            b'R' if !self.started => {
                let in_clear = self.in_clear;
                let unbound = || binding::unbound(body).filter(|_| in_clear);
                self.welcome(body).or_else(unbound)
            }
            b'E' if !self.started => binding::explained(body),
            b'S' if self.standby && body == b"in_hot_standby\0off\0" => Some(Refusal {
                bytes: message(b'S', b"in_hot_standby\0on\0").into(),
                moment: Moment::Login,
                closes: false,
            }),
            b'K' => {
                self.key = Some(Bytes::copy_from_slice(body));
                None
            }
            b'Z' => {
                self.ready(body);
                None
            }
            b'G' => {
                self.copies_in = true;
                // A Sync that is on its way already will be ignored: only the one after the copy is answered.
                if !self.simple {
                    self.begun = self.answered;
                }
                None
            }
            b'D' => return Instead::Drop,
            b'C' | b'I' | b's' => {
                let replaced = self.take(|by| *by == By::Place(done));
                self.muted = replaced.is_some();
                // What stood in a command's place was done: its transaction had failed before.
                self.take(|by| *by == By::Alone);
                replaced
            }
            b'E' => self.take(|by| match by {
                By::Name(name) => memchr::memmem::find(body, name.as_bytes()).is_some(),
                By::Alone => true,
                By::Place(_) | By::Behind(_) => false,
            }),
            _ => None,
        };
        instead.map_or(Instead::Pass, Instead::Say)
    }

    /// Takes the replacement that is meant here, if there is one.
    fn take(&mut self, is_here: impl Fn(&By) -> bool) -> Option<Refusal> {
        let answered = self.answered;
        let here = |replaced: &Replaced| {
            let is_open = matches!(replaced.by, By::Name(_)) || replaced.unit == answered;
            is_open && is_here(&replaced.by)
        };
        let found = self.replaced.iter().position(here)?;
        self.replaced.remove(found).map(|replaced| replaced.refusal)
    }

    /// The server has answered a unit.
    fn ready(&mut self, body: &[u8]) {
        self.status = body.first().copied().unwrap_or(b'I');
        let answers = std::mem::replace(&mut self.started, true);
        if answers {
            self.statements.refused(self.answered);
        }
        // The first one says that the session has started, and answers nothing.
        self.answered += u64::from(answers);
        self.given = Places::default();
        self.muted = false;
        self.copies_in = false;
        self.begun = self.begun.max(self.answered);
        let answered = self.answered;
        self.replaced.retain(|replaced| replaced.unit >= answered);
        if self.begun == answered && self.places == Places::default() {
            self.open = self.status != b'I';
            self.is_revived = false;
        }
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

/// Whether the server says this unasked.
pub(super) const fn is_unasked(kind: u8) -> bool {
    matches!(kind, b'N' | b'S' | b'A' | b'R' | b'K' | b'v')
}

fn lossy(bytes: &[u8]) -> Arc<str> {
    String::from_utf8_lossy(bytes).into()
}
