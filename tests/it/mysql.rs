//! A listener of MySQL before a real MariaDB: what passes, what faults say, and what real clients make of it.

use std::process::Output;

use mysql_async::prelude::Queryable;
use tokio::{io::AsyncReadExt, net::TcpStream};

use crate::{
    databases::python,
    kit::{
        Doc, Proxy, eventually,
        mariadb::{Mariadb, mariadb, mariadb_with},
        redis::said,
        within,
    },
    mysql_itself::connect,
};

async fn before(server: &Mariadb) -> Proxy {
    Proxy::start(&Doc::mysql(&[server.address])).await
}

/// The rows that a program said.
fn rows(output: &Output) -> Vec<String> {
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines().map(str::to_owned).collect()
}

async fn sql(proxy: &Proxy, text: &str) -> Output {
    mariadb(proxy.address(), text).await
}

#[tokio::test]
async fn real_clients_see_no_difference() {
    let server = Mariadb::start().await;
    let proxy = before(&server).await;
    let file = proxy.folder().join("rows");
    let content: String = (1..=5000).map(|n| format!("{n}\titem {n}\n")).collect();
    std::fs::write(&file, content).unwrap();
    let text = format!(
        "create table orders (id int primary key, item text); \
         load data local infile '{}' into table orders; select count(*), max(item) from orders; \
         begin; insert into orders values (5001, 'x'); rollback; select count(*) from orders; \
         prepare one from 'select item from orders where id = ?'; set @id = 7; execute one using @id; \
         select nonsense; select repeat('x', 300000)",
        file.display()
    );
    let through = sql(&proxy, &text).await;
    let shown = said(&through);
    assert!(
        shown.contains("5000\titem 999") && shown.contains("item 7"),
        "{}",
        &shown[..shown.len().min(500)]
    );
    assert!(shown.contains("ERROR 1054 (42S22)"), "the server's own error");
    assert!(shown.contains(&"x".repeat(300_000)));
    let direct = mariadb(server.address, "show databases; select * from orders limit 100").await;
    let through = sql(&proxy, "show databases; select * from orders limit 100").await;
    assert_eq!(said(&direct), said(&through));
}

#[tokio::test]
async fn errors_come_in_place_of_the_matching_statements_which_are_not_run() {
    let server = Mariadb::start().await;
    let proxy = before(&server).await;
    assert!(
        sql(&proxy, "create table orders (id int primary key)")
            .await
            .status
            .success()
    );
    proxy
        .inject(
            "replica",
            "where: {match: {sql: write, table: orders}}, do: {abort: {error: read_only}}",
        )
        .await;
    let output = sql(
        &proxy,
        "insert into orders values (1); select count(*) from orders",
    )
    .await;
    let shown = said(&output);
    let read_only = "ERROR 1290 (HY000) at line 1: The MariaDB server is running with the --read-only option";
    assert!(shown.contains(read_only), "{shown}");
    assert_eq!(
        rows(&output),
        ["0"],
        "the next statement is answered, and nothing was written"
    );
    proxy.lift("replica").await;
    for (name, shown) in [
        ("deadlock", "ERROR 1213 (40001)"),
        ("lock_timeout", "ERROR 1205 (HY000)"),
        (
            "missing_table",
            "ERROR 1146 (42S02) at line 1: Table 'shop.orders' doesn't exist",
        ),
        (
            "permission_denied",
            "ERROR 1142 (42000) at line 1: SELECT command denied to user 'web'@'localhost' for table 'orders'",
        ),
        (
            "read_only_mode",
            "ERROR 1836 (HY000) at line 1: Running in read-only mode",
        ),
        (
            "statement_timeout",
            "ERROR 1969 (70100) at line 1: Query execution was interrupted (max_statement_time exceeded)",
        ),
        (
            "{code: \"1615\", message: Prepared statement needs to be re-prepared}",
            "ERROR 1615 (HY000)",
        ),
    ] {
        let fault = format!("where: {{match: {{table: orders}}}}, do: {{abort: {{error: {name}}}}}");
        proxy.inject("said", &fault).await;
        let text = said(&sql(&proxy, "select * from orders").await);
        assert!(text.contains(shown), "{name}: {text}");
        proxy.lift("said").await;
    }
}

