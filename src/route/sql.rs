//! What a statement asks of the data, and of which tables.

use std::{collections::BTreeSet, ops::ControlFlow};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sqlparser::{
    ast::{CopySource, ObjectName, Query, SetExpr, Statement, visit_relations},
    dialect::{Dialect as Grammar, MySqlDialect, PostgreSqlDialect},
    parser::Parser,
};

use super::{
    dialect::Dialect,
    redis::{self, Does},
    wording::Wording,
};

/// What a statement asks of the data. One that the parser does not know is judged by its first word; one whose first word is
/// not known either is none of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Sql {
    /// It reads: `SELECT`, `SHOW`, `EXPLAIN`.
    Read,
    /// It changes rows, or locks them: `INSERT`, `UPDATE`, `DELETE`, `MERGE`, `COPY ... FROM`, `SELECT ... FOR UPDATE`.
    Write,
    /// It changes what there is: `CREATE`, `ALTER`, `DROP`, `TRUNCATE`, `GRANT`.
    Ddl,
    /// It begins or ends a transaction, or a part of one (also `MULTI` and `EXEC`): `BEGIN`, `COMMIT`, `ROLLBACK`, `SAVEPOINT`.
    Transaction,
}

impl Sql {
    /// Its name, as it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Ddl => "ddl",
            Self::Transaction => "transaction",
        }
    }
}

/// What a text of one or more statements asks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Meaning {
    kinds: BTreeSet<Sql>,
    tables: Vec<String>,
    /// They are keys: capitals count, and a dot is one letter of many.
    exact: bool,
}

impl Meaning {
    /// Whether one of its statements is of this kind.
    pub fn is(&self, kind: Sql) -> bool {
        self.kinds.contains(&kind)
    }

    /// Whether it names such a table, with its schema or without, or such a key.
    pub fn names(&self, table: &Wording) -> bool {
        if self.exact {
            return self.tables.iter().any(|key| table.holds_exactly(key));
        }
        self.tables
            .iter()
            .any(|name| table.holds(name) || name.rsplit_once('.').is_some_and(|(_, bare)| table.holds(bare)))
    }

    /// The first table that it names.
    pub fn table(&self) -> Option<&str> {
        self.tables.first().map(String::as_str)
    }
}

/// Deeper nesting than this is judged by the first word.
pub(super) const DEEPEST: usize = 40;

/// What a text asks.
pub(super) fn meaning(dialect: Dialect, text: &str) -> Meaning {
    let grammar: &dyn Grammar = match dialect {
        Dialect::Postgres => &PostgreSqlDialect {},
        Dialect::Mysql => &MySqlDialect {},
        Dialect::Redis => return of_redis(text),
    };
    let parsed = Parser::new(grammar)
        .with_recursion_limit(DEEPEST)
        .try_with_sql(text)
        .and_then(|mut parser| parser.parse_statements());
    let Ok(statements) = parsed else {
        return by_words(text);
    };
    let mut tables: Vec<String> = Vec::new();
    let _ = visit_relations(&statements, |name| {
        let name = written(name);
        if !tables.contains(&name) {
            tables.push(name);
        }
        ControlFlow::<()>::Continue(())
    });
    // The parser takes these for names of no relation.
    for statement in &statements {
        if let Statement::Copy {
            source: CopySource::Table { table_name, .. },
            ..
        } = statement
        {
            tables.push(written(table_name));
        }
    }
    Meaning {
        kinds: statements.iter().filter_map(kind_of).collect(),
        tables,
        exact: false,
    }
}

/// What a command of Redis asks; its first key stands for a table. Its words are apart by blanks, and a blank within one is
/// a blank that does not break.
fn of_redis(text: &str) -> Meaning {
    let words: Vec<_> = text.split(' ').collect();
    let kind = match redis::does(&words) {
        Does::Read => Some(Sql::Read),
        Does::Write => Some(Sql::Write),
        Does::Transaction => Some(Sql::Transaction),
        Does::Other => None,
    };
    Meaning {
        kinds: kind.into_iter().collect(),
        tables: redis::key(&words)
            .map(|key| key.replace('\u{a0}', " "))
            .into_iter()
            .collect(),
        exact: true,
    }
}

