//! A listener of PostgreSQL before a real server: what passes, what faults say, and what real clients make of it.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    process::Command,
};
use tokio_postgres::{
    SimpleQueryMessage,
    error::{DbError, SqlState},
};

use crate::kit::{
    Doc, Proxy,
    certificates::Authority,
    eventually,
    postgres::{PASSWORD, Postgres, complained, connect, psql, said},
    within,
};

async fn before(server: &Postgres) -> Proxy {
    Proxy::start(&Doc::postgres(&[server.address])).await
}

#[tokio::test]
async fn real_clients_see_no_difference() {
    let server = Postgres::start().await;
    let proxy = before(&server).await;
    let direct = psql(server.address, "shop", &["-c", "select 1, repeat('x', 100000)"]).await;
    let through = psql(proxy.address(), "shop", &["-c", "select 1, repeat('x', 100000)"]).await;
    assert_eq!(
        (said(&through), complained(&through)),
        (said(&direct), complained(&direct))
    );

    let client = connect(proxy.address(), "web", "shop").await.unwrap();
    client
        .batch_execute("create table orders (id serial primary key, item text)")
        .await
        .unwrap();
    // COPY both ways, extended and simple queries, a pipeline, an error, a transaction that failed.
    let copied = psql(
        proxy.address(),
        "shop",
        &[
            "-c",
            "copy (select g, 'item ' || g from generate_series(1, 20000) g) to stdout",
        ],
    )
    .await;
    let file = proxy.folder().join("rows");
    std::fs::write(&file, &copied.stdout).unwrap();
    let copy = format!("\\copy orders from '{}'", file.display());
    let back = psql(
        proxy.address(),
        "shop",
        &["-c", &copy, "-c", "select count(*) from orders"],
    )
    .await;
    assert_eq!(said(&back), "20000", "{}", complained(&back));
    let statement = client
        .prepare("select item from orders where id = $1")
        .await
        .unwrap();
    let one = client.query(&statement, &[&7_i32]);
    let other = client.query(&statement, &[&8_i32]);
    let (one, other) = tokio::join!(one, other);
    assert_eq!(one.unwrap()[0].get::<_, String>(0), "item 7");
    assert_eq!(other.unwrap()[0].get::<_, String>(0), "item 8");
    client.batch_execute("begin").await.unwrap();
    let failed = client.batch_execute("select nonsense").await.unwrap_err();
    assert_eq!(failed.code(), Some(&SqlState::UNDEFINED_COLUMN));
    let after = client.batch_execute("select 1").await.unwrap_err();
    assert_eq!(after.code(), Some(&SqlState::IN_FAILED_SQL_TRANSACTION));
    client.batch_execute("rollback").await.unwrap();
}

#[tokio::test]
async fn a_notification_comes_unasked_and_a_cancel_request_finds_its_server() {
    let servers = (Postgres::start().await, Postgres::start().await);
    let proxy = Proxy::start(&Doc::postgres(&[servers.0.address, servers.1.address])).await;
    let listening = psql(
        proxy.address(),
        "shop",
        &[
            "-c",
            "listen news",
            "-c",
            "notify news, 'hello'",
            "-c",
            "select 1",
        ],
    )
    .await;
    assert!(
        said(&listening).contains("\"news\" with payload \"hello\""),
        "{}",
        said(&listening)
    );

    for _ in 0..4 {
        let client = connect(proxy.address(), "web", "shop").await.unwrap();
        let token = client.cancel_token();
        let slow = tokio::spawn(async move { client.batch_execute("select pg_sleep(60)").await });
        let address = proxy.address();
        eventually("the cancel request arrives", async || {
            let stream = TcpStream::connect(address).await.unwrap();
            token
                .cancel_query_raw(stream, tokio_postgres::NoTls)
                .await
                .unwrap();
            slow.is_finished()
        })
        .await;
        let failed = slow.await.unwrap().unwrap_err();
        assert_eq!(failed.code(), Some(&SqlState::QUERY_CANCELED));
    }
}

