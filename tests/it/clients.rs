//! The clients that applications use, as they use them: what they see through the proxy is what they see without it, and an
//! error that is injected is to them the error that a server gives.

use std::{collections::BTreeMap, fmt::Write as _, net::SocketAddr};

use chaosproxy::wire::{
    errors::{KnownError, Weight},
    mysql, postgres, redis,
};
use mysql_async::{TxOpts, prelude::Queryable};
use tokio::process::Command;

use crate::kit::{
    Doc, Proxy,
    mariadb::{self, Mariadb, mariadb},
    mysql::Mysql,
    postgres::{Postgres, connect},
    redis::{Redis, run, said},
    script, within,
};

/// Does a script's work through the proxy, then at the server itself; gives what it has seen, both times.
async fn same(name: &str, first: &[&str], through: SocketAddr, server: SocketAddr) -> String {
    let work = async |at: SocketAddr| {
        let port = at.port().to_string();
        script(name, &[first, &["127.0.0.1", &port]].concat(), "").await
    };
    let (proxied, direct) = (work(through).await, work(server).await);
    assert_eq!(proxied, direct, "{name}");
    assert!(!proxied.is_empty(), "{name} has seen nothing");
    proxied
}

#[tokio::test]
async fn clients_of_postgresql_see_no_difference() {
    let server = Postgres::start().await;
    let proxy = Proxy::start(&Doc::postgres(&[server.address])).await;
    // Sessions are followed command by command only where a fault may care.
    for fault in [
        "",
        "where: {match: {table: elsewhere}}, do: {abort: {error: deadlock}}",
    ] {
        if !fault.is_empty() {
            proxy.inject("elsewhere", fault).await;
        }
        same("with_psycopg.py", &[], proxy.address(), server.address).await;
        same("with_asyncpg.py", &[], proxy.address(), server.address).await;
        same(
            "with_sqlalchemy.py",
            &["postgresql+psycopg"],
            proxy.address(),
            server.address,
        )
        .await;
        same("with_pg.js", &[], proxy.address(), server.address).await;
    }
}

#[tokio::test]
async fn a_commit_that_fails_is_to_clients_of_postgresql_what_it_is_at_the_server() {
    let server = Postgres::start().await;
    let admin = connect(server.address, "admin", "shop").await.unwrap();
    let proxy = Proxy::start(&Doc::postgres(&[server.address])).await;
    let error =
        r#"{code: "23505", message: "duplicate key value violates unique constraint \"orders_id_key\""}"#;
    let commit = format!("where: {{match: {{statement: commit}}}}, do: {{abort: {{error: {error}}}}}");
    let says = async |at: SocketAddr, made: &str| {
        let made = format!(
            "drop table if exists orders; create table orders ({made}); alter table orders owner to web"
        );
        admin.batch_execute(&made).await.unwrap();
        let port = at.port().to_string();
        let arguments = ["127.0.0.1", &port];
        script("commits.py", &arguments, "").await + &script("commits.js", &arguments, "").await
    };
    let real = says(server.address, "id int unique deferrable initially deferred").await;
    proxy.inject("commit", &commit).await;
    let ours = says(proxy.address(), "id int").await;
    assert!(real.contains("23505"), "{real}");
    assert_eq!(ours, real);
}

#[tokio::test]
async fn clients_of_mariadb_see_no_difference() {
    let server = Mariadb::start().await;
    clients_of_mysql(server.address, &[]).await;
}

#[tokio::test]
async fn clients_of_mysql_see_no_difference() {
    let Some(server) = Mysql::start().await else {
        return;
    };
    server
        .administer("grant create routine, alter routine, execute on shop.* to web@'%'")
        .await;
    // The first of the clients shows the password, so that the server remembers it: mysql-connector does that over TLS only.
    clients_of_mysql(server.address, &["with_mysql_connector.py"]).await;
}

async fn clients_of_mysql(server: SocketAddr, more: &[&str]) {
    let proxy = Proxy::start(&Doc::mysql(&[server])).await;
    for fault in [
        "",
        "where: {match: {table: elsewhere}}, do: {abort: {error: deadlock}}",
    ] {
        if !fault.is_empty() {
            proxy.inject("elsewhere", fault).await;
        }
        same("with_pymysql.py", &[], proxy.address(), server).await;
        same("with_sqlalchemy.py", &["mysql+pymysql"], proxy.address(), server).await;
        same("with_mysql2.js", &[], proxy.address(), server).await;
        for name in more {
            same(name, &[], proxy.address(), server).await;
        }
        let (proxied, direct) = (
            with_mysql_async(proxy.address()).await.unwrap(),
            with_mysql_async(server).await.unwrap(),
        );
        assert_eq!(proxied, direct, "mysql_async");
    }
}

