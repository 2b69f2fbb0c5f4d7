//! What each toxic does on the wire, to new connections and to those that stand.

use std::time::{Duration, Instant};

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::bench::{Bench, WHILE};
use crate::kit::{Raw, noise, raw::End, within};

/// How long an echo takes.
async fn echo(raw: &mut Raw) -> Duration {
    let begun = Instant::now();
    raw.say("ping\n").await;
    raw.until("ping\n").await;
    begun.elapsed()
}

#[tokio::test]
async fn latency_delays_each_direction_and_adds_up() {
    let bench = Bench::start().await;
    let mut standing = bench.connected().await;
    bench.downstream("latency", json!({"latency": 200})).await;
    assert!(echo(&mut standing).await >= Duration::from_millis(200));
    bench
        .add(&json!({"type": "latency", "stream": "upstream", "attributes": {"latency": 200, "jitter": 50}}))
        .await;
    assert!(echo(&mut standing).await >= Duration::from_millis(350));
    assert!(echo(&mut bench.connect().await).await >= Duration::from_millis(350));
}

#[tokio::test]
async fn an_update_and_a_removal_take_effect_on_what_waits() {
    let bench = Bench::start().await;
    let mut raw = bench.connected().await;
    bench.downstream("latency", json!({"latency": 3_600_000})).await;
    raw.say("one\n").await;
    bench.change(&json!({"attributes": {"latency": 1}})).await;
    raw.until("one\n").await;
    bench.change(&json!({"attributes": {"latency": 3_600_000}})).await;
    raw.say("two\n").await;
    raw.say("three\n").await;
    bench.remove().await;
    assert_eq!(raw.until("three\n").await, "two\nthree\n");
}

#[tokio::test]
async fn bandwidth_is_in_thousands_of_bytes_and_0_lets_nothing_pass() {
    let bench = Bench::start().await;
    bench.downstream("bandwidth", json!({"rate": 100})).await;
    let mut raw = bench.connected().await;
    let begun = Instant::now();
    raw.say(noise(50_000, 1)).await;
    raw.exactly(50_000).await;
    let took = begun.elapsed();
    assert!(took >= Duration::from_millis(480), "{took:?}");
    bench.change(&json!({"attributes": {"rate": 0}})).await;
    raw.say("held\n").await;
    assert!(
        tokio::time::timeout(WHILE, raw.exactly(1)).await.is_err(),
        "nothing passes"
    );
    bench.remove().await;
    raw.until("held\n").await;
}

#[tokio::test]
async fn all_connections_of_a_proxy_can_share_a_bandwidth() {
    let bench = Bench::start().await;
    let attributes = json!({"rate": 100, "shared": true});
    bench.downstream("bandwidth", attributes.clone()).await;
    assert_eq!(bench.shown().await["toxics"][0]["attributes"], attributes);
    let mut connections = [bench.connected().await, bench.connected().await];
    let begun = Instant::now();
    for raw in &mut connections {
        raw.say(noise(30_000, 1)).await;
    }
    for raw in &mut connections {
        raw.exactly(30_000).await;
    }
    let took = begun.elapsed();
    assert!(took >= Duration::from_millis(580), "{took:?}");
    // What is not named stays.
    bench.change(&json!({"attributes": {"rate": 1_000_000}})).await;
    assert_eq!(
        bench.shown().await["toxics"][0]["attributes"],
        json!({"rate": 1_000_000, "shared": true})
    );
}

#[tokio::test]
async fn slow_close_keeps_the_end_back_and_nothing_else() {
    let bench = Bench::start().await;
    bench.downstream("slow_close", json!({"delay": 500})).await;
    let mut raw = bench.connected().await;
    let begun = Instant::now();
    raw.finish().await;
    assert_eq!(raw.rest().await, (String::new(), End::Closed));
    assert!(begun.elapsed() >= Duration::from_millis(500));
}

