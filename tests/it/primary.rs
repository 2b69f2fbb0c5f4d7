//! Health checks that speak a database's protocol, and clusters that follow its primary.

use std::net::SocketAddr;

use rustix::process::Signal;
use tokio_postgres::SimpleQueryMessage;

use crate::kit::{
    Doc, Proxy,
    certificates::Authority,
    eventually,
    mariadb::{self, Mariadb, mariadb},
    postgres::{self, Postgres, connect},
    raw::{End, Raw},
    redis::{Redis, redis_cli, said},
};

/// Quick, so that tests are, and patient with a machine that is busy.
const PACE: &str = "every: 1s, timeout: 1s, healthy_after: 1, unhealthy_after: 2";

/// A document whose cluster sends everything to its primary.
fn only_the_primary(doc: Doc, probe: &str) -> String {
    doc.cluster(format!("health: {{{probe}, {}}}", PACE.replace("50s", "50ms")))
        .cluster("only: primary")
        .text()
}

/// Waits until a backend is known to be this.
async fn is(proxy: &Proxy, backend: &str, replication: &str) {
    let what = format!("{backend} is a {replication}");
    eventually(&what, async || {
        proxy.backend(backend).await["replication"] == replication
    })
    .await;
}

/// The port of the server that a session through the proxy comes to; nothing where it comes to none.
async fn served_by(proxy: &Proxy) -> Option<u16> {
    let session = connect(proxy.address(), "web", "shop").await.ok()?;
    let rows = session.simple_query("select inet_server_port()").await.ok()?;
    rows.iter().find_map(|row| match row {
        SimpleQueryMessage::Row(row) => row.get(0)?.parse().ok(),
        _ => None,
    })
}

#[tokio::test]
async fn sessions_of_postgresql_follow_a_promotion() {
    let primary = Postgres::start().await;
    let standby = primary.standby().await;
    let probe = "postgres: {user: web, database: shop, password_file: probe.password}";
    // The standby is first in line, and gets nothing all the same.
    let doc = only_the_primary(Doc::postgres(&[standby.address, primary.address]), probe);
    let proxy = Proxy::setup()
        .file("probe.password", format!("{}\n", postgres::PASSWORD))
        .start(doc)
        .await;
    // The first session waits for the first look.
    for _ in 0..6 {
        assert_eq!(served_by(&proxy).await, Some(primary.address.port()));
    }
    is(&proxy, "a", "replica").await;
    is(&proxy, "b", "primary").await;
    // A replica is well, too.
    proxy.wait_for_health("a", "up").await;

    drop(primary);
    proxy.wait_for_health("b", "down").await;
    for _ in 0..6 {
        assert_eq!(served_by(&proxy).await, None, "a replica is not written to");
    }
    let admin = connect(standby.address, "admin", "postgres").await.unwrap();
    admin.batch_execute("select pg_promote()").await.unwrap();
    is(&proxy, "a", "primary").await;
    assert_eq!(served_by(&proxy).await, Some(standby.address.port()));
    let is_primary = proxy
        .metric("chaosproxy_backend_primary", &["backend=\"a\""])
        .await;
    assert!(is_primary > 0.0);
    let session = connect(proxy.address(), "web", "shop").await.unwrap();
    session
        .batch_execute("create table orders (id int)")
        .await
        .unwrap();
    proxy
        .logs(&["copy of the data", "\"backend\":\"a\"", "\"is\":\"primary\""])
        .await;
}

