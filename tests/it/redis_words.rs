//! Commands of Redis by hand: as lines with quotes, and with what is no command behind them.

use crate::kit::{
    Doc, Proxy, Raw,
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
