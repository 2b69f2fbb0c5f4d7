//! What is missing by a fault, and what a server says from which it is missing: tables, databases, and errors that a server does not have.

use mysql_async::{Conn, prelude::Queryable};

use super::databases::before_redis;
use crate::kit::{
    Doc, Proxy, eventually,
    mariadb::{Mariadb, PASSWORD, mariadb, mariadb_with},
    mysql::Mysql,
    postgres::{Postgres, connect},
    redis::{redis_cli, said},
    within,
};

/// What is said where there is a table `items`, and none that is called `orders`.
const WITHOUT_ORDERS: [&str; 15] = [
    "create table orders (id int)",
    "create table if not exists orders (id int)",
    "create table orders as select * from items",
    "create temporary table orders (id int)",
    "drop table if exists orders",
    "drop table orders",
    "create view orders as select * from items",
    "select items.id from items join orders on items.id = orders.id",
    "create table more as select * from orders",
    "insert into orders select * from items",
    "truncate table orders",
    "with orders as (select 1 as id) select * from orders",
    "with more as (select id from orders) select * from more",
    "with recursive orders as (select 1 as id union all select id + 1 from orders where id < 3) select * from orders",
    "drop table if exists orders; select * from orders",
];

async fn hits(proxy: &Proxy, fault: &str) -> u64 {
    let path = format!("/api/v1/faults/{fault}");
    proxy.show(&path).await["hits"].as_u64().unwrap()
}

#[tokio::test]
async fn a_table_that_is_missing_can_be_made_in_postgres() {
    let server = Postgres::start().await;
    let direct = connect(server.address, "admin", "shop").await.unwrap();
    let clean =
        "drop view if exists orders; drop table if exists more; create table if not exists items (id int)";
    direct.batch_execute(clean).await.unwrap();
    let proxy = Proxy::start(&Doc::postgres(&[server.address])).await;
    proxy
        .inject("missed", "do: {missed_migration: {table: orders}}")
        .await;
    let own = [
        "alter table if exists orders add more int",
        "select id into orders from items",
        "drop table public.orders cascade",
        "select * from U&\"orders\"",
    ];
    for text in WITHOUT_ORDERS.into_iter().chain(own) {
        let mut told = Vec::new();
        let before = hits(&proxy, "missed").await;
        for at in [server.address, proxy.address()] {
            let session = connect(at, "admin", "shop").await.unwrap();
            told.push(match session.batch_execute(text).await {
                Ok(()) => String::new(),
                Err(error) => error.as_db_error().unwrap().to_string(),
            });
            drop(session);
            let clean = match text.contains("view") {
                true => "drop view if exists orders",
                false => "drop table if exists orders",
            };
            direct.batch_execute(clean).await.unwrap();
        }
        assert_eq!(told[1], told[0], "{text}");
        let met = hits(&proxy, "missed").await - before;
        assert_eq!(met, u64::from(!told[0].is_empty()), "{text}: {told:?}");
    }
}

async fn can_be_made(at: std::net::SocketAddr, administer: impl AsyncFn(&str)) {
    let proxy = Proxy::start(&Doc::mysql(&[at])).await;
    administer("create table shop.items (id int)").await;
    proxy
        .inject("missed", "do: {missed_migration: {table: orders}}")
        .await;
    let own = [
        "rename table items to orders",
        "create table orders like items",
        "drop temporary table orders",
        "create index i on orders (id)",
        "drop index i on orders",
        "Drop  table shop.orders",
    ];
    let url = |at| format!("mysql://web:{PASSWORD}@{at}/shop?prefer_socket=false");
    for text in WITHOUT_ORDERS.into_iter().chain(own) {
        let mut told = Vec::new();
        let before = hits(&proxy, "missed").await;
        for at in [at, proxy.address()] {
            let mut session = within("a session", Conn::from_url(url(at))).await.unwrap();
            told.push(match session.query_drop(text).await {
                Ok(()) => String::new(),
                Err(error) => error.to_string(),
            });
            session.disconnect().await.unwrap();
            administer(
                "use shop; drop view if exists orders; create table if not exists items (id int); drop table if exists orders",
            )
            .await;
        }
        assert_eq!(told[1], told[0], "{text}");
        let met = hits(&proxy, "missed").await - before;
        assert_eq!(met, u64::from(!told[0].is_empty()), "{text}: {told:?}");
    }
}

#[tokio::test]
async fn a_table_that_is_missing_can_be_made_in_mariadb() {
    let server = Mariadb::start().await;
    can_be_made(server.address, async |text| server.administer(text).await).await;
}

#[tokio::test]
async fn a_table_that_is_missing_can_be_made_in_mysql() {
    let Some(server) = Mysql::start().await else {
        return;
    };
    can_be_made(server.address, async |text| {
        server.administer(text).await;
    })
    .await;
}

