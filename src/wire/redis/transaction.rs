//! The end of a transaction that is refused: the transaction is over all the same, at the server too, and nothing of it is done.

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

/// In place of a reply that the client does not wait for.
pub(super) const fn silence() -> Refusal {
    Refusal {
        bytes: bytes::Bytes::new(),
        moment: Moment::Command,
        closes: false,
    }
}

/// What a server says that does not let EXEC in: the reason behind words of its own (`execCommandAbort`), but for the errors of a
/// cluster, by which clients go elsewhere.
pub(super) fn aborted(mut refusal: Refusal) -> Refusal {
    const OF_CLUSTERS: [&[u8]; 5] = [
        b"-CLUSTERDOWN ",
        b"-CROSSSLOT ",
        b"-TRYAGAIN ",
        b"-MOVED ",
        b"-ASK ",
    ];
    let is_of_clusters = OF_CLUSTERS.iter().any(|code| refusal.bytes.starts_with(code));
    if let Some(reason) = refusal.bytes.strip_prefix(b"-")
        && !is_of_clusters
        && !refusal.closes
    {
        refusal.bytes = [b"-EXECABORT Transaction discarded because of: ", reason]
            .concat()
            .into();
    }
    refusal
}
