//! Settings of a fault that leave each other nothing to do, wherever it stands.

use std::num::NonZeroU64;

use super::{Finding, requests::all_of};
use crate::{
    config::path::Path,
    faults::{Beyond, Do, Entry, Flow, Rewrite, Since},
    units::{Probability, Span},
};

/// Finds settings of a fault that leave each other nothing to do, wherever it stands; `path` is where it is written.
pub fn check_settings(path: &Path, entry: &Entry) -> Vec<Finding> {
    let mut found = Vec::new();
    check(path, entry, &mut found);
    found
}

pub(super) fn check(path: &Path, entry: &Entry, found: &mut Vec<Finding>) {
    found.extend(turns(path, entry));
    if let Do::Abort(abort) = &entry.r#do
        && let Some(status) = abort.bodiless().filter(|_| !abort.body.is_empty())
    {
        found.push(Finding::new(
            path.key("do").key("abort").key("body"),
            format!("an answer of status {status} has no body, so nobody gets this one"),
            "remove it, or write another `status`",
        ));
    }
    times(&path.key("do"), &entry.r#do, found);
    changes(&path.key("do"), &entry.r#do, found);
    unheeded(&path.key("do"), &entry.r#do, found);
    found.extend(other_commands(path, entry));
}

/// Times of nothing.
fn times(path: &Path, kind: &Do, found: &mut Vec<Finding>) {
    let mut finding = |kind: &str, key: &str, what, mend| {
        found.push(Finding::new(path.key(kind).key(key), what, mend));
    };
    match kind {
        Do::Latency(latency) if latency.is_none() => finding(
            "latency",
            "add",
            "this adds no time, so nothing happens",
            "write how much it adds, as in `300ms`",
        ),
        Do::SlowClose(slow) if slow.delay == Span::ZERO => finding(
            "slow_close",
            "delay",
            "an end that is not late is what there is without the fault",
            "write how late it is, as in `5s`",
        ),
        Do::IdleCut(idle) if idle.after == Span::ZERO => finding(
            "idle_cut",
            "after",
            "no connection stands idle for no time",
            "write after how long it is forgotten, as in `30s`; or use `reset`",
        ),
        Do::SlowQueries(slow) => {
            if slow.add == Span::ZERO {
                let what = "commands that take no more time are not slow";
                let mend = "write how much longer they take, as in `2s`";
                finding("slow_queries", "add", what, mend);
            }
            if slow.statement_timeout == Some(Span::ZERO) {
                let what =
                    "every command would fail at once, while `0s` means to a server that there is no limit";
                let mend = "remove it, or write the limit, as in `1s`";
                finding("slow_queries", "statement_timeout", what, mend);
            }
        }
        _ => {}
    }
}

/// Changes to nothing, or to what it is already.
fn changes(path: &Path, kind: &Do, found: &mut Vec<Finding>) {
    let mut finding = |keys: &[&str], what: &str, mend: &str| {
        let path = keys.iter().fold(path.clone(), |path, key| path.key(key));
        found.push(Finding::new(path, what, mend));
    };
    let often = "write how often, as in `5%`, or remove the fault";
    match kind {
        Do::Rewrite(rewrite) if *rewrite == Rewrite::default() => finding(
            &["rewrite"],
            "this changes neither the request nor the answer",
            "write what changes, as in `{reply: {status: 404}}` or `{request: {remove: [authorization]}}`",
        ),
        Do::Body(body) if body.at_most == Some(0) => finding(
            &["body", "at_most"],
            "replaced at most 0 times, the text stays as it is",
            "write how many times, or remove it: then it is replaced wherever it stands",
        ),
        Do::Body(body) if body.find.is_empty() && body.at_most.is_some() => finding(
            &["body", "at_most"],
            "without `find` the whole body is replaced, and that once",
            "remove it, or write in `find` which text is replaced",
        ),
        Do::Body(body) if !body.find.is_empty() && body.find == body.replace => finding(
            &["body", "replace"],
            "this puts the same text in the place of the text, so nothing changes",
            "write another text",
        ),
        Do::Lose(lose) if lose.share == Probability::NEVER => finding(
            &["lose", "share"],
            "a share of 0% loses nothing, and `correlation` begins with a loss",
            often,
        ),
        Do::Corrupt(corrupt) if corrupt.odds == Probability::NEVER => {
            finding(&["corrupt", "odds"], "with odds of 0% no piece is changed", often);
        }
        _ => {}
    }
}

/// Settings that another one, which is left out or says otherwise, would have to bring to life.
fn unheeded(path: &Path, kind: &Do, found: &mut Vec<Finding>) {
    let mut finding = |kind: &str, key: &str, what, mend| {
        found.push(Finding::new(path.key(kind).key(key), what, mend));
    };
    match kind {
        Do::Abort(abort) if abort.grpc_message.is_some() && abort.grpc_status.is_none() => finding(
            "abort",
            "grpc_message",
            "a message goes with a `grpc_status`, and there is none",
            "add it, as in `grpc_status: 14`, or remove this",
        ),
        Do::Abort(abort) if abort.unanswered && abort.after => finding(
            "abort",
            "after",
            "with `unanswered` this stands in the place of an answer that no backend has given, and throws none away",
            "keep one of `after` and `unanswered`",
        ),
        Do::Capacity(capacity) => {
            if capacity.beyond == Beyond::Refuse && capacity.status.is_some() {
                let what =
                    "with `beyond: refuse` connections are refused, and nobody gets an answer of this status";
                finding("capacity", "status", what, "remove it, or `beyond`");
            }
            if capacity.restart_after.is_some() && capacity.die_after.is_none() {
                let what =
                    "without `die_after` the backend survives any overload, and never comes back from one";
                finding(
                    "capacity",
                    "restart_after",
                    what,
                    "add `die_after`, or remove this",
                );
            }
        }
        Do::Latency(latency) if latency.flow == Flow::Request && !latency.is_of_chunks() => finding(
            "latency",
            "flow",
            "bytes have a direction, and without `at: chunk` it is not bytes that are late",
            "add `at: chunk`, or remove this",
        ),
        Do::Reset(reset)
            if reset.flow == Flow::Request && reset.after_bytes.is_none() && reset.since == Since::Start =>
        {
            let what = "this looks at no bytes, so that their direction says nothing";
            finding(
                "reset",
                "flow",
                what,
                "add `after_bytes` or `since: data`, or remove this",
            );
        }
        Do::Close(close) if close.flow == Flow::Request && close.after_bytes.is_none() => {
            let what = "this looks at no bytes, so that their direction says nothing";
            finding("close", "flow", what, "add `after_bytes`, or remove this");
        }
        _ => {}
    }
}

/// A match that asks for commands which the kind does not meet.
fn other_commands(path: &Path, entry: &Entry) -> Option<Finding> {
    let (asked, met) = (&entry.r#where.r#match.sql, entry.r#do.meets_only()?);
    if asked.is_empty() || asked.iter().any(|kind| met.contains(kind)) {
        return None;
    }
    let names: Vec<_> = met.iter().map(|kind| kind.as_str()).collect();
    Some(Finding::new(
        path.key("where").key("match").key("sql"),
        format!(
            "this kind meets {} alone, and the match asks for others",
            all_of(&names)
        ),
        "remove it: the kind looks at that itself",
    ))
}

/// Turns that never come: all that are written must hold of one exchange.
fn turns(path: &Path, entry: &Entry) -> Option<Finding> {
    let [first, nth, every] = [entry.first, entry.nth, entry.every].map(|turn| turn.map(NonZeroU64::get));
    let finding = |key: &str, what: String, other: &str| {
        let what = format!("{what}, so the fault can hit nothing");
        Some(Finding::new(
            path.key(key),
            what,
            format!("keep one of `{other}` and `{key}`"),
        ))
    };
    match (first, nth, every) {
        (Some(first), Some(nth), _) if nth > first => {
            let what = format!("exchange {nth} is not among the first {first}");
            finding("nth", what, "first")
        }
        (_, Some(nth), Some(every)) if !nth.is_multiple_of(every) => {
            let what = format!("{nth} is no multiple of {every}");
            finding("every", what, "nth")
        }
        (Some(first), _, Some(every)) if every > first => {
            let what = format!("exchange {every} is not among the first {first}");
            finding("every", what, "first")
        }
        _ => None,
    }
}
