//! What a standby of PostgreSQL refuses beside what every transaction that only reads does (`PreventCommandDuringRecovery` in its
//! sources, and the modes of transactions). A test says it to a real standby (`tests/it/read_only.rs`).

use std::ops::ControlFlow;

use sqlparser::{
    ast::{Expr, Query, Statement, visit_expressions},
    dialect::PostgreSqlDialect,
};

use super::{
    change::{is_refused, words},
    dialect::Dialect,
    statement::{explained, parse, without_comments},
};

/// How a standby refuses a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnStandby {
    /// It does nothing of this name.
    Execute(&'static str),
    /// It has no transactions that write.
    ReadWrite,
    /// It has no serializable ones.
    Serializable,
}

/// How a standby refuses the first of a text's statements that is refused, where that is in its own way.
pub(super) fn of(text: &str) -> Option<OnStandby> {
    let Some(statements) = parse(&PostgreSqlDialect {}, text) else {
        return by_words(text);
    };
    statements
        .iter()
        .map(|statement| (refused(statement), is_refused(Dialect::Postgres, statement)))
        .find(|(own, other)| own.is_some() || *other)?
        .0
}

/// How a standby refuses a statement in its own way.
pub(super) fn refused(statement: &Statement) -> Option<OnStandby> {
    match statement {
        // It is run by EXECUTE.
        Statement::Prepare { .. } => None,
        Statement::Explain { .. } => refused(explained(statement)?),
        // What it does to rows is looked at before it runs.
        Statement::Query(query) if !is_refused(Dialect::Postgres, statement) => caller(query),
        Statement::Query(_) | Statement::Insert(_) | Statement::Update(_) | Statement::Delete(_) => None,
        Statement::Copy { to: false, .. } => Some(OnStandby::Execute("COPY")),
        other => by_words(&other.to_string()),
    }
}

/// The same of a text that the parser does not know.
pub(super) fn by_words(text: &str) -> Option<OnStandby> {
    let words = words(without_comments(text));
    let words: Vec<_> = words
        .iter()
        .map(String::as_str)
        .filter(|word| *word != "TO")
        .collect();
    let execute = |tag| Some(OnStandby::Execute(tag));
    match words[..] {
        ["VACUUM", ..] => execute("VACUUM"),
        ["ANALYZE" | "ANALYSE", ..] => execute("ANALYZE"),
        ["CLUSTER", ..] => execute("CLUSTER"),
        ["REINDEX", ..] => execute("REINDEX"),
        ["LISTEN", ..] => execute("LISTEN"),
        ["NOTIFY", ..] => execute("NOTIFY"),
        ["PREPARE", "TRANSACTION", ..] => execute("PREPARE TRANSACTION"),
        ["COMMIT", "PREPARED", ..] => execute("COMMIT PREPARED"),
        ["ROLLBACK", "PREPARED", ..] => execute("ROLLBACK PREPARED"),
        ["LOCK", ref tables @ ..] if is_strong(tables) => execute("LOCK TABLE"),
        ["BEGIN" | "START", ref modes @ ..]
        | ["SET", "TRANSACTION", ref modes @ ..]
        | ["SET", "LOCAL" | "SESSION", "TRANSACTION", ref modes @ ..] => of_modes(modes),
        ["SET", .., "TRANSACTION_READ_ONLY", "OFF" | "FALSE" | "NO" | "0"] => Some(OnStandby::ReadWrite),
        ["SET", .., "TRANSACTION_ISOLATION", "SERIALIZABLE"] => Some(OnStandby::Serializable),
        _ => None,
    }
}

/// Whether a lock of tables is stronger than those that a standby has, which are those of reads and of writes of rows.
fn is_strong(tables: &[&str]) -> bool {
    let tables = tables.strip_suffix(&["NOWAIT"]).unwrap_or(tables);
    !matches!(
        tables,
        [.., "IN", "ACCESS" | "ROW", "SHARE", "MODE"] | [.., "IN", "ROW", "EXCLUSIVE", "MODE"]
    )
}

/// What a standby does not have of a transaction's modes; the first that is asked for is refused.
fn of_modes(modes: &[&str]) -> Option<OnStandby> {
    (0..modes.len()).find_map(|at| match modes[at..] {
        ["READ", "WRITE", ..] => Some(OnStandby::ReadWrite),
        ["SERIALIZABLE", ..] => Some(OnStandby::Serializable),
        _ => None,
    })
}

/// The function that a query calls and a standby does not have.
fn caller(query: &Query) -> Option<OnStandby> {
    let found = visit_expressions(query, |expression| {
        let Expr::Function(function) = expression else {
            return ControlFlow::Continue(());
        };
        let name = function.name.0.last().and_then(|part| part.as_ident());
        let name = name.map(|ident| ident.value.to_ascii_lowercase());
        match name.as_deref() {
            Some("txid_current" | "pg_current_xact_id") => ControlFlow::Break("pg_current_xact_id()"),
            Some("pg_notify") => ControlFlow::Break("NOTIFY"),
            _ => ControlFlow::Continue(()),
        }
    });
    found.break_value().map(OnStandby::Execute)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_standby_refuses_in_its_own_way_is_told() {
        let execute = |tag| Some(OnStandby::Execute(tag));
        for (text, expected) in [
            ("/* x */ listen news", execute("LISTEN")),
            ("unlisten news", None),
            ("lock table orders", execute("LOCK TABLE")),
            ("lock orders in row exclusive mode nowait", None),
            ("lock orders in share row exclusive mode", execute("LOCK TABLE")),
            ("reindex table orders", execute("REINDEX")),
            ("select txid_current() + 1", execute("pg_current_xact_id()")),
            ("select pg_notify('a', 'b') from orders for update", None),
            ("select 'txid_current()'", None),
            ("copy orders from stdin", execute("COPY")),
            ("copy orders to stdout", None),
            (
                "begin isolation level serializable read write",
                Some(OnStandby::Serializable),
            ),
            ("start transaction read write", Some(OnStandby::ReadWrite)),
            ("begin read only", None),
            ("set session characteristics as transaction read write", None),
            ("set transaction_read_only to off", Some(OnStandby::ReadWrite)),
            ("set default_transaction_read_only = off", None),
            ("begin; insert into orders values (1); listen news", None),
            (
                "begin; listen news; insert into orders values (1)",
                execute("LISTEN"),
            ),
            ("insert into orders values ('listen')", None),
            ("", None),
        ] {
            assert_eq!(of(text), expected, "{text}");
        }
    }
}
