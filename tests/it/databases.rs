//! What faults do alike on PostgreSQL, MySQL and Redis, each before a real server: an answer shaped, broken or replaced once the
//! command is done, sessions forgotten on the way, places given back, turns counted.

use std::time::{Duration, Instant};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    process::Command,
};
use tokio_postgres::error::SqlState;

use crate::kit::{
    Doc, PATIENCE, Proxy, Raw, eventually,
    mariadb::{Mariadb, PASSWORD, mariadb},
    postgres::{self, Postgres, complained, connect, psql},
    raw::End,
    redis::{Redis, redis_cli, said},
    within,
};

/// A PostgreSQL with a table `orders`, and a proxy before it.
pub(super) async fn before_postgres() -> (Postgres, Proxy) {
    let server = Postgres::start().await;
    let proxy = Proxy::start(&Doc::postgres(&[server.address])).await;
    let made = psql(
        proxy.address(),
        "shop",
        &[
            "-c",
            "create table orders (id int primary key, item text); grant all on orders to web",
        ],
    )
    .await;
    assert!(made.status.success(), "{}", complained(&made));
    (server, proxy)
}

/// A MariaDB with a table `orders`, and a proxy before it.
pub(super) async fn before_mariadb() -> (Mariadb, Proxy) {
    let server = Mariadb::start().await;
    let proxy = Proxy::start(&Doc::mysql(&[server.address])).await;
    let made = mariadb(
        server.address,
        "create table orders (id int primary key, item text)",
    )
    .await;
    assert!(made.status.success(), "{}", said(&made));
    (server, proxy)
}

pub(super) async fn before_redis() -> (Redis, Proxy) {
    let server = Redis::start(&[]).await;
    let proxy = Proxy::start(&Doc::redis(&[server.address])).await;
    (server, proxy)
}

/// A script of Python, with the clients that tests/run installs.
pub(super) async fn python(script: &str, proxy: &Proxy) -> String {
    let python = concat!(env!("CARGO_MANIFEST_DIR"), "/target/clients/python/bin/python");
    let mut command = Command::new(python);
    command
        .args(["-c", script, &proxy.address().port().to_string(), PASSWORD])
        .kill_on_drop(true);
    said(
        &within("python", command.output())
            .await
            .expect("tests/run installs Python's clients"),
    )
}

/// How many rows PostgreSQL really has in `orders`.
pub(super) async fn orders(server: &Postgres) -> String {
    postgres::said(&psql(server.address, "shop", &["-c", "select count(*) from orders"]).await)
}

#[tokio::test]
async fn a_connection_breaks_within_an_answer_and_the_command_is_done() {
    let (server, proxy) = before_postgres().await;
    proxy
        .inject("broken", "where: {match: {sql: write}}, do: disconnect")
        .await;
    let insert = psql(
        proxy.address(),
        "shop",
        &["-c", "insert into orders (id) values (1)"],
    )
    .await;
    assert!(
        complained(&insert).contains("server closed the connection unexpectedly"),
        "{}",
        complained(&insert)
    );
    assert_eq!(orders(&server).await, "1");

    let (server, proxy) = before_mariadb().await;
    proxy
        .inject(
            "broken",
            "where: {match: {sql: write}}, do: {disconnect: {with: close, after_bytes: 5B}}",
        )
        .await;
    let insert = said(&mariadb(proxy.address(), "insert into orders (id) values (1)").await);
    assert!(
        insert.contains("ERROR 2013 (HY000) at line 1: Lost connection to server during query"),
        "{insert}"
    );
    assert_eq!(
        said(&mariadb(server.address, "select count(*) from orders").await),
        "1"
    );

    let (server, proxy) = before_redis().await;
    proxy
        .inject(
            "broken",
            "where: {match: {statement: \"set *\"}}, do: {disconnect: {with: close, after_bytes: 2B}}",
        )
        .await;
    let mut raw = Raw::connect(proxy.address()).await;
    raw.say("GET cart\r\nSET cart full\r\nGET cart\r\n").await;
    assert_eq!(raw.rest().await, ("$-1\r\n+O".to_owned(), End::Closed));
    assert_eq!(redis_cli(server.address, &["GET", "cart"]).await, "full");
    proxy.lift("broken").await;
    proxy
        .inject("broken", "where: {match: {statement: \"set *\"}}, do: disconnect")
        .await;
    let mut raw = Raw::connect(proxy.address()).await;
    raw.say("SET cart empty\r\n").await;
    assert_eq!(raw.rest().await.1, End::Reset);
}