#[tokio::test]
async fn pgbench_runs_through_it() {
    let server = Postgres::start().await;
    let proxy = before(&server).await;
    let port = proxy.address().port().to_string();
    let bench = async |arguments: &[&str]| {
        let mut command = Command::new("pgbench");
        command
            .args(["-h", "127.0.0.1", "-p", &port, "-U", "admin"])
            .args(arguments)
            .arg("shop")
            .kill_on_drop(true);
        let output = within("pgbench", command.output()).await.unwrap();
        assert!(output.status.success(), "{}", complained(&output));
        said(&output)
    };
    bench(&["-i", "-q", "-s", "1"]).await;
    for mode in ["simple", "extended", "prepared"] {
        let text = bench(&["-M", mode, "-c", "8", "-t", "50"]).await;
        assert!(
            text.contains("number of transactions actually processed: 400/400"),
            "{text}"
        );
        assert!(text.contains("number of failed transactions: 0"), "{text}");
    }
}

#[tokio::test]
async fn a_fault_answers_commands_with_the_errors_of_the_server() {
    let server = Postgres::start().await;
    let proxy = before(&server).await;
    let client = connect(proxy.address(), "web", "shop").await.unwrap();
    client
        .batch_execute("create table orders (id serial primary key, item text)")
        .await
        .unwrap();
    let insert = client
        .prepare("insert into orders (item) values ($1)")
        .await
        .unwrap();
    // The session stands when the fault comes, and its statement was prepared before.
    proxy
        .inject(
            "broken",
            "where: {match: {sql: write, table: orders}}, do: {abort: {error: deadlock}}",
        )
        .await;
    let failed = client.execute(&insert, &[&"tea"]).await.unwrap_err();
    assert_eq!(failed.code(), Some(&SqlState::T_R_DEADLOCK_DETECTED));
    let text = failed.as_db_error().unwrap();
    assert_eq!(text.message(), "deadlock detected");
    assert_eq!(text.routine(), Some("chaosproxy"));
    assert_eq!(
        client
            .query("select count(*) from orders", &[])
            .await
            .unwrap()
            .len(),
        1
    );

    // In a transaction the server really aborts it.
    client.batch_execute("begin").await.unwrap();
    client.batch_execute("select 1").await.unwrap();
    let failed = client
        .batch_execute("insert into orders (item) values ('tea')")
        .await
        .unwrap_err();
    assert_eq!(failed.code(), Some(&SqlState::T_R_DEADLOCK_DETECTED));
    let after = client.batch_execute("select 1").await.unwrap_err();
    assert_eq!(after.code(), Some(&SqlState::IN_FAILED_SQL_TRANSACTION));
    client.batch_execute("rollback").await.unwrap();

    proxy.order("/api/v1/panic", serde_json::Value::Null).await;
    client.execute(&insert, &[&"tea"]).await.unwrap();
    let rows = client.simple_query("select count(*) from orders").await.unwrap();
    let count = rows.iter().find_map(|row| match row {
        SimpleQueryMessage::Row(row) => row.get(0),
        _ => None,
    });
    assert_eq!(count, Some("1"));
}

#[tokio::test]
async fn an_opening_is_refused_as_the_server_would() {
    let server = Postgres::start().await;
    let check = async |error: &str, code: &SqlState, text: &str| {
        let proxy = before(&server).await;
        let standing = connect(proxy.address(), "web", "shop").await.unwrap();
        proxy
            .inject("closed", &format!("do: {{abort: {{error: {error}}}}}"))
            .await;
        let refused = connect(proxy.address(), "web", "shop").await.unwrap_err();
        assert_eq!(
            (refused.code(), refused.as_db_error().map(DbError::message)),
            (Some(code), Some(text))
        );
        // Who is in stays in.
        standing.batch_execute("select 1").await.unwrap();
    };
    check(
        "too_many_connections",
        &SqlState::TOO_MANY_CONNECTIONS,
        "sorry, too many clients already",
    )
    .await;
    check(
        "bad_credentials",
        &SqlState::INVALID_PASSWORD,
        "password authentication failed for user \"web\"",
    )
    .await;
    check(
        "missing_database",
        &SqlState::INVALID_CATALOG_NAME,
        "database \"shop\" does not exist",
    )
    .await;
}

