//! PostgreSQL's commands that are prepared first, message by message, in groups that are sent before the one before is answered.

use std::net::SocketAddr;

use crate::kit::{
    Doc, Proxy,
    messages::{Said, bind, close, copied, execute, flush, parse, query, sync, whole},
    postgres::{Postgres, connect},
};

/// What is sent at once, and which message is waited for how often.
type Step = (Vec<u8>, u8, usize);

/// What a session hears, with a table of orders that is made like this.
async fn hears(admin: &tokio_postgres::Client, at: SocketAddr, made: &str, steps: &[Step]) -> Vec<String> {
    let made = format!("drop table if exists orders; create table orders ({made})");
    admin.batch_execute(&made).await.unwrap();
    let mut session = Said::begin(at).await;
    let mut told = Vec::new();
    for (said, last, times) in steps {
        session.sends(said).await;
        for _ in 0..*times {
            told.push(session.until(*last).await);
        }
    }
    let left = admin.query_one("select count(*) from orders", &[]).await;
    told.push(left.unwrap().get::<_, i64>(0).to_string());
    told
}

/// One answer to all of it.
fn at_once(messages: &[Vec<u8>]) -> Step {
    (messages.concat(), b'Z', 1)
}

#[tokio::test]
async fn a_commit_that_was_prepared_and_fails_ends_its_transaction() {
    let server = Postgres::start().await;
    let admin = connect(server.address, "admin", "shop").await.unwrap();
    let proxy = Proxy::start(&Doc::postgres(&[server.address])).await;
    let error =
        r#"{code: "23505", message: "duplicate key value violates unique constraint \"orders_id_key\""}"#;
    let fault = format!("where: {{match: {{statement: commit*}}}}, do: {{abort: {{error: {error}}}}}");
    proxy.inject("commit", &fault).await;
    let twice = "insert into orders values (1), (1)";
    let begun = || [at_once(&[query("begin")]), at_once(&[query(twice)])];
    let after = || at_once(&[query("select 1")]);
    let named = || at_once(&[bind("", "c"), execute("", 0), sync()]);
    let group = |sql: &str| [whole(sql), sync()].concat();
    let scripts: Vec<Vec<Step>> = vec![
        [&begun()[..], &[at_once(&[whole("commit"), sync()]), after()]].concat(),
        [
            &begun()[..],
            &[
                at_once(&[whole("commit and chain"), whole("select 2"), sync()]),
                after(),
            ],
        ]
        .concat(),
        // By its name, again and again; what has no name stays as it was.
        [
            &[at_once(&[parse("c", "commit"), parse("", "select 7"), sync()])][..],
            &begun(),
            &[named(), at_once(&[bind("", ""), execute("", 0), sync()])],
            &begun(),
            &[
                named(),
                at_once(&[bind("", ""), execute("", 0), close('S', "c"), sync()]),
                after(),
            ],
        ]
        .concat(),
        // In one group, also with what is prepared before and behind it.
        vec![
            at_once(&[
                whole("begin"),
                whole(twice),
                whole("commit"),
                whole("select 2"),
                sync(),
            ]),
            after(),
        ],
        vec![
            at_once(&[query("begin")]),
            at_once(&[
                close('S', "x"),
                parse("x", "select 5"),
                whole(twice),
                bind("y", "x"),
                whole("commit"),
                close('S', "x"),
                sync(),
            ]),
            at_once(&[bind("", "x"), execute("", 0), sync()]),
        ],
        // Before anything is answered.
        vec![(
            [
                group("begin"),
                group(twice),
                group("commit"),
                group("select 2"),
                query("select 3"),
            ]
            .concat(),
            b'Z',
            5,
        )],
        vec![(
            [query("begin"), query(twice), query("commit"), query("select 3")].concat(),
            b'Z',
            4,
        )],
        // The end of the group comes later.
        [
            &begun()[..],
            &[
                (
                    [parse("", "commit"), bind("", ""), execute("", 0), flush()].concat(),
                    b'E',
                    1,
                ),
                at_once(&[whole("select 2"), sync()]),
                after(),
            ],
        ]
        .concat(),
        // A transaction that has failed by itself is ended by a COMMIT, which does not fail.
        vec![(
            [
                query("begin"),
                group("select 1/0"),
                group("commit"),
                group("select 2"),
            ]
            .concat(),
            b'Z',
            4,
        )],
        // Behind a copy, of which the group has an end of its own.
        vec![
            at_once(&[query("begin")]),
            ([whole("copy orders from stdin"), sync()].concat(), b'G', 1),
            at_once(&[copied("1\n1\n"), sync()]),
            at_once(&[whole("commit"), sync()]),
            after(),
        ],
        // Another error of the group stands.
        vec![
            at_once(&[query("begin")]),
            at_once(&[whole("select 1/0"), whole("commit"), sync()]),
            at_once(&[query("rollback")]),
        ],
        vec![
            at_once(&[query("begin")]),
            at_once(&[bind("", "gone"), whole("commit"), sync()]),
            at_once(&[query("rollback")]),
        ],
    ];
    for (n, steps) in scripts.iter().enumerate() {
        let deferred = "id int unique deferrable initially deferred";
        let real = hears(&admin, server.address, deferred, steps).await;
        let ours = hears(&admin, proxy.address(), "id int", steps).await;
        assert_eq!(ours, real, "script {n}");
    }
    // Without a transaction there is none to end.
    let ours = hears(
        &admin,
        proxy.address(),
        "id int",
        &[at_once(&[whole("commit"), sync()]), after()],
    )
    .await;
    assert!(
        ours[0].contains("23505") && ours[0].ends_with("Z \"I\"\n"),
        "{ours:?}"
    );
    let held = admin.query("select * from pg_prepared_xacts", &[]).await.unwrap();
    assert!(held.is_empty());
}

