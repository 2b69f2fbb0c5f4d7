//! What a Redis listener knows of each command, held against the server's own table: whether it changes something, and which
//! key it names first.

use serde_json::Value;

use crate::kit::{
    Doc, Proxy, Raw,
    raw::End,
    redis::{Redis, redis_cli},
};

/// A server and a proxy before it.
async fn before() -> (Redis, Proxy) {
    let server = Redis::start(&[]).await;
    let proxy = Proxy::start(&Doc::redis(&[server.address])).await;
    (server, proxy)
}

/// A command of the server, and those that are parts of it: the words of each, and its flags.
fn parts(command: &Value) -> Vec<(Vec<String>, Vec<String>)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let flags = |command: &Value| command[2].as_array().unwrap().iter().map(text).collect();
    let arity = command[1].as_i64().unwrap().unsigned_abs();
    let mut words: Vec<_> = text(&command[0]).split('|').map(str::to_owned).collect();
    words.resize(words.len().max(usize::try_from(arity).unwrap()), "x".to_owned());
    let parts: Vec<_> = command[9].as_array().unwrap().iter().flat_map(parts).collect();
    match parts.is_empty() {
        true => vec![(words, flags(command))],
        false => parts,
    }
}

#[tokio::test]
async fn what_changes_something_is_what_the_server_says() {
    let (server, proxy) = before().await;
    proxy.inject("replica", "do: read_only").await;
    let table: Value =
        serde_json::from_str(&redis_cli(server.address, &["--json", "COMMAND"]).await).unwrap();
    let mut looked = 0;
    for (words, flags) in table.as_array().unwrap().iter().flat_map(parts) {
        let has = |flag: &str| flags.iter().any(|one| one == flag);
        // These end the server or the session, or make it another.
        if has("admin")
            || has("pubsub")
            || ["quit", "pause"]
                .iter()
                .any(|word| words.iter().any(|w| w == word))
        {
            continue;
        }
        looked += 1;
        let words: Vec<_> = words.iter().map(String::as_str).collect();
        let answer = redis_cli(proxy.address(), &words).await;
        assert_eq!(
            answer.starts_with("READONLY"),
            has("write"),
            "{words:?}: {answer}"
        );
    }
    assert!(looked > 200, "{looked}");
    for words in ["PUBLISH x y", "SPUBLISH x y", "SAVE"] {
        let words: Vec<_> = words.split(' ').collect();
        let answer = redis_cli(proxy.address(), &words).await;
        assert!(!answer.starts_with("READONLY"), "{words:?}: {answer}");
    }
    let answer = redis_cli(proxy.address(), &["FROBNICATE", "x"]).await;
    assert!(answer.starts_with("ERR unknown command"), "{answer}");
}

#[tokio::test]
async fn the_first_key_is_the_one_that_the_server_says() {
    let (server, proxy) = before().await;
    proxy
        .inject(
            "busy",
            "where: {match: {table: \"cart:*\"}}, do: {abort: {error: busy}}",
        )
        .await;
    for command in [
        "GET|cart:1",
        "BITOP|AND|cart:1|b",
        "OBJECT|ENCODING|cart:1",
        "MEMORY|USAGE|cart:1",
        "XINFO|STREAM|cart:1",
        "XGROUP|CREATE|cart:1|g|0",
        "EVAL|return redis.call('get', KEYS[1])|1|cart:1|a b",
        "EVAL_RO|return 1|2|cart:1|b",
        "FCALL|f|1|cart:1",
        "XREAD|COUNT|1|STREAMS|cart:1|0",
        "XREADGROUP|GROUP|streams|me|STREAMS|cart:1|>",
        "WATCH|cart:1",
        "ZUNION|2|cart:1|b",
        "ZDIFF|1|cart:1",
        "SINTERCARD|1|cart:1",
        "LMPOP|1|cart:1|LEFT",
        "BLMPOP|0.1|1|cart:1|LEFT",
        "ZUNIONSTORE|cart:1|1|b",
        "MIGRATE|127.0.0.1|1||0|5|KEYS|cart:1|b",
        "SORT_RO|cart:1",
    ] {
        let words: Vec<_> = command.split('|').collect();
        let keys = [&["COMMAND", "GETKEYS"][..], &words].concat();
        let keys = redis_cli(server.address, &keys).await;
        assert_eq!(keys.lines().next(), Some("cart:1"), "{command}");
        let answer = redis_cli(proxy.address(), &words).await;
        assert!(answer.starts_with("BUSY"), "{command}: {answer}");
    }
    for command in [
        "GET|CART:1",
        "GET|old.cart:1",
        "BITOP|AND|b|cart:1",
        "EVAL|return 1|0|cart:1",
        "ECHO|cart:1",
    ] {
        let answer = redis_cli(proxy.address(), &command.split('|').collect::<Vec<_>>()).await;
        assert!(!answer.contains("BUSY"), "{command}: {answer}");
    }
}

#[tokio::test]
async fn a_shutdown_only_closes() {
    for ends in ["shutdown", "crash"] {
        let (_server, proxy) = before().await;
        let mut sessions = Vec::new();
        for (ask, answer) in [
            ("PING\r\n", "+PONG\r\n"),
            ("PING\r\nBLPOP nothing 0\r\n", "+PONG\r\n"),
            (
                "SUBSCRIBE news\r\n",
                "*3\r\n$9\r\nsubscribe\r\n$4\r\nnews\r\n:1\r\n",
            ),
        ] {
            let mut raw = Raw::connect(proxy.address()).await;
            raw.say(ask).await;
            assert_eq!(raw.until(answer).await, answer);
            sessions.push(raw);
        }
        proxy
            .inject("gone", &format!("do: {{failover: {{ends: {ends}}}}}"))
            .await;
        for mut session in sessions {
            assert_eq!(session.rest().await, (String::new(), End::Closed), "{ends}");
        }
    }
}

#[tokio::test]
async fn an_error_that_redis_does_not_have_is_refused() {
    let (_server, proxy) = before().await;
    let answer = proxy.try_inject("never", "for: 1m, do: deadlocks").await;
    assert_eq!(answer.status, 422, "{}", answer.text());
    assert!(
        answer.text().contains("Redis has no such error"),
        "{}",
        answer.text()
    );
    assert!(
        answer.text().contains("read_only, master_down"),
        "{}",
        answer.text()
    );
}

#[tokio::test]
async fn slow_queries_meet_what_is_about_keys_and_scripts() {
    let (_server, proxy) = before().await;
    proxy.inject("slow", "do: {slow_queries: {add: 1ms}}").await;
    let mut expected = 0;
    for (words, is_slow) in [
        (&["GET", "a"][..], true),
        (&["SET", "a", "b"], true),
        (&["EVAL", "return 1", "0"], true),
        (&["EVAL_RO", "return 1", "0"], true),
        (&["PING"], false),
        (&["PUBLISH", "news", "x"], false),
    ] {
        redis_cli(proxy.address(), words).await;
        expected += u64::from(is_slow);
        assert_eq!(
            proxy.show("/api/v1/faults/slow").await["hits"],
            expected,
            "{words:?}"
        );
    }
}
