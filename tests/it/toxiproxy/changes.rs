//! What becomes of what toxics hold: when they change at their work, and when a connection behind them fails.

use std::time::{Duration, Instant};

use serde_json::json;

use super::bench::{Bench, WHILE};
use crate::kit::{
    Place, Raw, eventually, noise,
    origin::Server,
    raw::{End, reset},
    within,
};

/// Puts a server behind the proxy that says this and ends, by a RST or not.
async fn says(bench: &Bench, what: impl Into<Vec<u8>>, resets: bool) -> (Place, Server) {
    let (place, what) = (Place::new(), what.into());
    let server = place.serve(move |stream| {
        let what = what.clone();
        async move {
            let mut raw = Raw::over(stream);
            raw.say(what).await;
            if resets {
                reset(raw.into_stream()).await;
            }
        }
    });
    bench
        .update(&json!({"upstream": place.address.to_string()}))
        .await;
    (place, server)
}

/// Comes when the server has sent back so many bytes, and so the toxic has them.
async fn sent_back(bench: &Bench, bytes: f64) {
    let name = "chaosproxy_backend_received_bytes_total";
    eventually("the toxic has it", async || {
        bench.proxy.metric(name, &[]).await >= bytes
    })
    .await;
}

#[tokio::test]
async fn what_a_server_said_before_its_reset_comes_through_the_toxics_first() {
    let bench = Bench::start().await;
    let _server = says(&bench, noise(200_000, 1), true).await;
    for (kind, attributes, at_least) in [
        ("latency", json!({"latency": 400}), 400),
        ("bandwidth", json!({"rate": 400}), 480),
        ("slow_close", json!({"delay": 300}), 300),
    ] {
        bench.downstream(kind, attributes).await;
        let begun = Instant::now();
        let (heard, end) = bench.connect().await.rest_bytes().await;
        assert_eq!((heard.len(), end), (200_000, End::Reset), "{kind}");
        assert!(begun.elapsed() >= Duration::from_millis(at_least), "{kind}");
        bench.remove().await;
    }
}

#[tokio::test]
async fn what_a_client_said_before_its_reset_comes_through_the_toxics_first() {
    let bench = Bench::start().await;
    let (told, mut heard) = tokio::sync::mpsc::unbounded_channel();
    let place = Place::new();
    let _server = place.serve(move |stream| {
        let told = told.clone();
        async move {
            let _ = told.send(Raw::over(stream).rest().await);
        }
    });
    bench
        .update(&json!({"upstream": place.address.to_string()}))
        .await;
    bench.upstream("latency", json!({"latency": 400})).await;
    let mut client = bench.connect().await;
    client.say("the last\n").await;
    reset(client.into_stream()).await;
    let heard = within("the server", heard.recv()).await.unwrap();
    assert_eq!(heard, ("the last\n".to_owned(), End::Reset));
}

#[tokio::test]
async fn a_client_that_writes_to_a_server_that_has_gone_still_gets_what_it_said() {
    let bench = Bench::start().await;
    let _server = says(&bench, "hello\n", false).await;
    bench.downstream("latency", json!({"latency": 600})).await;
    let mut client = bench.connect().await;
    for _ in 0..3 {
        tokio::time::sleep(WHILE / 2).await;
        client.say("are you there?\n").await;
    }
    assert_eq!(client.rest().await, ("hello\n".to_owned(), End::Closed));
}

#[tokio::test]
async fn latency_is_no_limit_of_bandwidth() {
    let bench = Bench::start().await;
    let mut client = bench.connected().await;
    bench.upstream("latency", json!({"latency": 3_600_000})).await;
    let all = noise(24_000_000, 1);
    within("all is taken, and on its way", client.say(&all)).await;
    let reading = tokio::spawn(async move { client.exactly(24_000_000).await });
    bench.remove().await;
    assert!(within("all of it", reading).await.unwrap() == all);
}

#[tokio::test]
async fn a_changed_timeout_and_a_changed_slow_close_count_anew_and_end_nothing_at_once() {
    let bench = Bench::start().await;
    bench.downstream("timeout", json!({"timeout": 3_600_000})).await;
    let mut client = bench.connect().await;
    client.say("lost\n").await;
    sent_back(&bench, 5.0).await;
    let begun = Instant::now();
    bench.change(&json!({"attributes": {"timeout": 500}})).await;
    assert_eq!(client.rest().await, (String::new(), End::Closed));
    assert!(begun.elapsed() >= Duration::from_millis(500));
    bench.remove().await;

    bench.downstream("slow_close", json!({"delay": 3_600_000})).await;
    let mut client = bench.connected().await;
    client.finish().await;
    tokio::time::sleep(WHILE / 3).await;
    let begun = Instant::now();
    bench.change(&json!({"attributes": {"delay": 500}})).await;
    assert_eq!(client.rest().await, (String::new(), End::Closed));
    assert!(begun.elapsed() >= Duration::from_millis(500));
}

#[tokio::test]
async fn a_changed_limit_data_has_counted_what_passed_before() {
    let bench = Bench::start().await;
    bench.downstream("limit_data", json!({"bytes": 10})).await;
    let passed = async || {
        let mut client = bench.connect().await;
        client.say("12345678").await;
        client.exactly(8).await;
        client
    };
    let (mut raised, bytes) = (passed().await, json!({"attributes": {"bytes": 15}}));
    bench.change(&bytes).await;
    raised.try_say("abcdefghijkl").await;
    assert_eq!(raised.rest().await.0, "abcdefg");
    let mut lowered = passed().await;
    bench.change(&json!({"attributes": {"bytes": 6}})).await;
    lowered.try_say("abc").await;
    assert_eq!(lowered.rest().await.0, "");
}

#[tokio::test]
async fn a_reset_peer_that_is_removed_while_it_waits_resets_at_once() {
    let bench = Bench::start().await;
    bench
        .downstream("reset_peer", json!({"timeout": 3_600_000}))
        .await;
    let mut client = bench.connect().await;
    client.say("lost\n").await;
    sent_back(&bench, 5.0).await;
    bench.remove().await;
    assert_eq!(client.rest().await, (String::new(), End::Reset));
}