#[tokio::test]
async fn what_is_fatal_ends_the_session() {
    let server = Postgres::start().await;
    let proxy = before(&server).await;
    let client = connect(proxy.address(), "web", "shop").await.unwrap();
    proxy
        .inject(
            "ended",
            "where: {match: {statement: select 1}}, do: {abort: {error: admin_shutdown}}",
        )
        .await;
    let ended = client.batch_execute("select 1").await.unwrap_err();
    assert_eq!(ended.code(), Some(&SqlState::ADMIN_SHUTDOWN));
    eventually("the client knows", async || client.is_closed()).await;
    let through = psql(proxy.address(), "shop", &["-c", "select 1"]).await;
    let text = complained(&through);
    assert!(
        text.contains("FATAL:  57P01: terminating connection due to administrator command"),
        "{text}"
    );
    assert!(
        text.contains("server closed the connection unexpectedly"),
        "{text}"
    );
}

#[tokio::test]
async fn time_and_ends_are_given_to_commands() {
    let server = Postgres::start().await;
    let proxy = before(&server).await;
    let client = connect(proxy.address(), "web", "shop").await.unwrap();
    proxy
        .inject(
            "slow",
            "where: {match: {statement: \"select 'slow'*\"}}, do: {latency: {add: 300ms}}",
        )
        .await;
    let timed = async |sql: &str| {
        let begun = std::time::Instant::now();
        client.batch_execute(sql).await.unwrap();
        begun.elapsed()
    };
    assert!(timed("select  'slow'").await >= Duration::from_millis(300));
    // The best of several: this machine may be busy.
    let mut best = Duration::MAX;
    for _ in 0..10 {
        best = best.min(timed("select 'fast'").await);
    }
    assert!(best < Duration::from_millis(300), "{best:?}");
    proxy
        .inject(
            "late",
            "where: {match: {sql: ddl}}, do: {latency: {add: 300ms, at: reply}}",
        )
        .await;
    assert!(timed("create table t (id int)").await >= Duration::from_millis(300));
    proxy.inject("cut", "where: {match: {table: t}}, do: reset").await;
    assert!(
        client
            .batch_execute("select * from t")
            .await
            .unwrap_err()
            .is_closed()
    );
}

#[tokio::test]
async fn encryption_is_declined_and_what_is_no_postgres_is_dropped() {
    let server = Postgres::start().await;
    let proxy = before(&server).await;
    let mut raw = TcpStream::connect(proxy.address()).await.unwrap();
    // GSSENCRequest, then SSLRequest.
    for request in [[0, 0, 0, 8, 4, 210, 22, 48], [0, 0, 0, 8, 4, 210, 22, 47]] {
        raw.write_all(&request).await.unwrap();
        assert_eq!(within("the answer", raw.read_u8()).await.unwrap(), b'N');
    }
    let mut raw = TcpStream::connect(proxy.address()).await.unwrap();
    raw.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    let mut rest = Vec::new();
    // A FIN or, as something is left unread, a RST.
    let _ = within("the end", raw.read_to_end(&mut rest)).await;
    assert!(rest.is_empty());
    let url = format!(
        "sslmode=require host=127.0.0.1 port={} user=admin dbname=shop",
        proxy.address().port()
    );
    let refused = Command::new("psql")
        .args(["-X", &url, "-c", "select 1"])
        .output()
        .await
        .unwrap();
    assert!(
        complained(&refused).contains("server does not support SSL"),
        "{}",
        complained(&refused)
    );
}

#[tokio::test]
async fn a_failover_ends_all_sessions_keeps_everybody_out_and_comes_back_read_only() {
    let server = Postgres::start().await;
    let proxy = before(&server).await;
    let client = connect(proxy.address(), "web", "shop").await.unwrap();
    client
        .batch_execute("create table orders (id serial primary key, item text)")
        .await
        .unwrap();
    let idle = connect(proxy.address(), "web", "shop").await.unwrap();
    proxy
        .inject(
            "failover",
            "do: {failover: {down: 3s, meets: starting_up, read_only: 1h}}",
        )
        .await;
    // Nobody asks, and both are told.
    eventually("all sessions end", async || {
        idle.is_closed() && client.is_closed()
    })
    .await;
    let refused = connect(proxy.address(), "web", "shop").await.unwrap_err();
    assert_eq!(refused.code(), Some(&SqlState::CANNOT_CONNECT_NOW));
    eventually("the database is back", async || {
        connect(proxy.address(), "web", "shop").await.is_ok()
    })
    .await;
    let back = connect(proxy.address(), "web", "shop").await.unwrap();
    back.batch_execute("select * from orders").await.unwrap();
    let stale = back
        .batch_execute("insert into orders (item) values ('tea')")
        .await
        .unwrap_err();
    assert_eq!(stale.code(), Some(&SqlState::READ_ONLY_SQL_TRANSACTION));
    let text = stale.as_db_error().map(DbError::message);
    assert_eq!(text, Some("cannot execute INSERT in a read-only transaction"));
    proxy.order("/api/v1/panic", serde_json::Value::Null).await;
    back.batch_execute("insert into orders (item) values ('tea')")
        .await
        .unwrap();
}

