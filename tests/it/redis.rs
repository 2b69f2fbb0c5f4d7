//! A listener of Redis before a real server: what passes, what faults say, and what real clients make of it.

use std::net::SocketAddr;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::kit::{
    Doc, Proxy, eventually,
    redis::{Redis, redis_cli, run, said},
    within,
};

async fn before(server: &Redis) -> Proxy {
    Proxy::start(&Doc::redis(&[server.address])).await
}

/// Sends this and reads as many bytes as the answer has.
pub(super) async fn ask(stream: &mut TcpStream, words: &str, answer: &str) {
    stream.write_all(words.as_bytes()).await.unwrap();
    let mut read = vec![0; answer.len()];
    within("the answer", stream.read_exact(&mut read)).await.unwrap();
    assert_eq!(String::from_utf8_lossy(&read), answer, "to {words:?}");
}

#[tokio::test]
async fn real_clients_see_no_difference() {
    let server = Redis::start(&[]).await;
    let proxy = before(&server).await;
    let through = async |words: &[&str]| redis_cli(proxy.address(), words).await;
    assert_eq!(through(&["SET", "cart:1", "two\nlines"]).await, "OK");
    assert_eq!(
        redis_cli(server.address, &["GET", "cart:1"]).await,
        through(&["GET", "cart:1"]).await
    );
    assert_eq!(
        through(&["-3", "HGETALL", "nothing"]).await,
        redis_cli(server.address, &["-3", "HGETALL", "nothing"]).await
    );
    assert_eq!(
        through(&["EVAL", "return {1,{2,'x'},false}", "0"]).await,
        "1\n2\nx"
    );
    assert_eq!(through(&["BLPOP", "nothing", "0.1"]).await, "");
    let bench = run(
        "redis-benchmark",
        proxy.address(),
        &[
            "-c",
            "20",
            "-n",
            "4000",
            "-P",
            "16",
            "-q",
            "-t",
            "set,get,lpush,mset",
        ],
    )
    .await;
    assert!(
        bench.status.success() && said(&bench).contains("requests per second"),
        "{}",
        said(&bench)
    );
}

#[tokio::test]
async fn transactions_subscriptions_and_pushes_pass() {
    let server = Redis::start(&[]).await;
    let proxy = before(&server).await;
    // A fault that meets nothing here: sessions are followed all the same.
    proxy
        .inject(
            "elsewhere",
            "where: {match: {table: \"other:*\"}}, do: {abort: {error: busy}}",
        )
        .await;
    let mut one = TcpStream::connect(proxy.address()).await.unwrap();
    ask(
        &mut one,
        "MULTI\r\nSET a 1\r\nINCR a\r\nEXEC\r\n",
        "+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n+OK\r\n:2\r\n",
    )
    .await;
    let mut subscriber = TcpStream::connect(proxy.address()).await.unwrap();
    let subscribed = "*3\r\n$9\r\nsubscribe\r\n$4\r\nnews\r\n:1\r\n";
    ask(&mut subscriber, "SUBSCRIBE news\r\n", subscribed).await;
    ask(&mut one, "PUBLISH news hello\r\n", ":1\r\n").await;
    ask(
        &mut subscriber,
        "",
        "*3\r\n$7\r\nmessage\r\n$4\r\nnews\r\n$5\r\nhello\r\n",
    )
    .await;
    ask(
        &mut subscriber,
        "UNSUBSCRIBE news\r\n",
        "*3\r\n$11\r\nunsubscribe\r\n$4\r\nnews\r\n:0\r\n",
    )
    .await;
}

#[tokio::test]
async fn errors_come_in_place_of_the_matching_commands_only() {
    let server = Redis::start(&[]).await;
    let proxy = before(&server).await;
    proxy
        .inject(
            "replica",
            "where: {match: {sql: write, table: \"cart:*\"}}, do: {abort: {error: read_only}}",
        )
        .await;
    let mut one = TcpStream::connect(proxy.address()).await.unwrap();
    let readonly = "-READONLY You can't write against a read only replica.\r\n";
    ask(
        &mut one,
        "SET user:1 x\r\nSET cart:1 x\r\nGET cart:1\r\nSET cart:2 y\r\n",
        &format!("+OK\r\n{readonly}$-1\r\n{readonly}"),
    )
    .await;
    // A transaction into which a refused command was put is refused by the server itself.
    ask(
        &mut one,
        "MULTI\r\nSET cart:1 x\r\nSET user:2 x\r\nEXEC\r\n",
        &format!(
            "+OK\r\n{readonly}+QUEUED\r\n-EXECABORT Transaction discarded because of previous errors.\r\n"
        ),
    )
    .await;
    assert_eq!(
        redis_cli(server.address, &["EXISTS", "cart:1", "user:2"]).await,
        "0",
        "what is refused is not done"
    );
    let shown = redis_cli(proxy.address(), &["SET", "cart:9", "x"]).await;
    assert_eq!(shown, "READONLY You can't write against a read only replica.");
    proxy.lift("replica").await;
    ask(&mut one, "SET cart:1 x\r\n", "+OK\r\n").await;
}

