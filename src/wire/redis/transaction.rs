//! A transaction: what is queued in it, at whose end a server looks at that; and its end where that is refused, which is one all the same,
//! at the server too, and nothing of it is done.

use std::sync::Arc;

use crate::wire::errors::{Moment, Refusal};

/// How a command ends the transaction that MULTI has begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ends {
    Exec,
    Discard,
}

/// What ends the transaction at the server: refused by it, behind a command that nobody knows.
pub(super) const EXEC: &str = "*1\r\n$4\r\nEXEC\r\n";
/// The same, without an error.
pub(super) const DISCARD: &str = "*1\r\n$7\r\nDISCARD\r\n";

impl Ends {
    /// By the words of a command.
    pub(super) fn of(text: &str) -> Option<Self> {
        let verb = text.split(' ').next().unwrap_or_default();
        if verb.eq_ignore_ascii_case("exec") {
            Some(Self::Exec)
        } else if verb.eq_ignore_ascii_case("discard") {
            Some(Self::Discard)
        } else {
            None
        }
    }
}

/// So many commands of a transaction are remembered; each of the same words counts once.
const MOST_QUEUED: usize = 1024;

/// So much of each is.
const LONGEST: usize = 256;

/// The transaction that is open, if one is, and what is queued in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Transaction {
    /// The unit of its MULTI.
    begun: Option<u64>,
    queued: Vec<(u64, Arc<str>)>,
    /// An error has come: the server queues no more.
    failed: bool,
    /// What is said in place of EXEC's answer, and the unit of the command that is queued for which it is.
    late: Option<(u64, Refusal)>,
}

impl Transaction {
    /// Whether there is one.
    pub(super) const fn is_open(&self) -> bool {
        self.begun.is_some()
    }

    /// Follows a command that goes on to the server.
    pub(super) fn asks(&mut self, unit: u64, text: &str) {
        let verb = text.split(' ').next().unwrap_or_default();
        let is = |word: &str| verb.eq_ignore_ascii_case(word);
        if Ends::of(text).is_some() || is("reset") || is("quit") {
            *self = Self::default();
        } else if self.begun.is_none() {
            self.begun = is("multi").then_some(unit);
        } else if !self.failed && self.queued.len() < MOST_QUEUED {
            let text = &text[..text.floor_char_boundary(LONGEST)];
            if !self.queued.iter().any(|(_, known)| **known == *text) {
                self.queued.push((unit, text.into()));
            }
        }
    }

    /// What this unit does is done at EXEC, and this is said then in place of the answer: of several the first, as an error leaves the
    /// others undone.
    pub(super) fn replace(&mut self, unit: u64, refusal: Refusal) {
        self.late.get_or_insert((unit, refusal));
    }

    /// What is said in place of the answer to an EXEC that comes now.
    pub(super) fn take_late(&mut self) -> Option<Refusal> {
        self.late.take().map(|(_, refusal)| refusal)
    }

    /// The server has answered this unit by an error, or will.
    pub(super) fn fails(&mut self, unit: u64) {
        match self.begun {
            Some(begun) if begun == unit => *self = Self::default(),
            Some(begun) if begun < unit => {
                self.queued.retain(|(of, _)| *of < unit);
                self.late.take_if(|(of, _)| *of == unit);
                self.failed = true;
            }
            _ => {}
        }
    }

    /// What is queued.
    pub(super) fn queued(&self) -> Vec<Arc<str>> {
        self.queued.iter().map(|(_, text)| text.clone()).collect()
    }
}

/// In place of a reply that the client does not wait for.
pub(super) const fn silence() -> Refusal {
    Refusal {
        bytes: bytes::Bytes::new(),
        moment: Moment::Command,
        closes: false,
    }
}

/// Errors of a cluster, by which clients go elsewhere.
const OF_CLUSTERS: [&str; 5] = ["CLUSTERDOWN", "CROSSSLOT", "TRYAGAIN", "MOVED", "ASK"];

/// Errors of a server's state, which do not let EXEC in where such a command is queued that they meet (`processCommand`).
const OF_STATES: [&str; 6] = [
    "READONLY",
    "OOM",
    "MISCONF",
    "NOREPLICAS",
    "MASTERDOWN",
    "LOADING",
];

/// Whether a server that gives an error of this code gives it to EXEC too, because of what is queued.
pub fn is_met_at_exec(code: &str) -> bool {
    OF_STATES.contains(&code) || OF_CLUSTERS.contains(&code)
}

/// What a server says that does not let EXEC in: the reason behind words of its own (`execCommandAbort`), but for the errors of a
/// cluster.
pub(super) fn aborted(mut refusal: Refusal) -> Refusal {
    let Some(reason) = refusal.bytes.strip_prefix(b"-") else {
        return refusal;
    };
    let code = reason.split(|byte| *byte == b' ').next().unwrap_or_default();
    let is_of_clusters = OF_CLUSTERS.iter().any(|of| of.as_bytes() == code);
    if !is_of_clusters && !refusal.closes {
        refusal.bytes = [b"-EXECABORT Transaction discarded because of: ", reason]
            .concat()
            .into();
    }
    refusal
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(commands: &[&str]) -> Transaction {
        let mut transaction = Transaction::default();
        for (unit, text) in (0..).zip(commands) {
            transaction.asks(unit, text);
        }
        transaction
    }

    fn queued(transaction: &Transaction) -> Vec<String> {
        transaction.queued().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_is_queued_is_known_until_the_transaction_ends() {
        let all = ["get a", "MULTI", "set a 1", "multi", "GET b", "set a 1"];
        assert_eq!(queued(&after(&all)), ["set a 1", "multi", "GET b"]);
        for end in ["exec", "DISCARD", "reset", "quit"] {
            assert_eq!(after(&["multi", "set a 1", end]), Transaction::default(), "{end}");
        }
        assert!(after(&["exec", "multi"]).is_open());
    }

    #[test]
    fn what_the_server_refuses_is_not_queued_nor_is_what_follows() {
        let mut transaction = after(&["multi", "set a 1", "set", "set b 1"]);
        transaction.fails(2);
        transaction.asks(4, "set c 1");
        assert_eq!(queued(&transaction), ["set a 1"]);
        // That of a transaction before, and of MULTI itself.
        let mut transaction = after(&["set", "multi", "set a 1"]);
        transaction.fails(0);
        assert_eq!(queued(&transaction), ["set a 1"]);
        transaction.fails(1);
        assert!(!transaction.is_open());
    }

    #[test]
    fn a_transaction_without_end_is_bounded() {
        let mut transaction = after(&["multi"]);
        for unit in 1..5000 {
            transaction.asks(unit, &format!("set {unit} {}", "\u{e9}".repeat(1000)));
        }
        let queued = transaction.queued();
        assert_eq!(queued.len(), MOST_QUEUED);
        assert!(queued.iter().all(|text| text.len() <= LONGEST));
    }
}