#[tokio::test]
async fn each_incident_of_a_database_is_one_fault() {
    let server = Postgres::start().await;
    let check = async |fault: &str, sql: &str, code: Option<&SqlState>| {
        let proxy = before(&server).await;
        let client = connect(proxy.address(), "web", "shop").await.unwrap();
        client
            .batch_execute("create table if not exists orders (id serial primary key, item text)")
            .await
            .unwrap();
        proxy.inject("incident", &format!("do: {fault}")).await;
        let read = client.batch_execute("select 1").await;
        assert!(read.is_ok(), "{fault}: {read:?}");
        let met = client.batch_execute(sql).await.err();
        assert_eq!(
            met.as_ref().and_then(tokio_postgres::Error::code),
            code,
            "{fault}: {met:?}"
        );
    };
    let insert = "insert into orders (item) values ('tea')";
    check("read_only", insert, Some(&SqlState::READ_ONLY_SQL_TRANSACTION)).await;
    check("read_only", "select * from orders", None).await;
    check("missed_migration", "drop table if exists orders", None).await;
    check("deadlocks", insert, Some(&SqlState::T_R_DEADLOCK_DETECTED)).await;
    check(
        "{missed_migration: {table: orders}}",
        insert,
        Some(&SqlState::UNDEFINED_TABLE),
    )
    .await;
    let slow = "{slow_queries: {add: 60s, statement_timeout: 200ms}}";
    let proxy = before(&server).await;
    let client = connect(proxy.address(), "web", "shop").await.unwrap();
    proxy.inject("incident", &format!("do: {slow}")).await;
    let met = client.batch_execute("select 1").await.unwrap_err();
    assert_eq!(met.code(), Some(&SqlState::QUERY_CANCELED));
    drop(client);
    let line = proxy.access(1).await.remove(0);
    assert_eq!(
        (&line["origin"], &line["faults"][0]),
        (&"injected".into(), &"incident".into()),
        "{line}"
    );
}

#[tokio::test]
async fn a_pool_has_so_many_places() {
    let server = Postgres::start().await;
    let proxy = before(&server).await;
    let standing = connect(proxy.address(), "web", "shop").await.unwrap();
    proxy
        .inject("few", "do: {too_many_connections: {sessions: 2}}")
        .await;
    let first = connect(proxy.address(), "web", "shop").await.unwrap();
    let second = connect(proxy.address(), "web", "shop").await.unwrap();
    let counted = async || {
        let few = proxy.show("/api/v1/faults/few").await;
        (few["matched"].as_u64().unwrap(), few["hits"].as_u64().unwrap())
    };
    assert_eq!(counted().await, (2, 0), "who finds a place has met nothing");
    let refused = connect(proxy.address(), "web", "shop").await.unwrap_err();
    assert_eq!(refused.code(), Some(&SqlState::TOO_MANY_CONNECTIONS));
    assert_eq!(counted().await, (3, 1));
    standing.batch_execute("select 1").await.unwrap();
    drop(first);
    eventually("a place is free", async || {
        connect(proxy.address(), "web", "shop").await.is_ok()
    })
    .await;
    drop(second);
}

/// What psql comes to with a connection string of its own.
async fn with_url(proxy: &Proxy, more: &str) -> std::process::Output {
    let url = format!(
        "{more} host=shop.test hostaddr=127.0.0.1 port={} user=admin dbname=shop",
        proxy.address().port()
    );
    let mut command = Command::new("psql");
    command.args(["-X", "-A", "-t", &url, "-c", "select 'hello'"]);
    within("psql", command.output()).await.unwrap()
}

