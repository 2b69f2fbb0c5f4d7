//! Proxies that come, go and change while connections stand, and an API that answers whatever happens.

use std::time::{Duration, Instant};

use http::Method;
use serde_json::{Value, json};
use socket2::{Domain, Socket, Type};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::bench::{Bench, NAME};
use crate::kit::{Doc, Place, Raw, certificates::Authority, eventually, noise, raw::End, within};

/// No call of the API takes longer, whatever becomes of connections.
const AT_ONCE: Duration = Duration::from_secs(2);

#[tokio::test]
async fn who_is_disabled_refuses_and_closes_and_comes_back() {
    let bench = Bench::start().await;
    let address = bench.address().await;
    let mut standing = bench.connected().await;
    bench.update(&json!({})).await;
    standing.say("still\n").await;
    standing.until("still\n").await;
    for _ in 0..20 {
        bench.update(&json!({"enabled": false})).await;
        let refused = TcpStream::connect(address).await.unwrap_err();
        assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
        bench.update(&json!({"enabled": true})).await;
        assert_eq!(bench.address().await, address);
        bench.connected().await;
    }
    assert_eq!(standing.rest().await, (String::new(), End::Closed));
}

#[tokio::test]
async fn connections_end_with_their_proxy_and_with_its_upstream() {
    let bench = Bench::start().await;
    let other = Place::new();
    let _server = other.serve(async |stream| {
        let mut raw = Raw::over(stream);
        raw.say("other\n").await;
        raw.rest().await;
    });
    let address = bench.address().await;
    let mut standing = bench.connected().await;
    bench
        .update(&json!({"upstream": other.address.to_string()}))
        .await;
    assert_eq!(standing.rest().await, (String::new(), End::Closed));
    assert_eq!(bench.address().await, address, "the port is the same");
    let mut next = bench.connect().await;
    next.until("other\n").await;
    let moved = Place::new();
    let listen = moved.address.to_string();
    drop(moved);
    bench.update(&json!({"listen": listen})).await;
    assert_eq!(next.rest().await, (String::new(), End::Closed));
    assert_eq!(bench.address().await.to_string(), listen);
    let mut last = bench.connect().await;
    last.until("other\n").await;
    let path = format!("/proxies/{NAME}");
    assert_eq!(bench.ask(Method::DELETE, &path, b"").await.status, 204);
    assert_eq!(last.rest().await, (String::new(), End::Closed));
    assert!(TcpStream::connect(&listen).await.is_err());
}

#[tokio::test]
async fn a_client_that_has_said_all_still_hears_the_answer() {
    let bench = Bench::start().await;
    bench.downstream("latency", json!({"latency": 200})).await;
    let mut raw = bench.connect().await;
    raw.say("question").await;
    raw.finish().await;
    assert_eq!(raw.rest().await, ("question".to_owned(), End::Closed));
}

#[tokio::test]
async fn an_upstream_that_swallows_connections_hangs_neither_the_api_nor_other_proxies() {
    let bench = Bench::start().await;
    // Nobody accepts here, and when the queue is full the system answers no more.
    let hole = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    hole.bind(&"127.0.0.1:0".parse::<std::net::SocketAddr>().unwrap().into())
        .unwrap();
    hole.listen(0).unwrap();
    let nowhere = hole.local_addr().unwrap().as_socket().unwrap();
    let mut queue = Vec::new();
    while let Ok(Ok(stream)) =
        tokio::time::timeout(Duration::from_millis(200), TcpStream::connect(nowhere)).await
    {
        queue.push(stream);
    }
    bench.create("hole", nowhere).await;
    let shown = bench.ask(Method::GET, "/proxies/hole", b"").await;
    let shown: Value = serde_json::from_slice(&shown.body).unwrap();
    let mut waiting = Vec::new();
    for _ in 0..10 {
        let mut raw = Raw::connect(shown["listen"].as_str().unwrap().parse().unwrap()).await;
        raw.say("anybody?").await;
        waiting.push(raw);
    }
    bench.connected().await;
    let begun = Instant::now();
    let toxic = json!({"type": "latency", "attributes": {"latency": 1}});
    assert_eq!(bench.post("/proxies/hole/toxics", &toxic).await.status, 200);
    assert_eq!(
        bench
            .post("/proxies/hole", &json!({"enabled": false}))
            .await
            .status,
        200
    );
    assert_eq!(bench.post("/reset", &Value::Null).await.status, 204);
    assert_eq!(bench.ask(Method::DELETE, "/proxies/hole", b"").await.status, 204);
    assert_eq!(bench.ask(Method::GET, "/proxies", b"").await.status, 200);
    assert!(begun.elapsed() < AT_ONCE, "{:?}", begun.elapsed());
    for mut raw in waiting {
        assert_eq!(raw.rest().await.0, "");
    }
    assert!(
        begun.elapsed() < AT_ONCE,
        "who waits for the upstream is let go: {:?}",
        begun.elapsed()
    );
}

