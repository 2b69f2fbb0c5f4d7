//! Commands of databases that a fault holds: their clients cancel them, or go.

use std::process::Stdio;

use tokio::process::Command;

use super::databases::{before_mariadb, before_postgres, before_redis, orders, python};
use crate::kit::{
    Doc, Place, Proxy, Raw,
    certificates::Authority,
    eventually,
    mariadb::mariadb,
    postgres::{self, PASSWORD, Postgres, connect, psql},
    redis::{redis_cli, said},
    within,
};

/// What holds a command for longer than any test waits.
const HOLDS: [&str; 4] = [
    "slow_queries: {add: 1h}",
    "latency: {add: 1h}",
    "hang",
    "threads: {size: 0}",
];

/// Waits until the fault `held` has met so many commands.
async fn met(proxy: &Proxy, n: u32) {
    eventually("it is met", async || {
        proxy.show("/api/v1/faults/held").await["hits"] == n
    })
    .await;
}

/// psql as `web` through the proxy, which says this.
fn asking(proxy: &Proxy, sql: &str) -> Command {
    let url = format!(
        "host=127.0.0.1 port={} user=web password={PASSWORD} dbname=shop",
        proxy.address().port()
    );
    let mut command = Command::new("psql");
    command
        .args(["-X", &url, "-c", sql])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

/// Cancels with psycopg, until the command has ended; then within a transaction, where what follows is refused until it is left.
const PSYCOPG: &str = r"
import psycopg, sys, threading
c = psycopg.connect(f'host=127.0.0.1 port={sys.argv[1]} user=web password={sys.argv[2]} dbname=shop', autocommit=True)
def ask(sql):
    try: print(c.execute(sql).fetchall())
    except psycopg.Error as e: print(e.sqlstate, e.diag.message_primary)
def cancelled(sql):
    asking = threading.Thread(target=ask, args=[sql]); asking.start()
    while asking.is_alive():
        c.cancel_safe(); asking.join(.1)
cancelled('insert into orders values (1)')
ask('select 2')
c.execute('begin')
c.execute('set local work_mem = 1024')
cancelled('insert into orders values (2)')
ask('select 3')
c.execute('rollback')
ask('select 4')
";

#[tokio::test]
async fn a_command_that_is_held_is_cancelled_as_the_server_does_it_and_not_run() {
    let (server, proxy) = before_postgres().await;
    let cancelled = "57014 canceling statement due to user request";
    let failed = "25P02 current transaction is aborted, commands ignored until end of transaction block";
    for hold in HOLDS {
        let fault = format!("where: {{match: {{table: orders}}}}, do: {{{}}}", whole(hold));
        proxy.inject("held", &fault).await;
        let heard = python(PSYCOPG, &proxy).await;
        let expected = [cancelled, "[(2,)]", cancelled, failed, "[(4,)]"].join("\n");
        assert_eq!(heard, expected, "{hold}");
        let mut psql = asking(&proxy, "insert into orders values (3)").spawn().unwrap();
        met(&proxy, 3).await;
        interrupt(&psql);
        let status = within("psql", psql.wait()).await.unwrap();
        assert!(!status.success(), "{hold}");
        proxy.lift("held").await;
        assert_eq!(proxy.held().await, 0.0, "{hold}");
    }
    assert_eq!(orders(&server).await, "0");
}

/// A kind without settings is written with none.
fn whole(hold: &str) -> String {
    if hold.contains(':') {
        hold.to_owned()
    } else {
        format!("{hold}: {{}}")
    }
}

fn interrupt(child: &tokio::process::Child) {
    let pid = rustix::process::Pid::from_raw(i32::try_from(child.id().unwrap()).unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
}

#[tokio::test]
async fn a_client_with_a_limit_of_its_own_goes_on_with_its_session() {
    let (_server, proxy) = before_postgres().await;
    let fault = "where: {match: {statement: \"select 1\"}}, do: {slow_queries: {add: 1h}}";
    proxy.inject("held", fault).await;
    let script = r"
import asyncio, asyncpg, sys
async def main():
    c = await asyncpg.connect(host='127.0.0.1', port=sys.argv[1], user='web', password=sys.argv[2], database='shop')
    try: print(await c.fetchval('select 1', timeout=1))
    except Exception as e: print(type(e).__name__)
    print(await c.fetchval('select 2'))
    await c.close()
asyncio.run(main())
";
    assert_eq!(python(script, &proxy).await, "TimeoutError\n2");
}

#[tokio::test]
async fn what_the_server_does_for_the_session_is_cancelled_there() {
    let (server, proxy) = before_postgres().await;
    let fault = "where: {match: {table: orders}}, do: {latency: {add: 1h}}";
    proxy.inject("held", fault).await;
    // In one group, which one error ends; what is held stands behind what the server does.
    let script = r"
import psycopg, sys, threading
c = psycopg.connect(f'host=127.0.0.1 port={sys.argv[1]} user=web password={sys.argv[2]} dbname=shop', autocommit=True)
def ask():
    try:
        with c.pipeline():
            c.execute('select pg_sleep(3600)')
            c.execute('insert into orders values (1)')
    except psycopg.Error as e: print(e.sqlstate)
asking = threading.Thread(target=ask); asking.start()
while asking.is_alive():
    c.cancel_safe(); asking.join(.1)
print(c.execute('select 2').fetchall())
";
    assert_eq!(python(script, &proxy).await, "57014\n[(2,)]");
    assert_eq!(orders(&server).await, "0");
}

#[tokio::test]
async fn of_two_listeners_of_which_one_leads_to_the_other_each_passes_a_cancel_request_on() {
    let (server, inner) = (Postgres::start().await, Place::new());
    let proxy = Proxy::setup()
        .start(format!(
            "listeners:\n  public: {{bind: \"127.0.0.1:0\", protocol: postgres, cluster: inner}}\n  \
             inner: {{bind: \"{inner}\", protocol: postgres, cluster: app}}\n\
             clusters:\n  inner: {{backends: [{{address: \"{inner}\"}}]}}\n  \
             app: {{backends: [{{address: \"{}\"}}]}}\n",
            server.address,
            inner = inner.address,
        ))
        .await;
    let psql = asking(&proxy, "select pg_sleep(3600)").spawn().unwrap();
    let running = "select count(*) from pg_stat_activity where query = 'select pg_sleep(3600)'";
    eventually("the server is at it", async || {
        postgres::said(&self::psql(server.address, "shop", &["-c", running]).await) == "1"
    })
    .await;
    interrupt(&psql);
    let heard = within("psql", psql.wait_with_output()).await.unwrap();
    assert!(
        postgres::complained(&heard).contains("canceling statement due to user request"),
        "{}",
        postgres::complained(&heard)
    );
    // The session and the request.
    proxy
        .counts("chaosproxy_connections_total", "listener=\"inner\"", 2.0)
        .await;
}

#[tokio::test]
async fn a_session_whose_client_goes_while_its_command_waits_ends_and_the_command_is_not_run() {
    let open = async |proxy: &Proxy| proxy.metric("chaosproxy_open_connections", &[]).await;
    let (server, proxy) = before_postgres().await;
    for (wait, rows) in [
        ("latency: {add: 1h}", "0"),
        ("slow_queries: {add: 1h}", "0"),
        ("latency: {add: 1h, at: reply}", "1"),
    ] {
        proxy
            .inject(
                "held",
                &format!("where: {{match: {{table: orders}}}}, do: {{{wait}}}"),
            )
            .await;
        let mut psql = asking(&proxy, "insert into orders values (1)").spawn().unwrap();
        met(&proxy, 1).await;
        psql.kill().await.unwrap();
        eventually("its place is free", async || open(&proxy).await == 0.0).await;
        let sessions = "select count(*) from pg_stat_activity where usename = 'web'";
        eventually("the server has let it go", async || {
            postgres::said(&self::psql(server.address, "shop", &["-c", sessions]).await) == "0"
        })
        .await;
        assert_eq!(orders(&server).await, rows, "{wait}");
        proxy.lift("held").await;
    }

    let (server, proxy) = before_mariadb().await;
    let (redis, cache) = before_redis().await;
    for wait in ["latency: {add: 1h}", "slow_queries: {add: 1h}"] {
        let fault = format!("where: {{match: {{sql: write}}}}, do: {{{wait}}}");
        proxy.inject("held", &fault).await;
        cache.inject("held", &fault).await;
        let address = proxy.address();
        let asked = tokio::spawn(async move { mariadb(address, "insert into orders (id) values (1)").await });
        let mut raw = Raw::connect(cache.address()).await;
        raw.say("INCR visits\r\n").await;
        met(&proxy, 1).await;
        met(&cache, 1).await;
        asked.abort();
        drop(raw);
        eventually("their places are free", async || {
            open(&proxy).await == 0.0 && open(&cache).await == 0.0
        })
        .await;
        let sessions = "select count(*) from information_schema.processlist where user = 'web'";
        eventually("MariaDB has let it go", async || {
            said(&mariadb(server.address, sessions).await) == "1"
        })
        .await;
        let rows = said(&mariadb(server.address, "select count(*) from orders").await);
        assert_eq!(rows, "0", "{wait}");
        assert_eq!(redis_cli(redis.address, &["GET", "visits"]).await, "", "{wait}");
        proxy.lift("held").await;
        cache.lift("held").await;
    }
}

/// A PostgreSQL, and a listener before it that ends TLS.
async fn ending_tls() -> (Postgres, Proxy) {
    let server = Postgres::start().await;
    let certificate = Authority::new().issue("shop.test");
    let doc = Doc::postgres(&[server.address]).listener("tls: {certificate: one.pem, key: one.key}");
    let proxy = Proxy::setup()
        .file("one.pem", certificate.pem.clone())
        .file("one.key", certificate.key.clone())
        .start(doc.text())
        .await;
    (server, proxy)
}

#[tokio::test]
async fn the_end_of_a_cancel_request_is_said_in_tls() {
    let (server, proxy) = ending_tls().await;
    let fault = "where: {match: {statement: \"select 1\"}}, do: {slow_queries: {add: 1h}}";
    proxy.inject("held", fault).await;
    // libpq takes an end that is not said for a cancel request that has failed. The first is cancelled here, the second there.
    let script = r"
import psycopg, sys, threading
c = psycopg.connect(f'host=127.0.0.1 port={sys.argv[1]} user=web password={sys.argv[2]} dbname=shop sslmode=require', autocommit=True)
print(c.pgconn.ssl_in_use, psycopg.capabilities.has_cancel_safe())
def ask(sql):
    try: print(c.execute(sql).fetchall())
    except psycopg.Error as e: print(e.sqlstate)
for sql in ('select 1', 'select pg_sleep(3600)'):
    asking = threading.Thread(target=ask, args=[sql]); asking.start()
    while asking.is_alive():
        c.cancel_safe(); asking.join(.1)
";
    assert_eq!(python(script, &proxy).await, "True True\n57014\n57014");
    assert!(connect(server.address, "web", "shop").await.is_ok());
}

#[tokio::test]
async fn a_connection_that_ends_in_good_order_says_so_in_tls() {
    let (_server, proxy) = ending_tls().await;
    let script = r"
import psycopg, sys, urllib.request
url = f'host=127.0.0.1 port={sys.argv[1]} user=web password={sys.argv[2]} dbname=shop sslmode=require'
def connect():
    try: return psycopg.connect(url, autocommit=True)
    except psycopg.Error as e: print('opening:', e)
c = connect()
def inject(do):
    body = ('faults: {ends: {for: 5m, do: %s}}' % do).encode()
    urllib.request.urlopen(urllib.request.Request(f'http://127.0.0.1:ADMIN/api/v1/faults', body, {'content-type': 'application/yaml'}))
def lift(): urllib.request.urlopen(urllib.request.Request(f'http://127.0.0.1:ADMIN/api/v1/faults/ends', method='DELETE'))
inject('close')
try: print(c.execute('select 1').fetchall())
except psycopg.Error as e: print('standing:', e)
connect()
lift()
inject('{abort: {error: too_many_connections}}')
connect()
lift()
c = connect()
inject('{abort: {error: admin_shutdown}}')
try: print(c.execute('select 1').fetchall())
except psycopg.Error as e: print('told:', e)
";
    let script = script.replace("ADMIN", &proxy.admin().port().to_string());
    let heard = python(&script, &proxy).await;
    for part in [
        "standing: ",
        "opening: ",
        "sorry, too many clients already",
        "told: terminating connection due to administrator command",
    ] {
        assert!(heard.contains(part), "{part}: {heard}");
    }
    // What OpenSSL says of an end that was not said.
    assert!(!heard.contains("unexpected eof"), "{heard}");
}
