//! Commands of databases whose answers do not come: faults end them after a time, or keep the answer back, and pings are commands too.

use std::time::{Duration, Instant};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::databases::{before_mariadb, before_postgres, before_redis, orders, python};
use super::redis::ask;
use crate::kit::{
    Proxy, eventually,
    mariadb::mariadb,
    postgres::{self, complained, psql},
    redis::{self, redis_cli, said},
};

/// How long the servers think, and how long the faults wait for them.
const LONG: u64 = 20;
const AFTER: Duration = Duration::from_millis(500);

async fn hits(proxy: &Proxy) -> u64 {
    proxy.show("/api/v1/faults/silent").await["hits"]
        .as_u64()
        .unwrap()
}

/// Injects a fault of both kinds that ends what matches, and has each asked for: what clients hear, at its time.
async fn is_cut(proxy: &Proxy, matched: &str, ask: impl AsyncFn() -> String, expected: &str) {
    for (kind, place) in [("reset", ""), ("close", "cluster: app, ")] {
        let fault = format!("where: {{{place}match: {{{matched}}}}}, do: {{{kind}: {{after: 500ms}}}}");
        proxy.inject("silent", &fault).await;
        let begun = Instant::now();
        let heard = ask().await;
        let took = begun.elapsed();
        assert!(heard.contains(expected), "{kind}: {heard}");
        assert!(took >= AFTER && took < Duration::from_secs(LONG), "{took:?}");
        assert_eq!(hits(proxy).await, 1, "{kind}");
        proxy.lift("silent").await;
    }
}

#[tokio::test]
async fn a_command_whose_answer_does_not_begin_is_cut_when_its_time_is_over() {
    let (_server, proxy) = before_postgres().await;
    let at = proxy.address();
    let slow = format!("select pg_sleep({LONG})");
    let ask = async || complained(&psql(at, "shop", &["-c", &slow]).await);
    is_cut(
        &proxy,
        "sql: read",
        ask,
        "server closed the connection unexpectedly",
    )
    .await;
    let fault = "where: {match: {sql: read}}, do: {reset: {after: 10s}}";
    proxy.inject("silent", fault).await;
    // Who is answered in time has met nothing, and the time of the one before does not count for the next.
    let quick = psql(at, "shop", &["-c", "select 1", "-c", "select pg_sleep(.2)"]).await;
    assert!(quick.status.success(), "{}", complained(&quick));
    assert_eq!(hits(&proxy).await, 0);

    let (_server, proxy) = before_mariadb().await;
    let at = proxy.address();
    let slow = format!("select sleep({LONG})");
    let ask = async || said(&mariadb(at, &slow).await);
    is_cut(&proxy, "sql: read", ask, "ERROR 2013 (HY000)").await;

    let (_server, proxy) = before_redis().await;
    let at = proxy.address();
    let seconds = LONG.to_string();
    let ask = async || said(&redis::run("redis-cli", at, &["BLPOP", "nothing", &seconds]).await);
    is_cut(&proxy, "statement: \"blpop *\"", ask, "Error: ").await;
}

#[tokio::test]
async fn an_answer_that_was_kept_back_may_be_replaced_by_an_error_when_the_fault_is_lifted() {
    let fault = "where: {match: {sql: write}}, do: {hang: {at: reply, on_lift: unavailable}}";
    let released = async |proxy: &Proxy| {
        eventually("it is held", async || proxy.held().await == 1.0).await;
        proxy.lift("silent").await;
    };

    let (server, proxy) = before_postgres().await;
    proxy.inject("silent", fault).await;
    let at = proxy.address();
    let insert = "insert into orders (id) values (1)";
    let said_there = ["-c", insert, "-c", "select 7"];
    let (psql, ()) = tokio::join!(psql(at, "shop", &said_there), released(&proxy));
    let heard = said(&psql);
    assert!(
        heard.contains("XX000") && heard.contains("internal error"),
        "{heard}"
    );
    assert_eq!(postgres::said(&psql), "7", "the session goes on");
    assert_eq!(orders(&server).await, "1", "it was done");

    let (server, proxy) = before_mariadb().await;
    proxy.inject("silent", fault).await;
    let at = proxy.address();
    let both = format!("{insert}; select 7");
    let (client, ()) = tokio::join!(mariadb(at, &both), released(&proxy));
    let heard = said(&client);
    assert!(
        heard.contains("ERROR 1105 (HY000)") && heard.contains('7'),
        "{heard}"
    );
    assert_eq!(
        said(&mariadb(server.address, "select count(*) from orders").await),
        "1"
    );

    let (server, proxy) = before_redis().await;
    proxy.inject("silent", fault).await;
    let at = proxy.address();
    let mut client = TcpStream::connect(at).await.unwrap();
    let both = "INCR visits\r\nPING\r\n";
    let heard = "-ERR internal error\r\n+PONG\r\n";
    tokio::join!(ask(&mut client, both, heard), released(&proxy));
    ask(&mut client, "GET visits\r\n", "$1\r\n1\r\n").await;

    // What is queued in a transaction is not done yet, and only the end of the connection undoes it.
    proxy.inject("silent", fault).await;
    ask(&mut client, "MULTI\r\n", "+OK\r\n").await;
    let mut nothing = [0; 1];
    client.write_all(b"INCR visits\r\n").await.unwrap();
    let (ended, ()) = tokio::join!(client.read(&mut nothing), released(&proxy));
    assert!(matches!(ended, Ok(0)), "{ended:?}");
    assert_eq!(redis_cli(server.address, &["GET", "visits"]).await, "1");
}

#[tokio::test]
async fn a_ping_of_mysql_is_a_command_without_a_statement() {
    let (_server, proxy) = before_mariadb().await;
    let script = r"
import pymysql, sys, urllib.request
c = pymysql.connect(host='127.0.0.1', port=int(sys.argv[1]), user='web', password=sys.argv[2], database='shop', read_timeout=1)
def order(method, path, body=None):
    kind = {'content-type': 'application/yaml'} if body else {}
    request = urllib.request.Request('http://127.0.0.1:ADMIN/api/v1/faults' + path, body, kind, method=method)
    return urllib.request.urlopen(request).read()
def meets(fault, *asks):
    order('POST', '', ('faults: {pinged: {for: 5m, %s}}' % fault).encode())
    for ask in asks:
        try: ask(); print('well')
        except pymysql.Error as e: print(e.args[0])
    order('DELETE', '/pinged')
def ping(): c.ping(reconnect=False)
meets('where: {match: {statement: \'*\'}}, do: {abort: {error: internal_error}}', ping, lambda: c.query('select 1'))
meets('do: read_only', ping)
meets('nth: 2, where: {match: {sql: read}}, do: {abort: {error: internal_error}}', ping, lambda: c.query('select 1'), ping, lambda: c.query('select 1'))
meets('do: {abort: {error: internal_error}}', ping, lambda: c.select_db('shop'))
ping()
meets('do: hang', ping)
";
    let script = script.replace("ADMIN", &proxy.admin().port().to_string());
    let heard = python(&script, &proxy).await;
    let expected = [
        "well", "1105", "well", "well", "well", "well", "1105", "1105", "1105", "2013",
    ];
    assert_eq!(heard, expected.join("\n"));
}