#[tokio::test]
async fn a_fault_of_bytes_that_asks_for_a_command_shapes_its_answer_alone() {
    let (_server, proxy) = before_redis().await;
    redis_cli(proxy.address(), &["SET", "slow", &"x".repeat(3000)]).await;
    proxy
        .inject(
            "narrow",
            "where: {match: {table: slow}}, do: {throttle: {rate: 10KB/s}}",
        )
        .await;
    let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
    let begun = Instant::now();
    stream.write_all(b"PING\r\nGET slow\r\nPING\r\n").await.unwrap();
    let mut answer = vec![0; 7 + 7 + 3000 + 2 + 7];
    within("the answers", stream.read_exact(&mut answer))
        .await
        .unwrap();
    assert!(
        begun.elapsed() >= Duration::from_millis(200),
        "{:?}",
        begun.elapsed()
    );
    assert!(answer.starts_with(b"+PONG\r\n$3000\r\nxxx") && answer.ends_with(b"xxx\r\n+PONG\r\n"));
    // The best of several: this machine may be busy, what is asked for otherwise must not be slow.
    let mut best = Duration::MAX;
    for _ in 0..10 {
        let begun = Instant::now();
        stream
            .write_all(&b"ECHO 0123456789012345678901234567890123456789\r\n".repeat(60))
            .await
            .unwrap();
        let mut answer = vec![0; (5 + 42) * 60];
        within("the answers", stream.read_exact(&mut answer))
            .await
            .unwrap();
        best = best.min(begun.elapsed());
    }
    assert!(best < Duration::from_millis(200), "{best:?}");
    proxy.counts("chaosproxy_injected_total", "narrow", 1.0).await;

    let (_server, proxy) = before_postgres().await;
    let client = connect(proxy.address(), "web", "shop").await.unwrap();
    proxy
        .inject("stuck", "where: {match: {sql: read}}, do: stall")
        .await;
    let reading = client.query_one("select 7", &[]);
    let lifting = async {
        eventually("the answer is held", async || {
            let faults = proxy.show("/api/v1/faults").await;
            faults.to_string().contains("\"hits\":1")
        })
        .await;
        proxy.lift("stuck").await;
    };
    let (row, ()) = tokio::join!(within("the answer", reading), lifting);
    assert_eq!(row.unwrap().get::<_, i32>(0), 7);

    let (_server, proxy) = before_mariadb().await;
    proxy
        .inject(
            "cut",
            "where: {match: {table: orders}}, do: {truncate: {after_bytes: 8B}}",
        )
        .await;
    let shown = said(&mariadb(proxy.address(), "select 1; select * from orders").await);
    assert!(
        shown.contains("1\n") && shown.contains("ERROR 2013 (HY000) at line 2"),
        "{shown}"
    );
}

#[tokio::test]
async fn what_cannot_meet_a_command_is_refused_with_a_reason() {
    let (_server, proxy) = before_redis().await;
    for (fault, reason) in [
        (
            "do: {throttle: {rate: 1KB/s, flow: request}}",
            "of which only the answers can be shaped",
        ),
        ("do: {timeout: {after: 1s}}", "acts on whole connections"),
        (
            "do: {misroute: {to: \"127.0.0.1:9\"}}",
            "acts on sessions that begin",
        ),
    ] {
        let answer = proxy
            .try_inject(
                "said",
                &format!("for: 1m, where: {{match: {{sql: read}}}}, {fault}"),
            )
            .await;
        assert!(
            answer.status == 422 && answer.text().contains(reason),
            "{fault}: {} {}",
            answer.status,
            answer.text()
        );
    }
}

