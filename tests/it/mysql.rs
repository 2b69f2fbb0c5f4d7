//! A listener of MySQL before a real MariaDB: what passes, what faults say, and what real clients make of it.

use std::process::Output;

use tokio::{io::AsyncReadExt, net::TcpStream};

use crate::kit::{
    Doc, Proxy,
    mariadb::{Mariadb, mariadb},
    redis::said,
    within,
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
        ("statement_timeout", "ERROR 3024 (HY000)"),
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
