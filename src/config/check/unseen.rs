//! What a fault asks of traffic that passes unread: bytes of TCP, and sessions of MySQL that are encrypted on their way.

use super::{Finding, way::Way};
use crate::{
    config::{listener::Protocol, path::Path, sight::Sight},
    faults::{Do, Entry, Leg},
};

/// A finding where a fault goes by what is in the traffic, and nobody reads any that it reaches.
pub(super) fn unseen(path: &Path, entry: &Entry, ways: &[Way<'_>]) -> Option<Finding> {
    if ways.is_empty() || !ways.iter().all(Way::is_blind) {
        return None;
    }
    let is_sealed = ways.iter().any(|way| way.protocol() == Protocol::Mysql);
    let met_by_checks = entry.r#where.leg() == Leg::Upstream && ways.iter().any(Way::is_probed);
    let hits_nothing = || ways.iter().all(|way| way.shows(entry) == Sight::Nothing);
    if is_sealed && !met_by_checks && (goes_by_session(entry) || hits_nothing()) {
        return Some(Finding::new(
            path.key("where"),
            "with `encryption: pass` sessions of MySQL pass unread, so the fault can hit nothing",
            "set `encryption: prefer_clear` on the listener, or `terminate` with `tls`; or use a fault of bytes",
        ));
    }
    let path = path.key("do");
    match &entry.r#do {
        Do::Abort(abort) if abort.after => Some(Finding::new(
            path.key("abort").key("after"),
            "no listener that leads here reads answers: there `abort` closes connections before a backend is asked",
            "remove it, or write `close: {after: 1s}`",
        )),
        kind if kind.is_of_answers() => {
            let (kind, mend) = match kind {
                Do::Latency(_) => ("latency", "write `at: chunk`, or remove `at`"),
                _ => ("hang", "use `stall`, or remove `at`"),
            };
            Some(Finding::new(
                path.key(kind).key("at"),
                "no listener that leads here reads answers, so nobody knows when one comes, and the fault can hit nothing",
                mend,
            ))
        }
        _ => None,
    }
}

/// Whether it can do its work only where a session of a database is followed.
fn goes_by_session(entry: &Entry) -> bool {
    let gives_error = matches!(&entry.r#do, Do::Abort(abort) if abort.error.is_some());
    entry.r#do.is_of_database() || gives_error || entry.r#where.r#match.asks_of_session()
}
