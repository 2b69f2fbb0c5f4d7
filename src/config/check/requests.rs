//! What a fault does to requests of HTTP and their answers alone, where nothing speaks HTTP.

use super::Finding;
use crate::{
    config::{listener::Protocol, path::Path},
    faults::{Abort, Do},
};

/// A finding where a fault, or a setting of it, is for HTTP, and all that it reaches is something else.
pub(super) fn unspoken(path: &Path, kind: &Do, protocols: impl Iterator<Item = Protocol>) -> Option<Finding> {
    let protocols: Vec<_> = protocols.collect();
    if protocols.is_empty() || protocols.contains(&Protocol::Http) {
        return None;
    }
    match kind {
        Do::Rewrite(_) => Some(Finding::new(
            path.key("do"),
            "only requests of HTTP and their answers have heads, and no `http` listener leads here, so the fault can hit \
             nothing",
            "use `body` or `corrupt`, which change bytes; or name an `http` listener",
        )),
        Do::Abort(abort) => {
            let speaks = protocols.iter().any(|protocol| protocol.dialect().is_some());
            settings(&path.key("do").key("abort"), abort, speaks)
        }
        _ => None,
    }
}

/// Settings of an answer that a connection, or a database, cannot get.
fn settings(path: &Path, abort: &Abort, speaks: bool) -> Option<Finding> {
    if abort.error.is_some() && !speaks {
        return Some(Finding::new(
            path.key("error"),
            "no listener that leads here speaks the protocol of a database, so nobody gets the `error`",
            "remove it: `abort` closes connections there; or set `protocol: postgres`, `mysql` or `redis` on the listener",
        ));
    }
    // A bare `status` says how bad it is, and the error of a database says it better.
    let beside_error = abort.error.is_some();
    let written: Vec<_> = [
        ("status", beside_error && abort.status.is_some()),
        ("headers", beside_error && !abort.headers.is_empty()),
        ("body", beside_error && !abort.body.is_empty()),
        ("grpc_status", abort.grpc_status.is_some()),
        ("grpc_message", abort.grpc_message.is_some()),
        ("unanswered", abort.unanswered),
    ]
    .into_iter()
    .filter_map(|(key, is_written)| is_written.then_some(key))
    .collect();
    let names: Vec<_> = written.iter().map(|key| format!("`{key}`")).collect();
    let names = names.join(" and ");
    Some(Finding::new(
        path.key(written.first()?),
        format!("only HTTP has {names}, and no `http` listener leads here"),
        format!("remove {names}"),
    ))
}