#[tokio::test]
async fn a_transaction_is_over_when_its_exec_is_refused() {
    let server = Redis::start(&[]).await;
    let mut direct = TcpStream::connect(server.address).await.unwrap();
    let queued = "MULTI\r\nINCR balance\r\nEXEC\r\n";
    let aborted = "+OK\r\n+QUEUED\r\n-EXECABORT Transaction discarded because of: NOREPLICAS Not enough good replicas to write.\r\n";
    // A server that refuses EXEC by itself: what was queued is a write, and its replicas have gone since.
    ask(&mut direct, "MULTI\r\nINCR balance\r\n", "+OK\r\n+QUEUED\r\n").await;
    redis_cli(server.address, &["CONFIG", "SET", "min-replicas-to-write", "1"]).await;
    ask(
        &mut direct,
        "EXEC\r\nGET balance\r\n",
        &format!("{}$-1\r\n", &aborted["+OK\r\n+QUEUED\r\n".len()..]),
    )
    .await;
    redis_cli(server.address, &["CONFIG", "SET", "min-replicas-to-write", "0"]).await;

    let proxy = before(&server).await;
    let mut one = TcpStream::connect(proxy.address()).await.unwrap();
    let at = |verb: &str, error: &str| {
        format!("where: {{match: {{statement: {verb}}}}}, do: {{abort: {{error: {error}}}}}")
    };
    proxy.inject("end", &at("exec", "no_replicas")).await;
    ask(
        &mut one,
        &format!("{queued}GET balance\r\n"),
        &format!("{aborted}$-1\r\n"),
    )
    .await;
    proxy.lift("end").await;
    proxy.inject("end", &at("discard", "cluster_down")).await;
    let discarded = "+OK\r\n+QUEUED\r\n-CLUSTERDOWN The cluster is down\r\n$-1\r\n";
    ask(
        &mut one,
        "MULTI\r\nINCR balance\r\nDISCARD\r\nGET balance\r\n",
        discarded,
    )
    .await;
    proxy.lift("end").await;
    ask(
        &mut one,
        &format!("{queued}GET balance\r\n"),
        "+OK\r\n+QUEUED\r\n*1\r\n:1\r\n$1\r\n1\r\n",
    )
    .await;
}

/// Brings a transaction to its EXEC, lets the state come, and gives what EXEC and what follows it are told.
async fn executed(
    at: SocketAddr,
    queued: &str,
    begins: impl AsyncFnOnce(),
    ends: impl AsyncFnOnce(),
) -> String {
    let mut stream = TcpStream::connect(at).await.unwrap();
    stream
        .write_all(format!("MULTI\r\n{queued}").as_bytes())
        .await
        .unwrap();
    for _ in 0..=queued.lines().count() {
        rest_of_line(&mut stream).await;
    }
    begins().await;
    stream.write_all(b"EXEC\r\nECHO over\r\n").await.unwrap();
    let mut told = String::new();
    while !told.ends_with("over\r\n") {
        told += &rest_of_line(&mut stream).await;
    }
    ends().await;
    told
}

#[tokio::test]
async fn what_was_queued_before_a_state_came_meets_it_at_exec_as_at_the_server() {
    let server = Redis::start(&[]).await;
    let proxy = before(&server).await;
    let config = async |words: &[&str]| {
        redis_cli(server.address, words).await;
    };
    let set = |name: &'static str, to: &'static str| [vec!["CONFIG", "SET", name, to]];
    let replica = [vec!["REPLICAOF", "127.0.0.1", "1"]];
    let (master, nobody) = ([vec!["REPLICAOF", "NO", "ONE"]], "min-replicas-to-write");
    let writes = |error: &str| format!("where: {{match: {{sql: write}}}}, do: {{abort: {{error: {error}}}}}");
    for (begins, ends, fault) in [
        (&replica, &master, "do: read_only".to_owned()),
        (&replica, &master, writes("read_only")),
        (
            &replica,
            &master,
            "do: {failover: {down: 0s, read_only: 1h}}".to_owned(),
        ),
        (
            &set("maxmemory", "1"),
            &set("maxmemory", "0"),
            writes("out_of_memory"),
        ),
        (&set(nobody, "1"), &set(nobody, "0"), writes("no_replicas")),
    ] {
        for queued in [
            "SET a 1\r\n",
            "GET a\r\n",
            "GET a\r\nset a 2\r\nGET a\r\n",
            "SET\r\nSET a 3\r\n",
            "SET a 3\r\nSET\r\n",
            "EVAL 'return 1' 0\r\nPUBLISH a b\r\n",
        ] {
            let real = async |words: &[Vec<&str>; 1]| config(&words[0]).await;
            let real = executed(server.address, queued, || real(begins), || real(ends)).await;
            let ours = executed(
                proxy.address(),
                queued,
                || proxy.inject("state", &fault),
                || proxy.lift("state"),
            )
            .await;
            assert_eq!(ours, real, "{fault}: {queued}");
        }
    }
}