fn written(name: &ObjectName) -> String {
    let parts = name.0.iter().map(|part| {
        part.as_ident()
            .map_or_else(|| part.to_string(), |ident| ident.value.clone())
    });
    parts.collect::<Vec<_>>().join(".")
}

/// The kind of a statement that the parser knows.
pub(super) fn kind_of(statement: &Statement) -> Option<Sql> {
    kind(statement).or_else(|| first_word(&statement.to_string()))
}

/// The kind of a statement that its first word does not tell.
fn kind(statement: &Statement) -> Option<Sql> {
    match statement {
        Statement::Query(query) => Some(if changes(query) { Sql::Write } else { Sql::Read }),
        Statement::Copy { to, .. } => Some(if *to { Sql::Read } else { Sql::Write }),
        // With ANALYZE it is really run.
        Statement::Explain {
            analyze: true,
            statement,
            ..
        } => kind_of(statement),
        _ => None,
    }
}

/// Whether a query changes rows by the way, or locks them.
fn changes(query: &Query) -> bool {
    let with = query.with.iter().flat_map(|with| &with.cte_tables);
    !query.locks.is_empty() || body_changes(&query.body) || with.clone().any(|cte| changes(&cte.query))
}

fn body_changes(body: &SetExpr) -> bool {
    match body {
        SetExpr::Insert(_) | SetExpr::Update(_) | SetExpr::Delete(_) | SetExpr::Merge(_) => true,
        SetExpr::Query(query) => changes(query),
        SetExpr::SetOperation { left, right, .. } => body_changes(left) || body_changes(right),
        // MySQL puts values into variables of the session this way, PostgreSQL makes a table.
        SetExpr::Select(select) => select.into.as_ref().is_some_and(|into| {
            !into
                .targets
                .iter()
                .all(|target| target.to_string().starts_with('@'))
        }),
        _ => false,
    }
}

/// What a text says that the parser does not know.
fn by_words(text: &str) -> Meaning {
    let words = text.split(|c: char| !c.is_alphanumeric() && c != '_');
    let is_with = words
        .clone()
        .find(|word| !word.is_empty())
        .is_some_and(|word| word.eq_ignore_ascii_case("with"));
    let writes = || words.clone().any(|word| first_word(word) == Some(Sql::Write));
    let kind = match first_word(text) {
        Some(Sql::Read) if is_with && writes() => Some(Sql::Write),
        kind => kind,
    };
    Meaning {
        kinds: kind.into_iter().collect(),
        tables: Vec::new(),
        exact: false,
    }
}

fn first_word(text: &str) -> Option<Sql> {
    let text = without_comments(text);
    let end = text
        .find(|c: char| !c.is_ascii_alphabetic())
        .unwrap_or(text.len());
    match text[..end].to_ascii_lowercase().as_str() {
        "select" | "show" | "table" | "values" | "explain" | "describe" | "desc" | "fetch" | "with" => {
            Some(Sql::Read)
        }
        "insert" | "update" | "delete" | "merge" | "replace" | "call" | "do" | "load" => Some(Sql::Write),
        "create" | "alter" | "drop" | "truncate" | "grant" | "revoke" | "comment" | "reindex" | "rename"
        | "refresh" => Some(Sql::Ddl),
        "begin" | "start" | "commit" | "end" | "rollback" | "abort" | "savepoint" | "release" | "prepare" => {
            Some(Sql::Transaction)
        }
        _ => None,
    }
}