#[tokio::test]
async fn a_command_is_done_and_its_client_gets_the_error() {
    let (server, proxy) = before_postgres().await;
    proxy
        .inject(
            "late",
            "where: {match: {sql: write}}, do: {abort: {error: serialization_failure, after: true}}",
        )
        .await;
    let client = connect(proxy.address(), "web", "shop").await.unwrap();
    let failed = client
        .batch_execute("insert into orders (id) values (1); insert into orders (id) values (2)")
        .await;
    assert_eq!(
        failed.unwrap_err().code(),
        Some(&SqlState::T_R_SERIALIZATION_FAILURE)
    );
    let failed = client
        .query("insert into orders (id) values ($1) returning id", &[&3_i32])
        .await;
    assert_eq!(
        failed.unwrap_err().code(),
        Some(&SqlState::T_R_SERIALIZATION_FAILURE)
    );
    let row = client
        .query_one("select count(*) from orders", &[])
        .await
        .unwrap();
    assert_eq!(row.get::<_, i64>(0), 3);
    // The server's own error stands.
    let failed = client
        .batch_execute("insert into orders (id) values (1)")
        .await
        .unwrap_err();
    assert_eq!(failed.code(), Some(&SqlState::UNIQUE_VIOLATION));
    proxy.lift("late").await;
    proxy
        .inject(
            "gone",
            "where: {match: {sql: write}}, do: {abort: {error: admin_shutdown, after: true}}",
        )
        .await;
    let failed = client
        .execute("insert into orders (id) values ($1)", &[&4_i32])
        .await
        .unwrap_err();
    assert_eq!(failed.code(), Some(&SqlState::ADMIN_SHUTDOWN));
    assert_eq!(orders(&server).await, "4");

    let (_server, proxy) = before_mariadb().await;
    proxy
        .inject(
            "late",
            "where: {match: {sql: write}}, do: {abort: {error: lock_timeout, after: true}}",
        )
        .await;
    let shown = said(
        &mariadb(
            proxy.address(),
            "insert into orders values (1, 'x') returning item; select count(*) from orders",
        )
        .await,
    );
    assert!(
        shown.starts_with("1\n") && shown.contains("ERROR 1205 (HY000) at line 1"),
        "{shown}"
    );

    let (server, proxy) = before_redis().await;
    proxy
        .inject(
            "late",
            "where: {match: {sql: write}}, do: {abort: {error: try_again, after: true}}",
        )
        .await;
    assert!(
        redis_cli(proxy.address(), &["INCR", "n"])
            .await
            .starts_with("TRYAGAIN")
    );
    assert_eq!(redis_cli(server.address, &["GET", "n"]).await, "1");
}

#[tokio::test]
async fn what_a_server_says_on_preparing_comes_on_preparing() {
    let (_server, proxy) = before_postgres().await;
    let client = connect(proxy.address(), "web", "shop").await.unwrap();
    let standing = client.prepare("select * from orders").await.unwrap();
    proxy
        .inject("missed", "do: {missed_migration: {table: orders}}")
        .await;
    let failed = client
        .prepare("select * from orders where id = 1")
        .await
        .unwrap_err();
    assert_eq!(failed.code(), Some(&SqlState::UNDEFINED_TABLE));
    proxy.counts("chaosproxy_injected_total", "missed", 1.0).await;
    let failed = client.query(&standing, &[]).await.unwrap_err();
    assert_eq!(
        failed.code(),
        Some(&SqlState::UNDEFINED_TABLE),
        "what is prepared already meets it when it is done"
    );
    client.query_one("select 1", &[]).await.unwrap();
    proxy.lift("missed").await;
    // Half of the statements fail, not three quarters: what comes of a preparation is not asked again.
    proxy
        .inject("missed", "every: 2, do: {missed_migration: {table: orders}}")
        .await;
    let mut failures = 0;
    for id in 0..10_i32 {
        failures += u32::from(
            client
                .query("select item from orders where id = $1", &[&id])
                .await
                .is_err(),
        );
    }
    assert_eq!(failures, 5);
    // What a server says only when a statement is done still comes then.
    proxy.lift("missed").await;
    proxy.inject("replica", "do: read_only").await;
    let insert = client
        .prepare("insert into orders (id) values ($1)")
        .await
        .unwrap();
    let failed = client.execute(&insert, &[&1_i32]).await.unwrap_err();
    assert_eq!(failed.code(), Some(&SqlState::READ_ONLY_SQL_TRANSACTION));

    let (_server, proxy) = before_mariadb().await;
    proxy
        .inject("missed", "do: {missed_migration: {table: orders}}")
        .await;
    assert_eq!(
        python(MYSQL_PREPARES, &proxy).await,
        "ProgrammingError 1146\n1\nProgrammingError 1146"
    );
}

/// A cursor of mysql-connector that prepares.
const MYSQL_PREPARES: &str = "
import sys, mysql.connector
connection = mysql.connector.connect(host='127.0.0.1', port=int(sys.argv[1]), user='web', password=sys.argv[2],
                                     database='shop', use_pure=True)
