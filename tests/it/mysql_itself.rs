//! A listener of MySQL before MySQL itself, version 9, where `mysql.rs` has MariaDB: what is new there, and which of its servers
//! takes writes.

use std::net::SocketAddr;

use mysql_async::{Conn, prelude::Queryable};

use crate::kit::{
    Doc, Proxy,
    certificates::Authority,
    eventually,
    mariadb::PASSWORD,
    mysql::{Mysql, mysql},
    redis::said,
    script, within,
};

/// How MySQL's command line comes where nothing is encrypted.
pub(super) const IN_CLEAR: [&str; 2] = ["--ssl-mode=DISABLED", "--get-server-public-key"];

/// What it says to these statements, and to what went wrong.
pub(super) async fn sql(at: SocketAddr, text: &str) -> String {
    said(&mysql(at, &IN_CLEAR, text).await)
}

/// A server with a table `orders`, and a proxy before it.
pub(super) async fn before() -> Option<(Mysql, Proxy)> {
    let server = Mysql::start().await?;
    let proxy = Proxy::start(&Doc::mysql(&[server.address])).await;
    server
        .administer("create table shop.orders (id int auto_increment primary key, item text)")
        .await;
    Some((server, proxy))
}

/// A session of `web`, in Rust.
pub(super) async fn connect(at: SocketAddr) -> Conn {
    let url = format!("mysql://web:{PASSWORD}@{at}/shop?prefer_socket=false");
    within("a session", Conn::from_url(url)).await.unwrap()
}