#[tokio::test]
async fn a_fault_that_comes_while_a_session_begins_meets_its_commands() {
    let server = Redis::start(&[]).await;
    let proxy = before(&server).await;
    proxy.inject("pool", "do: {pool_exhausted: {sessions: 1}}").await;
    let mut first = TcpStream::connect(proxy.address()).await.unwrap();
    ask(&mut first, "PING\r\n", "+PONG\r\n").await;
    let mut second = TcpStream::connect(proxy.address()).await.unwrap();
    second.write_all(b"PING\r\n").await.unwrap();
    eventually("it waits for its place", async || proxy.held().await == 1.0).await;
    let fault = "where: {match: {statement: ping}}, do: {abort: {error: no_replicas}}";
    proxy.inject("late", fault).await;
    drop(first);
    ask(
        &mut second,
        "",
        "-NOREPLICAS Not enough good replicas to write.\r\n",
    )
    .await;
}

#[tokio::test]
async fn each_error_of_the_catalogue_is_shown_as_the_server_shows_it() {
    let server = Redis::start(&[]).await;
    let proxy = before(&server).await;
    for (name, text) in [
        ("starting_up", "LOADING Redis is loading the dataset in memory"),
        ("not_authenticated", "NOAUTH Authentication required."),
        (
            "permission_denied",
            "NOPERM User 'default' has no permissions to run the 'get' command",
        ),
        (
            "master_down",
            "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
        ),
        ("cluster_down", "CLUSTERDOWN The cluster is down"),
        (
            "out_of_memory",
            "OOM command not allowed when used memory > 'maxmemory'.",
        ),
        ("no_replicas", "NOREPLICAS Not enough good replicas to write."),
        (
            "busy",
            "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.",
        ),
        (
            "{code: MOVED, message: \"3999 127.0.0.1:6381\"}",
            "MOVED 3999 127.0.0.1:6381",
        ),
    ] {
        proxy
            .inject("said", &format!("do: {{abort: {{error: {name}}}}}"))
            .await;
        assert_eq!(redis_cli(proxy.address(), &["GET", "a"]).await, text, "{name}");
        proxy.lift("said").await;
    }
}

#[tokio::test]
async fn credentials_and_full_servers_are_refused_at_the_start() {
    let server = Redis::start(&["--requirepass", "secret"]).await;
    let proxy = before(&server).await;
    let mut standing = TcpStream::connect(proxy.address()).await.unwrap();
    ask(&mut standing, "AUTH secret\r\n", "+OK\r\n").await;
    proxy
        .inject("full", "do: {abort: {error: too_many_connections}}")
        .await;
    let mut one = TcpStream::connect(proxy.address()).await.unwrap();
    // It is said without being asked.
    ask(&mut one, "", "-ERR max number of clients reached\r\n").await;
    assert_eq!(within("the end", one.read(&mut [0; 1])).await.unwrap(), 0);
    ask(&mut standing, "PING\r\n", "+PONG\r\n").await;
}

