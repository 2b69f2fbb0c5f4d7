use super::*;
use crate::route::{Dialect, sql::meaning};

#[test]
fn tables_are_found_by_the_words_before_them() {
    let check = |text: &str, expected: &[&str]| {
        let grammar = sqlparser::dialect::MySqlDialect {};
        assert_eq!(by_words(&grammar, text), expected, "{text}");
    };
    check(
        "select 1 from a, `b` x, shop.c y join d on f(x, y) = 1, e where (1, 2) in (3)",
        &["a", "b", "shop.c", "d", "e"],
    );
    check(
        "select 1 from (select 2 from a) x, f(1) y, (b join c using (id)), d",
        &["a", "b", "c", "d"],
    );
    check(
        "select extract(year from day), trim(both ' ' from name) from a",
        &["a"],
    );
    check("select a is distinct from b, 'from x' from c -- from d", &["c"]);
    check("select id into @a from a for update of b", &["a"]);
    check("select 1 into outfile '/tmp/x' from a", &["a"]);
    check(
        "update low_priority ignore a, b x set a.n = 1, b.n = 2",
        &["a", "b"],
    );
    check(
        "insert ignore a (id) values (1, 2) on duplicate key update n = 3",
        &["a"],
    );
    check("insert into a select id, n from b", &["a", "b"]);
    check(
        "with x as (select 1 from a) delete b from b using c, d",
        &["a", "b", "c", "d"],
    );
    check("delete from a using b, c where 1", &["a", "b", "c"]);
    check("revoke select on table a from web", &["a"]);
    check("fetch next from mine; set search_path from current", &[]);
    check(
        "drop table if exists a, b cascade; rename table c to x, d to y",
        &["a", "b", "c", "d"],
    );
    check("vacuum (analyze, verbose) a", &["a"]);
    check("create table a (id int, index i (id) on delete b)", &["a"]);
    check("create function f() returns table (id int) as 'x'", &[]);
    check("select 1 from a where x = 'open", &["a"]);
    check("", &[]);
}

#[test]
fn what_the_parser_does_not_know_or_hides_names_its_tables() {
    for text in [
        "drop table orders",
        "drop table if exists other, public.orders cascade",
        "comment on table orders is 'x'",
        "grant select (id) on table orders to web",
        "vacuum orders",
        "vacuum (analyze, verbose) orders",
        "vacuum full orders",
        "table orders",
        "update orders set item = 'x' where current of c",
        "select * from orders for no key update of orders nowait",
        "select * from orders where id between symmetric 2 and 1",
        "lock table orders in share mode",
        "select * from U&\"orders\"",
        "select * from u&\"!006frders\" uescape '!' where id between symmetric 2 and 1",
    ] {
        let there = meaning(Dialect::Postgres, text);
        assert!(there.names(&"orders".parse().unwrap()), "{text}: {there:?}");
    }
    for text in [
        "drop table if exists `orders`",
        "select * from orders where id = 1 lock in share mode",
        "update orders, other set orders.item = 1 where orders.id = other.id",
        "update low_priority ignore orders set item = 1 order by id limit 1",
        "delete o.* from orders o",
        "load data local infile 'x' replace into table orders fields terminated by ',' (id, item)",
        "show create table orders",
        "rename table orders to old",
        "lock tables other read, orders write",
        "create index i on orders (id)",
        "create or replace fulltext index i on orders (item) wait 5",
        "drop index i on orders",
        "drop index if exists i on shop.orders",
        "drop index `primary` on orders algorithm = inplace lock = none",
    ] {
        let there = meaning(Dialect::Mysql, text);
        assert!(there.names(&"orders".parse().unwrap()), "{text}: {there:?}");
    }
}

#[test]
fn a_statement_without_a_table_names_none() {
    for text in [
        "select extract(year from now())",
        "set search_path from current",
        "fetch next from c",
        "drop view orders",
        "drop index orders",
        "revoke web from admin",
        "vacuum",
        "select 1 is distinct from 2",
    ] {
        let there = meaning(Dialect::Postgres, text);
        assert_eq!(there.table(), None, "{text}");
    }
}