/// The text from its first word on.
pub(super) fn without_comments(mut text: &str) -> &str {
    loop {
        text = text.trim_start_matches(|c: char| c.is_whitespace() || matches!(c, '(' | ';'));
        let comment = match text.as_bytes() {
            [b'-', b'-', ..] => text.find('\n').map(|end| end + 1),
            [b'/', b'*', ..] => text.find("*/").map(|end| end + 2),
            _ => return text,
        };
        match comment {
            Some(end) => text = &text[end..],
            None => return "",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_statement_asks_is_told() {
        let check = |sql: &str, kinds: &[Sql], tables: &[&str]| {
            let meaning = meaning(Dialect::Postgres, sql);
            assert_eq!(meaning.kinds.iter().copied().collect::<Vec<_>>(), kinds, "{sql}");
            assert_eq!(meaning.tables, tables, "{sql}");
        };
        use Sql::{Ddl, Read, Transaction, Write};
        check("select * from orders", &[Read], &["orders"]);
        check(
            "SELECT o.id FROM public.orders o JOIN \"Items\" i ON i.id = o.item WHERE o.id = $1",
            &[Read],
            &["public.orders", "Items"],
        );
        check("select 1 from orders for update", &[Write], &["orders"]);
        check(
            "insert into orders (item) values ($1) returning id",
            &[Write],
            &["orders"],
        );
        check(
            "with gone as (delete from orders returning id) select count(*) from gone",
            &[Write],
            &["orders", "gone"],
        );
        check("update orders set quantity = 2", &[Write], &["orders"]);
        check("copy orders from stdin", &[Write], &["orders"]);
        check("copy orders to stdout", &[Read], &["orders"]);
        check("explain analyze delete from orders", &[Write], &["orders"]);
        check("explain delete from orders", &[Read], &["orders"]);
        check("create table t (id int)", &[Ddl], &["t"]);
        check("truncate orders", &[Ddl], &["orders"]);
        check("BEGIN ISOLATION LEVEL SERIALIZABLE", &[Transaction], &[]);
        check(
            "begin; insert into a values (1); commit",
            &[Write, Transaction],
            &["a"],
        );
        check("/* by hand */ savepoint a", &[Transaction], &[]);
        check("set search_path to x", &[], &[]);
        check("", &[], &[]);
        // Not known to the parser: the first word decides.
        check("-- why\n select !!nonsense", &[Read], &[]);
        check("with x as (insert !!nonsense) select", &[Write], &[]);
        check("frobnicate orders", &[], &[]);
    }

    #[test]
    fn values_for_variables_change_nothing_and_a_new_table_does() {
        let is_write = |dialect, sql: &str| meaning(dialect, sql).is(Sql::Write);
        assert!(!is_write(Dialect::Mysql, "select id, 1 into @a, @b from orders"));
        assert!(!is_write(Dialect::Mysql, "select 1 into @x"));
        assert!(is_write(Dialect::Postgres, "select id into copies from orders"));
    }

    #[test]
    fn a_table_may_be_named_with_its_schema_or_without() {
        let meaning = meaning(Dialect::Postgres, "select 1 from shop.Orders");
        let holds = |table: &str| meaning.names(&table.parse().unwrap());
        assert!(holds("orders") && holds("SHOP.orders") && holds("shop.*"));
        assert!(!holds("items") && !holds("other.orders"));
    }

    #[test]
    fn a_key_of_redis_is_compared_as_it_is() {
        let holds = |command: &str, key: &str| meaning(Dialect::Redis, command).names(&key.parse().unwrap());
        assert!(holds("get cart:1", "cart:*") && holds("GET Cart:1", "Cart:*"));
        assert!(!holds("get CART:1", "cart:*") && !holds("get old.cart:1", "cart:*"));
        assert!(holds("eval return\u{a0}1 1 cart:1", "cart:*"));
        assert!(holds("get my\u{a0}cart", "my cart"));
    }

    #[test]
    fn nesting_without_end_costs_nothing_but_the_tables() {
        let deep = format!("select {}1{}", "(".repeat(20_000), ")".repeat(20_000));
        assert!(meaning(Dialect::Postgres, &deep).is(Sql::Read));
    }
}
