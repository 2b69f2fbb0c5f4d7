//! The errors of the catalogue, and what a real MySQL 9 says in such a case, word by word.

use std::net::SocketAddr;

use mysql_async::prelude::Queryable;
use tokio::{io::AsyncReadExt, net::TcpStream};

use crate::{
    kit::{
        eventually,
        mysql::{Mysql, mysql},
        redis::said,
        script, within,
    },
    mysql_itself::{IN_CLEAR, before, connect, sql},
};

/// Errors that the server can be brought to give, each by a statement, with what makes ours the same.
const REACHABLE: [(&str, &str); 7] = [
    ("missing_table", "select id from nowhere"),
    ("missing_table", "select id from stock.nowhere"),
    ("missing_column", "select nowhere_id from nowhere"),
    ("permission_denied", "select id from hidden.nowhere"),
    ("read_only", "insert into orders (item) values ('x')"),
    (
        "statement_timeout",
        "with recursive n(i) as (select 1 union all select i + 1 from n where i < 100000000) \
         select /*+ max_execution_time(30) */ count(*) from n",
    ),
    ("lock_timeout", "update orders set item = 'y' where id = 1"),
];

/// What the server says to a statement of [`REACHABLE`], in a world in which it must fail.
async fn server_says(server: &Mysql, name: &str, statement: &str) -> String {
    let patient = "set cte_max_recursion_depth = 100000000; set innodb_lock_wait_timeout = 1";
    let text = format!("{patient}; {statement}");
    match name {
        "missing_column" => {
            server.administer("create table shop.nowhere (id int)").await;
            let said = sql(server.address, &text).await;
            server.administer("drop table shop.nowhere").await;
            said
        }
        "read_only" => {
            server.administer("set global read_only = 1").await;
            let said = sql(server.address, &text).await;
            server.administer("set global read_only = 0").await;
            said
        }
        "lock_timeout" => {
            let mut holder = connect(server.address).await;
            holder
                .query_drop("begin; update orders set item = 'held'")
                .await
                .unwrap();
            let said = sql(server.address, &text).await;
            holder.disconnect().await.unwrap();
            said
        }
        _ => sql(server.address, &text).await,
    }
}

#[tokio::test]
async fn errors_of_commands_are_in_the_servers_own_words() {
    let Some((server, proxy)) = before().await else {
        return;
    };
    server
        .administer("create database hidden; create table hidden.nowhere (id int); create database stock; grant all on stock.* to web@'%'; insert into shop.orders (item) values ('x')")
        .await;
    for (name, statement) in REACHABLE {
        let own = server_says(&server, name, statement).await;
        assert!(own.contains("ERROR"), "{name}: {own}");
        proxy
            .inject(
                "said",
                &format!(
                    "where: {{match: {{statement: \"{statement}\"}}}}, do: {{abort: {{error: {name}}}}}"
                ),
            )
            .await;
        let text = format!("select 1; select 2; {statement}");
        let ours = sql(proxy.address(), &text).await;
        proxy.lift("said").await;
        let ours = ours.trim_start_matches("1\n2\n");
        assert_eq!(ours, own, "{name}");
    }
}

#[tokio::test]
async fn errors_of_the_opening_are_in_the_servers_own_words() {
    let Some((server, proxy)) = before().await else {
        return;
    };
    server
        .administer(
            "create user rich@'%' identified by 'secret'; grant all on *.* to rich@'%'; \
             create user poor@'%' identified by 'secret'; \
             create user rare@'%' identified by 'secret' with max_connections_per_hour 1; \
             grant all on shop.* to rare@'%'",
        )
        .await;
    let opens = async |at: SocketAddr, arguments: &[&str]| {
        said(&mysql(at, &[&IN_CLEAR, arguments].concat(), "select 'let in'").await)
    };
    opens(server.address, &["--user=rare"]).await;
    for (name, arguments, can) in [
        ("bad_credentials", &["--password=wrong"][..], &[][..]),
        (
            "missing_database",
            &["--user=rich", "--database=nowhere"],
            &["--user=rich", "--database=shop"],
        ),
        ("database_denied", &["--user=poor"], &[]),
        ("resource_limit", &["--user=rare"], &["--user=web"]),
    ] {
        let own = opens(server.address, arguments).await;
        assert!(own.contains("ERROR"), "{name}: {own}");
        proxy
            .inject("said", &format!("do: {{abort: {{error: {name}}}}}"))
            .await;
        let ours = opens(proxy.address(), can).await;
        proxy.lift("said").await;
        assert_eq!(plain(&ours), plain(&own), "{name}");
    }
    // The server counts the sessions of a user.
    server.administer("set global max_user_connections = 1").await;
    let held = connect(server.address).await;
    let own = opens(server.address, &[]).await;
    held.disconnect().await.unwrap();
    server.administer("set global max_user_connections = 0").await;
    proxy
        .inject("said", "do: {abort: {error: too_many_connections_for_role}}")
        .await;
    assert_eq!(opens(proxy.address(), &[]).await, own);
    proxy.lift("said").await;
}

