//! What a server refuses that only reads, and by what name PostgreSQL speaks of it where that is not the statement's own.
//!
//! That is not what a statement does to rows ([`super::statement`]): MySQL and MariaDB let shared locks and temporary tables pass,
//! PostgreSQL refuses functions too that change something (`PreventCommandIfReadOnly` in its sources). A test says all that
//! is told apart here to real servers (`tests/it/read_only.rs`).

use std::ops::ControlFlow;

use sqlparser::ast::{Expr, Function, LockType, Query, Statement, Visit, Visitor, visit_expressions};

use super::{
    dialect::Dialect,
    statement::{Sql, body_changes, explained, first_word, kind_of, without_comments},
};

/// Functions that change something, and are refused by their own name.
const WRITERS: [&str; 2] = ["nextval", "setval"];

/// Whether a server that only reads refuses a statement.
pub(super) fn is_refused(dialect: Dialect, statement: &Statement) -> bool {
    let changes = || matches!(kind_of(statement), Some(Sql::Write | Sql::Ddl));
    match (dialect, statement) {
        (Dialect::Mysql, Statement::CreateTable(table)) => !table.temporary,
        (Dialect::Mysql, Statement::Drop { temporary, .. }) => !temporary,
        (Dialect::Mysql, Statement::Query(query)) => {
            body_changes(&query.body)
                || lock_within(statement) == Some(LockType::Update)
                || writer(query).is_some()
        }
        // It asks what it would be allowed to do.
        (Dialect::Mysql, Statement::Explain { statement, .. }) => is_refused(dialect, statement),
        (Dialect::Mysql, statement) if keeps_house(&words(&statement.to_string())) => true,
        (Dialect::Postgres, Statement::Prepare { .. }) => false,
        (Dialect::Postgres, Statement::Explain { .. }) => {
            explained(statement).is_some_and(|inner| is_refused(dialect, inner))
        }
        (Dialect::Postgres, Statement::Query(query)) if writer(query).is_some() => true,
        (Dialect::Postgres, _) => changes() || lock_within(statement).is_some(),
        _ => changes(),
    }
}

/// The same of a text that the parser does not know.
pub(super) fn is_refused_by_words(dialect: Dialect, kind: Option<Sql>, text: &str) -> bool {
    let changes = matches!(kind, Some(Sql::Write | Sql::Ddl));
    let words = words(without_comments(text));
    let first: Vec<_> = words.iter().map(String::as_str).take(2).collect();
    match (dialect, first.as_slice()) {
        (Dialect::Postgres, ["ALTER", "SYSTEM"] | ["LOAD", _]) => false,
        (Dialect::Postgres, _) => changes || (kind == Some(Sql::Read) && lock(text).is_some()),
        (Dialect::Mysql, _) if kind.is_some() && lock(text).is_some() => lock(text) == Some("FOR UPDATE"),
        (Dialect::Mysql, _) => {
            keeps_house(&words)
                || hides_change(&words)
                || (changes && !words.iter().any(|word| word == "TEMPORARY"))
        }
        (Dialect::Redis, _) => changes,
    }
}

/// What MySQL refuses that is about tables and not about rows: their statistics, and locks that others' writes wait for.
fn keeps_house(words: &[String]) -> bool {
    let words: Vec<_> = words.iter().map(String::as_str).collect();
    let says = |wanted: [&str; 2]| words.windows(2).any(|two| two == wanted);
    match words[..] {
        [
            "ANALYZE" | "OPTIMIZE",
            "TABLE" | "TABLES" | "LOCAL" | "NO_WRITE_TO_BINLOG",
            ..,
        ] => true,
        ["LOCK", "TABLE" | "TABLES", ..] => words.contains(&"WRITE"),
        ["START", "TRANSACTION", ..] => says(["READ", "WRITE"]),
        _ => false,
    }
}

/// Whether MariaDB finds a change within a statement of its own: `SET STATEMENT ... FOR`, `ANALYZE DELETE`, `BEGIN NOT ATOMIC`,
/// `DO NEXTVAL(s)`, `NEXT VALUE FOR s`.
fn hides_change(words: &[String]) -> bool {
    let changes = |word: &str| matches!(first_word(word), Some(Sql::Write | Sql::Ddl));
    let all: Vec<_> = words.iter().map(String::as_str).collect();
    match all[..] {
        ["SET", "STATEMENT", ..] => {
            let behind = all.iter().skip_while(|word| **word != "FOR").nth(1);
            behind.is_some_and(|verb| changes(verb))
        }
        ["ANALYZE", ..] | ["BEGIN", "NOT", ..] | ["IF", ..] => all[1..].iter().any(|word| changes(word)),
        _ => {
            let calls = |word: &&str| WRITERS.iter().any(|name| name.eq_ignore_ascii_case(word));
            all.windows(3).any(|three| three == ["NEXT", "VALUE", "FOR"])
                || (matches!(all[..], ["DO" | "SELECT" | "SET", ..]) && all.iter().any(calls))
        }
    }
}

pub(super) fn words(text: &str) -> Vec<String> {
    text.split(|c: char| !c.is_alphanumeric() && c != '_')
        .filter(|word| !word.is_empty())
        .map(str::to_ascii_uppercase)
        .collect()
}

/// The function by which a query changes something, as `nextval`.
pub(super) fn writer(query: &Query) -> Option<&'static str> {
    let found = visit_expressions(query, |expression| match expression {
        Expr::Function(function) => known(function).map_or(ControlFlow::Continue(()), ControlFlow::Break),
        _ => ControlFlow::Continue(()),
    });
    match found {
        ControlFlow::Break(name) => Some(name),
        ControlFlow::Continue(()) => None,
    }
}

fn known(function: &Function) -> Option<&'static str> {
    let name = function.name.0.last()?.as_ident()?;
    let is = |known: &&&str| known.eq_ignore_ascii_case(&name.value);
    WRITERS.iter().find(is).copied()
}

/// How a statement locks rows, at whatever depth.
pub(super) fn lock_within(statement: &Statement) -> Option<LockType> {
    struct First;
    impl Visitor for First {
        type Break = LockType;
        fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<LockType> {
            match query.locks.first() {
                Some(lock) => ControlFlow::Break(lock.lock_type),
                None => ControlFlow::Continue(()),
            }
        }
    }
    match statement.visit(&mut First) {
        ControlFlow::Break(lock) => Some(lock),
        ControlFlow::Continue(()) => None,
    }
}

/// How a text that begins as a query locks rows: `FOR NO KEY UPDATE`, which the parser does not know.
pub(super) fn lock(text: &str) -> Option<&'static str> {
    const LOCKS: [&str; 4] = ["FOR UPDATE", "FOR NO KEY UPDATE", "FOR SHARE", "FOR KEY SHARE"];
    let words = words(text);
    let holds = |lock: &&&str| {
        let lock: Vec<_> = lock.split(' ').collect();
        words.windows(lock.len()).any(|found| found == lock)
    };
    LOCKS.iter().find(holds).copied()
}
