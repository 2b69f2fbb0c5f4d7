//! `KILL` of MySQL and MariaDB, which reaches a command that a fault holds as it reaches one that the server is doing.

use std::net::SocketAddr;

use mysql_async::prelude::Queryable;

use crate::kit::{
    Doc, Proxy, eventually,
    mariadb::{Mariadb, PASSWORD, mariadb},
    mysql::Mysql,
    script, within,
};
use crate::mysql_itself::connect;

async fn kills(at: SocketAddr, admin: u16, hows: &[&str]) -> String {
    let (port, admin) = (at.port().to_string(), admin.to_string());
    let arguments: Vec<_> = [&*port, PASSWORD, &*admin]
        .into_iter()
        .chain(hows.iter().copied())
        .collect();
    script("kill.py", &arguments, "").await
}

/// The same at the server, and through the proxy where each of those queries is held.
async fn ends_the_same(server: SocketAddr, hows: &[&str], hold: &str) {
    let proxy = Proxy::start(&Doc::mysql(&[server])).await;
    let real = kills(server, 0, hows).await;
    let interrupted = "OperationalError 1317 Query execution was interrupted";
    assert_eq!(real.matches(interrupted).count(), 3, "{real}");
    let fault = format!("where: {{match: {{statement: \"*thousand*\"}}}}, do: {{{hold}}}");
    proxy.inject("held", &fault).await;
    assert_eq!(
        kills(proxy.address(), proxy.admin().port(), hows).await,
        real,
        "{hold}"
    );
    assert_eq!(proxy.held().await, 0.0);
    let met = proxy.show("/api/v1/faults/held").await["hits"].as_u64();
    assert_eq!(met, Some(3 + hows.len() as u64), "each of them was held");
}

const TABLE: &str = "create table orders (id int primary key, item int); insert into orders values (1, 0)";

#[tokio::test]
async fn mariadb_ends_what_is_held() {
    let server = Mariadb::start().await;
    mariadb(server.address, TABLE).await;
    let hows = ["KILL %d", "kill hard connection %d", "COM_PROCESS_KILL"];
    ends_the_same(server.address, &hows, "latency: {add: 1h}").await;
    ends_the_same(server.address, &[], "threads: {size: 0}").await;
}

#[tokio::test]
async fn mysql_ends_what_is_held() {
    let Some(server) = Mysql::start().await else {
        return;
    };
    server.administer(&format!("use shop; {TABLE}")).await;
    let hows = ["KILL %d", "kill connection %d", "COM_PROCESS_KILL"];
    ends_the_same(server.address, &hows, "hang: {}").await;
}

#[tokio::test]
async fn the_number_of_a_session_at_another_server_is_another_session() {
    let (one, other) = tokio::join!(Mariadb::start(), Mariadb::start());
    let doc = Doc::mysql(&[one.address, other.address]);
    let proxy = Proxy::start(&doc).await;
    proxy
        .inject("held", "where: {match: {statement: \"select 7\"}}, do: hang")
        .await;
    // By turns at the one and at the other, where both are the same number.
    let mut held: Vec<_> = Vec::new();
    for _ in 0..2 {
        let mut session = connect(proxy.address()).await;
        let number = session.id();
        let asked = tokio::spawn(async move { session.query_first::<u8, _>("select 7").await });
        held.push((number, asked));
    }
    eventually("both are held", async || proxy.held().await == 2.0).await;
    assert_eq!(held[0].0, held[1].0);
    let mut killer = connect(proxy.address()).await;
    killer
        .query_drop(format!("kill query {}", held[0].0))
        .await
        .unwrap();
    eventually("one is ended", async || proxy.held().await == 1.0).await;
    killer.query_drop("select 1").await.unwrap();
    assert_eq!(proxy.held().await, 1.0);
    proxy.lift("held").await;
    let mut said = Vec::new();
    for (_, asked) in held {
        said.push(match within("the answer", asked).await.unwrap() {
            Ok(row) => format!("{row:?}"),
            Err(error) => error.to_string(),
        });
    }
    said.sort_unstable();
    let interrupted = "Server error: `ERROR 1317 (70100): Query execution was interrupted'";
    assert_eq!(said, [interrupted, "Some(7)"]);
}