/// What an application does with mysql_async: a pool, prepared statements, a transaction, rows that come one by one, an error.
async fn with_mysql_async(at: SocketAddr) -> Result<String, mysql_async::Error> {
    let url = format!("mysql://web:{}@{at}/shop?prefer_socket=false", mariadb::PASSWORD);
    let pool = mysql_async::Pool::new(url.as_str());
    let mut session = pool.get_conn().await?;
    session
        .query_drop(
            "drop table if exists carts; \
             create table carts (id int auto_increment primary key, item varchar(80) unique)",
        )
        .await?;
    let items = (0..300).map(|n| (format!("item {n}"),));
    session
        .exec_batch("insert into carts (item) values (?)", items)
        .await?;
    let mut transaction = session.start_transaction(TxOpts::default()).await?;
    transaction.query_drop("delete from carts").await?;
    transaction.rollback().await?;
    let mut bytes = 0;
    let mut rows = session
        .exec_iter("select repeat(item, 100) from carts where id > ?", (100,))
        .await?;
    while let Some(row) = rows.next().await? {
        bytes += mysql_async::from_row::<String>(row).len();
    }
    let wrong = session
        .query_drop("insert into carts (item) values ('item 1')")
        .await;
    drop(session);
    // The pool resets a session before it lends it again.
    let mut again = pool.get_conn().await?;
    let left: Option<u64> = again.query_first("select count(*) from carts").await?;
    drop(again);
    pool.disconnect().await?;
    Ok(format!("{bytes} {left:?} {:?}", wrong.unwrap_err()))
}

#[tokio::test]
async fn clients_of_redis_see_no_difference() {
    let server = Redis::start(&[]).await;
    let proxy = Proxy::start(&Doc::redis(&[server.address])).await;
    for fault in [
        "",
        "where: {match: {table: \"elsewhere:*\"}}, do: {abort: {error: busy}}",
    ] {
        if !fault.is_empty() {
            proxy.inject("elsewhere", fault).await;
        }
        same("with_redis.py", &[], proxy.address(), server.address).await;
        same("with_ioredis.js", &[], proxy.address(), server.address).await;
    }
}

/// The catalogue, by protocol.
fn catalogue() -> impl Iterator<Item = (&'static str, &'static KnownError)> {
    let of = |protocol, errors: &'static [KnownError]| errors.iter().map(move |error| (protocol, error));
    of("postgres", postgres::ERRORS)
        .chain(of("mysql", mysql::ERRORS))
        .chain(of("redis", redis::ERRORS))
}

/// A line that a script wrote: protocol, error, client, class and code.
struct Seen<'a>([&'a str; 5]);

impl<'a> Seen<'a> {
    fn read(line: &'a str) -> Self {
        let words: Vec<_> = line.split(' ').collect();
        Self(
            words
                .try_into()
                .unwrap_or_else(|_| panic!("no client failed: {line}")),
        )
    }
}

/// Whether a client shows the code, or, where it keeps that for itself, begins with the text.
fn shows(error: &KnownError, code: &str) -> bool {
    // MariaDB has a number of its own.
    let own = error.code == "3024" && code == "1969";
    own || code == error.code || error.text.split(' ').next() == Some(code)
}

#[tokio::test]
async fn each_error_is_to_clients_what_the_servers_own_is() {
    let (postgres, mariadb) = tokio::join!(Postgres::start(), Mariadb::start());
    let redis = Redis::start(&["--requirepass", "secret"]).await;
    let orders = "create table orders (id int primary key); insert into orders values (0)";
    let session = connect(postgres.address, "web", "shop").await.unwrap();
    session.batch_execute(orders).await.unwrap();
    assert!(mariadb_is_told(mariadb.address, orders).await);
    let servers = [
        ("postgres", postgres.address),
        ("mysql", mariadb.address),
        ("redis", redis.address),
    ];
    let (mut listeners, mut clusters) = ("listeners:\n".to_owned(), "clusters:\n".to_owned());
    for (protocol, address) in servers {
        writeln!(
            listeners,
            "  {protocol}: {{bind: 127.0.0.1:0, protocol: {protocol}, cluster: {protocol}}}"
        )
        .unwrap();
        writeln!(
            clusters,
            "  {protocol}: {{backends: [{{address: \"{address}\"}}]}}"
        )
        .unwrap();
    }
    let proxy = Proxy::setup().start(listeners + &clusters).await;
    let mut arguments = vec![proxy.admin().to_string()];
    arguments.extend(servers.map(|(protocol, _)| proxy.listener(protocol).to_string()));
    arguments.extend(servers.map(|(_, address)| address.to_string()));
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let mut input = String::new();
    for (protocol, error) in catalogue() {
        let when = if error.moment.is_opening() {
            "opening"
        } else {
            "command"
        };
        writeln!(input, "{protocol} {} {when}", error.name).unwrap();
    }
    let seen = script("errors.py", &arguments, &input).await + &script("errors.js", &arguments, &input).await;

    let mut clients: BTreeMap<(&str, &str), Vec<Seen<'_>>> = BTreeMap::new();
    for seen in seen.lines().map(Seen::read) {
        clients.entry((seen.0[0], seen.0[1])).or_default().push(seen);
    }
    for (protocol, error) in catalogue() {
        let seen = &clients[&(protocol, error.name)];
        // What PostgreSQL says as a notice before it ends a session is nobody's error code.
        let is_shown = error.weight == Weight::Farewell || seen.iter().any(|seen| shows(error, seen.0[4]));
        assert!(
            is_shown,
            "{protocol} {}: no client shows {}",
            error.name, error.code
        );
    }
    let mut lines: Vec<_> = seen.lines().collect();
    lines.sort_unstable();
    insta::with_settings!({snapshot_path => "../clients", prepend_module_to_snapshot => false, omit_expression => true}, {
        insta::assert_snapshot!("errors", lines.join("\n"));
    });
}

