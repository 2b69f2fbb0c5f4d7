//! A session with MySQL: who says what when, at any split of its bytes.

use std::{collections::VecDeque, sync::Arc};

use bytes::Bytes;

use super::{
    attributes::text_behind,
    choice::Choice,
    com,
    frame::long,
    opening::{Encrypted, Login, can, login},
    reply::{Event, Kind, OK, Reply},
    statements::Statements,
};
use crate::wire::{
    dialogue::{Command, Lost, Step, Stops},
    errors::Refusal,
    prepared::Prepared,
};

/// So many commands may wait for their answers; more are none of a client that can be followed.
const MOST_WAITING: usize = 4096;

/// One side's packet that is passing through.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Passing {
    pub(super) left: usize,
    pub(super) dropped: bool,
    /// The next packet belongs to the same payload.
    pub(super) goes_on: bool,
}

/// How far the session is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Phase {
    /// The server is to greet.
    #[default]
    Greeting,
    /// The client is to say who it is.
    Login,
    /// It is to prove it.
    Proof,
    /// Commands and answers.
    Commands,
    /// The server wants a file.
    File,
    /// A stream without an end: all passes as it comes.
    Stream,
}

/// A command whose answer is replaced.
#[derive(Debug)]
pub(super) struct Replaced {
    pub(super) unit: u64,
    pub(super) by: By,
    pub(super) refusal: Refusal,
    /// So many packets of the command follow its first: the answer's number counts them.
    pub(super) behind: u8,
}

/// The command at the front.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Front {
    /// How long its payload's first packet is.
    pub(super) length: usize,
    /// The number of the prepared statement that it runs.
    pub(super) prepared: Option<u32>,
}

/// What the server does in the meantime.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum By {
    /// Something that changes nothing, in the command's place.
    Stub,
    /// The same, as the last of several statements.
    Last,
    /// The command.
    Deed,
}

/// A session, from the first byte that the server says.
#[derive(Debug, Default)]
pub struct Session {
    pub(super) phase: Phase,
    pub(super) asked: Passing,
    pub(super) said: Passing,
    pub(super) login: Option<Login>,
    /// What the server can do, of what the client was told.
    pub(super) can: u32,
    pub(super) encrypted: Encrypted,
    /// Its number at the server.
    pub(super) thread: Option<[u8; 4]>,
    /// The session whose command the server has ended at this one's wish.
    pub(super) ended: Option<u32>,
    pub(super) statements: Statements,
    pub(super) waiting: VecDeque<Reply>,
    pub(super) begun: u64,
    pub(super) answered: u64,
    /// The command at the front was accepted.
    pub(super) accepted: bool,
    pub(super) front: Front,
    /// What the server gets in a command's place once all of that is dropped.
    pub(super) stub: Bytes,
    pub(super) refused: VecDeque<Replaced>,
    /// The answer was replaced, and nothing more of it is heard.
    pub(super) muted: bool,
    pub(super) opening: Option<Refusal>,
    /// That was said.
    pub(super) refused_opening: bool,
    pub(super) over: bool,
}

impl Session {
    /// A session whose server has not greeted yet.
    pub fn new() -> Self {
        Self::default()
    }

    pub(super) fn both_can(&self, what: u32) -> bool {
        self.can & what != 0 && self.login.as_ref().is_some_and(|login| login.can & what != 0)
    }

