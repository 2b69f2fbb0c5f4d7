//! A session of MySQL chooses another database, or another user: matches and errors go by what was chosen last.

use mysql_async::{ChangeUserOpts, Conn, Error, Opts, prelude::Queryable};

use crate::kit::{
    Doc, Proxy,
    mariadb::{Mariadb, PASSWORD, mariadb, mariadb_with},
    redis::said,
};

/// A server with another database and another user, and a proxy that misses orders in that database alone.
async fn before() -> (Mariadb, Proxy) {
    let server = Mariadb::start().await;
    server
        .administer(&format!(
            "create database stock; create table stock.orders (id int); create table shop.orders (id int); \
             grant all on stock.* to web@'%'; grant all on stock.* to web@localhost; \
             create user clerk@'%' identified by '{PASSWORD}'; grant all on *.* to clerk@'%'"
        ))
        .await;
    let proxy = Proxy::start(&Doc::mysql(&[server.address])).await;
    proxy
        .inject(
            "gone",
            "where: {match: {database: stock, table: orders}}, do: {abort: {error: missing_table}}",
        )
        .await;
    (server, proxy)
}

/// What a count of the orders comes to.
async fn orders(session: &mut Conn) -> String {
    match session.query_first::<u64, _>("select count(*) from orders").await {
        Ok(count) => format!("{count:?}"),
        Err(Error::Server(error)) => format!("{} {}", error.code, error.message),
        Err(error) => error.to_string(),
    }
}

const MISSING: &str = "1146 Table 'stock.orders' doesn't exist";

#[tokio::test]
async fn what_use_chooses_is_followed_once_the_server_agrees() {
    let (_server, proxy) = before().await;
    let url = format!(
        "mysql://web:{PASSWORD}@{}/shop?prefer_socket=false",
        proxy.address()
    );
    let mut session = Conn::new(Opts::from_url(&url).unwrap()).await.unwrap();
    assert_eq!(orders(&mut session).await, "Some(0)");
    session.query_drop("/* web */ USE `stock`").await.unwrap();
    assert_eq!(orders(&mut session).await, MISSING);
    session.query_drop("use nowhere").await.unwrap_err();
    assert_eq!(orders(&mut session).await, MISSING, "the server has refused");
    session.query_drop("use shop").await.unwrap();
    assert_eq!(orders(&mut session).await, "Some(0)");
    session.disconnect().await.unwrap();
}

#[tokio::test]
async fn what_the_command_line_chooses_is_followed_too() {
    let (_server, proxy) = before().await;
    let count = "select count(*) from orders";
    let output = mariadb(
        proxy.address(),
        &format!("{count}; use stock; {count}; use shop; {count}"),
    )
    .await;
    assert_eq!(String::from_utf8_lossy(&output.stdout), "0\n0\n");
    let shown = said(&output);
    assert!(
        shown.contains("Table 'stock.orders' doesn't exist"),
        "it is a command of its own (COM_INIT_DB): {shown}"
    );
}

#[tokio::test]
async fn another_user_is_followed_with_its_database() {
    let (_server, proxy) = before().await;
    proxy
        .inject(
            "denied",
            "where: {match: {user: clerk, statement: \"select 7\"}}, do: {abort: {error: permission_denied}}",
        )
        .await;
    let url = format!(
        "mysql://web:{PASSWORD}@{}/shop?prefer_socket=false",
        proxy.address()
    );
    let mut session = Conn::new(Opts::from_url(&url).unwrap()).await.unwrap();
    assert_eq!(session.query_first("select 7").await.unwrap(), Some(7));
    let clerk = ChangeUserOpts::default()
        .with_user(Some("clerk".to_owned()))
        .with_pass(Some(PASSWORD.to_owned()))
        .with_db_name(Some("stock".to_owned()));
    session.change_user(clerk).await.unwrap();
    let denied = session.query_first::<u8, _>("select 7").await.unwrap_err();
    assert!(
        denied.to_string().contains("command denied to user 'clerk'@"),
        "{denied}"
    );
    assert_eq!(orders(&mut session).await, MISSING);
    session.disconnect().await.unwrap();
}

#[tokio::test]
async fn what_asks_for_a_user_meets_sessions_once_it_is_known_whose_they_are() {
    let (_server, proxy) = before().await;
    let says = async |user: &str| {
        let user = format!("--user={user}");
        said(&mariadb_with(proxy.address(), &[&user], "select 'hello'").await)
    };
    proxy
        .inject("user", "where: {match: {user: web}}, do: reset")
        .await;
    let web = says("web").await;
    assert!(!web.contains("hello"), "{web}");
    assert!(says("clerk").await.contains("hello"));
    assert_eq!(proxy.show("/api/v1/faults/user").await["hits"], 1);
}

#[tokio::test]
async fn what_spares_a_user_leaves_sessions_alone_until_it_is_known_whose_they_are() {
    let (_server, proxy) = before().await;
    let says = async |user: &str| {
        let user = format!("--user={user}");
        said(&mariadb_with(proxy.address(), &[&user], "select 'hello'").await)
    };
    let others = "match: {user: \"!clerk\"}";
    for (name, fault) in [
        ("client", format!("where: {{{others}}}, do: reset")),
        (
            "upstream",
            format!("where: {{cluster: app, {others}}}, do: {{refuse: {{standing: reset}}}}"),
        ),
        (
            "bytes",
            format!("where: {{{others}}}, do: {{limit_data: {{bytes: 0B}}}}"),
        ),
    ] {
        let url = format!(
            "mysql://clerk:{PASSWORD}@{}/shop?prefer_socket=false",
            proxy.address()
        );
        let mut standing = Conn::new(Opts::from_url(&url).unwrap()).await.unwrap();
        proxy.inject(name, &fault).await;
        let web = says("web").await;
        assert!(!web.contains("hello"), "{name}: {web}");
        assert!(says("clerk").await.contains("hello"), "{name}");
        assert_eq!(orders(&mut standing).await, "Some(0)", "{name}");
        assert_eq!(
            proxy.show(&format!("/api/v1/faults/{name}")).await["hits"],
            1,
            "{name}"
        );
        proxy.lift(name).await;
        standing.disconnect().await.unwrap();
    }
}
