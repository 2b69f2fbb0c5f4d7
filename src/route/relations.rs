//! The relations of the database that a statement names: what its own WITH names is none of them.

use std::ops::ControlFlow;

use sqlparser::ast::{ObjectName, Query, Statement, Visit, Visitor};

/// The relations of the database that a statement names, each time that it does.
pub(super) fn of(statement: &Statement) -> Vec<String> {
    let mut reading = Reading::default();
    let _ = statement.visit(&mut reading);
    reading.named
}

/// A name as it is written, without its quotes.
pub(super) fn written(name: &ObjectName) -> String {
    let parts = name.0.iter().map(|part| {
        part.as_ident()
            .map_or_else(|| part.to_string(), |ident| ident.value.clone())
    });
    parts.collect::<Vec<_>>().join(".")
}

/// What a WITH names, and how many of them are known where the reading is: a query in it knows those before it, and all of them where it is
/// recursive.
#[derive(Debug)]
struct With {
    names: Vec<String>,
    known: usize,
    /// Where the queries in it are, by which they are known again.
    queries: Vec<*const Query>,
    recursive: bool,
}

impl With {
    fn of(query: &Query) -> Self {
        let (tables, recursive) = query
            .with
            .as_ref()
            .map_or((&[][..], false), |with| (&with.cte_tables[..], with.recursive));
        Self {
            names: tables
                .iter()
                .map(|table| table.alias.name.value.clone())
                .collect(),
            known: if recursive { tables.len() } else { 0 },
            queries: tables
                .iter()
                .map(|table| std::ptr::from_ref(&*table.query))
                .collect(),
            recursive,
        }
    }

    fn knows(&self, name: &str) -> bool {
        self.names
            .iter()
            .take(self.known)
            .any(|known| known.eq_ignore_ascii_case(name))
    }
}

/// A statement that is read to its end.
#[derive(Debug, Default)]
struct Reading {
    named: Vec<String>,
    /// Those that the reading is within, the innermost last.
    withs: Vec<With>,
}

impl Visitor for Reading {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        self.withs.push(With::of(query));
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        self.withs.pop();
        if let Some(around) = self.withs.last_mut().filter(|around| !around.recursive)
            && let Some(place) = around
                .queries
                .iter()
                .position(|known| std::ptr::eq(*known, query))
        {
            around.known = place + 1;
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_relation(&mut self, name: &ObjectName) -> ControlFlow<()> {
        let name = written(name);
        if !self.withs.iter().any(|with| with.knows(&name)) {
            self.named.push(name);
        }
        ControlFlow::Continue(())
    }
}

#[cfg(test)]
mod tests {
    use sqlparser::{dialect::PostgreSqlDialect, parser::Parser};

    use super::*;

    #[test]
    fn what_a_with_names_is_no_relation() {
        for (sql, named) in [
            ("with orders as (select 1) select * from orders", &[][..]),
            (
                "with orders as (select * from orders) select * from orders",
                &["orders"],
            ),
            (
                "with recursive orders as (select 1 as n union all select n + 1 from Orders) select * from ORDERS",
                &[],
            ),
            (
                "insert into other with orders as (select 1) select * from orders",
                &["other"],
            ),
            (
                "with a as (select * from b), b as (select * from a) select * from a, b, c",
                &["b", "c"],
            ),
            (
                "with orders as (select 1) select * from public.orders",
                &["public.orders"],
            ),
            (
                "select * from (with a as (select 1) select * from a) x, a",
                &["a"],
            ),
            (
                "with a as (with b as (select * from a) select * from b) select * from a, b",
                &["a", "b"],
            ),
            (
                "with a as (select 1) select (select max(n) from a) from c",
                &["c"],
            ),
            (
                "with gone as (delete from orders returning id) select * from gone",
                &["orders"],
            ),
        ] {
            let statements = Parser::parse_sql(&PostgreSqlDialect {}, sql).unwrap();
            assert_eq!(of(&statements[0]), named, "{sql}");
        }
    }
}
