//! What a server refuses that only reads, and by what name PostgreSQL speaks of it where that is not the statement's own.
//!
//! That is not what a statement does to rows ([`super::statement`]): MySQL and MariaDB let shared locks and temporary tables pass,
//! PostgreSQL refuses functions too that change something (`PreventCommandIfReadOnly` in its sources).

use std::ops::ControlFlow;

use sqlparser::ast::{Expr, Function, LockClause, LockType, Query, Statement, visit_expressions};

use super::{
    dialect::Dialect,
    statement::{Sql, body_changes, kind_of, without_comments},
};

/// PostgreSQL's functions that change something, and are refused by their own name.
const WRITERS: [&str; 2] = ["nextval", "setval"];

/// Whether a server that only reads refuses a statement.
pub(super) fn is_refused(dialect: Dialect, statement: &Statement) -> bool {
    match (dialect, statement) {
        (Dialect::Mysql, Statement::CreateTable(table)) => !table.temporary,
        (Dialect::Mysql, Statement::Drop { temporary, .. }) => !temporary,
        (Dialect::Mysql, Statement::Query(query)) => {
            let locks = |lock: &LockClause| lock.lock_type == LockType::Update;
            body_changes(&query.body) || query.locks.iter().any(locks)
        }
        // It asks what it would be allowed to do.
        (Dialect::Mysql, Statement::Explain { statement, .. }) => is_refused(dialect, statement),
        (Dialect::Mysql, statement) if keeps_house(&words(&statement.to_string())) => true,
        (Dialect::Postgres, Statement::Query(query)) if writer(query).is_some() => true,
        _ => matches!(kind_of(statement), Some(Sql::Write | Sql::Ddl)),
    }
}

/// The same of a text that the parser does not know.
pub(super) fn is_refused_by_words(dialect: Dialect, kind: Option<Sql>, text: &str) -> bool {
    let changes = matches!(kind, Some(Sql::Write | Sql::Ddl));
    if dialect != Dialect::Mysql {
        return changes;
    }
    let words = words(without_comments(text));
    match lock(text) {
        Some(lock) => lock == "FOR UPDATE",
        None => keeps_house(&words) || (changes && !words.iter().any(|word| word == "TEMPORARY")),
    }
}

/// What MySQL refuses that is about tables and not about rows: their statistics, and locks that others' writes wait for.
fn keeps_house(words: &[String]) -> bool {
    let words: Vec<_> = words.iter().map(String::as_str).collect();
    match words[..] {
        ["ANALYZE" | "OPTIMIZE", "TABLE" | "TABLES", ..] => true,
        ["LOCK", "TABLE" | "TABLES", ..] => words.contains(&"WRITE"),
        _ => false,
    }
}

fn words(text: &str) -> Vec<String> {
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