#[tokio::test]
async fn a_missing_database_meets_who_names_one() {
    let server = Mariadb::start().await;
    let probe = format!(
        "health: {{mysql: {{user: web, password: {PASSWORD}}}, every: 1s, unhealthy_after: 1, healthy_after: 1}}"
    );
    let proxy = Proxy::start(&Doc::mysql(&[server.address]).cluster(probe)).await;
    proxy.wait_for_health("a", "up").await;
    for (kind, number, text) in [
        ("missing_database", 1049, "Unknown database"),
        (
            "{abort: {error: database_denied}}",
            1044,
            "Access denied for user 'web'@'localhost' to database",
        ),
    ] {
        proxy
            .inject("missing", &format!("where: {{cluster: app}}, do: {kind}"))
            .await;
        let none =
            async |statements: &str| said(&mariadb_with(proxy.address(), &["--database="], statements).await);
        assert_eq!(none("select 'let in'").await, "let in");
        assert_eq!(hits(&proxy, "missing").await, 0, "it names none");
        // The command line says the one as a command of its own.
        let used = none("use shop; select 'goes on'; select database()").await;
        let refused = format!("ERROR {number} (42000) at line 1: {text} 'shop'");
        assert_eq!(used, format!("goes on\nNULL\n{refused}"), "{kind}");
        assert_eq!(hits(&proxy, "missing").await, 1);
        let url = format!("mysql://web:{PASSWORD}@{}?prefer_socket=false", proxy.address());
        let mut session = within("a session", Conn::from_url(url)).await.unwrap();
        let error = session
            .query_drop("/* x */ USE `shop`")
            .await
            .unwrap_err()
            .to_string();
        assert!(
            error.contains(&format!("ERROR {number} (42000): {text} 'shop'")),
            "{error}"
        );
        let here: Option<Option<String>> = session.query_first("select database()").await.unwrap();
        assert_eq!((here, hits(&proxy, "missing").await), (Some(None), 2));
        // Who names one from the first does not get in.
        let opened = said(&mariadb(proxy.address(), "select 1").await);
        assert!(
            opened.contains(&format!("ERROR {number} (42000): {text} 'shop'")),
            "{opened}"
        );
        eventually("the session is over", async || hits(&proxy, "missing").await == 3).await;
        let wrong = said(&mariadb_with(proxy.address(), &["--password=wrong"], "select 1").await);
        assert!(wrong.contains("ERROR 1045 (28000)"), "{wrong}");
        assert_eq!(
            hits(&proxy, "missing").await,
            3,
            "the server has turned it away by itself"
        );
        // A check names none, and comes to the fault behind.
        proxy
            .inject("other", "where: {cluster: app}, do: too_many_connections")
            .await;
        proxy.wait_for_health("a", "down").await;
        let backend = proxy.backend("a").await;
        assert!(backend["why"].as_str().unwrap().contains("1040"), "{backend}");
        proxy.lift("other").await;
        proxy.lift("missing").await;
        session.query_drop("use shop").await.unwrap();
        session.disconnect().await.unwrap();
        proxy.wait_for_health("a", "up").await;
    }
}

#[tokio::test]
async fn an_error_that_a_server_does_not_have_is_not_said_in_its_name() {
    let server = Mariadb::start().await;
    let (redis, _) = before_redis().await;
    let doc = format!(
        "listeners:
  public: {{bind: 127.0.0.1:0, protocol: mysql, cluster: app}}
  cache: {{bind: 127.0.0.1:0, protocol: redis, cluster: cache}}
clusters:
  app:
    health: {{mysql: {{user: web, password: {PASSWORD}}}, every: 1s, unhealthy_after: 1, healthy_after: 1}}
    backends: [{{name: a, address: \"{}\"}}]
  cache:
    health: {{redis: {{}}, every: 1s, unhealthy_after: 1, healthy_after: 1}}
    backends: [{{name: a, address: \"{}\"}}]
",
        server.address, redis.address
    );
    let proxy = Proxy::setup().start(doc).await;
    let why = async |cluster: &str, why: &str| {
        eventually(why, async || {
            let cluster = proxy.show(&format!("/api/v1/clusters/{cluster}")).await;
            cluster["backends"][0]["why"]
                .as_str()
                .unwrap_or_default()
                .contains(why)
        })
        .await;
    };
    let loading = "LOADING Redis is loading the dataset in memory";
    proxy
        .inject(
            "starts",
            "where: {leg: upstream}, do: {abort: {error: starting_up}}",
        )
        .await;
    why("cache", loading).await;
    assert_eq!(redis_cli(proxy.listener("cache"), &["GET", "a"]).await, loading);
    assert_eq!(said(&mariadb(proxy.address(), "select 1").await), "1");
    assert_eq!(proxy.backend("a").await["health"], "up");
    proxy.lift("starts").await;
    // MySQL does not listen until it has started.
    proxy
        .inject(
            "over",
            "where: {leg: upstream}, do: {failover: {down: 1h, meets: starting_up}}",
        )
        .await;
    why("cache", loading).await;
    why("app", "refused").await;
    // Redis knows no tables.
    proxy.lift("over").await;
    proxy.wait_for_health("a", "up").await;
    proxy.inject("lock", "do: deadlocks").await;
    assert_eq!(redis_cli(proxy.listener("cache"), &["SET", "a", "1"]).await, "OK");
}