#[tokio::test]
async fn a_check_says_in_the_servers_words_why_it_was_turned_away() {
    let server = Postgres::start().await;
    let probe = "postgres: {user: web, database: shop, password_file: probe.password}";
    let doc =
        Doc::postgres(&[server.address]).cluster(format!("health: {{{probe}, every: 1s, timeout: 1s}}"));
    let proxy = Proxy::setup()
        .file("probe.password", "wrong")
        .start(doc.text())
        .await;
    proxy.wait_for_health("a", "down").await;
    let why = "turned away: FATAL 28P01 password authentication failed for user \"web\"";
    let backend = proxy.backend("a").await;
    assert!(backend["why"].as_str().unwrap().starts_with(why), "{backend}");

    // A password that was rotated is read on a reload.
    std::fs::write(proxy.folder().join("probe.password"), postgres::PASSWORD).unwrap();
    proxy.signal(Signal::HUP);
    is(&proxy, "a", "primary").await;
    proxy.wait_for_health("a", "up").await;

    // The hooks are those of every check.
    proxy
        .inject("ill", "where: {cluster: app}, do: {health: fail}")
        .await;
    proxy.wait_for_health("a", "down").await;
    proxy.lift("ill").await;
    proxy.wait_for_health("a", "up").await;
    for (kind, why) in [
        ("bad_credentials", why),
        (
            "missing_database",
            "turned away: FATAL 3D000 database \"shop\" does not exist",
        ),
        ("too_many_connections", "turned away: FATAL 53300 "),
        (
            "{pool_exhausted: {sessions: 0, wait: 100ms}}",
            "turned away: FATAL 53300 ",
        ),
        ("{pool_exhausted: {sessions: 0}}", "no answer within "),
    ] {
        let fault = format!("where: {{cluster: app}}, do: {kind}");
        proxy.inject("opening", &fault).await;
        proxy.wait_for_health("a", "down").await;
        let backend = proxy.backend("a").await;
        assert!(backend["why"].as_str().unwrap().starts_with(why), "{backend}");
        let hits = &proxy.show("/api/v1/faults/opening").await["hits"];
        assert!(hits.as_u64() >= Some(1), "{kind}: {hits}");
        proxy.lift("opening").await;
        proxy.wait_for_health("a", "up").await;
    }
    proxy
        .inject("quiet", "where: {cluster: app}, do: {health: pass}")
        .await;
    drop(server);
    proxy
        .inject("seen", "where: {cluster: app}, odds: 0%, do: refuse")
        .await;
    assert_eq!(proxy.backend("a").await["health"], "up");
    proxy.lift("quiet").await;
    proxy.wait_for_health("a", "down").await;
}

#[tokio::test]
async fn a_check_logs_in_over_tls_where_the_cluster_has_it() {
    let authority = Authority::new();
    let server = Postgres::start_with_tls(&authority.issue("localhost")).await;
    let probe = format!(
        "postgres: {{user: web, database: shop, password: {}}}",
        postgres::PASSWORD
    );
    let doc = Doc::postgres(&[server.address]).cluster("tls: {roots: roots.pem, server_name: localhost}");
    let proxy = Proxy::setup()
        .file("roots.pem", authority.pem())
        .start(only_the_primary(doc, &probe))
        .await;
    is(&proxy, "a", "primary").await;
    assert_eq!(served_by(&proxy).await, Some(server.address.port()));
    let session = connect(proxy.address(), "web", "shop").await.unwrap();
    let secure = "select ssl from pg_stat_ssl where pid = pg_backend_pid()";
    assert!(session.query_one(secure, &[]).await.unwrap().get::<_, bool>(0));

    // Another authority's word counts for nothing.
    std::fs::write(proxy.folder().join("roots.pem"), Authority::new().pem()).unwrap();
    proxy.signal(Signal::HUP);
    proxy.wait_for_health("a", "down").await;
}

#[tokio::test]
async fn a_check_of_mariadb_begins_tls_after_the_greeting() {
    let authority = Authority::new();
    let server = Mariadb::start_with_tls(&authority.issue("localhost")).await;
    server
        .administer("create user probe@localhost identified by 'secret' require ssl; create user probe@'%' identified by 'secret' require ssl")
        .await;
    let probe = "mysql: {user: probe, password: secret}";
    let doc = Doc::mysql(&[server.address]).cluster("tls: {roots: roots.pem, server_name: localhost}");
    let proxy = Proxy::setup()
        .file("roots.pem", authority.pem())
        .start(only_the_primary(doc, probe))
        .await;
    is(&proxy, "a", "primary").await;

    let in_clear = only_the_primary(Doc::mysql(&[server.address]), probe);
    let proxy = Proxy::setup().start(in_clear).await;
    proxy.wait_for_health("a", "down").await;
    let why = proxy.backend("a").await["why"].to_string();
    assert!(
        why.contains("turned away: 1045 Access denied for user 'probe'"),
        "{why}"
    );
}