#[tokio::test]
async fn a_client_that_insists_on_tls_gets_it_here_and_its_commands_meet_faults() {
    let server = Postgres::start().await;
    let authority = Authority::new();
    let certificate = authority.issue("shop.test");
    let doc = Doc::postgres(&[server.address]).listener("tls: {certificate: one.pem, key: one.key}");
    let proxy = Proxy::setup()
        .file("one.pem", certificate.pem.clone())
        .file("one.key", certificate.key.clone())
        .start(doc.text())
        .await;
    let roots = proxy.folder().join("ca.pem");
    std::fs::write(&roots, authority.pem()).unwrap();
    let secured = format!("sslmode=verify-full sslrootcert={}", roots.display());
    let through = with_url(&proxy, &secured).await;
    assert_eq!(said(&through), "hello", "{}", complained(&through));
    proxy
        .inject(
            "locked",
            "where: {match: {sql: read}}, do: {abort: {error: lock_timeout}}",
        )
        .await;
    let met = complained(&with_url(&proxy, &secured).await);
    assert!(met.contains("canceling statement due to lock timeout"), "{met}");
    proxy
        .inject("denied", "do: {abort: {error: access_denied}}")
        .await;
    let met = complained(&with_url(&proxy, &secured).await);
    assert!(met.contains("database \"shop\", SSL encryption"), "{met}");
}

#[tokio::test]
async fn a_proof_that_is_bound_to_a_certificate_is_left_out_or_its_refusal_explained() {
    let authority = Authority::new();
    let (own, other) = (authority.issue("localhost"), authority.issue("shop.test"));
    let server = Postgres::start_with_tls(&own).await;
    let login = async |proxy: &Proxy, more: &str| {
        let password = format!("user=web password={PASSWORD} {more}");
        let url = format!(
            "host=127.0.0.1 port={} dbname=shop {password}",
            proxy.address().port()
        );
        let mut command = Command::new("psql");
        command.args(["-X", "-A", "-t", &url, "-c", "select 'hello'"]);
        within("psql", command.output()).await.unwrap()
    };
    let doc = Doc::postgres(&[server.address]).cluster("tls: {verify: false}");
    let clear = Proxy::start(&doc).await;
    let through = login(&clear, "").await;
    assert_eq!(said(&through), "hello", "{}", complained(&through));

    let doc = doc.listener("tls: {certificate: one.pem, key: one.key}");
    for (certificate, passes) in [(&own, true), (&other, false)] {
        let proxy = Proxy::setup()
            .file("one.pem", certificate.pem.clone())
            .file("one.key", certificate.key.clone())
            .start(doc.text())
            .await;
        let bound = login(&proxy, "sslmode=require channel_binding=prefer").await;
        if passes {
            assert_eq!(said(&bound), "hello", "{}", complained(&bound));
        } else {
            let why = complained(&bound);
            assert!(
                why.contains("channel binding check failed") && why.contains("channel_binding=disable"),
                "{why}"
            );
        }
        let unbound = login(&proxy, "sslmode=require channel_binding=disable").await;
        assert_eq!(said(&unbound), "hello", "{}", complained(&unbound));
    }
}

#[tokio::test]
async fn what_passes_unread_meets_faults_of_bytes_only() {
    let server = Postgres::start().await;
    let doc = Doc::postgres(&[server.address]).listener("encryption: pass");
    let proxy = Proxy::start(&doc).await;
    proxy
        .inject(
            "locked",
            "where: {match: {sql: read}}, do: {abort: {error: lock_timeout}}",
        )
        .await;
    // The server itself says that it has no TLS.
    let through = with_url(&proxy, "sslmode=prefer").await;
    assert_eq!(said(&through), "hello", "{}", complained(&through));
    let status = proxy.show("/api/v1/status").await;
    assert_eq!(status["listeners"][0]["passes_unread"], true, "{status}");
    // What only a session that is read can be told ends none that is not.
    for error in ["deadlock", "too_many_connections"] {
        proxy
            .inject("told", &format!("do: {{abort: {{error: {error}}}}}"))
            .await;
        let through = with_url(&proxy, "sslmode=prefer").await;
        assert_eq!(said(&through), "hello", "{}", complained(&through));
        assert_eq!(proxy.show("/api/v1/faults/told").await["hits"], 0);
        proxy.lift("told").await;
    }
    proxy.inject("cut", "do: reset").await;
    assert!(!with_url(&proxy, "sslmode=prefer").await.status.success());
}