async fn mariadb_is_told(at: SocketAddr, statements: &str) -> bool {
    mariadb(at, statements).await.status.success()
}

/// What pgbench and psql say of a server: that nothing failed, that the books balance, and what the catalogue looks like.
async fn postgres_at(at: SocketAddr) -> String {
    let port = at.port().to_string();
    let program = async |name: &str, arguments: &[&str]| {
        let mut command = Command::new(name);
        command
            .args(["-h", "127.0.0.1", "-p", &port, "-U", "admin"])
            .args(arguments)
            .arg("shop")
            .kill_on_drop(true);
        let output = within(name, command.output()).await.unwrap();
        assert!(output.status.success(), "{}", said(&output));
        String::from_utf8(output.stdout).unwrap()
    };
    program("pgbench", &["-i", "-q"]).await;
    let bench = program("pgbench", &["-c", "8", "-T", "2"]).await;
    assert!(bench.contains("number of failed transactions: 0 "), "{bench}");
    let books = "select sum(abalance) = (select sum(delta) from pgbench_history), \
                 sum(abalance) = (select sum(tbalance) from pgbench_tellers), \
                 sum(abalance) = (select sum(bbalance) from pgbench_branches) from pgbench_accounts";
    program(
        "psql",
        &["-X", "-c", books, "-c", "\\d+ pgbench_accounts", "-c", "\\l shop"],
    )
    .await
}

#[tokio::test]
async fn the_servers_own_programs_see_no_difference() {
    let (postgres, mariadb_server) = tokio::join!(Postgres::start(), Mariadb::start());
    let redis = Redis::start(&[]).await;
    let proxy = Proxy::start(&Doc::postgres(&[postgres.address])).await;
    let through = postgres_at(proxy.address()).await;
    assert!(through.contains("t        | t        | t"), "{through}");
    assert_eq!(through, postgres_at(postgres.address).await);

    let proxy = Proxy::start(&Doc::redis(&[redis.address])).await;
    let bench = async |at| {
        let asked = [
            "-c",
            "50",
            "-n",
            "5000",
            "--csv",
            "-t",
            "ping,set,get,incr,lpush,lrange_100,mset",
        ];
        let output = run("redis-benchmark", at, &asked).await;
        let names = said(&output)
            .lines()
            .map(|line| line.split(',').next().unwrap().to_owned())
            .collect();
        (output.status.success(), names)
    };
    let (through, direct): ((bool, Vec<String>), (bool, Vec<String>)) =
        (bench(proxy.address()).await, bench(redis.address).await);
    assert_eq!(through, direct);
    assert!(through.0 && through.1.len() >= 8, "{through:?}");

    let proxy = Proxy::start(&Doc::mysql(&[mariadb_server.address])).await;
    let work = "drop table if exists carts; create table carts (id int auto_increment primary key, item text); \
                insert into carts (item) select concat('item ', seq) from seq_1_to_2000; begin; delete from carts; \
                rollback; select count(*), max(item), sum(id) from carts; select nonsense; \
                show create table carts; select repeat('x', 300000)";
    let through = said(&mariadb(proxy.address(), work).await);
    assert!(
        through.starts_with("2000\titem 999\t"),
        "{}",
        &through[..through.len().min(200)]
    );
    assert_eq!(through, said(&mariadb(mariadb_server.address, work).await));
}
