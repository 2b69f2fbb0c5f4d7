//! What a server refuses that only reads (in PostgreSQL: a standby), and what `read_only` refuses before one that writes: the same, word by word.

use std::{net::SocketAddr, process::Output};

use crate::{
    kit::{
        Doc, Proxy,
        mariadb::{Mariadb, mariadb},
        mysql::{Mysql, mysql},
        postgres::{Postgres, connect},
        redis::said,
    },
    mysql_itself::IN_CLEAR,
};

/// What is said to PostgreSQL, each line in a session of its own.
const TO_POSTGRES: [&[&str]; 51] = [
    &["select * from orders"],
    &["insert into orders (item) values ('tea')"],
    &["update orders set item = 'x'"],
    &["delete from orders"],
    &["with gone as (delete from orders returning id) select * from gone"],
    &["explain insert into orders (item) values ('tea')"],
    &["explain analyze insert into orders (item) values ('tea')"],
    &["select * from orders for update"],
    &["select * from orders for no key update"],
    &["select * from orders for share"],
    &["select * from orders for key share"],
    &["select nextval('orders_id_seq')"],
    &["select pg_catalog.setval('orders_id_seq', 7)"],
    &["select currval('orders_id_seq')"],
    &["select item into copies from orders"],
    &["create table copies as select * from orders"],
    &["create table more (id int)"],
    &["alter table orders add column more int"],
    &["drop table orders"],
    &["truncate orders"],
    &["comment on table orders is 'x'"],
    &["grant select on orders to web"],
    &[
        "prepare add (text) as insert into orders (item) values ($1)",
        "execute add('tea')",
    ],
    &[
        "PREPARE \"Look\" AS select item from orders",
        "EXECUTE \"Look\"",
        "deallocate \"Look\"",
    ],
    &["begin", "insert into orders (item) values ('tea')", "rollback"],
    &["set search_path to public", "show search_path", "listen news"],
    &["create or replace view v as select 1"],
    &[
        "prepare a as delete from orders",
        "/* trace */ execute a",
        "execute/**/a",
    ],
    &["/* c */ prepare/**/p/**/as delete from orders", "execute p"],
    &["prepare p as delete from orders; execute p"],
    &[
        "select ';'; prepare q as delete from orders",
        "explain analyze execute q",
        "select 1; execute q",
    ],
    &[
        "prepare p as delete from orders",
        "deallocate prepare all",
        "execute p",
    ],
    &[
        "explain (analyze true) delete from orders",
        "explain (buffers, analyze) delete from orders",
    ],
    &["explain (analyze off) delete from orders"],
    &[
        "select * from (select * from orders for update) s",
        "select exists (select 1 from orders for share)",
    ],
    &[
        "begin",
        "declare c cursor for select * from orders for update",
        "rollback",
    ],
    &["reassign owned by web to admin"],
    &["alter system reset work_mem"],
    &[
        "listen news",
        "notify news",
        "notify news, 'x'",
        "unlisten news",
        "select pg_notify('a', 'b')",
    ],
    &[
        "vacuum orders",
        "vacuum (analyze) orders",
        "analyze orders",
        "cluster orders",
        "reindex table orders",
        "checkpoint",
    ],
    &["begin", "lock table orders", "rollback"],
    &[
        "begin",
        "lock orders in row exclusive mode nowait",
        "lock table orders in access share mode",
        "lock orders in share update exclusive mode",
    ],
    &["begin; lock only orders in share mode nowait", "rollback"],
    &[
        "select txid_current()",
        "select pg_catalog.pg_current_xact_id()",
        "select txid_current_if_assigned()",
        "explain select txid_current()",
        "explain analyze select txid_current()",
    ],
    &["prepare p as select txid_current()", "execute p"],
    &[
        "begin read write",
        "begin isolation level serializable",
        "start transaction isolation level serializable, read write",
        "begin isolation level repeatable read, read only",
        "commit",
    ],
    &[
        "begin",
        "set transaction read write",
        "rollback",
        "begin",
        "set local transaction_read_only = off",
        "rollback; begin; set transaction isolation level serializable",
    ],
    &[
        "set transaction_read_only to off",
        "set transaction_isolation = serializable",
        "set session characteristics as transaction read write",
        "set default_transaction_read_only to off",
    ],
    &["begin", "prepare transaction 'x'"],
    &["commit prepared 'x'", "rollback prepared 'x'"],
    &[
        "copy orders from '/etc/hostname'",
        "copy orders to '/dev/null'",
        "create temp table scratch (id int)",
    ],
];

/// The words and codes with which a server answers each statement of a session.
async fn postgres_says(at: SocketAddr, before: &str, statements: &[&str]) -> Vec<String> {
    let client = connect(at, "admin", "shop").await.unwrap();
    client.batch_execute(before).await.unwrap();
    let mut all = Vec::new();
    for statement in statements {
        all.push(match client.batch_execute(statement).await {
            Ok(()) => "done".to_owned(),
            Err(error) => {
                let error = error.as_db_error().unwrap();
                format!("{} {}", error.code().code(), error.message())
            }
        });
    }
    all
}

