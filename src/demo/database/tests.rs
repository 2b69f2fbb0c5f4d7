//! The database as its clients meet it: `psql` and tokio-postgres over real sockets.

use std::{net::SocketAddr, process::Output};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    process::Command,
};
use tokio_postgres::{Client, NoTls, SimpleQueryMessage, error::SqlState};
use tokio_util::sync::CancellationToken;

use super::*;

/// A source with three orders, and its replica.
async fn databases() -> (SocketAddr, SocketAddr, Tasks) {
    let tasks = Tasks::new(CancellationToken::new());
    let source = Database::source(["tea", "bread", "rice"].map(str::to_owned));
    let replica = Database::replica(&source, &tasks);
    let mut at = Vec::new();
    for database in [source, replica] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        at.push(listener.local_addr().unwrap());
        database.serve(listener, &tasks);
    }
    (at[0], at[1], tasks)
}

async fn connect(at: SocketAddr) -> Result<Client, tokio_postgres::Error> {
    let config = format!("host={} port={} user=demo dbname=shop", at.ip(), at.port());
    let (client, connection) = tokio_postgres::connect(&config, NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

async fn psql(at: SocketAddr, sql: &str) -> Output {
    Command::new("psql")
        .args([
            "-X",
            "-A",
            "-t",
            "-v",
            "VERBOSITY=verbose",
            "-U",
            "demo",
            "-d",
            "shop",
        ])
        .args([
            "-h",
            &at.ip().to_string(),
            "-p",
            &at.port().to_string(),
            "-c",
            sql,
        ])
        .output()
        .await
        .expect("psql is needed: tests/run installs it (Debian package postgresql-client)")
}

#[tokio::test]
async fn psql_asks_and_is_answered() {
    let (source, replica, _tasks) = databases().await;
    let check = async |at, sql: &str, expected: &str| {
        let output = psql(at, sql).await;
        let answer = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        assert_eq!(answer, expected, "{sql}: {output:?}");
    };
    check(source, "select 1", "1").await;
    check(source, "select count(*) from orders", "3").await;
    check(source, "select item from orders where id = 2", "bread").await;
    check(
        source,
        "select id, item from orders order by id desc limit 2",
        "3|rice\n2|bread",
    )
    .await;
    check(
        source,
        "insert into orders (item, quantity) values ('it''s honey', 4) returning id",
        "4\nINSERT 0 1",
    )
    .await;
    check(
        source,
        "select item, quantity from orders where id = 4",
        "it's honey|4",
    )
    .await;
    check(replica, "show transaction_read_only", "on").await;
}

#[tokio::test]
async fn psql_is_told_what_cannot_be_done() {
    let (source, replica, _tasks) = databases().await;
    let check = async |at, sql: &str, says: &[&str]| {
        let output = psql(at, sql).await;
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success(), "{sql}: {output:?}");
        for said in says {
            assert!(error.contains(said), "{sql}: {said} is not in {error}");
        }
    };
    check(
        source,
        "delete from orders",
        &["42601", "near \"delete\"", "HINT", "^"],
    )
    .await;
    check(source, "\\d", &["0A000", "no system catalogue", "HINT"]).await;
    check(source, "select * from users", &["42P01", "users"]).await;
    check(source, "show tables", &["42704", "orders (id bigint"]).await;
    check(
        replica,
        "insert into orders (item, quantity) values ('tea', 1)",
        &["25006", "read-only transaction"],
    )
    .await;
}

#[tokio::test]
async fn prepared_statements_take_parameters_and_give_typed_columns() {
    let (source, _, _tasks) = databases().await;
    let client = connect(source).await.unwrap();
    let insert = "insert into orders (quantity, item) values ($1, $2) returning id, created";
    let row = client.query_one(insert, &[&2_i32, &"tea"]).await.unwrap();
    let id: i64 = row.get("id");
    let _: std::time::SystemTime = row.get("created");
    let one = client
        .prepare("select item, quantity from orders where id = $1")
        .await
        .unwrap();
    let row = client.query_one(&one, &[&id]).await.unwrap();
    assert_eq!((row.get::<_, &str>(0), row.get::<_, i32>(1)), ("tea", 2));
    assert!(client.query_opt(&one, &[&99_i64]).await.unwrap().is_none());
    assert_eq!(
        client.query_one("select 1", &[]).await.unwrap().get::<_, i32>(0),
        1
    );
    let written = client
        .execute(
            "insert into orders (item, quantity) values ('a', 1), ('b', 2)",
            &[],
        )
        .await;
    assert_eq!(written.unwrap(), 2);
    assert!(client.query("", &[]).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_transaction_is_seen_by_others_only_when_it_commits() {
    let (source, _, _tasks) = databases().await;
    let (mut ours, theirs) = (connect(source).await.unwrap(), connect(source).await.unwrap());
    let count = async |client: &Client| -> i64 {
        let row = client
            .query_one("select count(*) from orders", &[])
            .await
            .unwrap();
        row.get(0)
    };
    let insert = "insert into orders (item, quantity) values ('tea', 1)";

    let transaction = ours.transaction().await.unwrap();
    transaction.execute(insert, &[]).await.unwrap();
    assert_eq!(count(transaction.client()).await, 4);
    assert_eq!(count(&theirs).await, 3);
    transaction.rollback().await.unwrap();
    assert_eq!(count(&ours).await, 3);

    let transaction = ours.transaction().await.unwrap();
    transaction.execute(insert, &[]).await.unwrap();
    transaction.commit().await.unwrap();
    assert_eq!(count(&theirs).await, 4);
}

#[tokio::test]
async fn after_an_error_a_transaction_hears_nothing_but_its_end() {
    let (source, _, _tasks) = databases().await;
    let client = connect(source).await.unwrap();
    client.batch_execute("begin").await.unwrap();
    client.batch_execute("nonsense").await.unwrap_err();
    let error = client.batch_execute("select 1").await.unwrap_err();
    assert_eq!(error.code(), Some(&SqlState::IN_FAILED_SQL_TRANSACTION));
    client.batch_execute("commit").await.unwrap();
    client.batch_execute("select 1").await.unwrap();
}

#[tokio::test]
async fn errors_carry_their_state_and_leave_the_session_whole() {
    let (source, _, _tasks) = databases().await;
    let client = connect(source).await.unwrap();
    let check = async |sql: &str, state: SqlState| {
        let error = client.query(sql, &[]).await.unwrap_err();
        assert_eq!(error.code(), Some(&state), "{sql}");
        assert_eq!(
            client.query("select 1", &[]).await.unwrap().len(),
            1,
            "after {sql}"
        );
    };
    check("update orders set item = 'x'", SqlState::SYNTAX_ERROR).await;
    check("select 1; select 2", SqlState::SYNTAX_ERROR).await;
    check(
        "select * from orders where id = 'x'",
        SqlState::INVALID_TEXT_REPRESENTATION,
    )
    .await;
    check(
        "insert into orders (item, quantity) values (null, 1)",
        SqlState::NOT_NULL_VIOLATION,
    )
    .await;
    check(
        "insert into orders (item, quantity) values ('x', 3000000000)",
        SqlState::NUMERIC_VALUE_OUT_OF_RANGE,
    )
    .await;
}

#[tokio::test]
async fn a_portal_gives_its_rows_in_pieces() {
    let (source, _, _tasks) = databases().await;
    let mut client = connect(source).await.unwrap();
    let transaction = client.transaction().await.unwrap();
    let portal = transaction.bind("select id from orders", &[]).await.unwrap();
    let mut pieces = Vec::new();
    for _ in 0..3 {
        let rows = transaction.query_portal(&portal, 2).await.unwrap();
        pieces.push(rows.iter().map(|row| row.get(0)).collect::<Vec<i64>>());
    }
    assert_eq!(pieces, [vec![1, 2], vec![3], vec![]]);
}

#[tokio::test]
async fn a_simple_query_may_hold_several_statements() {
    let (source, _, _tasks) = databases().await;
    let client = connect(source).await.unwrap();
    let sql =
        "begin; insert into orders (item, quantity) values ('tea', 1); commit; select count(*) from orders";
    let answers = client.simple_query(sql).await.unwrap();
    let count = answers.iter().find_map(|answer| match answer {
        SimpleQueryMessage::Row(row) => row.get(0),
        _ => None,
    });
    assert_eq!(count, Some("4"));
}

#[tokio::test]
async fn one_client_too_many_is_refused_in_words_and_room_comes_back() {
    let (source, _, _tasks) = databases().await;
    let mut clients = Vec::new();
    for _ in 0..MAX_SESSIONS {
        clients.push(connect(source).await.unwrap());
    }
    let error = connect(source).await.err().unwrap();
    assert_eq!(error.code(), Some(&SqlState::TOO_MANY_CONNECTIONS));
    clients.pop();
    crate::demo::tests::eventually("a session is free", async || connect(source).await.is_ok()).await;
}

#[tokio::test]
async fn encryption_is_declined_and_nonsense_ends_only_its_own_session() {
    let (source, _, _tasks) = databases().await;
    let said = async |bytes: &[u8]| {
        let mut stream = TcpStream::connect(source).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        answer
    };
    assert_eq!(said(b"\0\0\0\x08\x04\xd2\x16\x2f").await, b"N");
    assert_eq!(said(b"\0\0\0\x10\x04\xd2\x16\x2e\0\0\0\x01\0\0\0\0").await, b"");
    let refused = String::from_utf8_lossy(&said(b"GET / HTTP/1.1\r\n\r\n").await).into_owned();
    assert!(
        refused.contains("FATAL") && refused.contains("08P01"),
        "{refused:?}"
    );
    connect(source).await.unwrap();
}