    /// The SQL in a query, behind its attributes.
    pub(super) fn sql<'a>(&self, payload: &'a [u8]) -> &'a [u8] {
        if self.both_can(can::QUERY_ATTRIBUTES) {
            text_behind(payload).unwrap_or_default()
        } else {
            payload
        }
    }

    /// Whether the client uses what it was not offered, as some do that do not look, and what hides the session's bytes.
    fn is_hidden(&self) -> bool {
        self.login
            .as_ref()
            .is_some_and(|login| login.can & can::UNREADABLE != 0)
    }

    /// The command that a packet of the client is, if it is one for which a decision is wanted.
    fn command(&self, kind: u8, body: &[u8], stops: Stops) -> Option<(Arc<str>, Step)> {
        let chooses = stops.choices.then(|| self.choosing(kind, body));
        if let Some(text) = chooses.flatten() {
            return Some((text, Step::Choose));
        }
        match kind {
            com::QUERY if stops.commands => Some((self.statements.said(self.sql(body)), Step::Whole)),
            com::PREPARE if stops.preparing => Some((lossy(body), Step::Prepare)),
            com::EXECUTE | com::BULK_EXECUTE if stops.commands => {
                let Prepared { text, fresh } = self.statements.get(long(body, 0)?);
                Some((text, if fresh { Step::First } else { Step::Whole }))
            }
            com::PING | com::INIT_DB | com::STATISTICS | com::RESET | com::SET_OPTION if stops.pings => {
                Some((Arc::default(), Step::Ping))
            }
            _ => None,
        }
    }

    /// Follows a command that goes on to the server; `stopped` says that it was stopped before.
    pub(super) fn asks(&mut self, kind: u8, body: &[u8], stopped: bool) -> Result<(), Lost> {
        let answer = match kind {
            com::QUIT | com::LONG_DATA => return Ok(()),
            com::CLOSE => {
                self.statements.remove(long(body, 0).unwrap_or(0));
                return Ok(());
            }
            com::BINLOG_DUMP | com::BINLOG_DUMP_GTID | com::TABLE_DUMP => {
                self.phase = Phase::Stream;
                return Ok(());
            }
            com::CHANGE_USER => {
                self.phase = Phase::Proof;
                self.statements.clear();
                Kind::Proof
            }
            com::RESET => {
                self.statements.clear();
                Kind::Results
            }
            com::PREPARE => Kind::Statement(Prepared {
                text: lossy(body),
                fresh: stopped,
            }),
            com::EXECUTE | com::BULK_EXECUTE => {
                self.statements.done(long(body, 0).unwrap_or(0));
                Kind::Results
            }
            com::FETCH => Kind::Rows,
            com::FIELD_LIST => Kind::Columns,
            com::STATISTICS => Kind::Line,
            _ => Kind::Results,
        };
        if kind == com::QUERY {
            let sql = self.sql(body);
            self.statements.follow(sql);
        }
        let chosen = self.chosen(kind, body);
        let ended = self.ends_of(kind, body);
        self.expect(answer)?;
        if let Some(reply) = self.waiting.back_mut() {
            (reply.chosen, reply.ended) = (chosen, ended);
        }
        Ok(())
    }

    /// What a command chooses, if the server agrees.
    fn chosen(&self, kind: u8, body: &[u8]) -> Option<Choice> {
        match kind {
            com::INIT_DB => Some(Choice::of_database(body)),
            com::QUERY => Choice::of_query(self.sql(body)),
            com::CHANGE_USER => Choice::of_user(body, self.can & self.login.as_ref()?.can),
            _ => None,
        }
    }

    pub(super) fn expect(&mut self, kind: Kind) -> Result<(), Lost> {
        if self.waiting.len() >= MOST_WAITING {
            return Err(Lost("the client does not wait for the answers to its commands"));
        }
        self.waiting
            .push_back(Reply::new(kind, self.both_can(can::DEPRECATE_EOF)));
        self.begun += 1;
        Ok(())
    }

    /// Looks at the client's packet at the front, all of whose head and as much as is looked at are there.
    pub(super) fn hears(
        &mut self,
        body: &[u8],
        length: usize,
        stops: Stops,
    ) -> Result<Option<Command>, Lost> {
        match self.phase {
            Phase::Login => {
                self.logs_in(login(body).ok_or(Lost("the client's login is cut short"))?);
            }
            Phase::File if length == 0 => self.phase = Phase::Commands,
            Phase::Commands if self.is_hidden() => {
                return Err(Lost(
                    "the client uses what it was not offered: compression, or results without their columns",
                ));
            }
            Phase::Commands => {
                let Some((&kind, body)) = body.split_first() else {
                    return Err(Lost("a command has no payload"));
                };
                let accepted = std::mem::take(&mut self.accepted);
                if !accepted && let Some((text, step)) = self.command(kind, body, stops) {
                    let doomed = self.refused.len() >= MOST_WAITING;
                    return Ok(Some(Command {
                        text,
                        step,
                        doomed,
                        in_transaction: false,
                    }));
                }
                self.asks(kind, body, accepted)?;
            }
            Phase::Greeting => return Err(Lost("the client speaks before the server has greeted it")),
            Phase::Proof | Phase::File | Phase::Stream => {}
        }
        Ok(None)
    }

    /// The client has said who it is.
    pub(super) fn logs_in(&mut self, login: Login) {
        self.login = Some(login);
        self.phase = Phase::Proof;
        self.waiting.push_back(Reply::new(Kind::Proof, false));
    }

    /// Follows a packet of the server that goes on.
    pub(super) fn says(&mut self, front: &[u8], length: usize) -> Result<(), Lost> {
        let proves = self.phase == Phase::Proof && self.waiting.len() == 1;
        let Some(reply) = self.waiting.front_mut() else {
            return Ok(());
        };
        if front.first() == Some(&OK) {
            self.ended = reply.ended.take().or(self.ended);
            if let (Some(chosen), Some(login)) = (reply.chosen.take(), &mut self.login) {
                chosen.holds_for(login);
            }
        }
        match reply.packet(front, length) {
            Event::More => {}
            Event::WantsFile => self.phase = Phase::File,
            Event::Given(id, prepared) => {
                let over = reply.is_over();
                self.statements.put(id, prepared);
                if over {
                    self.ends(false);
                }
            }
            Event::End => self.ends(proves),
        }
        Ok(())
    }

    /// An answer has ended.
    fn ends(&mut self, proved: bool) {
        self.waiting.pop_front();
        self.muted = false;
        if proved {
            // The first proof answers no command, but a change of user does.
            let first = self.begun == 0;
            self.phase = Phase::Commands;
            self.answered += u64::from(!first);
        } else {
            self.answered += 1;
        }
        // An answer that broke off between its rows did not come to where it was to be replaced.
        let answered = self.answered;
        self.refused.retain(|replaced| replaced.unit >= answered);
    }
}

fn lossy(bytes: &[u8]) -> Arc<str> {
    String::from_utf8_lossy(bytes).into()
}
