//! Texts of several statements of which a fault refuses one: what their client gets, and what becomes of the transaction and of what
//! stood before, as where the server itself refuses it.

use std::net::SocketAddr;

use crate::kit::{
    Doc, Proxy,
    mariadb::Mariadb,
    messages::Said,
    mysql::Mysql,
    postgres::{Postgres, connect},
    script::script,
};

/// What is said to PostgreSQL, each line in a session of its own, where there is no table `broken`.
const TO_POSTGRES: [&[&str]; 16] = [
    &[
        "begin; insert into orders values (1); insert into broken values (1); select 1",
        "select 1",
        "commit",
    ],
    // Without a BEGIN the text is a transaction of its own.
    &[
        "insert into orders values (1); insert into broken values (1)",
        "select 1",
    ],
    &[
        "begin; insert into orders values (1); commit; insert into broken values (1); insert into orders values (2)",
    ],
    &[
        "insert into orders values (1); begin; insert into orders values (2); select * from broken; commit",
        "rollback",
    ],
    &[
        "select 1, 'x'; select * from orders; select * from broken; select 3",
        "select 4",
    ],
    &["select ';'; -- ;\nselect $$;$$, E'\\';', \"id\" /* ; /* ; */ ; */ from orders; select 1 from broken;"],
    &[
        "begin; savepoint a; select 1 from broken",
        "rollback to a; insert into orders values (1); select 1 from broken",
        "rollback to a; commit",
    ],
    &[
        "begin; select 1 from broken; select 2",
        "rollback; insert into orders values (1); select 1 from broken; select 2",
    ],
    &[
        "begin; select 1 from broken",
        "select 1; select 1 from broken",
        "rollback; begin; select 1 from broken",
        "rollback; select 1",
    ],
    &[
        "begin; select 1 from broken",
        "rollback; select 1 from broken",
        "select 1",
    ],
    &["prepare p as select 1; select 1 from broken", "execute p"],
    &["select 1/0; select 1 from broken", "select 1"],
    &[
        "begin; insert into orders values ('x'); select 1 from broken",
        "select 1; select 1 from broken",
        "rollback",
    ],
    &[";;select 1 from broken; select 1"],
    &["copy (select 1) to stdout; select 1 from broken", "select 1"],
    &[
        "set search_path to public; begin; select 1 from broken",
        "rollback; show search_path",
    ],
];

#[tokio::test]
async fn postgres_fails_at_the_statement_that_is_refused() {
    let server = Postgres::start().await;
    let admin = connect(server.address, "admin", "shop").await.unwrap();
    let proxy = Proxy::start(&Doc::postgres(&[server.address])).await;
    proxy
        .inject(
            "missing",
            "where: {match: {table: broken}}, do: {abort: {error: missing_table}}",
        )
        .await;
    for texts in TO_POSTGRES {
        let real = postgres_says(&admin, server.address, "create table orders (id int)", texts).await;
        // What is refused is refused by the fault alone.
        let both = "create table orders (id int); create table broken (id int)";
        let ours = postgres_says(&admin, proxy.address(), both, texts).await;
        assert_eq!(ours, real, "{texts:#?}");
    }
}

/// What came of these texts, and which orders there are then.
async fn postgres_says(
    admin: &tokio_postgres::Client,
    at: SocketAddr,
    made: &str,
    texts: &[&str],
) -> (Vec<String>, Vec<i32>) {
    admin
        .batch_execute(&format!("drop table if exists orders, broken; {made}"))
        .await
        .unwrap();
    let mut session = Said::begin(at).await;
    let mut told = Vec::new();
    for text in texts {
        told.push(session.says(text).await);
    }
    let left = admin
        .query("select id from orders order by id", &[])
        .await
        .unwrap();
    (told, left.iter().map(|row| row.get(0)).collect())
}

#[tokio::test]
async fn a_commit_of_postgres_that_fails_ends_its_transaction() {
    let server = Postgres::start().await;
    let admin = connect(server.address, "admin", "shop").await.unwrap();
    let proxy = Proxy::start(&Doc::postgres(&[server.address])).await;
    for (name, statement) in [("commit", "*commit*"), ("end", "end*")] {
        let error =
            r#"{code: "23505", message: "duplicate key value violates unique constraint \"orders_id_key\""}"#;
        let fault =
            format!("where: {{match: {{statement: \"{statement}\"}}}}, do: {{abort: {{error: {error}}}}}");
        proxy.inject(name, &fault).await;
    }
    let twice = "insert into orders values (1), (1)";
    let at_once = format!("begin; {twice}; commit; select 2");
    let alone = format!("{twice}; commit; select 2");
    for texts in [
        &["begin", twice, "commit", "select 1"][..],
        &["begin", twice, "COMMIT WORK AND CHAIN", "select 1"],
        &["begin", twice, "End  transaction", "begin", "rollback"],
        &[&at_once, "select 1"],
        &[&alone, "select 1"],
    ] {
        let deferred = "create table orders (id int unique deferrable initially deferred)";
        let real = postgres_says(&admin, server.address, deferred, texts).await;
        let ours = postgres_says(&admin, proxy.address(), "create table orders (id int)", texts).await;
        assert_eq!(ours, real, "{texts:#?}");
    }
    // Without a transaction there is none to end.
    let ours = postgres_says(
        &admin,
        proxy.address(),
        "create table orders (id int)",
        &["commit", "select 1"],
    )
    .await;
    assert!(
        ours.0[0].ends_with("Z \"I\"\n") && ours.0[0].contains("23505"),
        "{ours:?}"
    );
}

