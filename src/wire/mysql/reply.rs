//! Where the answer to a command ends: packet by packet, without their contents.

use super::{
    choice::Choice,
    errors::ERR,
    frame::{long, number, short},
};
use crate::wire::prepared::Prepared;

pub(super) const OK: u8 = 0x00;
const EOF: u8 = 0xfe;
pub(super) const LOCAL_INFILE: u8 = 0xfb;

/// An EOF packet of the older form is shorter than this; a row that begins with the same byte is not.
const EOF_SHORTER_THAN: usize = 9;

/// Bits of a server's status.
const MORE_RESULTS: u16 = 0x0008;
const CURSOR: u16 = 0x0040;

/// What a command is answered by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// OK, an error or results.
    Results,
    /// The number of a prepared statement, with its parameters and columns.
    Statement(Prepared),
    /// Rows, of a cursor.
    Rows,
    /// Columns, of a table.
    Columns,
    /// One packet.
    Line,
    /// A new proof of who the client is, at any length, until OK or an error.
    Proof,
}

/// What a packet of the server means for the session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// More packets follow.
    More,
    /// The answer has ended.
    End,
    /// The server wants a file, and answers once it has it.
    WantsFile,
    /// The server has given a statement this number.
    Given(u32, Prepared),
}

/// An answer that is passing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reply {
    kind: Kind,
    stage: Stage,
    /// The client has agreed to results without an EOF after their columns.
    modern: bool,
    begun: bool,
    /// What holds once the server has said OK.
    pub(super) chosen: Option<Choice>,
    /// The session whose command it has ended then.
    pub(super) ended: Option<u32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Its first packet, or that of a further result.
    First,
    /// So many columns, and an EOF after them in the older form.
    Columns(u64),
    /// The EOF after the columns.
    AfterColumns,
    /// Rows up to their end.
    Rows,
    /// So many packets, whatever they are.
    Skip(u64),
}

impl Reply {
    pub(super) const fn new(kind: Kind, modern: bool) -> Self {
        let stage = match kind {
            Kind::Rows => Stage::Rows,
            _ => Stage::First,
        };
        Self {
            kind,
            stage,
            modern,
            begun: false,
            chosen: None,
            ended: None,
        }
    }

    /// Whether a packet of it has passed.
    pub(super) const fn has_begun(&self) -> bool {
        self.begun
    }

    /// Whether nothing of it has passed but, at most, that the server wants a file.
    pub(super) fn is_to_begin(&self) -> bool {
        !self.begun || (self.stage == Stage::First && self.kind == Kind::Results)
    }

    /// Whether this packet says that a statement is done, and that no other follows.
    pub(super) fn ends_with(&self, front: &[u8]) -> bool {
        let is_last = |status| status & MORE_RESULTS == 0;
        self.stage == Stage::First && front.first() == Some(&OK) && ok_status(front).is_some_and(is_last)
    }

    /// Follows a packet: the front of its payload, and how long all of it is.
    pub(super) fn packet(&mut self, front: &[u8], length: usize) -> Event {
        self.begun = true;
        let first = front.first().copied();
        match (self.stage, first) {
            (Stage::Skip(n), _) => self.skip(n - 1),
            (_, Some(ERR)) => Event::End,
            (Stage::First, _) => self.first(front, length),
            (Stage::Columns(0 | 1), _) if self.modern => self.stage(Stage::Rows),
            (Stage::Columns(0 | 1), _) => self.stage(Stage::AfterColumns),
            (Stage::Columns(n), _) => self.stage(Stage::Columns(n - 1)),
            (Stage::AfterColumns, _) if short(front, 3).is_some_and(|status| status & CURSOR != 0) => {
                Event::End
            }
            (Stage::AfterColumns, _) => self.stage(Stage::Rows),
            (Stage::Rows, Some(EOF)) if self.ends_rows(length) => {
                let status = if self.modern {
                    ok_status(front)
                } else {
                    short(front, 3)
                };
                self.after_result(status)
            }
            (Stage::Rows, _) => Event::More,
        }
    }

    fn ends_rows(&self, length: usize) -> bool {
        if self.modern {
            length < super::frame::FULL
        } else {
            length < EOF_SHORTER_THAN
        }
    }

    fn first(&mut self, front: &[u8], length: usize) -> Event {
        let first = front.first().copied();
        match (&self.kind, first) {
            (Kind::Line, _) => Event::End,
            (Kind::Proof, Some(OK)) => Event::End,
            (Kind::Proof, _) => Event::More,
            (Kind::Columns, Some(EOF)) if self.ends_rows(length) => Event::End,
            (Kind::Columns, _) => Event::More,
            (Kind::Statement(prepared), Some(OK)) => {
                let event = Event::Given(long(front, 1).unwrap_or(0), prepared.clone());
                self.definitions(front);
                event
            }
            (_, Some(OK)) => self.after_result(ok_status(front)),
            (_, Some(EOF)) if length < EOF_SHORTER_THAN => Event::End,
            (_, Some(LOCAL_INFILE)) => Event::WantsFile,
            _ => match number(front) {
                Some((columns, _)) => self.stage(Stage::Columns(columns)),
                None => Event::End,
            },
        }
    }

    /// What follows a statement's number: its parameters and its columns, each with an EOF in the older form.
    fn definitions(&mut self, front: &[u8]) {
        let count = |at| u64::from(short(front, at).unwrap_or(0));
        let block = |n: u64| if n == 0 { 0 } else { n + u64::from(!self.modern) };
        self.stage = Stage::Skip(block(count(5)) + block(count(7)));
    }

    /// Whether a statement's number was all.
    pub(super) fn is_over(&self) -> bool {
        self.stage == Stage::Skip(0)
    }

    fn skip(&mut self, left: u64) -> Event {
        self.stage = Stage::Skip(left);
        if left == 0 { Event::End } else { Event::More }
    }

    fn stage(&mut self, stage: Stage) -> Event {
        self.stage = stage;
        Event::More
    }

    fn after_result(&mut self, status: Option<u16>) -> Event {
        if status.is_some_and(|status| status & MORE_RESULTS != 0) {
            self.stage(Stage::First)
        } else {
            Event::End
        }
    }
}

/// The status in an OK packet, behind two numbers of variable length.
fn ok_status(front: &[u8]) -> Option<u16> {
    let (_, rest) = number(front.get(1..)?)?;
    let (_, rest) = number(rest)?;
    short(rest, 0)
}
