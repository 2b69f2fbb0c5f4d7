//! The name that PostgreSQL gives to a statement in its errors, as `cannot execute CREATE TABLE in a read-only transaction`: its
//! command tag (PostgreSQL's `src/include/tcop/cmdtaglist.h`).

use sqlparser::{
    ast::{CopySource, LockType, Query, SetExpr, Statement},
    dialect::PostgreSqlDialect,
};

use super::{
    change::{is_refused, lock, lock_within, writer},
    dialect::Dialect,
    statement::{explained, parse, without_comments},
};

/// The tag of the first of a text's statements that changes something; of the first one where none does.
pub(super) fn tag(text: &str) -> String {
    let Some(statements) = parse(&PostgreSqlDialect {}, text) else {
        return by_words(text);
    };
    let changes = |statement: &&Statement| is_refused(Dialect::Postgres, statement);
    let first = statements.iter().find(changes).or(statements.first());
    first.map(of).unwrap_or_default()
}

fn of(statement: &Statement) -> String {
    if let Some(inner) = explained(statement) {
        return of(inner);
    }
    let lock = match lock_within(statement) {
        Some(LockType::Update) => Some("SELECT FOR UPDATE"),
        Some(LockType::Share) => Some("SELECT FOR SHARE"),
        None => None,
    };
    match statement {
        Statement::Query(query) => match (lock.unwrap_or(of_query(query)), writer(query)) {
            ("SELECT", Some(function)) => format!("{function}()"),
            (tag, _) => tag.to_owned(),
        },
        Statement::Copy {
            source: CopySource::Query(query),
            ..
        } => of_query(query).to_owned(),
        Statement::Copy { to: false, .. } => "COPY FROM".to_owned(),
        Statement::CreateTable(table) if table.query.is_some() => "CREATE TABLE AS".to_owned(),
        other => match (by_words(&other.to_string()), lock) {
            (verb, Some(lock)) if verb == "DECLARE" => lock.to_owned(),
            (verb, _) => verb,
        },
    }
}

fn of_query(query: &Query) -> &'static str {
    match &*query.body {
        SetExpr::Insert(_) => "INSERT",
        SetExpr::Update(_) => "UPDATE",
        SetExpr::Delete(_) => "DELETE",
        SetExpr::Merge(_) => "MERGE",
        SetExpr::Query(query) => of_query(query),
        SetExpr::Select(select) if select.into.is_some() => "SELECT INTO",
        _ => "SELECT",
    }
}

/// Words between a verb and what it is about that are no part of the tag.
const PASSED_OVER: [&str; 9] = [
    "OR",
    "REPLACE",
    "UNIQUE",
    "TEMP",
    "TEMPORARY",
    "UNLOGGED",
    "GLOBAL",
    "LOCAL",
    "RECURSIVE",
];

fn by_words(text: &str) -> String {
    let mut words = without_comments(text)
        .split(|c: char| !c.is_alphanumeric() && c != '_')
        .filter(|word| !word.is_empty())
        .map(str::to_ascii_uppercase);
    let verb = words.next().unwrap_or_default();
    match verb.as_str() {
        "TRUNCATE" => return "TRUNCATE TABLE".to_owned(),
        "REASSIGN" => return "REASSIGN OWNED".to_owned(),
        "IMPORT" => return "IMPORT FOREIGN SCHEMA".to_owned(),
        "SELECT" | "WITH" => {
            return lock(text).map_or_else(|| "SELECT".to_owned(), |lock| format!("SELECT {lock}"));
        }
        "CREATE" | "ALTER" | "DROP" | "REFRESH" => {}
        _ => return verb,
    }
    let mut about = words.filter(|word| !PASSED_OVER.contains(&word.as_str()));
    let first = about.next().unwrap_or_default();
    match first.as_str() {
        // What it is about has a second word.
        "MATERIALIZED" | "FOREIGN" | "EVENT" => {
            format!("{verb} {first} {}", about.next().unwrap_or_default())
        }
        _ => format!("{verb} {first}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_is_named_as_the_server_names_it() {
        for (text, expected) in [
            ("insert into orders values (1)", "INSERT"),
            ("select 1 from orders for update", "SELECT FOR UPDATE"),
            ("select 1 from orders for share", "SELECT FOR SHARE"),
            (
                "select 1 from orders for no key update",
                "SELECT FOR NO KEY UPDATE",
            ),
            ("select 1 from orders for key share", "SELECT FOR KEY SHARE"),
            ("select nextval('orders_id_seq')", "nextval()"),
            (
                "select 1 from orders where id = pg_catalog.setval('s', 1) for update",
                "SELECT FOR UPDATE",
            ),
            ("insert into orders values (nextval('s'))", "INSERT"),
            ("select id into copies from orders", "SELECT INTO"),
            (
                "with gone as (delete from orders returning id) select * from gone",
                "SELECT",
            ),
            (
                "with x as (select 1) insert into orders select * from x",
                "INSERT",
            ),
            ("create table t (id int)", "CREATE TABLE"),
            ("create table t as select 1", "CREATE TABLE AS"),
            ("create unique index i on orders (id)", "CREATE INDEX"),
            ("create or replace view v as select 1", "CREATE VIEW"),
            ("refresh materialized view v", "REFRESH MATERIALIZED VIEW"),
            ("alter table orders add column x int", "ALTER TABLE"),
            ("drop table orders", "DROP TABLE"),
            ("truncate orders", "TRUNCATE TABLE"),
            ("copy orders from stdin", "COPY FROM"),
            ("explain analyze insert into orders values (1)", "INSERT"),
            ("begin; update orders set id = 1; commit", "UPDATE"),
            ("/* app */ grant select on orders to web", "GRANT"),
            ("", ""),
        ] {
            assert_eq!(tag(text), expected, "{text}");
        }
    }
}