/// What is said to MariaDB and MySQL, each line in a session of its own, where there is no table `broken`.
const TO_MYSQL: [&[&str]; 11] = [
    &[
        "begin; insert into orders values (1); insert into broken values (1); select 1",
        "insert into orders values (2)",
        "rollback",
    ],
    &["insert into orders values (1); insert into broken values (1); insert into orders values (2)"],
    &[
        "select 1, 'x'; select * from orders; select * from broken; select 3",
        "select 4",
    ],
    &["select ';'; -- ;\nselect 1--1, '\\';', `id` /* ; */ from orders; select 1 from broken;"],
    &[
        "set @a = 1; prepare p from 'select ?'; select 1 from broken",
        "execute p using @a",
    ],
    &[
        "insert into orders values ('x'); select 1 from broken",
        "select 1",
    ],
    &["insert into orders values (1), (1/0), (3); update orders set id = 7; select 1 from broken"],
    &["use mysql; use shop; select 1 from broken", "select database()"],
    &[
        "create procedure both_of() begin select 1; select 2; end",
        "call both_of(); select 1 from broken",
        "drop procedure both_of",
    ],
    // An error between rows.
    &[
        "select 1 union select (select 1 union select 2); select 1 from broken",
        "select 1 from broken; select 1",
    ],
    &["select 1 from broken; select 1", "select 1"],
];

/// What came of these texts, and which orders there are then.
async fn mysql_says(
    address: SocketAddr,
    made: &str,
    texts: &[&str],
    administer: &impl AsyncFn(&str),
) -> (String, String) {
    administer(&format!("use shop; drop table if exists orders, broken; {made}")).await;
    let port = address.port().to_string();
    let line = |texts: &[&str]| serde_json::to_string(texts).unwrap() + "\n";
    let told = script("several.py", &[&port], &line(texts)).await;
    let left = script(
        "several.py",
        &[&port],
        &line(&["select id from orders order by id"]),
    )
    .await;
    (told, left)
}

async fn fails_at_the_statement_that_is_refused(address: SocketAddr, administer: impl AsyncFn(&str)) {
    let proxy = Proxy::start(&Doc::mysql(&[address])).await;
    proxy
        .inject(
            "missing",
            "where: {match: {table: broken}}, do: {abort: {error: missing_table}}",
        )
        .await;
    for texts in TO_MYSQL {
        let real = mysql_says(address, "create table orders (id int)", texts, &administer).await;
        let both = "create table orders (id int); create table broken (id int)";
        let ours = mysql_says(proxy.address(), both, texts, &administer).await;
        assert_eq!(ours, real, "{texts:#?}");
    }
}

#[tokio::test]
async fn a_deadlock_within_a_text_ends_the_transaction_that_it_began() {
    let server = Mariadb::start().await;
    let proxy = Proxy::start(&Doc::mysql(&[server.address])).await;
    proxy
        .inject("deadlock", "where: {match: {table: broken}}, do: deadlocks")
        .await;
    let texts =
        ["begin; insert into orders values (1); update broken set id = 2; insert into orders values (3)"];
    let both = "create table orders (id int); create table broken (id int)";
    let (told, left) = mysql_says(proxy.address(), both, &texts, &async |statements: &str| {
        server.administer(statements).await;
    })
    .await;
    let deadlock = "Deadlock found when trying to get lock; try restarting transaction";
    assert_eq!(told, format!("[[[0, 1, [1213, \"{deadlock}\"]], false]]\n"));
    assert_eq!(left, "[[[[]], false]]\n");
}

#[tokio::test]
async fn a_commit_of_mariadb_that_is_refused_ends_its_transaction() {
    let server = Mariadb::start().await;
    let proxy = Proxy::start(&Doc::mysql(&[server.address])).await;
    let fault = "where: {match: {statement: commit}}, do: {abort: {error: read_only}}";
    proxy.inject("end", fault).await;
    // What comes after it stands by itself, and is not rolled back.
    let texts = [
        "begin",
        "insert into orders values (1)",
        "commit",
        "insert into orders values (2)",
        "rollback",
    ];
    let administer = async |statements: &str| {
        server.administer(statements).await;
    };
    let made = "create table orders (id int)";
    let (told, left) = mysql_says(proxy.address(), made, &texts, &administer).await;
    assert!(told.contains("[1290, "), "{told}");
    assert_eq!(left, "[[[[[2]]], false]]\n");
}

#[tokio::test]
async fn mariadb_fails_at_the_statement_that_is_refused() {
    let server = Mariadb::start().await;
    fails_at_the_statement_that_is_refused(server.address, async |statements| {
        server.administer(statements).await;
    })
    .await;
}

#[tokio::test]
async fn mysql_fails_at_the_statement_that_is_refused() {
    let Some(server) = Mysql::start().await else {
        return;
    };
    fails_at_the_statement_that_is_refused(server.address, async |statements| {
        server.administer(statements).await;
    })
    .await;
}