#[tokio::test]
async fn toxics_that_come_and_go_under_load_lose_nothing() {
    const SIZE: usize = 32 << 20;
    let bench = Bench::start().await;
    let (mut reader, mut writer) = bench.connect().await.into_stream().into_split();
    let data = noise(SIZE, 9);
    let expected = data.clone();
    let sending = tokio::spawn(async move {
        writer.write_all(&data).await.unwrap();
        writer.shutdown().await.unwrap();
    });
    let reading = tokio::spawn(async move {
        let mut heard = Vec::with_capacity(SIZE);
        reader.read_to_end(&mut heard).await.unwrap();
        heard
    });
    let kinds = [
        ("latency", json!({"latency": 5})),
        ("bandwidth", json!({"rate": 50_000})),
        ("slicer", json!({"average_size": 1000, "size_variation": 500})),
        ("bandwidth", json!({"rate": 0})),
    ];
    for (kind, attributes) in kinds.iter().cycle().take(24) {
        bench.downstream(kind, attributes.clone()).await;
        bench.change(&json!({"toxicity": 1})).await;
        let begun = Instant::now();
        bench.remove().await;
        assert!(begun.elapsed() < AT_ONCE, "{kind}: {:?}", begun.elapsed());
    }
    within("all bytes", sending).await.unwrap();
    assert!(
        within("all bytes", reading).await.unwrap() == expected,
        "the bytes are the same"
    );
}

#[tokio::test]
async fn a_name_with_a_slash_can_be_reached_and_deleted() {
    let bench = Bench::start().await;
    bench.create("a/b", bench.place.address).await;
    let toxic = json!({"type": "noop", "name": "c/d"});
    assert_eq!(bench.post("/proxies/a%2Fb/toxics", &toxic).await.status, 200);
    let shown = bench.ask(Method::GET, "/proxies/a%2Fb/toxics/c%2fd", b"").await;
    let shown: Value = serde_json::from_slice(&shown.body).unwrap();
    assert_eq!(shown["name"], "c/d");
    for path in ["/proxies/a%2Fb/toxics/c%2Fd", "/proxies/a%2Fb"] {
        assert_eq!(bench.ask(Method::DELETE, path, b"").await.status, 204, "{path}");
        assert_eq!(bench.ask(Method::GET, path, b"").await.status, 404, "{path}");
    }
}

#[tokio::test]
async fn a_proxy_that_leads_to_itself_is_refused() {
    let bench = Bench::start().await;
    let own = Place::new().address.to_string();
    let circle = json!({"name": "circle", "listen": own, "upstream": own});
    let refused = bench.post("/proxies", &circle).await;
    assert_eq!(refused.status, 400, "{}", refused.text());
    assert!(
        refused.text().contains("is the proxy itself"),
        "{}",
        refused.text()
    );
    let before = bench.shown().await;
    for circle in [
        json!({"upstream": before["listen"]}),
        json!({"listen": before["upstream"]}),
    ] {
        let refused = bench.post(&format!("/proxies/{NAME}"), &circle).await;
        assert_eq!(refused.status, 400, "{circle}: {}", refused.text());
        assert_eq!(bench.shown().await, before, "{circle}: it is as it was");
    }
    bench.connected().await;
}