/// A server with a table `orders`, and a proxy before it that refuses what is about that table, by ZZ999.
async fn refuses_orders() -> (Postgres, Proxy) {
    let server = Postgres::start().await;
    let admin = connect(server.address, "admin", "shop").await.unwrap();
    admin.batch_execute("create table orders (id int)").await.unwrap();
    let proxy = Proxy::start(&Doc::postgres(&[server.address])).await;
    let fault = "where: {match: {table: orders}}, do: {abort: {error: {code: \"ZZ999\", message: met}}}";
    proxy.inject("met", fault).await;
    (server, proxy)
}

#[tokio::test]
async fn a_statement_is_what_the_server_has_prepared() {
    let (_server, proxy) = refuses_orders().await;
    let runs = || [bind("", "s"), execute("", 0), sync()].concat();
    let group = |messages: &[Vec<u8>]| [messages.concat(), sync()].concat();
    let failed = |messages: &[Vec<u8>]| [group(&[whole("select 1/0")]), group(messages)].concat();
    // What is said at once between the preparation of an order's statement and its execution, and whether that is still this one.
    for (said, stays) in [
        (Vec::new(), true),
        (group(&[parse("s", "select 1")]), true),
        (group(&[parse("s", "selec")]), true),
        (query("prepare s as select 1"), true),
        (group(&[whole("prepare s as select 1")]), true),
        (
            group(&[whole("select 1/0"), close('S', "s"), parse("s", "select 1")]),
            true,
        ),
        (group(&[close('S', "s"), parse("s", "select 1")]), false),
        (group(&[close('S', "s"), whole("select 1/0")]), false),
        (query("deallocate s; prepare s as select 1"), false),
        (
            query("deallocate s; prepare s as select 1; select 1/0; prepare x as select 2"),
            false,
        ),
        (query("select 1/0; deallocate s"), true),
        (
            query("begin; deallocate s; prepare s as select 1; rollback"),
            false,
        ),
        (
            [
                query("begin"),
                failed(&[whole("deallocate all")]),
                query("rollback"),
            ]
            .concat(),
            true,
        ),
        (
            [query("begin"), query("discard all"), query("rollback")].concat(),
            true,
        ),
        // Prepared, and not done.
        (group(&[parse("x", "discard all")]), true),
        (
            group(&[parse("x", "discard all"), bind("", "x"), execute("", 0)]),
            false,
        ),
        (
            group(&[whole("deallocate s"), whole("prepare s as select 1")]),
            false,
        ),
        (query(" ; deallocate s /* ; */;; prepare s as select 1"), false),
    ] {
        let shown = String::from_utf8_lossy(&said).into_owned();
        let mut session = Said::begin(proxy.address()).await;
        session.sends(&group(&[parse("s", "select * from orders")])).await;
        session.answer().await;
        // The end of it says where the answers to what was said end.
        session.sends(&[said, query("select 'marked'")].concat()).await;
        while !session.answer().await.contains("marked") {}
        session.sends(&runs()).await;
        let told = session.answer().await;
        assert_eq!(told.contains("ZZ999"), stays, "{shown}: {told}");
    }
    // The same where nothing is waited for.
    let mut session = Said::begin(proxy.address()).await;
    let all = [
        group(&[parse("s", "select * from orders")]),
        group(&[parse("s", "select 1")]),
        runs(),
        group(&[
            close('S', "s"),
            parse("s", "select 1"),
            bind("", "s"),
            execute("", 0),
        ]),
    ];
    session.sends(&all.concat()).await;
    let mut told = Vec::new();
    for _ in &all {
        told.push(session.answer().await);
    }
    assert!(told[1].contains("42P05") && told[2].contains("ZZ999"), "{told:?}");
    assert!(told[3].contains("SELECT 1"), "{told:?}");
}