#[tokio::test]
async fn postgres_refuses_the_same() {
    let server = Postgres::start().await;
    let setup =
        "create table orders (id serial primary key, item text); insert into orders (item) values ('one')";
    postgres_says(server.address, setup, &[]).await;
    let standby = server.standby().await;
    let proxy = Proxy::start(&Doc::postgres(&[server.address])).await;
    proxy.inject("replica", "do: read_only").await;
    for statements in TO_POSTGRES {
        let real = postgres_says(standby.address, "", statements).await;
        let ours = postgres_says(proxy.address(), "", statements).await;
        assert_eq!(ours, real, "{statements:?}");
    }
}

#[tokio::test]
async fn what_sql_prepares_is_known_in_either_protocol_of_postgres() {
    let server = Postgres::start().await;
    postgres_says(server.address, "create table orders (id int)", &[]).await;
    let proxy = Proxy::start(&Doc::postgres(&[server.address])).await;
    proxy.inject("replica", "do: read_only").await;
    let client = connect(proxy.address(), "admin", "shop").await.unwrap();
    client
        .batch_execute("prepare simple as delete from orders")
        .await
        .unwrap();
    client
        .execute("prepare extended as delete from orders", &[])
        .await
        .unwrap();
    for name in ["simple", "extended"] {
        let text = format!("execute {name}");
        let refused = [
            client.batch_execute(&text).await.unwrap_err(),
            client.execute(&text, &[]).await.unwrap_err(),
        ];
        for error in refused {
            assert_eq!(error.code().unwrap().code(), "25006", "{name}: {error}");
        }
    }
}

/// What is said to MariaDB and MySQL, each line in a session of its own.
const TO_BOTH: [&str; 29] = [
    "select * from orders",
    "insert into orders values (2, 'tea')",
    "replace into orders values (2, 'tea')",
    "update orders set item = 'x'",
    "delete from orders",
    "select * from orders for update",
    "select * from orders lock in share mode",
    "select id into @a from orders",
    "do 1 + 1",
    "do get_lock('a', 0)",
    "create temporary table scratch (id int); drop temporary table scratch",
    "create table more (id int)",
    "alter table orders add column more int",
    "drop table orders",
    "truncate orders",
    "prepare look from 'select item from orders'; execute look; deallocate prepare look",
    "prepare put_in from 'insert into orders values (?, ?)'; set @a = 3, @b = 'tea'; execute put_in using @a, @b",
    "begin; select * from orders; rollback",
    "analyze table orders",
    "optimize table orders",
    "check table orders; checksum table orders",
    "show tables; set @a = 1; explain delete from orders",
    "lock tables orders write; unlock tables",
    "flush tables",
    "select * from orders for share",
    "select * from (select * from orders for update) s",
    "/* x */ prepare p from 'delete from orders'; /* y */ execute p; drop prepare p; select 1",
    "start transaction read write",
    "analyze local table orders",
];

/// Errors and rows, without what MariaDB's command line says of the statement that failed: it shows that only where the error
/// came before any head of a result.
fn told(output: &Output, statements: &str) -> String {
    let text = said(output);
    let echo = |line: &&str| line.starts_with("-----") || line.is_empty() || statements.contains(line);
    let lines = text.lines().filter(|line| !echo(line));
    lines.collect::<Vec<_>>().join("\n")
}

/// What MariaDB alone knows.
const TO_MARIADB: [&str; 4] = [
    "set statement max_statement_time=1 for delete from orders",
    "set statement max_statement_time=1 for select 1",
    "execute immediate 'delete from orders'",
    "analyze delete from orders",
];

async fn refuses_the_same(
    address: SocketAddr,
    own: &[&str],
    say: impl AsyncFn(SocketAddr, &str) -> Output,
    administer: impl AsyncFn(&str),
) {
    let setup = "create table orders (id int primary key, item text); insert into orders values (1, 'one')";
    say(address, setup).await;
    let proxy = Proxy::start(&Doc::mysql(&[address])).await;
    let mut real = Vec::new();
    administer("set global read_only = 1").await;
    let all: Vec<_> = TO_BOTH.iter().chain(own).collect();
    for statements in &all {
        real.push(told(&say(address, statements).await, statements));
    }
    administer("set global read_only = 0").await;
    proxy.inject("replica", "do: read_only").await;
    let mut others = Vec::new();
    for (statements, real) in all.iter().zip(real) {
        let ours = told(&say(proxy.address(), statements).await, statements);
        if ours != real {
            others.push((statements, ours, real));
        }
    }
    assert!(others.is_empty(), "{others:#?}");
}

#[tokio::test]
async fn mariadb_refuses_the_same() {
    let server = Mariadb::start().await;
    refuses_the_same(server.address, &TO_MARIADB, mariadb, async |statements| {
        server.administer(statements).await;
    })
    .await;
}

async fn in_clear(at: SocketAddr, statements: &str) -> Output {
    mysql(at, &IN_CLEAR, statements).await
}

#[tokio::test]
async fn mysql_refuses_the_same() {
    let Some(server) = Mysql::start().await else {
        return;
    };
    refuses_the_same(server.address, &[], in_clear, async |statements| {
        server.administer(statements).await;
    })
    .await;
}