#[tokio::test]
async fn a_circle_of_proxies_is_refused_when_it_would_close() {
    let bench = Bench::start().await;
    let [b, c] = [Place::new().address, Place::new().address].map(|address| address.to_string());
    let first = json!({"name": "b", "listen": b, "upstream": c});
    assert_eq!(bench.post("/proxies", &first).await.status, 201);
    let mut second = json!({"name": "c", "listen": c, "upstream": b});
    let refused = bench.post("/proxies", &second).await;
    assert_eq!(refused.status, 400, "{}", refused.text());
    assert!(
        refused.text().contains("leads back to the proxy: c -> b -> c"),
        "{}",
        refused.text()
    );
    second["enabled"] = json!(false);
    assert_eq!(bench.post("/proxies", &second).await.status, 201);
    let refused = bench.post("/proxies/c", &json!({"enabled": true})).await;
    assert_eq!(refused.status, 400, "{}", refused.text());
    assert_eq!(
        bench.post("/proxies/b", &json!({"enabled": false})).await.status,
        200
    );
    assert_eq!(
        bench.post("/proxies/c", &json!({"enabled": true})).await.status,
        200
    );
    let list = json!([{"name": "c", "listen": c, "upstream": c}]);
    assert_eq!(bench.post("/populate", &list).await.status, 400);
    let shown = bench.ask(Method::GET, "/proxies/c", b"").await;
    let shown: Value = serde_json::from_slice(&shown.body).unwrap();
    assert_eq!(shown["enabled"], true, "it is as it was");
}

