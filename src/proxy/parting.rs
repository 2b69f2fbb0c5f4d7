//! How a joined connection ends whose directions do not end together: what a peer had said before its connection failed reaches
//! the other one, also where faults still hold it.

use std::{cell::Cell, io, time::Duration};

use super::flow::Failed;
use crate::faults::{Cut, Plan};

/// How long the last that a peer said may take to leave, before the other one is told by a RST that it has gone.
pub(super) const LAST_WORDS: Duration = Duration::from_secs(5);

/// Which directions of a joined connection have ended, and how.
#[derive(Debug, Default)]
pub(super) struct Parting {
    ended: Cell<u8>,
    last: Cell<Option<Cut>>,
}

/// What is to be done when a direction has ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Then {
    /// Nothing: the other one goes on.
    Nothing,
    /// Both connections end, in this way.
    End(Cut),
    /// The same, once what was written is out.
    EndAfterAll(Cut),
    /// What still comes is dropped; both connections end with the other direction.
    Drop,
}

impl Parting {
    /// A direction has ended, well or by a failure.
    pub(super) fn ended(&self, how: &Result<(), Failed>) -> Then {
        let is_last = self.ended.replace(self.ended.get() + 1) > 0;
        match how {
            Ok(()) => self.last.get().map_or(Then::Nothing, Then::EndAfterAll),
            Err(Failed::Read(error)) => Then::EndAfterAll(cut_by(error)),
            Err(Failed::Write(error)) if is_last => Then::End(cut_by(error)),
            Err(Failed::Write(error)) => {
                self.last.set(Some(cut_by(error)));
                Then::Drop
            }
        }
    }
}

/// What a joined connection has been through.
pub struct Parted {
    /// The plans of its faults, for the record.
    pub plans: Vec<Plan>,
    /// Why it ended, where that was not as it should be.
    pub error: Option<String>,
}

/// How a failure of one connection ends the other.
fn cut_by(error: &io::Error) -> Cut {
    if is_reset(error) { Cut::Reset } else { Cut::Close }
}

/// Whether a connection failed because its peer has reset it.
fn is_reset(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(hows: &[Result<(), Failed>]) -> Vec<Then> {
        let parting = Parting::default();
        hows.iter().map(|how| parting.ended(how)).collect()
    }

    fn read(kind: io::ErrorKind) -> Result<(), Failed> {
        Err(Failed::Read(kind.into()))
    }

    fn written(kind: io::ErrorKind) -> Result<(), Failed> {
        Err(Failed::Write(kind.into()))
    }

    #[test]
    fn good_ends_leave_the_sockets_to_their_owners() {
        assert_eq!(told(&[Ok(()), Ok(())]), [Then::Nothing; 2]);
    }

    #[test]
    fn who_cannot_be_read_any_more_has_said_all() {
        let reset = read(io::ErrorKind::ConnectionReset);
        assert_eq!(told(&[reset]), [Then::EndAfterAll(Cut::Reset)]);
        let lost = read(io::ErrorKind::TimedOut);
        assert_eq!(told(&[lost]), [Then::EndAfterAll(Cut::Close)]);
    }

    #[test]
    fn what_was_said_before_a_peer_went_comes_before_the_end() {
        use io::ErrorKind::{BrokenPipe, ConnectionReset};
        let drop_then = |end| [Then::Drop, end];
        let after = [written(ConnectionReset), Ok(())];
        assert_eq!(told(&after), drop_then(Then::EndAfterAll(Cut::Reset)));
        let after = [written(BrokenPipe), Ok(())];
        assert_eq!(told(&after), drop_then(Then::EndAfterAll(Cut::Close)));
        let after = [written(BrokenPipe), read(ConnectionReset)];
        assert_eq!(told(&after), drop_then(Then::EndAfterAll(Cut::Reset)));
        let nothing_comes = [Ok(()), written(BrokenPipe)];
        assert_eq!(told(&nothing_comes), [Then::Nothing, Then::End(Cut::Close)]);
        let both_gone = [written(BrokenPipe), written(ConnectionReset)];
        assert_eq!(told(&both_gone), drop_then(Then::End(Cut::Reset)));
    }
}