#[tokio::test]
async fn behind_the_end_of_a_failed_transaction_commands_meet_faults_before_it_is_answered() {
    let (_server, proxy) = refuses_orders().await;
    let reads = "select * from orders";
    for (end, then) in [("rollback", 'I'), ("rollback and chain", 'E'), ("commit", 'I')] {
        for behind in [
            vec![whole(end), whole(reads), sync()],
            vec![whole(end), sync(), whole(reads), sync()],
            vec![query(end), query(reads)],
        ] {
            let mut session = Said::begin(proxy.address()).await;
            session.says("begin").await;
            session.says("select 1/0").await;
            session.sends(&behind.concat()).await;
            let mut told = session.until(b'E').await;
            told += &session.answer().await;
            let state = format!("Z \"{then}\"\n");
            assert!(told.contains("ZZ999") && told.ends_with(&state), "{end}: {told}");
        }
    }
}

#[tokio::test]
async fn behind_a_command_that_is_done_and_said_to_have_failed_nothing_of_its_group_is_done() {
    let server = Postgres::start().await;
    let admin = connect(server.address, "admin", "shop").await.unwrap();
    let proxy = Proxy::start(&Doc::postgres(&[server.address])).await;
    let fault =
        "where: {match: {statement: insert*}}, do: {abort: {error: serialization_failure, after: true}}";
    proxy.inject("late", fault).await;
    let group = [
        whole("insert into orders values (1)"),
        parse("x", "select 1"),
        whole("truncate orders"),
        sync(),
    ];
    let told = hears(
        &admin,
        proxy.address(),
        "id int",
        &[
            at_once(&group),
            at_once(&[parse("x", "select 1"), sync()]),
            (
                [query("begin"), group.concat(), whole("commit"), sync()].concat(),
                b'Z',
                3,
            ),
        ],
    )
    .await;
    assert!(told[0].contains("40001") && told[3].contains("40001"), "{told:?}");
    assert_eq!(told[1], "1 \"\"\nZ \"I\"\n", "the name is free");
    assert_eq!(told[5], "2", "{told:?}");
}

#[tokio::test]
async fn portals_are_followed_however_many_a_session_has_had() {
    let server = Postgres::start().await;
    let admin = connect(server.address, "admin", "shop").await.unwrap();
    admin.batch_execute("create table orders (id int)").await.unwrap();
    let proxy = Proxy::start(&Doc::postgres(&[server.address])).await;
    let mut session = Said::begin(proxy.address()).await;
    // They end with their transactions, unclosed.
    for round in 0..50 {
        let bound = (0..100).map(|n| [bind(&format!("portal {round} {n}"), "s"), execute("", 0)].concat());
        let group: Vec<Vec<u8>> = [parse("s", "select * from orders"), bind("", "s")]
            .into_iter()
            .chain(bound)
            .collect();
        session
            .sends(&[group.concat(), close('S', "s"), sync()].concat())
            .await;
        session.answer().await;
    }
    let fault = "where: {match: {table: orders}}, do: {abort: {error: {code: \"ZZ999\", message: met}}}";
    proxy.inject("met", fault).await;
    session
        .sends(
            &[
                parse("", "select * from orders"),
                bind("last", ""),
                execute("last", 0),
                sync(),
            ]
            .concat(),
        )
        .await;
    let told = session.answer().await;
    assert!(told.contains("ZZ999"), "{told}");
}
