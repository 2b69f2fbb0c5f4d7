//! What a text of statements asks of the data, and of which tables.

use std::collections::BTreeSet;

use sqlparser::{
    dialect::{Dialect as Grammar, MySqlDialect, PostgreSqlDialect},
    tokenizer::{Token, Tokenizer},
};

use super::{
    change,
    dialect::Dialect,
    redis::{self, Does},
    standby,
    statement::{Sql, first_word, kind_of, parse, without_comments},
    tables,
    wording::Wording,
};

/// What a text of one or more statements asks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Meaning {
    kinds: BTreeSet<Sql>,
    tables: Vec<String>,
    changes: bool,
    runs_script: bool,
    /// Those of the tables without which one of its statements fails.
    needed: Vec<String>,
    /// They are keys: capitals count, and a dot is one letter of many.
    exact: bool,
}

impl Meaning {
    /// What both ask together.
    fn and(mut self, other: Self) -> Self {
        self.kinds.extend(other.kinds);
        self.tables.extend(other.tables);
        self.changes |= other.changes;
        self.needed.extend(other.needed);
        self
    }

    /// Whether one of its statements is of this kind.
    pub fn is(&self, kind: Sql) -> bool {
        self.kinds.contains(&kind)
    }

    /// Whether it changes something, or asks for what only a server has that writes: one which only reads refuses it.
    pub const fn changes(&self) -> bool {
        self.changes
    }

    /// Whether it reads or changes rows, or runs a script of Redis that does.
    pub fn is_about_rows(&self) -> bool {
        self.runs_script || self.is(Sql::Read) || self.is(Sql::Write)
    }

    /// Whether it names such a table, with its schema or without, or such a key.
    pub fn names(&self, table: &Wording) -> bool {
        self.named(table).is_some()
    }

    /// The first such table or key.
    pub fn named(&self, table: &Wording) -> Option<&str> {
        first(&self.tables, |name| holds(table, name, self.exact))
    }

    /// The first table without which it fails, of those that this holds for: a statement that makes it does not, nor does one that
    /// takes it away if it is there.
    pub fn needs(&self, table: Option<&Wording>) -> Option<&str> {
        first(&self.needed, |name| {
            table.is_none_or(|table| holds(table, name, self.exact))
        })
    }

    /// The first table that it names.
    pub fn table(&self) -> Option<&str> {
        self.tables.first().map(String::as_str)
    }
}

fn first(names: &[String], is_meant: impl Fn(&str) -> bool) -> Option<&str> {
    names.iter().map(String::as_str).find(|name| is_meant(name))
}

/// Whether a table is meant, with its schema or without, or a key.
fn holds(table: &Wording, name: &str, exact: bool) -> bool {
    if exact {
        return table.holds_exactly(name);
    }
    table.holds(name) || name.rsplit_once('.').is_some_and(|(_, bare)| table.holds(bare))
}

/// What a text asks.
pub(super) fn meaning(dialect: Dialect, text: &str) -> Meaning {
    let grammar: &dyn Grammar = match dialect {
        Dialect::Postgres => &PostgreSqlDialect {},
        Dialect::Mysql => &MySqlDialect {},
        Dialect::Redis => return of_redis(text),
    };
    let Some(statements) = parse(grammar, text) else {
        return match pieces(grammar, text).as_slice() {
            // One that the parser does not know hides nothing of the others.
            several @ [_, _, ..] => several
                .iter()
                .map(|piece| meaning(dialect, piece))
                .reduce(Meaning::and)
                .unwrap_or_default(),
            _ => by_words(dialect, grammar, text),
        };
    };
    let (mut named, mut needed) = (Vec::new(), Vec::new());
    for statement in &statements {
        let may_be_missing = tables::may_be_missing(statement);
        for table in tables::of(grammar, statement) {
            if !may_be_missing.contains(&table) {
                tables::add(&mut needed, table.clone());
            }
            tables::add(&mut named, table);
        }
    }
    Meaning {
        kinds: statements.iter().filter_map(kind_of).collect(),
        changes: statements.iter().any(|statement| {
            let on_standby = || dialect == Dialect::Postgres && standby::refused(statement).is_some();
            change::is_refused(dialect, statement) || on_standby()
        }),
        runs_script: false,
        needed,
        tables: named,
        exact: false,
    }
}

/// The statements of a text, apart at their semicolons; none where its quotes do not close.
fn pieces(grammar: &dyn Grammar, text: &str) -> Vec<String> {
    let tokens = Tokenizer::new(grammar, text).tokenize().unwrap_or_default();
    let of_one = |tokens: &[Token]| tokens.iter().map(Token::to_string).collect::<String>();
    tokens
        .split(|token| *token == Token::SemiColon)
        .map(of_one)
        .filter(|piece| !piece.trim().is_empty())
        .collect()
}

