//! What a match asks for, and what the traffic of a protocol has.

use std::{iter, net::Ipv4Addr};

use super::{Finding, way::Way};
use crate::{
    config::{listener::Protocol, path::Path},
    faults::{Entry, Leg, Sticky, unnamed},
    route::{Dialect, Facts, Match, Matcher, Session, Sql, pattern::Pattern},
};

/// How to say what a listener speaks, where a database is meant.
pub(super) const SPEAK_DATABASE: &str = "set `protocol: postgres`, `mysql` or `redis` on the listener";

/// Whether a match asks for something that the traffic of a protocol does not have.
pub(super) fn is_foreign(protocol: Protocol, r#match: &Match) -> bool {
    let written = r#match.clone();
    let of_connection = Match {
        client: written.client.clone(),
        tls_name: written.tls_name.clone(),
        ..Match::default()
    };
    let of_database = Match {
        user: written.user,
        database: written.database,
        sql: written.sql,
        table: written.table,
        statement: written.statement,
        ..of_connection.clone()
    };
    match protocol {
        Protocol::Http => of_database != of_connection,
        Protocol::Tcp => *r#match != of_connection,
        Protocol::Postgres | Protocol::Mysql | Protocol::Redis => *r#match != of_database,
    }
}

/// A finding where nothing that a fault reaches has what it goes by.
pub(super) fn unheld(path: &Path, entry: &Entry, ways: &[Way<'_>]) -> Option<Finding> {
    let r#match = &entry.r#where.r#match;
    let place = path.key("where");
    let seen: Vec<_> = ways
        .iter()
        .filter(|way| !is_foreign(way.protocol(), r#match))
        .collect();
    if ways.is_empty() {
        None
    } else if seen.is_empty() {
        Some(foreign(place, r#match, ways))
    } else if matches!(entry.sticky, Some(Sticky::Header(_) | Sticky::Cookie(_)))
        && !seen.iter().any(|way| way.protocol() == Protocol::Http)
    {
        let what = "only requests of HTTP have headers and cookies, and no `http` listener leads here";
        Some(Finding::new(
            path.key("sticky"),
            what,
            "write `sticky: client`, or remove it",
        ))
    } else if !r#match.sql.is_empty()
        && r#match.sql.iter().all(|kind| *kind == Sql::Ddl)
        && seen.iter().all(|way| way.protocol() == Protocol::Redis)
    {
        let what = "no command of Redis is `ddl`, so the match never holds";
        Some(Finding::new(
            place.key("match").key("sql"),
            what,
            "write `sql: write`",
        ))
    } else {
        early(place.key("match"), entry, &seen)
    }
}

/// A finding where a fault of sessions that begin asks whose they are, and nobody has said so by then.
fn early(path: Path, entry: &Entry, seen: &[&Way<'_>]) -> Option<Finding> {
    let later = if seen.iter().any(|way| way.protocol() == Protocol::Postgres) {
        "name a `listener` of PostgreSQL, or remove `user` and `database` from the match"
    } else {
        "remove `user` and `database` from the match: there they hold for commands alone"
    };
    if seen.iter().all(|way| is_unnamed(entry, way)) {
        let what = "this meets sessions that begin, and those of MySQL and Redis say only later whose they are, so no client can be hit";
        return Some(Finding::new(path, what, later));
    }
    let taken = seen.iter().find(|way| is_taken_for_another(entry, way))?;
    let dialect = taken.protocol().dialect()?;
    let mend = if entry.r#do.meets_only_openings(dialect) {
        later
    } else {
        "write without `!` whom it is to hit, or name a `listener` that does not speak Redis"
    };
    Some(Finding::new(
        path,
        "this meets sessions that begin, and each of Redis begins as `default` with database 0, so `!` would spare nobody",
        mend,
    ))
}

/// Whether a fault of the opening spares somebody by name, and takes everybody for somebody else who begins a session. A session
/// of MySQL has no name before it is said, and is left alone until then.
fn is_taken_for_another(entry: &Entry, way: &Way<'_>) -> bool {
    let asked = &entry.r#where.r#match;
    let takes_all = |dialect: Dialect| {
        dialect.begins_unnamed()
            && entry.r#do.meets_openings(dialect)
            && holds(&whose(asked), &unnamed(dialect))
    };
    !asked.compile().needs_command() && spares(asked) && way.protocol().dialect().is_some_and(takes_all)
}

/// What is wrong with a match of which no protocol that leads there has everything.
fn foreign(path: Path, r#match: &Match, ways: &[Way<'_>]) -> Finding {
    let of_database = is_foreign(Protocol::Http, r#match);
    let of_request = is_foreign(Protocol::Postgres, r#match);
    let what = if ways.iter().all(|way| way.protocol() == Protocol::Tcp) {
        "only `tcp` listeners lead here, which see no requests, so the match never holds"
    } else {
        "no listener that leads here sees what the match asks for, so it never holds"
    };
    let mend = if of_database && of_request {
        "remove what it asks of a request, or what it asks of a session and its commands: nothing is both"
            .to_owned()
    } else if of_database {
        format!("{SPEAK_DATABASE}, or remove what the match asks of a session or a command")
    } else if ways.iter().any(Way::speaks) {
        "match on `user`, `database`, `sql`, `table` or `statement`, or remove the match".to_owned()
    } else {
        "match on `client`, or set `protocol: http` on the listener".to_owned()
    };
    Finding::new(path, what, mend)
}

/// Whether a fault of the opening asks whose the session is, where no client has said so by then, nor a health check that is meant.
fn is_unnamed(entry: &Entry, way: &Way<'_>) -> bool {
    let place = &entry.r#where;
    let asked = whose(&place.r#match);
    let is_of = |dialect: Dialect| {
        let client = unnamed(dialect);
        // What spares somebody is meant for clients.
        let meets_checks = place.leg() == Leg::Upstream && !spares(&place.r#match);
        let prober = way.prober().filter(|_| meets_checks);
        let prober = prober.map(|user| Session {
            user: user.to_owned(),
            ..client.clone()
        });
        dialect.begins_unnamed()
            && !place.r#match.compile().needs_command()
            && entry.r#do.meets_only_openings(dialect)
            && !prober
                .iter()
                .chain([&client])
                .any(|session| holds(&asked, session))
    };
    way.protocol().dialect().is_some_and(is_of)
}

/// Whether a match spares somebody by name.
fn spares(asked: &Match) -> bool {
    // Where there is no name at all, only what asks for none holds.
    let asks_for_none = |pattern: &Pattern| pattern.holds(iter::empty());
    asked.user.iter().chain(&asked.database).any(asks_for_none)
}

/// What a match asks of whose a session is.
fn whose(asked: &Match) -> Matcher {
    let whose = Match {
        user: asked.user.clone(),
        database: asked.database.clone(),
        ..Match::default()
    };
    whose.compile()
}

fn holds(matcher: &Matcher, session: &Session) -> bool {
    matcher.holds(&Facts {
        client: Ipv4Addr::LOCALHOST.into(),
        tls_name: None,
        head: None,
        session: Some(session),
        command: None,
    })
}