#[tokio::test]
async fn a_deadlock_costs_the_transaction_and_another_error_the_statement() {
    let server = Mariadb::start().await;
    let proxy = before(&server).await;
    assert!(
        sql(&proxy, "create table orders (id int primary key)")
            .await
            .status
            .success()
    );
    for (name, kept) in [("deadlock", "0"), ("lock_timeout", "1")] {
        let fault = format!(
            "where: {{match: {{statement: \"insert into orders values (2)\"}}}}, do: {{abort: {{error: {name}}}}}"
        );
        proxy.inject("said", &fault).await;
        let text = "begin; insert into orders values (1); insert into orders values (2); commit; \
                    select count(*) from orders; delete from orders";
        let output = sql(&proxy, text).await;
        assert_eq!(rows(&output), [kept], "{name}: {}", said(&output));
        proxy.lift("said").await;
    }
}

#[tokio::test]
async fn the_opening_is_refused_as_the_server_does() {
    let server = Mariadb::start().await;
    let proxy = before(&server).await;
    for (name, shown) in [
        (
            "bad_credentials",
            "ERROR 1045 (28000): Access denied for user 'web'@'localhost' (using password: YES)",
        ),
        ("missing_database", "ERROR 1049 (42000): Unknown database 'shop'"),
        (
            "too_many_connections_for_role",
            "ERROR 1203 (42000): User web already has more than",
        ),
    ] {
        proxy
            .inject("said", &format!("do: {{abort: {{error: {name}}}}}"))
            .await;
        let text = said(&sql(&proxy, "select 1").await);
        assert!(text.contains(shown), "{name}: {text}");
        proxy.lift("said").await;
    }
    proxy
        .inject("full", "do: {abort: {error: too_many_connections}}")
        .await;
    let mut raw = TcpStream::connect(proxy.address()).await.unwrap();
    let mut all = Vec::new();
    within("the end", raw.read_to_end(&mut all)).await.unwrap();
    assert_eq!(all, b"\x17\0\0\0\xff\x10\x04Too many connections");
}

#[tokio::test]
async fn what_is_fatal_ends_the_session() {
    let server = Mariadb::start().await;
    let proxy = before(&server).await;
    proxy
        .inject(
            "ended",
            "where: {match: {statement: \"select 1\"}}, do: {abort: {error: shutting_down}}",
        )
        .await;
    let shown = said(&sql(&proxy, "select 1").await);
    assert!(
        shown.contains("ERROR 1053 (08S01) at line 1: Server shutdown in progress"),
        "{shown}"
    );
    assert!(said(&sql(&proxy, "select 2").await).starts_with('2'));
}

#[tokio::test]
async fn a_session_ends_in_the_middle_of_its_result() {
    const ROWS: usize = 100_000;
    let server = Mariadb::start().await;
    let proxy = before(&server).await;
    for fault in ["failover", "{abort: {error: shutting_down}}"] {
        let mut session = connect(proxy.address()).await;
        let text = format!("select repeat('x', 1000) from seq_1_to_{ROWS}");
        let mut result = session.query_iter(text).await.unwrap();
        let mut rows = 0;
        while rows < 50 {
            assert!(within("a row", result.next()).await.unwrap().is_some());
            rows += 1;
        }
        proxy.inject("over", &format!("do: {fault}")).await;
        // As at a server that is shut down: what is under way arrives, and then the end.
        let ended = loop {
            match within("a row or the end", result.next()).await {
                Ok(Some(_)) => rows += 1,
                Ok(None) => break None,
                Err(error) => break Some(error),
            }
        };
        assert!(rows < ROWS, "{fault}: {rows}");
        assert!(
            matches!(ended, Some(mysql_async::Error::Io(_))),
            "{fault}: {ended:?}"
        );
        proxy.lift("over").await;
    }
}