#[tokio::test]
async fn timeout_lets_nothing_pass_and_closes_in_time_whatever_comes() {
    let bench = Bench::start().await;
    let mut raw = bench.connected().await;
    bench.downstream("timeout", json!({"timeout": 500})).await;
    let (mut reader, mut writer) = raw.into_stream().into_split();
    let begun = Instant::now();
    let talking = tokio::spawn(async move {
        // Data that keeps coming does not put the end off.
        while writer.write_all(b"more\n").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    let mut heard = Vec::new();
    let _ = within("the end", reader.read_to_end(&mut heard)).await;
    assert!(heard.is_empty());
    let took = begun.elapsed();
    assert!(
        took >= Duration::from_millis(450) && took < Duration::from_secs(10),
        "{took:?}"
    );
    within("the client to notice", talking).await.unwrap();
    bench.remove().await;

    raw = bench.connected().await;
    bench.downstream("timeout", json!({"timeout": 0})).await;
    raw.say("lost\n").await;
    assert!(
        tokio::time::timeout(WHILE, raw.exactly(1)).await.is_err(),
        "nothing passes"
    );
    let mut spared = bench.connect().await;
    bench.remove().await;
    assert_eq!(
        raw.rest().await,
        (String::new(), End::Closed),
        "it has lost bytes"
    );
    echo(&mut spared).await;
}

#[tokio::test]
async fn reset_peer_resets_both_sides_once_data_comes_standing_connections_too() {
    let bench = Bench::start().await;
    let (told, mut heard) = tokio::sync::mpsc::unbounded_channel();
    let place = crate::kit::Place::new();
    let _server = place.serve(move |stream| {
        let told = told.clone();
        async move {
            let mut raw = Raw::over(stream);
            raw.say("welcome\n").await;
            let _ = told.send(raw.rest().await);
        }
    });
    bench
        .update(&json!({"upstream": place.address.to_string()}))
        .await;
    let mut standing = bench.connect().await;
    standing.until("welcome\n").await;
    bench.upstream("reset_peer", json!({"timeout": 0})).await;
    assert!(
        tokio::time::timeout(WHILE, standing.exactly(1)).await.is_err(),
        "nothing happens to who is silent"
    );
    standing.say("lost\n").await;
    assert_eq!(standing.rest().await, (String::new(), End::Reset));
    assert_eq!(
        within("the server", heard.recv()).await.unwrap(),
        (String::new(), End::Reset)
    );

    bench.change(&json!({"attributes": {"timeout": 400}})).await;
    let mut fresh = bench.connect().await;
    fresh.until("welcome\n").await;
    let begun = Instant::now();
    fresh.say("lost\n").await;
    assert_eq!(fresh.rest().await, (String::new(), End::Reset));
    assert!(begun.elapsed() >= Duration::from_millis(400));
    assert_eq!(
        within("the server", heard.recv()).await.unwrap(),
        (String::new(), End::Reset)
    );
}

#[tokio::test]
async fn slicer_cuts_what_passes_and_pauses_after_each_slice() {
    let bench = Bench::start().await;
    let slices = json!({"average_size": 10, "size_variation": 2, "delay": 20_000});
    bench.downstream("slicer", slices).await;
    let mut stream = bench.connect().await.into_stream();
    let begun = Instant::now();
    stream.write_all(&noise(100, 2)).await.unwrap();
    let (mut reads, mut all) = (Vec::new(), Vec::new());
    while all.len() < 100 {
        reads.push(within("a slice", stream.read_buf(&mut all)).await.unwrap());
    }
    assert_eq!(all, noise(100, 2));
    // At least nine slices of at most 12 bytes, so eight pauses; a slow reader may find two slices at once.
    assert!(
        begun.elapsed() >= Duration::from_millis(160) && reads.len() > 2,
        "{reads:?}"
    );
}

#[tokio::test]
async fn limit_data_lets_exactly_so_many_bytes_pass() {
    let bench = Bench::start().await;
    bench.downstream("limit_data", json!({"bytes": 10})).await;
    let fate = async || Raw::fate(bench.address().await, "0123456789abc").await.0;
    assert_eq!(fate().await, "0123456789");
    bench.change(&json!({"attributes": {"bytes": 0}})).await;
    assert_eq!(fate().await, "");
    bench.remove().await;
    let mut standing = bench.connected().await;
    bench.downstream("limit_data", json!({"bytes": 3})).await;
    standing.say("abcdef").await;
    assert_eq!(standing.rest().await.0, "abc", "counted from when the toxic came");
}

#[tokio::test]
async fn packet_loss_loses_what_comes_and_noop_does_nothing() {
    let bench = Bench::start().await;
    let mut raw = bench.connected().await;
    bench.add(&json!({"type": "noop"})).await;
    echo(&mut raw).await;
    bench.downstream("packet_loss", json!({"loss_rate": 1})).await;
    raw.say("lost\n").await;
    assert!(
        tokio::time::timeout(WHILE, raw.exactly(1)).await.is_err(),
        "nothing passes"
    );
    bench.remove().await;
    raw.say("found\n").await;
    assert_eq!(raw.until("found\n").await, "found\n");
}

#[tokio::test]
async fn toxicity_0_touches_nothing_and_a_share_of_it_hits_a_share_of_connections() {
    let bench = Bench::start().await;
    let never = json!({"name": "t", "type": "reset_peer", "toxicity": 0, "attributes": {"timeout": 0}});
    bench.add(&never).await;
    let mut raw = bench.connected().await;
    raw.finish().await;
    assert_eq!(
        raw.rest().await,
        (String::new(), End::Closed),
        "its end is as if there were no toxic"
    );
    bench.change(&json!({"toxicity": 0.5})).await;
    let address = bench.address().await;
    let mut reset = 0;
    for _ in 0..100 {
        let mut raw = Raw::connect(address).await;
        raw.try_say("hello").await;
        raw.try_finish().await;
        reset += u32::from(raw.rest().await.1 == End::Reset);
    }
    // 4 standard deviations.
    assert!((30..=70).contains(&reset), "{reset}");
}

#[tokio::test]
async fn a_seed_repeats_who_is_hit() {
    let mut runs = Vec::new();
    for seed in ["1", "1", "2"] {
        let bench = Bench::with(&["--seed", seed, "--workers", "3"]).await;
        let half = json!({"type": "limit_data", "toxicity": 0.5, "attributes": {"bytes": 0}});
        bench.add(&half).await;
        let mut hit = Vec::new();
        for _ in 0..40 {
            let mut raw = bench.connect().await;
            raw.say("hello").await;
            raw.finish().await;
            hit.push(raw.rest().await.0.is_empty());
        }
        runs.push(hit);
    }
    assert_eq!(runs[0], runs[1]);
    assert_ne!(runs[0], runs[2]);
}