/// What a command of Redis asks; its first key stands for a table. Its words are apart by blanks, and a blank within one is
/// a blank that does not break.
fn of_redis(text: &str) -> Meaning {
    let words: Vec<_> = text.split(' ').collect();
    let does = redis::does(&words);
    let kind = match does {
        Does::Read => Some(Sql::Read),
        Does::Write => Some(Sql::Write),
        Does::Transaction => Some(Sql::Transaction),
        Does::Script | Does::Other => None,
    };
    Meaning {
        kinds: kind.into_iter().collect(),
        changes: kind == Some(Sql::Write),
        runs_script: does == Does::Script,
        needed: Vec::new(),
        tables: redis::key(&words)
            .map(|key| key.replace('\u{a0}', " "))
            .into_iter()
            .collect(),
        exact: true,
    }
}

/// What a text says that the parser does not know.
fn by_words(dialect: Dialect, grammar: &dyn Grammar, text: &str) -> Meaning {
    let words = text.split(|c: char| !c.is_alphanumeric() && c != '_');
    // What stands behind these may write, and a copy from somewhere does.
    let leads_in = |word: &str| {
        ["with", "copy"]
            .iter()
            .any(|verb| word.eq_ignore_ascii_case(verb))
    };
    let is_with = without_comments(text)
        .split(|c: char| !c.is_alphanumeric())
        .next()
        .is_some_and(leads_in);
    let writes = || words.clone().any(|word| first_word(word) == Some(Sql::Write));
    let kind = match first_word(text) {
        Some(Sql::Read) if (is_with && writes()) || change::lock(text).is_some() => Some(Sql::Write),
        // MySQL only works an expression out (`DO SLEEP(1)`), PostgreSQL runs a block of statements.
        Some(Sql::Write) if dialect == Dialect::Mysql && starts_with_do(text) => Some(Sql::Read),
        kind => kind,
    };
    let tables = tables::by_words(grammar, text);
    let made = usize::from(tables::is_made_by_words(without_comments(text)));
    Meaning {
        kinds: kind.into_iter().collect(),
        changes: change::is_refused_by_words(dialect, kind, text)
            || (dialect == Dialect::Postgres && standby::by_words(text).is_some()),
        needed: tables.iter().skip(made).cloned().collect(),
        tables,
        ..Meaning::default()
    }
}

fn starts_with_do(text: &str) -> bool {
    let text = without_comments(text).as_bytes();
    text.len() > 2 && text[..2].eq_ignore_ascii_case(b"do") && text[2].is_ascii_whitespace()
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
            &["orders"],
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
        check("prepare transaction 'x'", &[Transaction], &[]);
        // What it prepares is asked by EXECUTE.
        check("prepare add (int) as insert into a values ($1)", &[], &["a"]);
        check("select 1 from orders for no key update", &[Write], &["orders"]);
        check("set search_path to x", &[], &[]);
        check("", &[], &[]);
        // Not known to the parser: the first word decides.
        check("-- why\n select !!nonsense", &[Read], &[]);
        check("with x as (insert !!nonsense) select", &[Write], &[]);
        check("frobnicate orders", &[], &[]);
        // It hides nothing of the others.
        check(
            "frobnicate ';'; insert into orders values (';'); select 1 from a;",
            &[Read, Write],
            &["orders", "a"],
        );
        check("frobnicate 'orders; insert into a values (1)", &[], &[]);
    }

    #[test]
    fn values_for_variables_change_nothing_and_a_new_table_does() {
        let is_write = |dialect, sql: &str| meaning(dialect, sql).is(Sql::Write);
        assert!(!is_write(Dialect::Mysql, "select id, 1 into @a, @b from orders"));
        assert!(!is_write(Dialect::Mysql, "select 1 into @x"));
        assert!(is_write(Dialect::Postgres, "select id into copies from orders"));
    }

    #[test]
    fn a_table_is_needed_by_what_fails_without_it() {
        let check = |dialect, text: &str, needed: &[&str]| {
            assert_eq!(meaning(dialect, text).needed, needed, "{text}");
        };
        for (text, needed) in [
            ("create table orders (id int)", &[][..]),
            ("create table if not exists orders (id int)", &[]),
            ("create table orders as select * from items", &["items"]),
            ("create view orders as select * from items", &["items"]),
            ("drop table if exists orders, items", &[]),
            ("drop table orders", &["orders"]),
            ("drop table if exists orders; select 1 from orders", &["orders"]),
            ("truncate orders", &["orders"]),
            // Not known to the parser.
            ("create table orders (id int) !!nonsense", &[]),
            ("create table orders !!nonsense select * from items", &["items"]),
        ] {
            check(Dialect::Postgres, text, needed);
            check(Dialect::Mysql, text, needed);
        }
        check(
            Dialect::Postgres,
            "select item into orders from items",
            &["items"],
        );
        check(
            Dialect::Postgres,
            "alter table if exists orders add more int",
            &[],
        );
        check(
            Dialect::Postgres,
            "alter table items rename to orders",
            &["items"],
        );
        check(Dialect::Mysql, "rename table items to orders", &["items"]);
        check(Dialect::Mysql, "create temporary table orders like items", &[]);
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