#[tokio::test]
async fn sessions_of_mariadb_follow_the_server_that_takes_writes() {
    let (one, other) = tokio::join!(Mariadb::start(), Mariadb::start());
    one.administer("set global read_only = 1").await;
    let probe = format!("mysql: {{user: web, password: {}}}", mariadb::PASSWORD);
    let doc = only_the_primary(Doc::mysql(&[one.address, other.address]), &probe);
    let proxy = Proxy::setup().start(doc).await;
    is(&proxy, "a", "replica").await;
    is(&proxy, "b", "primary").await;
    let served_by = async || said(&mariadb(proxy.address(), "select @@port").await);
    assert_eq!(served_by().await, other.address.port().to_string());
    other.administer("set global read_only = 1").await;
    one.administer("set global read_only = 0").await;
    is(&proxy, "a", "primary").await;
    is(&proxy, "b", "replica").await;
    for _ in 0..4 {
        assert_eq!(served_by().await, one.address.port().to_string());
    }
    drop(one);
    proxy.wait_for_health("a", "down").await;
    assert!(served_by().await.contains("ERROR"), "a replica is not written to");

    let stranger =
        Doc::mysql(&[other.address]).cluster("health: {mysql: {user: nobody}, every: 1s, timeout: 1s}");
    let proxy = Proxy::start(&stranger).await;
    proxy.wait_for_health("a", "down").await;
    let why = proxy.backend("a").await["why"].to_string();
    assert!(
        why.contains("turned away: 1045 Access denied for user 'nobody'"),
        "{why}"
    );
}

/// A session that has logged in and stands.
async fn session(redis: SocketAddr) -> Raw {
    let mut raw = Raw::connect(redis).await;
    raw.say("AUTH secret\r\n").await;
    assert_eq!(raw.until("\r\n").await, "+OK\r\n");
    raw
}

#[tokio::test]
async fn connections_of_redis_follow_a_promotion() {
    let secret = ["--requirepass", "secret", "--masterauth", "secret"];
    let (one, other) = tokio::join!(Redis::start(&secret), Redis::start(&secret));
    let order = async |server: &Redis, words: &[&str]| {
        let said = redis_cli(
            server.address,
            &[&["-a", "secret", "--no-auth-warning"], words].concat(),
        )
        .await;
        assert_eq!(said, "OK", "{words:?}");
    };
    let port = |server: &Redis| server.address.port().to_string();
    order(&one, &["REPLICAOF", "127.0.0.1", &port(&other)]).await;
    let doc = only_the_primary(
        Doc::redis(&[one.address, other.address]),
        "redis: {password_file: probe.password}",
    );
    let proxy = Proxy::setup().file("probe.password", "secret").start(doc).await;
    is(&proxy, "a", "replica").await;
    is(&proxy, "b", "primary").await;
    let write = async || {
        redis_cli(
            proxy.address(),
            &["-a", "secret", "--no-auth-warning", "SET", "cart:1", "x"],
        )
        .await
    };
    for _ in 0..6 {
        assert_eq!(write().await, "OK", "a replica would say READONLY");
    }
    let anywhere = Proxy::start(&Doc::redis(&[other.address])).await;
    let (mut follows, mut stays) = (session(proxy.address()).await, session(anywhere.address()).await);
    order(&one, &["REPLICAOF", "NO", "ONE"]).await;
    order(&other, &["REPLICAOF", "127.0.0.1", &port(&one)]).await;
    is(&proxy, "a", "primary").await;
    is(&proxy, "b", "replica").await;
    for _ in 0..6 {
        assert_eq!(write().await, "OK");
    }
    // What stood leaves the old primary, where the cluster asks for the primary.
    assert_eq!(follows.rest().await, (String::new(), End::Closed));
    proxy
        .logs(&["its server is not the copy of the data any more that its cluster asks for"])
        .await;
    stays.say("PING\r\n").await;
    assert_eq!(stays.until("\r\n").await, "+PONG\r\n");
    drop(one);
    proxy.wait_for_health("a", "down").await;
    assert!(
        !write().await.contains("READONLY"),
        "nobody is asked who would refuse"
    );

    let unknown = Doc::redis(&[other.address]).cluster("health: {redis: {}, every: 1s, timeout: 1s}");
    let proxy = Proxy::start(&unknown).await;
    proxy.wait_for_health("a", "down").await;
    let why = proxy.backend("a").await["why"].to_string();
    assert!(
        why.contains("turned away: NOAUTH Authentication required."),
        "{why}"
    );
}