#[tokio::test]
async fn a_full_server_says_so_before_it_greets() {
    let Some((server, proxy)) = before().await else {
        return;
    };
    server.administer("set global max_connections = 1").await;
    // Beyond the limit one more is greeted, since it might be an administrator.
    let mut held = Vec::new();
    let mut own = Vec::new();
    eventually("the server is full", async || {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        own = vec![0; 64];
        let length = within("a packet", stream.read(&mut own)).await.unwrap();
        own.truncate(length);
        held.push(stream);
        own.get(4) == Some(&0xff)
    })
    .await;
    proxy
        .inject("full", "do: {abort: {error: too_many_connections}}")
        .await;
    let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
    let mut ours = Vec::new();
    within("the end", stream.read_to_end(&mut ours)).await.unwrap();
    assert_eq!(ours, own);
}

/// An error without what the catalogue cannot know: from where the account may come, and numbers of the server's settings.
fn plain(error: &str) -> String {
    let names = [
        ("'%'", "'localhost'"),
        ("'nowhere'", "'shop'"),
        ("'poor'", "'web'"),
        ("'rare'", "'web'"),
    ];
    let plain = names
        .iter()
        .fold(error.to_owned(), |text, (from, to)| text.replace(from, to));
    plain
        .split(" (current value")
        .next()
        .unwrap_or_default()
        .to_owned()
}

#[tokio::test]
async fn a_deadlock_costs_the_transaction_as_the_servers_own_does() {
    let Some((server, proxy)) = before().await else {
        return;
    };
    server
        .administer("insert into shop.orders (id, item) values (1, 'a'), (2, 'b')")
        .await;
    let (mut one, mut other) = (connect(server.address).await, connect(server.address).await);
    one.query_drop("begin; update orders set item = 'one' where id = 1")
        .await
        .unwrap();
    other
        .query_drop("begin; update orders set item = 'other' where id = 2")
        .await
        .unwrap();
    let (first, second) = within("the deadlock", async {
        tokio::join!(
            one.query_drop("update orders set item = 'one' where id = 2"),
            other.query_drop("update orders set item = 'other' where id = 1"),
        )
    })
    .await;
    let own = first.and(second).unwrap_err().to_string();
    one.disconnect().await.unwrap();
    other.disconnect().await.unwrap();

    let mut session = connect(proxy.address()).await;
    let fault =
        "where: {match: {statement: \"update orders set item = 'z'*\"}}, do: {abort: {error: deadlock}}";
    proxy.inject("dead", fault).await;
    session
        .query_drop("start transaction; insert into orders (id) values (3)")
        .await
        .unwrap();
    let ours = session
        .exec_drop("update orders set item = 'z' where id = ?", (3,))
        .await
        .unwrap_err();
    assert_eq!(ours.to_string(), own);
    session.query_drop("commit").await.unwrap();
    let left: Option<u64> = session.query_first("select count(*) from orders").await.unwrap();
    assert_eq!(left, Some(2), "the whole transaction is gone");
    session.disconnect().await.unwrap();
}

#[tokio::test]
async fn an_idle_session_is_told_unasked_why_it_ends() {
    let Some((server, proxy)) = before().await else {
        return;
    };
    let idle = async |at: SocketAddr, limit: &[&str]| {
        let port = at.port().to_string();
        script("idle.py", &[&["127.0.0.1", &port], limit].concat(), "").await
    };
    let own = idle(server.address, &["1"]).await;
    assert!(own.contains("because of inactivity"), "{own}");
    let telling = async {
        let sleeps =
            "select count(*) from information_schema.processlist where user = 'web' and command = 'Sleep'";
        eventually("a session is idle", async || {
            server.administer(sleeps).await == "1"
        })
        .await;
        proxy.inject("idle", "do: {abort: {error: idle_timeout}}").await;
    };
    let (ours, ()) = tokio::join!(idle(proxy.address(), &[]), telling);
    assert_eq!(ours, own);
}