#[tokio::test]
async fn an_opening_that_no_server_takes_is_refused_in_the_servers_words() {
    let server = Postgres::start().await;
    let proxy = before(&server).await;
    let says = async |at, opening: &[u8]| {
        let mut stream = TcpStream::connect(at).await.unwrap();
        stream.write_all(opening).await.unwrap();
        let mut all = Vec::new();
        within("the end", stream.read_to_end(&mut all)).await.unwrap();
        String::from_utf8_lossy(&all).into_owned()
    };
    for (opening, text) in [
        (
            &b"\0\0\0\x12\0\x04\0\0user\0web\0\0"[..],
            "unsupported frontend protocol 4.0",
        ),
        (b"\0\0\0\x08\0\x02\0\0", "unsupported frontend protocol 2.0"),
        (b"\0\0\0\x09\0\x03\0\0\0", "no PostgreSQL user name specified"),
    ] {
        let own = says(server.address, opening).await;
        assert!(own.contains("FATAL") && own.contains(text), "{own}");
        assert_eq!(says(proxy.address(), opening).await, own);
    }
}

#[tokio::test]
async fn tables_are_known_in_statements_of_every_form() {
    let server = Postgres::start().await;
    let proxy = before(&server).await;
    let client = connect(proxy.address(), "admin", "shop").await.unwrap();
    client
        .batch_execute("create table orders (id int); create table other (id int)")
        .await
        .unwrap();
    let fault = "where: {match: {table: orders}}, do: {abort: {error: {code: \"ZZ999\", message: met}}}";
    proxy.inject("met", fault).await;
    for text in [
        "drop table orders",
        "drop table if exists other, public.orders cascade",
        "comment on table orders is 'x'",
        "grant select on table orders to web",
        "vacuum orders",
        "vacuum (analyze, verbose) orders",
        "table orders",
        "update orders set id = 1 where current of c",
        "select * from orders for no key update of orders nowait",
        "select * from orders where id between symmetric 2 and 1",
    ] {
        let met = client.batch_execute(text).await.err();
        let code = met.as_ref().and_then(tokio_postgres::Error::code);
        assert_eq!(code.map(SqlState::code), Some("ZZ999"), "{text}: {met:?}");
    }
    client.batch_execute("drop table other").await.unwrap();
}

#[tokio::test]
async fn a_transaction_that_is_left_open_ends_its_session_and_no_other() {
    let server = Postgres::start().await;
    let proxy = before(&server).await;
    let open = async |statements: &str| {
        let client = connect(proxy.address(), "web", "shop").await.unwrap();
        client.batch_execute(statements).await.unwrap();
        client
    };
    let (idle, busy) = (open("select 1").await, open("begin").await);
    let waiting = [
        open("begin").await,
        open("begin; savepoint a").await,
        open("begin").await,
    ];
    waiting[2].batch_execute("select 1/0").await.unwrap_err();
    let counted = async || {
        let left = proxy.show("/api/v1/faults/left").await;
        (left["matched"].as_u64().unwrap(), left["hits"].as_u64().unwrap())
    };
    idle.batch_execute("select pg_advisory_lock(1)").await.unwrap();
    let locked = busy.batch_execute("select pg_advisory_lock(1)");
    let inject = async {
        let blocked = "select 1 from pg_locks where not granted";
        eventually("one is busy", async || {
            idle.simple_query(blocked).await.unwrap().len() > 2
        })
        .await;
        proxy
            .inject("left", "do: {abort: {error: idle_in_transaction_timeout}}")
            .await;
        // Nobody asks, and they are told.
        eventually("those that wait end", async || {
            waiting.iter().all(tokio_postgres::Client::is_closed)
        })
        .await;
        assert_eq!(counted().await, (3, 3));
        idle.batch_execute("select pg_advisory_unlock(1)").await.unwrap();
    };
    let (locked, ()) = tokio::join!(locked, inject);
    locked.unwrap();
    // Who was busy meets it at the next command.
    let met = busy.batch_execute("select 1").await.unwrap_err();
    assert_eq!(met.code(), Some(&SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT));
    eventually("the session ends", async || busy.is_closed()).await;
    assert_eq!(counted().await, (4, 4));
    let now = open("begin").await;
    let met = now.batch_execute("commit").await.unwrap_err();
    assert_eq!(met.code(), Some(&SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT));
    idle.batch_execute("select 1").await.unwrap();
}
