//! What a fault does to requests of HTTP and their answers alone, where nothing speaks HTTP.

use super::{Finding, matches::is_foreign, way::Way};
use crate::{
    config::{listener::Protocol, path::Path},
    faults::{Abort, Do, Entry, Leg, Threads},
};

/// A finding where a fault, or a setting of it, is for HTTP, and all that it reaches is something else.
pub(super) fn unspoken(path: &Path, entry: &Entry, ways: &[Way<'_>]) -> Option<Finding> {
    if let Do::Threads(threads) = &entry.r#do
        && let Some(found) = unheld(&path.key("do").key("threads").key("hang_always"), threads, ways)
    {
        return Some(found);
    }
    if ways.is_empty() || ways.iter().any(|way| way.protocol() == Protocol::Http) {
        return None;
    }
    let (kind, written, mend) = match &entry.r#do {
        Do::Rewrite(_) => {
            return Some(Finding::new(
                path.key("do"),
                "only requests of HTTP and their answers have heads, and no `http` listener leads here, so the fault can hit \
                 nothing",
                "use `body` or `corrupt`, which change bytes; or name an `http` listener",
            ));
        }
        Do::Abort(abort) if abort.error.is_some() && !ways.iter().any(Way::speaks) => {
            return Some(Finding::new(
                path.key("do").key("abort").key("error"),
                "no listener that leads here speaks the protocol of a database, so nobody gets the `error`",
                "remove it: `abort` closes connections there; or set `protocol: postgres`, `mysql` or `redis` on the listener",
            ));
        }
        Do::Abort(abort) => ("abort", of_answer(abort), instead(abort, ways)),
        Do::RateLimit(limit) => ("rate_limit", vec![("status", limit.status.is_some())], ""),
        Do::Threads(threads) => ("threads", vec![("status", threads.status.is_some())], ""),
        Do::Capacity(capacity) => ("capacity", vec![("status", capacity.status.is_some())], ""),
        _ => ("", Vec::new(), ""),
    };
    let is_said = |key: &str| key == "status" && says_status(entry, ways);
    let vain = written
        .into_iter()
        .filter(|(key, is_written)| *is_written && !is_said(key));
    let vain: Vec<&str> = vain.map(|(key, _)| key).collect();
    let names = all_of(&vain);
    match vain.first() {
        Some(first) => Some(Finding::new(
            path.key("do").key(kind).key(first),
            format!("only HTTP has {names}, and no `http` listener leads here"),
            format!("remove {names}{mend}"),
        )),
        None => entry.probes.then(|| {
            Finding::new(
                path.key("probes"),
                "only requests of HTTP say that they are the platform's probes, and no `http` listener leads here",
                "remove it",
            )
        }),
    }
}

/// Names in a row: `a`, `b` and `c`.
pub(super) fn all_of(names: &[&str]) -> String {
    let quoted: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
    match quoted.split_last() {
        Some((last, before)) if !before.is_empty() => format!("{} and {last}", before.join(", ")),
        _ => quoted.concat(),
    }
}

/// What of an answer HTTP alone has, and whether it is written.
fn of_answer(abort: &Abort) -> Vec<(&'static str, bool)> {
    vec![
        ("status", abort.status.is_some()),
        ("headers", !abort.headers.is_empty()),
        ("body", !abort.body.is_empty()),
        ("grpc_status", abort.grpc_status.is_some()),
        ("grpc_message", abort.grpc_message.is_some()),
        ("unanswered", abort.unanswered),
    ]
}

/// What stands in the place of an answer of HTTP.
fn instead(abort: &Abort, ways: &[Way<'_>]) -> &'static str {
    match abort.error {
        Some(_) => "",
        None if abort.after && ways.iter().any(Way::speaks) => {
            "; a command gets an error, which `error` names, as in `error: read_only`"
        }
        None if ways.iter().any(Way::speaks) => {
            "; a session gets an error, which `error` names, as in `error: too_many_connections`"
        }
        None => ": `abort` closes connections there",
    }
}

/// Whether a status is told to a health check that is no session of a database.
fn says_status(entry: &Entry, ways: &[Way<'_>]) -> bool {
    let is_asked = |way: &Way<'_>| {
        let health = way.cluster.and_then(|cluster| cluster.health.as_ref());
        health.is_some_and(|health| health.probe.login().is_none())
    };
    entry.leg() == Leg::Upstream && ways.iter().any(is_asked)
}

/// A finding where nothing that leads here is as what always hangs.
fn unheld(path: &Path, threads: &Threads, ways: &[Way<'_>]) -> Option<Finding> {
    let asked = &threads.hang_always;
    let sees = |way: &Way<'_>| !is_foreign(way.protocol(), asked);
    if asked.is_empty() || ways.is_empty() || ways.iter().any(sees) {
        return None;
    }
    Some(Finding::new(
        path.clone(),
        "no listener that leads here sees what this asks for, so nothing hangs in any case",
        "ask for `path`, `user_agent` and the like with `http`, for `sql`, `table` and the like with a database, or for `client`; \
         or remove it",
    ))
}