#[tokio::test]
async fn whatever_comes_in_place_of_the_greeting_is_an_error_from_before_it() {
    let server = Mariadb::start().await;
    let proxy = before(&server).await;
    proxy
        .inject("full", "do: {capacity: {carries: 1/m, baseline: 1/m}}")
        .await;
    let mut first = Vec::new();
    eventually("the backend is full", async || {
        let mut raw = TcpStream::connect(proxy.address()).await.unwrap();
        first = vec![0; 256];
        let length = within("a packet", raw.read(&mut first)).await.unwrap();
        first.truncate(length);
        first.get(4) == Some(&0xff)
    })
    .await;
    assert_eq!(first, b"\x17\0\0\0\xff\x10\x04Too many connections");
}

#[tokio::test]
async fn who_names_no_database_is_let_in_where_one_is_missing() {
    let server = Mariadb::start().await;
    let proxy = before(&server).await;
    proxy.inject("missing", "do: missing_database").await;
    let named = said(&sql(&proxy, "select 'let in'").await);
    assert!(
        named.contains("ERROR 1049 (42000): Unknown database 'shop'"),
        "{named}"
    );
    let without = said(&mariadb_with(proxy.address(), &["--database="], "select 'let in'").await);
    assert_eq!(without, "let in");
}

#[tokio::test]
async fn tables_are_known_in_statements_of_every_form() {
    let server = Mariadb::start().await;
    let proxy = before(&server).await;
    let made = "create table orders (id int primary key, item text); create table other (id int)";
    assert!(sql(&proxy, made).await.status.success());
    let fault = "where: {match: {table: orders}}, do: {abort: {error: {code: \"9999\", message: met}}}";
    proxy.inject("met", fault).await;
    for text in [
        "drop table orders",
        "drop table if exists other, shop.orders",
        "select * from orders lock in share mode",
        "update orders, other set orders.item = 1 where orders.id = other.id",
        "update low_priority ignore orders set item = 1 order by id limit 1",
        "delete o.* from orders o",
        "load data local infile '/nowhere' into table orders",
        "show create table orders",
        "rename table orders to old",
        "lock tables orders write",
    ] {
        let met = said(&sql(&proxy, text).await);
        assert!(met.contains("ERROR 9999"), "{text}: {met}");
    }
    proxy.lift("met").await;
    assert_eq!(
        rows(&sql(&proxy, "select count(*) from orders").await),
        ["0"],
        "nothing was done"
    );
}

/// Says commands that come in several packets: texts beyond 16 MiB, and a value that is sent ahead of its statement.
const IN_PARTS: &str = r"
import pymysql, struct, sys
c = pymysql.connect(host='127.0.0.1', port=int(sys.argv[1]), user='web', password=sys.argv[2], database='shop', autocommit=True)
def ask(sql):
    with c.cursor() as u:
        try:
            u.execute(sql)
            print(*u.fetchall())
        except pymysql.MySQLError as e: print(*e.args)
for length in (0xfffffe, 0xffffff, 0x1000000, 0x1fffffe):
    front = 'insert into orders values (1, \''
    ask(front + 'x' * (length - 1 - len(front) - 2) + '\')')
    ask('select 1')
c._execute_command(0x16, b'insert into orders values (2, ?)')
number = c._read_packet().read_all()[1:5]
c._read_packet(), c._read_packet()
for _ in range(2):
    c._execute_command(0x18, number + struct.pack('<H', 0) + b'x' * 10)
    c._execute_command(0x17, number + b'\0\1\0\0\0' + b'\0' + b'\1' + b'\xfc\0')
    try: print(c._read_packet().is_ok_packet())
    except pymysql.MySQLError as e: print(*e.args)
ask('select length(item) from orders where id = 2')
";

#[tokio::test]
async fn a_command_in_several_packets_is_refused_as_a_whole() {
    let server = Mariadb::start().await;
    let proxy = before(&server).await;
    assert!(
        sql(&proxy, "create table orders (id int primary key, item longblob)")
            .await
            .status
            .success()
    );
    let fault = "where: {match: {sql: write}}, first: 5, do: {abort: {error: deadlock}}";
    proxy.inject("refused", fault).await;
    let deadlock = "1213 Deadlock found when trying to get lock; try restarting transaction";
    let expected = format!(
        "{}{deadlock}\nTrue\n(10,)",
        format!("{deadlock}\n(1,)\n").repeat(4)
    );
    assert_eq!(python(IN_PARTS, &proxy).await, expected);
}
