//! Commands of Redis by hand: as lines with quotes, and with what is no command behind them.

use crate::kit::{
    Doc, Proxy, Raw, eventually,
    redis::{Redis, redis_cli},
};

const BUSY: &str =
    "-BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.\r\n";

/// A server whose key `zz` is busy behind the proxy.
async fn before() -> (Redis, Proxy) {
    let server = Redis::start(&[]).await;
    let proxy = Proxy::start(&Doc::redis(&[server.address])).await;
    proxy
        .inject("busy", "where: {match: {table: zz}}, do: {abort: {error: busy}}")
        .await;
    (server, proxy)
}

#[tokio::test]
async fn a_line_with_quotes_names_the_same_key_as_one_without() {
    let (server, proxy) = before().await;
    for line in [
        "SET zz 1",
        "SET \"zz\" 1",
        "SET 'zz' '1'",
        "\"SET\"\t\"\\x7a\\x7A\" \"1\"",
        "SET z\"z\" 1",
    ] {
        let mut one = Raw::connect(server.address).await;
        one.say(format!("{line}\r\nEXISTS zz\r\nDEL zz\r\n")).await;
        assert_eq!(one.until(":1\r\n:1\r\n").await, "+OK\r\n:1\r\n:1\r\n", "{line}");
        let mut one = Raw::connect(proxy.address()).await;
        one.say(format!("{line}\r\nPING\r\n")).await;
        assert_eq!(one.until("+PONG\r\n").await, format!("{BUSY}+PONG\r\n"), "{line}");
        assert_eq!(redis_cli(server.address, &["EXISTS", "zz"]).await, "0", "{line}");
    }
    // Names of other keys.
    for line in ["SET '\\x7az' 1", "SET \"\\zz \" 1", "SET \\zz 1"] {
        let mut one = Raw::connect(proxy.address()).await;
        one.say(format!("{line}\r\nPING\r\n")).await;
        assert_eq!(one.until("+PONG\r\n").await, "+OK\r\n+PONG\r\n", "{line}");
    }
}

#[tokio::test]
async fn what_is_no_command_takes_no_answer_from_those_before_it() {
    let (server, proxy) = before().await;
    for broken in [
        "*1\r\n$-5\r\nPING\r\n",
        "*1\r\n:1\r\n",
        "*99999999999\r\n",
        "SET \"zz\" \"1\r\nPING\r\n",
        "SET 'zz'1\r\n",
    ] {
        let alone = Raw::ask(server.address, broken).await;
        assert!(alone.starts_with("-ERR Protocol error: "), "{alone}");
        let behind = Raw::ask(proxy.address(), &format!("SET zz 1\r\nPING\r\n{broken}")).await;
        assert_eq!(behind, format!("{BUSY}+PONG\r\n{alone}"), "{broken}");
        assert_eq!(Raw::ask(proxy.address(), broken).await, alone, "{broken}");
    }
}

#[tokio::test]
async fn a_transaction_that_is_done_is_told_at_its_end_that_it_is_not() {
    let server = Redis::start(&[]).await;
    let proxy = Proxy::start(&Doc::redis(&[server.address])).await;
    let fault = "where: {match: {table: zz}}, do: {abort: {error: out_of_memory, after: true}}";
    proxy.inject("late", fault).await;
    let mut one = Raw::connect(proxy.address()).await;
    one.say("MULTI\r\nSET zz 7\r\nSET q 7\r\nEXEC\r\nGET q\r\nMULTI\r\nSET zz 8\r\nDISCARD\r\nPING\r\n")
        .await;
    let told = "+OK\r\n+QUEUED\r\n+QUEUED\r\n-EXECABORT Transaction discarded because of: OOM command not allowed when used memory > 'maxmemory'.\r\n$1\r\n7\r\n+OK\r\n+QUEUED\r\n+OK\r\n+PONG\r\n";
    assert_eq!(one.until("+PONG\r\n").await, told);
    assert_eq!(redis_cli(server.address, &["GET", "zz"]).await, "7");
}

#[tokio::test]
async fn what_fails_a_request_of_http_is_an_internal_error_to_a_command() {
    let server = Redis::start(&[]).await;
    let proxy = Proxy::start(&Doc::redis(&[server.address])).await;
    let error = "-ERR internal error\r\n";
    let mut one = Raw::connect(proxy.address()).await;
    proxy
        .inject("limit", "do: {rate_limit: {rate: 1/h, burst: 1}}")
        .await;
    one.say("PING\r\nPING\r\n").await;
    assert_eq!(one.until(error).await, format!("+PONG\r\n{error}"));
    proxy.lift("limit").await;
    proxy
        .inject("full", "do: {threads: {size: 0, edge_timeout: 10ms}}")
        .await;
    one.say("PING\r\n").await;
    assert_eq!(one.until("\r\n").await, error);
    proxy.lift("full").await;
    proxy.inject("hung", "do: {hang: {on_lift: unavailable}}").await;
    one.say("PING\r\n").await;
    eventually("it is held", async || proxy.held().await == 1.0).await;
    proxy.lift("hung").await;
    assert_eq!(one.until("\r\n").await, error);
    one.say("PING\r\n").await;
    assert_eq!(one.until("\r\n").await, "+PONG\r\n");
}
