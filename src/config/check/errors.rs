//! Errors of databases that a fault asks for, and that no database has which it reaches.

use crate::{
    config::listener::Protocol,
    faults::{Do, catalogue_of},
    route::Dialect,
};

/// Why a fault's error cannot be said where its traffic goes, and what mends it.
pub(super) fn unsaid(kind: &Do, protocols: impl Iterator<Item = Protocol>) -> Option<(String, String)> {
    let error = kind.error()?;
    let has = |dialect: Dialect| catalogue_of(dialect).iter().any(|known| known.name == error);
    let mut without = Vec::new();
    for protocol in protocols {
        match protocol.dialect() {
            Some(dialect) if has(dialect) => return None,
            Some(dialect) if !without.contains(&dialect) => without.push(dialect),
            // What gives an error to databases may give others a status.
            None if !kind.is_for_sessions() => return None,
            _ => {}
        }
    }
    let names: Vec<_> = without.iter().map(|dialect| name(*dialect)).collect();
    let what = format!(
        "this gives the error `{error}`, but {} has no such error",
        names.join(" or ")
    );
    if matches!(kind, Do::Failover(_)) {
        let mend = "remove `meets`: such a server refuses connections until it can serve";
        return Some((what, mend.to_owned()));
    }
    let known = catalogue_of(*without.first()?).iter().map(|known| known.name);
    let mend = format!(
        "use `abort` with one that it has: {}; or write it by hand, `{{code: ..., message: ...}}`",
        known.collect::<Vec<_>>().join(", ")
    );
    Some((what, mend))
}

/// Why nothing is done before an error is given, where each that the fault's traffic can get comes in place of a session.
pub(super) fn undone(
    kind: &Do,
    protocols: impl Iterator<Item = Protocol>,
) -> Option<(&'static str, &'static str)> {
    let (Do::Abort(abort), Some(error)) = (kind, kind.error()) else {
        return None;
    };
    // A client of Redis shows its password with a command.
    let is_opening = |protocol: Protocol| {
        let mut errors = protocol.dialect().map(catalogue_of)?.iter();
        let known = errors.find(|known| known.name == error)?;
        Some(known.moment.is_opening() && protocol != Protocol::Redis)
    };
    let mut told = protocols.filter_map(is_opening).peekable();
    (abort.after && abort.is_for_sessions() && told.peek().is_some() && told.all(|is| is)).then_some((
        "this error comes in place of a session, so there is no command that could be done before it",
        "remove `after`, or use an error of a command, as `deadlock`",
    ))
}

/// Why an error that is written by hand is none of any database that it reaches.
pub(super) fn ill_written(kind: &Do, protocols: impl Iterator<Item = Protocol>) -> Option<&'static str> {
    let written = kind.error_by_hand()?;
    let mut first = None;
    for dialect in protocols.filter_map(Protocol::dialect) {
        first = first.or(Some(written.flaw(dialect)?));
    }
    first
}

const fn name(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Postgres => "PostgreSQL",
        Dialect::Mysql => "MySQL",
        Dialect::Redis => "Redis",
    }
}
