//! Settings of a fault that leave each other nothing to do, wherever it stands.

use std::num::NonZeroU64;

use super::Finding;
use crate::{
    config::path::Path,
    faults::{Do, Entry},
    units::Span,
};

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
    if let Do::SlowQueries(slow) = &entry.r#do
        && slow.add == Span::ZERO
    {
        found.push(Finding::new(
            path.key("do").key("slow_queries").key("add"),
            "commands that take no more time are not slow",
            "write how much longer they take, as in `2s`",
        ));
    }
    found.extend(other_commands(path, entry));
}

/// A match that asks for commands which the kind does not meet.
fn other_commands(path: &Path, entry: &Entry) -> Option<Finding> {
    let (asked, met) = (&entry.r#where.r#match.sql, entry.r#do.meets_only()?);
    if asked.is_empty() || asked.iter().any(|kind| met.contains(kind)) {
        return None;
    }
    let names: Vec<_> = met.iter().map(|kind| kind.as_str()).collect();
    let written = match names.as_slice() {
        [one] => format!("`sql: {one}`"),
        many => format!("`sql: [{}]`", many.join(", ")),
    };
    Some(Finding::new(
        path.key("where").key("match").key("sql"),
        format!("this kind meets commands of {written} alone, and the match asks for others"),
        "write it so, or remove it: the kind looks at that itself",
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