for sql in ['select * from orders where id = %s', 'select %s', 'select item from orders where id = %s']:
    cursor = connection.cursor(prepared=True)
    try:
        cursor.execute(sql, (1,))
        print(cursor.fetchall()[0][0])
    except mysql.connector.Error as error:
        print(type(error).__name__, error.errno)
";

#[tokio::test]
async fn a_replica_says_so_to_clients_that_choose() {
    let (_server, proxy) = before_postgres().await;
    let choose = async |wanted: &str| {
        let url = format!(
            "host=127.0.0.1 port={} user=admin dbname=shop target_session_attrs={wanted}",
            proxy.address().port()
        );
        let mut command = Command::new("psql");
        command.args(["-X", "-A", "-t", &url, "-c", "select 'in'"]);
        let output = within("psql", command.output()).await.unwrap();
        (postgres::said(&output), complained(&output))
    };
    let is_in = async |wanted: &str| choose(wanted).await.0 == "in";
    assert!(is_in("read-write").await && is_in("primary").await && !is_in("standby").await);
    proxy.inject("replica", "do: read_only").await;
    let (_, why) = choose("read-write").await;
    assert!(why.contains("session is read-only"), "{why}");
    let (_, why) = choose("primary").await;
    assert!(why.contains("server is in hot standby mode"), "{why}");
    assert!(is_in("standby").await && is_in("read-only").await && is_in("any").await);
    proxy.lift("replica").await;
    // Where only some changes are refused, it is no replica.
    proxy.inject("some", "odds: 50%, do: read_only").await;
    assert!(is_in("read-write").await);
    proxy.lift("some").await;
    proxy
        .inject("failover", "do: {failover: {down: 1ms, read_only: 1h}}")
        .await;
    eventually("the stale primary is back", async || is_in("any").await).await;
    assert!(!is_in("read-write").await && is_in("standby").await);
}

#[tokio::test]
async fn a_command_that_is_held_gives_its_place_back_when_its_client_goes() {
    let open = async |proxy: &Proxy| proxy.metric("chaosproxy_open_connections", &[]).await;
    let (server, proxy) = before_postgres().await;
    for at in ["open", "reply"] {
        proxy
            .inject(
                "held",
                &format!("where: {{match: {{sql: read}}}}, do: {{hang: {{at: {at}}}}}"),
            )
            .await;
        let mut asking = Command::new("psql");
        let url = format!(
            "host=127.0.0.1 port={} user=web password={PASSWORD} dbname=shop",
            proxy.address().port()
        );
        let mut asking = asking.args([&url, "-c", "select 1"]).spawn().unwrap();
        eventually("it is held", async || proxy.held().await == 1.0).await;
        asking.kill().await.unwrap();
        eventually("its place is free", async || {
            open(&proxy).await == 0.0 && proxy.held().await == 0.0
        })
        .await;
        let sessions = "select count(*) from pg_stat_activity where usename = 'web'";
        eventually("the server has let it go", async || {
            postgres::said(&psql(server.address, "shop", &["-c", sessions]).await) == "0"
        })
        .await;
        proxy.lift("held").await;
    }

    let (_server, proxy) = before_redis().await;
    proxy.inject("held", "do: hang").await;
    let mut raw = Raw::connect(proxy.address()).await;
    raw.say("GET a\r\n").await;
    eventually("it is held", async || proxy.held().await == 1.0).await;
    drop(raw);
    eventually("its place is free", async || open(&proxy).await == 0.0).await;
    // Whoever waits for a place in the pool, too.
    proxy.lift("held").await;
    proxy.inject("full", "do: {pool_exhausted: {sessions: 0}}").await;
    let raw = Raw::connect(proxy.address()).await;
    eventually("it waits", async || proxy.held().await == 1.0).await;
    drop(raw);
    eventually("its place is free", async || {
        open(&proxy).await == 0.0 && proxy.held().await == 0.0
    })
    .await;
}