#[tokio::test]
async fn no_input_ends_the_proxy() {
    let mut bench = Bench::start().await;
    let toxics = format!("/proxies/{NAME}/toxics");
    let big = i64::MAX;
    let hostile = [
        (
            &*toxics,
            r#"{"type": "bandwidth", "attributes": {"rate": -1}}"#.to_owned(),
            400,
        ),
        (&toxics, r#"{"type": "slicer"}"#.to_owned(), 400),
        (
            &toxics,
            r#"{"type": "slicer", "attributes": {"average_size": -3}}"#.to_owned(),
            400,
        ),
        (
            &toxics,
            r#"{"type": "timeout", "attributes": {"timeout": -1}}"#.to_owned(),
            400,
        ),
        (
            &toxics,
            r#"{"type": "latency", "toxicity": 1e300}"#.to_owned(),
            400,
        ),
        (
            &toxics,
            r#"{"type": "slicer", "attributes": {"average_size": 1, "size_variation": 99999}}"#.to_owned(),
            200,
        ),
        (
            &toxics,
            format!(r#"{{"name": "a", "type": "latency", "attributes": {{"latency": 1, "jitter": {big}}}}}"#),
            200,
        ),
        (
            &toxics,
            format!(r#"{{"name": "b", "type": "bandwidth", "attributes": {{"rate": {big}}}}}"#),
            200,
        ),
        (
            &toxics,
            format!(r#"{{"name": "c", "type": "slow_close", "attributes": {{"delay": {big}}}}}"#),
            200,
        ),
        (
            &toxics,
            format!(r#"{{"name": "d", "type": "limit_data", "attributes": {{"bytes": {big}}}}}"#),
            200,
        ),
        (&toxics, "[".repeat(100_000), 400),
        ("/populate", "[".repeat(100_000), 400),
        ("/populate", "[null]".to_owned(), 400),
        ("/proxies", "\u{0}".to_owned(), 400),
        ("/proxies/%FF", "{}".to_owned(), 404),
        (
            "/proxies",
            r#"{"name": "\u0000\n/%", "upstream": "", "listen": ""}"#.to_owned(),
            400,
        ),
        (
            "/proxies",
            r#"{"name": "\u0000\n/%", "upstream": "]:[", "listen": "127.0.0.1:0"}"#.to_owned(),
            201,
        ),
    ];
    for (path, body, status) in hostile {
        let answer = bench.ask(Method::POST, path, body.as_bytes()).await;
        assert_eq!(answer.status, status, "{path} {:.80}: {}", body, answer.text());
    }
    // What was taken lets traffic pass or holds it, but ends nothing.
    let mut raw = bench.connect().await;
    raw.try_say("hello").await;
    assert_eq!(bench.post("/reset", &Value::Null).await.status, 204);
    bench.connected().await;
    assert!(bench.proxy.is_alive());
    let page = bench.proxy.api(Method::GET, "/metrics", "", "").await;
    assert_eq!(page.status, 200);
}

#[tokio::test]
async fn a_proxy_is_seen_and_carries_faults_of_ours_that_its_clients_do_not_see() {
    let bench = Bench::start().await;
    let status = bench.proxy.show("/api/v1/status").await;
    let listeners = status["listeners"].as_array().unwrap();
    assert!(
        listeners.iter().any(|listener| listener["name"] == NAME),
        "{status}"
    );
    bench.downstream("latency", json!({"latency": 1})).await;
    let fault = bench.proxy.show("/api/v1/faults/redis%2Ft").await;
    assert_eq!(
        (&fault["owner"], &fault["by_hand"]),
        (&json!("toxiproxy"), &json!(false))
    );
    let removed = bench
        .proxy
        .api(Method::DELETE, "/api/v1/faults/redis%2Ft", "", "")
        .await;
    assert!(
        removed.status == 409
            && removed
                .text()
                .contains("remove the toxic: DELETE /proxies/redis/toxics/t"),
        "{}",
        removed.text()
    );

    let on_it = |fault: &str| format!("where: {{listener: {NAME}}}, {fault}");
    bench
        .proxy
        .inject("slow", &on_it("do: {latency: {add: 300ms}}"))
        .await;
    let begun = Instant::now();
    bench.connected().await;
    assert!(
        begun.elapsed() >= Duration::from_millis(300),
        "when a connection opens"
    );
    bench.proxy.lift("slow").await;
    assert_eq!(bench.shown().await["toxics"].as_array().unwrap().len(), 1);

    let address = bench.address().await;
    let fates = async || {
        let mut fates = Vec::new();
        for _ in 0..4 {
            // A refusal may be there before the connection is seen to stand.
            let Ok(stream) = TcpStream::connect(address).await else {
                fates.push(false);
                continue;
            };
            let mut raw = Raw::over(stream);
            raw.try_say("hello").await;
            raw.try_finish().await;
            fates.push(raw.rest().await.1 == End::Closed);
        }
        fates
    };
    bench.proxy.inject("first", &on_it("first: 2, do: refuse")).await;
    assert_eq!(fates().await, [false, false, true, true]);
    bench.proxy.lift("first").await;
    bench.proxy.inject("every", &on_it("every: 2, do: refuse")).await;
    assert_eq!(fates().await, [true, false, true, false]);
}

#[tokio::test]
async fn tls_ends_and_begins_at_a_proxy() {
    let bench = Bench::start().await;
    let (authority, folder) = (Authority::new(), tempfile::tempdir().unwrap());
    let certificate = authority.issue("redis.test");
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let own =
        json!({"certificate": file("one.pem", &certificate.pem), "key": file("one.key", &certificate.key)});
    bench.update(&json!({"tls": own})).await;
    assert_eq!(bench.shown().await["tls"], own);
    let client = authority.client(None, &[]);
    let mut stream = client.connect(bench.address().await, "redis.test").await.unwrap();
    bench.downstream("latency", json!({"latency": 100})).await;
    let begun = Instant::now();
    stream.write_all(b"hello").await.unwrap();
    let mut heard = [0; 5];
    within("an echo", stream.read_exact(&mut heard)).await.unwrap();
    assert!(&heard == b"hello" && begun.elapsed() >= Duration::from_millis(100));
    // Another proxy speaks TLS to the first one, and clear text to its clients.
    let roots = file("roots.pem", &authority.pem());
    let asked = json!({
        "name": "clear", "listen": "127.0.0.1:0", "upstream": bench.address().await.to_string(),
        "upstream_tls": {"roots": roots, "server_name": "redis.test"},
    });
    let made = bench.post("/proxies", &asked).await;
    assert_eq!(made.status, 201, "{}", made.text());
    let made: Value = serde_json::from_slice(&made.body).unwrap();
    let mut raw = Raw::connect(made["listen"].as_str().unwrap().parse().unwrap()).await;
    raw.say("in clear\n").await;
    raw.until("in clear\n").await;
    // What cannot be is refused, and changes nothing.
    for (wrong, why) in [
        (
            json!({"tls": {"certificate": "/nowhere.pem", "key": "/nowhere.key"}}),
            "/nowhere.pem",
        ),
        (json!({"tls": {"certificate": 5}}), "`tls`"),
        (json!({"upstream_tls": {"root": "x"}}), "`upstream_tls`"),
    ] {
        let answer = bench.post(&format!("/proxies/{NAME}"), &wrong).await;
        assert!(
            answer.status == 400 && answer.text().contains(why),
            "{}",
            answer.text()
        );
    }
    assert_eq!(bench.shown().await["tls"], own);
}

#[tokio::test]
async fn a_panic_lifts_toxics_until_its_reset() {
    let bench = Bench::start().await;
    let mut raw = bench.connected().await;
    bench.downstream("bandwidth", json!({"rate": 0})).await;
    raw.say("held\n").await;
    bench.proxy.panic().await;
    raw.until("held\n").await;
    let refused = bench
        .post(&format!("/proxies/{NAME}/toxics"), &json!({"type": "noop"}))
        .await;
    assert_eq!(refused.status, 503, "{}", refused.text());
    bench.proxy.order("/api/v1/panic/reset", Value::Null).await;
    raw.say("held again\n").await;
    assert!(
        tokio::time::timeout(super::bench::WHILE, raw.exactly(1))
            .await
            .is_err()
    );
    bench.remove().await;
    raw.until("held again\n").await;
}

#[tokio::test]
async fn proxies_outlive_a_reload_and_no_name_is_had_twice() {
    let bench = Bench::start().await;
    let mut standing = bench.connected().await;
    let text = Doc::tcp(&[bench.place.address]).text();
    assert_eq!(bench.proxy.apply(&*text).await.status, 200);
    standing.say("still\n").await;
    standing.until("still\n").await;
    let taken = bench.proxy.apply(text.replace("public:", "redis:")).await;
    assert!(
        taken.status == 409 && taken.text().contains("Toxiproxy"),
        "{}",
        taken.text()
    );
    for name in ["public", "app"] {
        let body = json!({"name": name, "upstream": "127.0.0.1:1", "listen": "127.0.0.1:0"});
        assert_eq!(bench.post("/proxies", &body).await.status, 409, "{name}");
    }
    bench.connected().await;
    eventually("connections are counted", async || {
        bench
            .proxy
            .metric("chaosproxy_connections_total", &["listener=\"redis\""])
            .await
            >= 2.0
    })
    .await;
}

#[tokio::test]
async fn toxics_come_with_a_populated_proxy() {
    let bench = Bench::start().await;
    let toxics = json!([{"name": "t", "type": "limit_data", "attributes": {"bytes": 2}}]);
    let list = json!([{"name": "new", "listen": "127.0.0.1:0", "upstream": bench.place.address.to_string(), "toxics": toxics}]);
    let answer = bench.post("/populate", &list).await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    let answer: Value = serde_json::from_slice(&answer.body).unwrap();
    let address = answer["proxies"][0]["listen"].as_str().unwrap().parse().unwrap();
    assert_eq!(Raw::fate(address, "hello").await.0, "he");
    let empty = bench.post("/populate", &json!([])).await;
    assert_eq!(empty.text(), r#"{"proxies":[]}"#);
}