#[tokio::test]
async fn a_password_that_was_rotated_is_refused_where_it_is_shown() {
    // What a server says whose password is another one, and what one says that is asked through the fault.
    let other = Redis::start(&["--requirepass", "rotated"]).await;
    let server = Redis::start(&["--requirepass", "secret"]).await;
    let proxy = before(&server).await;
    let wrong = "-WRONGPASS invalid username-password pair or user is disabled.\r\n";
    let required = "-NOAUTH Authentication required.\r\n";
    for kind in ["bad_credentials", "{abort: {error: bad_credentials}}"] {
        // It stood before, and meets the fault once it shows its password again.
        let mut standing = TcpStream::connect(proxy.address()).await.unwrap();
        ask(&mut standing, "AUTH secret\r\nGET a\r\n", "+OK\r\n$-1\r\n").await;
        proxy.inject("rotated", &format!("do: {kind}")).await;
        let hits = || proxy.metric("chaosproxy_injected_total", &["rotated"]);
        let before = hits().await;
        ask(&mut standing, "GET a\r\n", "$-1\r\n").await;
        for address in [other.address, proxy.address()] {
            let mut silent = TcpStream::connect(address).await.unwrap();
            ask(&mut silent, "GET a\r\n", required).await;
        }
        assert_eq!(hits().await - before, 0.0, "who shows no password is not met");
        for address in [other.address, proxy.address()] {
            let mut one = TcpStream::connect(address).await.unwrap();
            ask(
                &mut one,
                "AUTH secret\r\nGET a\r\n",
                &format!("{wrong}{required}"),
            )
            .await;
            ask(&mut one, "HELLO 3 AUTH default secret\r\n", wrong).await;
            ask(
                &mut one,
                "AUTH default secret\r\nPING\r\n",
                &format!("{wrong}{required}"),
            )
            .await;
        }
        proxy
            .counts("chaosproxy_injected_total", "rotated", before + 3.0)
            .await;
        ask(
            &mut standing,
            "AUTH secret\r\nGET a\r\n",
            &format!("{wrong}$-1\r\n"),
        )
        .await;
        proxy.lift("rotated").await;
        ask(&mut standing, "AUTH secret\r\n", "+OK\r\n").await;
    }
}

#[tokio::test]
async fn what_is_no_redis_passes_as_it_comes() {
    let server = Redis::start(&[]).await;
    let proxy = before(&server).await;
    proxy.inject("slow", "do: {latency: {add: 10ms}}").await;
    let mut one = TcpStream::connect(proxy.address()).await.unwrap();
    ask(
        &mut one,
        "*1\r\n:1\r\n",
        "-ERR Protocol error: expected '$', got ':'\r\n",
    )
    .await;
    eventually("the server closes", async || {
        matches!(one.read(&mut [0; 1]).await, Ok(0) | Err(_))
    })
    .await;
}

#[tokio::test]
async fn matches_go_by_the_user_and_the_database_that_were_chosen_last() {
    let server = Redis::start(&[]).await;
    redis_cli(
        server.address,
        &["ACL", "SETUSER", "web", "on", ">secret", "~*", "+@all"],
    )
    .await;
    let proxy = before(&server).await;
    for (name, of, error) in [
        ("third", "database: \"3\"", "busy"),
        ("web", "user: web", "out_of_memory"),
    ] {
        let fault =
            format!("where: {{match: {{{of}, statement: \"get *\"}}}}, do: {{abort: {{error: {error}}}}}");
        proxy.inject(name, &fault).await;
    }
    let (busy, oom) = ("-BUSY ", "-OOM ");
    let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
    ask(&mut stream, "GET a\r\n", "$-1\r\n").await;
    ask(&mut stream, "SELECT 99\r\n", "-ERR DB index is out of range\r\n").await;
    ask(&mut stream, "GET a\r\n", "$-1\r\n").await;
    ask(&mut stream, "SELECT 3\r\n", "+OK\r\n").await;
    assert!(refused(&mut stream).await.starts_with(busy));
    ask(
        &mut stream,
        "SELECT 0\r\nHELLO 3 AUTH web wrong\r\n",
        "+OK\r\n-WRONGPASS",
    )
    .await;
    rest_of_line(&mut stream).await;
    ask(&mut stream, "GET a\r\n", "$-1\r\n").await;
    ask(&mut stream, "AUTH web secret\r\n", "+OK\r\n").await;
    assert!(refused(&mut stream).await.starts_with(oom));
    ask(&mut stream, "RESET\r\n", "+RESET\r\n").await;
    ask(&mut stream, "GET a\r\n", "$-1\r\n").await;
}

/// The error that a GET meets.
async fn refused(stream: &mut TcpStream) -> String {
    stream.write_all(b"GET a\r\n").await.unwrap();
    rest_of_line(stream).await
}

async fn rest_of_line(stream: &mut TcpStream) -> String {
    let mut line = Vec::new();
    while !line.ends_with(b"\r\n") {
        line.push(within("the answer", stream.read_u8()).await.unwrap());
    }
    String::from_utf8(line).unwrap()
}

#[tokio::test]
async fn a_server_that_starts_lets_sessions_in_and_says_so_to_each_command() {
    let server = Redis::start(&[]).await;
    let proxy = before(&server).await;
    for ends in ["shutdown", "reset"] {
        let fault = format!("do: {{failover: {{down: 1h, meets: starting_up, ends: {ends}}}}}");
        proxy.inject("failover", &fault).await;
        let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
        for _ in 0..3 {
            ask(
                &mut stream,
                "GET nothing\r\n",
                "-LOADING Redis is loading the dataset in memory\r\n",
            )
            .await;
        }
        proxy.lift("failover").await;
        ask(&mut stream, "GET nothing\r\n", "$-1\r\n").await;
    }
}