/// The number of the error that came, or 0.
fn number(result: Result<(), mysql_async::Error>) -> u16 {
    match result {
        Ok(()) => 0,
        Err(mysql_async::Error::Server(error)) => error.code,
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test]
async fn its_own_command_line_sees_no_difference() {
    let Some((server, proxy)) = before().await else {
        return;
    };
    let file = proxy.folder().join("rows");
    let content: String = (1..=5000).map(|n| format!("{n}\titem {n}\n")).collect();
    std::fs::write(&file, content).unwrap();
    let text = format!(
        "truncate table orders; load data local infile '{}' into table orders; select count(*), max(item) from orders; \
         begin; insert into orders values (5001, 'x'); rollback; select count(*) from orders; \
         prepare one from 'select item from orders where id = ?'; set @id = 7; execute one using @id; \
         select nonsense; select repeat('x', 300000); show create table orders; table orders limit 3; values row(1, 2); \
         explain format=tree select * from orders where id = 5",
        file.display()
    );
    let through = sql(proxy.address(), &text).await;
    assert!(
        through.contains("5000\titem 999") && through.contains("item 7"),
        "{}",
        &through[..through.len().min(500)]
    );
    assert_eq!(through, sql(server.address, &text).await);
}

#[tokio::test]
async fn a_query_is_matched_behind_its_attributes() {
    let Some((server, proxy)) = before().await else {
        return;
    };
    server.forgets().await;
    // mysql-connector shows no password in clear.
    sql(server.address, "select 1").await;
    proxy
        .inject(
            "replica",
            "where: {match: {sql: write, table: orders}}, do: {abort: {error: read_only}}",
        )
        .await;
    let port = proxy.address().port().to_string();
    for client in ["connector", "connector_c"] {
        for how in ["clear", "clear,attributes"] {
            let seen = script("login.py", &[client, how, "127.0.0.1", &port, "web"], "").await;
            assert_eq!(seen.trim(), "42 1290 7", "{client} {how}");
        }
    }
}

#[tokio::test]
async fn compression_is_not_offered_and_who_insists_passes_unread() {
    let Some((server, proxy)) = before().await else {
        return;
    };
    sql(server.address, "select 1").await;
    proxy
        .inject(
            "locked",
            "where: {match: {table: orders}}, do: {abort: {error: lock_timeout}}",
        )
        .await;
    for algorithm in ["zstd", "zlib"] {
        let asked = format!("--compression-algorithms={algorithm},uncompressed");
        let text = said(&mysql(proxy.address(), &[&*asked, IN_CLEAR[0]], "select * from orders").await);
        assert!(text.contains("ERROR 1205"), "{algorithm}: {text}");
        let insists = format!("--compression-algorithms={algorithm}");
        let text = said(&mysql(proxy.address(), &[&*insists, IN_CLEAR[0]], "select 1").await);
        assert!(text.contains("ERROR 2066"), "{algorithm}: {text}");
    }
    // mysql-connector in Python compresses, whatever the server can.
    let port = proxy.address().port().to_string();
    let seen = script(
        "login.py",
        &["connector", "clear,compressed", "127.0.0.1", &port, "web"],
        "",
    )
    .await;
    assert_eq!(seen.trim(), "42 done 7");
    assert!(proxy.has_logged(&["passes unread", "uses what it was not offered"]));
}

#[tokio::test]
async fn a_query_is_killed_by_the_number_that_its_session_has_at_the_server() {
    let Some((_server, proxy)) = before().await else {
        return;
    };
    let (mut slow, mut killer) = (connect(proxy.address()).await, connect(proxy.address()).await);
    let id = slow.id();
    let endless = "with recursive n(i) as (select 1 union all select i + 1 from n where i < 4000000000) select count(*) from n";
    slow.query_drop("set cte_max_recursion_depth = 4294967295")
        .await
        .unwrap();
    let killing = async {
        let running = format!(
            "select count(*) from information_schema.processlist where id = {id} and info like 'with%'"
        );
        eventually("the query runs", async || {
            killer.query_first::<u64, _>(&running).await.unwrap() == Some(1)
        })
        .await;
        killer.query_drop(format!("kill query {id}")).await.unwrap();
    };
    let (killed, ()) = within("the end of the query", async {
        tokio::join!(slow.query_drop(endless), killing)
    })
    .await;
    assert_eq!(number(killed), 1317);
    let still: Option<u64> = slow.query_first("select 7").await.unwrap();
    assert_eq!(still, Some(7));
    let fault = "where: {match: {statement: \"select 8\"}}, do: {abort: {error: canceled}}";
    proxy.inject("canceled", fault).await;
    assert_eq!(number(slow.query_drop("select 8").await), 1317);
    slow.disconnect().await.unwrap();
    killer.disconnect().await.unwrap();
}

/// Quick, so that tests are, and patient with a machine that is busy.
const PACE: &str = "every: 1s, timeout: 1s, healthy_after: 1, unhealthy_after: 2";

#[tokio::test]
async fn sessions_follow_the_server_that_takes_writes() {
    let (Some(one), Some(other)) = tokio::join!(Mysql::start(), Mysql::start()) else {
        return;
    };
    one.administer("set global read_only = 1").await;
    let certificate = Authority::new().issue("localhost");
    // The check shows the password over TLS, and so do clients.
    let doc = Doc::mysql(&[one.address, other.address])
        .listener("tls: {certificate: one.pem, key: one.key}")
        .cluster(format!(
            "health: {{mysql: {{user: web, password: {PASSWORD}}}, {PACE}}}"
        ))
        .cluster("tls: {verify: false}")
        .cluster("only: primary");
    let proxy = Proxy::setup()
        .file("one.pem", certificate.pem)
        .file("one.key", certificate.key)
        .start(doc.text())
        .await;
    let is = async |backend: &str, replication: &str| {
        eventually(replication, async || {
            proxy.backend(backend).await["replication"] == replication
        })
        .await;
    };
    let served_by = async || said(&mysql(proxy.address(), &["--ssl-mode=REQUIRED"], "select @@port").await);
    is("a", "replica").await;
    is("b", "primary").await;
    assert_eq!(served_by().await, other.address.port().to_string());
    other.administer("set global super_read_only = 1").await;
    one.administer("set global read_only = 0").await;
    is("a", "primary").await;
    is("b", "replica").await;
    for _ in 0..4 {
        assert_eq!(served_by().await, one.address.port().to_string());
    }
    drop(one);
    proxy.wait_for_health("a", "down").await;
    assert!(served_by().await.contains("ERROR"), "a replica is not written to");
}

#[tokio::test]
async fn a_check_in_clear_seals_the_password_with_the_servers_key() {
    let Some(server) = Mysql::start().await else {
        return;
    };
    let with = |password: &str| {
        Doc::mysql(&[server.address]).cluster(format!(
            "health: {{mysql: {{user: web, password: {password}}}, {PACE}}}"
        ))
    };
    server.forgets().await;
    let proxy = Proxy::start(&with("wrong")).await;
    proxy.wait_for_health("a", "down").await;
    let why = proxy.backend("a").await["why"].to_string();
    assert!(why.contains("1045 Access denied for user 'web'"), "{why}");
    proxy.apply(with(PASSWORD).text()).await;
    proxy.wait_for_health("a", "up").await;
    assert_eq!(proxy.backend("a").await["replication"], "primary");
}