#[tokio::test]
async fn a_firewall_forgets_what_stands_idle_and_tells_nobody() {
    let (server, proxy) = before_postgres().await;
    let client = connect(proxy.address(), "web", "shop").await.unwrap();
    let busy = connect(proxy.address(), "web", "shop").await.unwrap();
    client.query_one("select 1", &[]).await.unwrap();
    proxy.inject("firewall", "do: {idle_cut: {after: 1200ms}}").await;
    // A session that is used stays known, however long.
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_millis(2600) {
        busy.query_one("select 1", &[]).await.unwrap();
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let asked = tokio::time::timeout(Duration::from_millis(300), client.query_one("select 2", &[]));
    assert!(
        asked.await.is_err(),
        "nobody answers, and nobody ends the connection"
    );
    let sessions = "select count(*) from pg_stat_activity where usename = 'web'";
    assert_eq!(
        postgres::said(&psql(server.address, "shop", &["-c", sessions]).await),
        "2",
        "the server knows of nothing"
    );
    proxy.lift("firewall").await;
    let lost = within("the end", client.query_one("select 3", &[]))
        .await
        .unwrap_err();
    assert!(
        lost.is_closed() || lost.to_string().contains("communicating"),
        "{lost}"
    );
    busy.query_one("select 1", &[]).await.unwrap();
}

#[tokio::test]
async fn a_firewall_forgets_bare_connections_too() {
    let server = Redis::start(&[]).await;
    let proxy = Proxy::start(&Doc::tcp(&[server.address])).await;
    proxy.inject("firewall", "do: {idle_cut: {after: 200ms}}").await;
    let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
    let mut answer = [0; 7];
    // A pause that is long enough comes sooner or later; before it, all is well.
    let forgotten = async {
        loop {
            stream.write_all(b"PING\r\n").await.unwrap();
            if tokio::time::timeout(Duration::from_secs(1), stream.read_exact(&mut answer))
                .await
                .is_err()
            {
                return;
            }
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
    };
    tokio::time::timeout(PATIENCE, forgotten).await.unwrap();
    let answer = proxy
        .try_inject("late", "for: 1m, do: {idle_cut: {after: 1h}}")
        .await;
    assert!(
        answer.status == 422 && answer.text().contains("idle_timeout"),
        "{}",
        answer.text()
    );
}

/// Which of nine commands fail under each kind of turn.
const TURNS: [(&str, &[usize]); 4] = [
    ("nth: 3", &[3]),
    ("first: 2", &[1, 2]),
    ("every: 4", &[4, 8]),
    ("first: 6, every: 3", &[3, 6]),
];

/// What asks for a table fails, when it is its turn.
async fn fails_in_turns(proxy: &Proxy, turns: &str, table: &str, error: &str) {
    let fault = format!("{turns}, where: {{match: {{table: {table}}}}}, do: {{abort: {{error: {error}}}}}");
    proxy.inject("turn", &fault).await;
}

#[tokio::test]
async fn turns_are_counted_among_the_commands_that_match() {
    let (_server, proxy) = before_postgres().await;
    let client = connect(proxy.address(), "web", "shop").await.unwrap();
    let select = client.prepare("select item from orders").await.unwrap();
    for (turns, expected) in TURNS {
        fails_in_turns(&proxy, turns, "orders", "deadlock").await;
        let mut failed = Vec::new();
        for n in 1..=9 {
            client.batch_execute("select 1").await.unwrap();
            if client.query(&select, &[]).await.is_err() {
                failed.push(n);
            }
        }
        assert_eq!(failed, expected, "postgres, {turns}");
        proxy.lift("turn").await;
    }

    let (_server, proxy) = before_mariadb().await;
    for (turns, expected) in TURNS {
        fails_in_turns(&proxy, turns, "orders", "deadlock").await;
        let shown = said(
            &mariadb(
                proxy.address(),
                &["select 1", "select count(*) from orders"].repeat(9).join("; "),
            )
            .await,
        );
        let failed: Vec<usize> = (1..=9)
            .filter(|n| shown.contains(&format!("ERROR 1213 (40001) at line {}:", 2 * n)))
            .collect();
        assert_eq!(failed, expected, "mysql, {turns}: {shown}");
        proxy.lift("turn").await;
    }

    let (_server, proxy) = before_redis().await;
    for (turns, expected) in TURNS {
        fails_in_turns(&proxy, turns, "cart", "busy").await;
        let mut raw = Raw::connect(proxy.address()).await;
        raw.say("PING\r\nGET cart\r\n".repeat(9)).await;
        raw.finish().await;
        let (answers, _) = raw.rest().await;
        let gets = answers.lines().filter(|line| *line != "+PONG");
        let failed: Vec<usize> = (1..)
            .zip(gets)
            .filter(|(_, line)| line.starts_with("-BUSY"))
            .map(|(n, _)| n)
            .collect();
        assert_eq!(failed, expected, "redis, {turns}");
        proxy.lift("turn").await;
    }
}
