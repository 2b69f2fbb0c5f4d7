//! Faults on TCP connections, new ones and those that stand.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::kit::{Doc, Place, Proxy, Raw, eventually, noise, origin::Server, raw::End, within};

/// A server that sends back what it gets, and a proxy before it.
async fn echo() -> (Place, Server, Proxy) {
    let place = Place::new();
    let server = place.serve(async |mut stream| {
        let (mut reader, mut writer) = stream.split();
        let _ = tokio::io::copy(&mut reader, &mut writer).await;
        let _ = writer.shutdown().await;
    });
    let proxy = Proxy::start(&Doc::tcp(&[place.address])).await;
    (place, server, proxy)
}

async fn connected(proxy: &Proxy) -> Raw {
    let mut raw = Raw::connect(proxy.address()).await;
    raw.say("hello\n").await;
    raw.until("hello\n").await;
    raw
}

#[tokio::test]
async fn faults_on_the_opening_of_a_connection_wait_hold_or_end_it() {
    let (_place, server, proxy) = echo().await;
    proxy.inject("wait", "do: {latency: {add: 300ms}}").await;
    let begun = Instant::now();
    connected(&proxy).await;
    assert!(begun.elapsed() >= Duration::from_millis(300));
    proxy.lift("wait").await;

    proxy.inject("hold", "do: hang").await;
    let address = proxy.address();
    let held = tokio::spawn(async move {
        let mut raw = Raw::connect(address).await;
        raw.say("hello\n").await;
        raw.until("hello\n").await
    });
    eventually("it is held", async || proxy.held().await == 1.0).await;
    assert_eq!(server.connections(), 1, "only the first has come through");
    proxy.lift("hold").await;
    within("what was held goes on", held).await.unwrap();

    for (kind, expected) in [
        ("refuse", End::Reset),
        ("reset", End::Reset),
        ("close", End::Closed),
    ] {
        proxy.inject("end", &format!("do: {kind}")).await;
        assert_eq!(
            Raw::fate(proxy.address(), "").await,
            (String::new(), expected),
            "{kind}"
        );
        proxy.lift("end").await;
    }
    // Each has its line, with the fault that did it, and counts in both places.
    let lines = proxy.access(5).await;
    let ended = lines.iter().filter(|line| line["faults"][0] == "end");
    assert_eq!(
        ended.filter(|line| line["origin"] == "injected").count(),
        3,
        "{lines:?}"
    );
}

#[tokio::test]
async fn what_stands_is_cut_when_the_fault_comes() {
    let (_place, _server, proxy) = echo().await;
    let legs = ["", "where: {cluster: app}, "];
    for (kind, expected) in [
        ("reset", End::Reset),
        ("close", End::Closed),
        ("{refuse: {standing: reset}}", End::Reset),
    ] {
        for leg in legs {
            let mut raw = connected(&proxy).await;
            proxy.inject("cut", &format!("{leg}do: {kind}")).await;
            assert_eq!(raw.rest().await, (String::new(), expected), "{leg}{kind}");
            proxy.lift("cut").await;
        }
    }
    let mut raw = connected(&proxy).await;
    proxy.inject("cut", "do: refuse").await;
    raw.say("still\n").await;
    raw.until("still\n").await;
}

#[tokio::test]
async fn byte_faults_meet_connections_that_stand_and_leave_them_when_lifted() {
    let (_place, _server, proxy) = echo().await;
    let mut raw = connected(&proxy).await;

    proxy
        .inject("edit", "do: {body: {find: fish, replace: chips}}")
        .await;
    raw.say("one fish\n").await;
    assert_eq!(raw.until("\n").await, "one chips\n");
    proxy.lift("edit").await;

    proxy.inject("stop", "do: stall").await;
    raw.say("two fish\n").await;
    eventually("it has met the fault", async || {
        proxy.show("/api/v1/faults/stop").await["hits"] == 1
    })
    .await;
    assert_eq!(raw.peek(), b"");
    proxy.lift("stop").await;
    let begun = Instant::now();
    assert_eq!(raw.until("\n").await, "two fish\n");
    assert!(begun.elapsed() < Duration::from_secs(5));

    raw.say("three fish\n").await;
    assert_eq!(raw.until("\n").await, "three fish\n");
}

#[tokio::test]
async fn lifting_takes_effect_on_what_stands_within_100_ms() {
    let (_place, _server, proxy) = echo().await;
    // The best of several: this machine may be busy, the proxy must not be slow.
    let mut best = Duration::MAX;
    for _ in 0..10 {
        let mut raw = connected(&proxy).await;
        proxy.inject("stop", "do: stall").await;
        raw.say("wait\n").await;
        eventually("it has met the fault", async || {
            proxy.show("/api/v1/faults/stop").await["hits"].as_u64() >= Some(1)
        })
        .await;
        let begun = Instant::now();
        proxy.lift("stop").await;
        raw.until("wait\n").await;
        best = best.min(begun.elapsed());
    }
    assert!(best < Duration::from_millis(100), "{best:?}");
}

#[tokio::test]
async fn throttle_and_slice_lose_nothing() {
    let (_place, _server, proxy) = echo().await;
    for (fault, least) in [
        ("{throttle: {rate: 200KiB/s}}", 900),
        ("{throttle: {rate: 200KiB/s, flow: request}}", 900),
        ("{slice: {size: 1KiB, vary: 500B}}", 0),
        ("{latency: {add: 100ms, at: chunk}}", 100),
    ] {
        proxy.inject("thin", &format!("do: {fault}")).await;
        let (mut reader, mut writer) = Raw::connect(proxy.address()).await.into_stream().into_split();
        let data = noise(200 << 10, 9);
        let sent = data.clone();
        let begun = Instant::now();
        tokio::spawn(async move {
            writer.write_all(&sent).await.unwrap();
            writer.shutdown().await.unwrap();
        });
        let mut came = Vec::new();
        within("all of it", reader.read_to_end(&mut came)).await.unwrap();
        assert!(came == data, "{fault}: {} bytes", came.len());
        assert!(
            begun.elapsed() >= Duration::from_millis(least),
            "{fault}: {:?}",
            begun.elapsed()
        );
        proxy.lift("thin").await;
    }
}

#[tokio::test]
async fn a_connection_ends_after_exactly_so_many_bytes() {
    let (_place, _server, proxy) = echo().await;
    for (fault, expected) in [
        ("{limit_data: {bytes: 7B}}", End::Closed),
        ("{truncate: {after_bytes: 7B}}", End::Closed),
        ("{close: {after_bytes: 7B}}", End::Closed),
        ("{reset: {after_bytes: 7B}}", End::Reset),
    ] {
        proxy.inject("limit", &format!("do: {fault}")).await;
        let mut raw = Raw::connect(proxy.address()).await;
        raw.say("0123456789").await;
        if fault.contains("truncate") {
            assert_eq!(raw.exactly(7).await, b"0123456", "{fault}");
        } else {
            let (heard, end) = raw.rest().await;
            assert_eq!(end, expected, "{fault}");
            if expected == End::Closed {
                assert_eq!(heard, "0123456", "{fault}");
            }
        }
        proxy.lift("limit").await;
    }
}

#[tokio::test]
async fn a_connection_ends_after_a_time() {
    let (_place, _server, proxy) = echo().await;
    for (fault, expected) in [
        ("{timeout: {after: 200ms}}", End::Closed),
        ("{close: {after: 200ms}}", End::Closed),
        ("{reset: {after: 200ms}}", End::Reset),
    ] {
        proxy.inject("end", &format!("do: {fault}")).await;
        let begun = Instant::now();
        let (_, end) = Raw::fate(proxy.address(), "").await;
        assert_eq!(end, expected, "{fault}");
        assert!(begun.elapsed() >= Duration::from_millis(200), "{fault}");
        proxy.lift("end").await;
    }
}

#[tokio::test]
async fn timeout_without_a_time_closes_when_it_is_lifted_and_what_came_is_lost() {
    let (_place, _server, proxy) = echo().await;
    let mut raw = connected(&proxy).await;
    proxy.inject("gone", "do: timeout").await;
    raw.say("lost\n").await;
    eventually("it has met the fault", async || {
        proxy.show("/api/v1/faults/gone").await["hits"] == 1
    })
    .await;
    proxy.lift("gone").await;
    assert_eq!(raw.rest().await, (String::new(), End::Closed));
}

#[tokio::test]
async fn slow_close_keeps_the_end_of_a_connection_back() {
    let (_place, _server, proxy) = echo().await;
    proxy.inject("late", "do: {slow_close: {delay: 400ms}}").await;
    let mut raw = Raw::connect(proxy.address()).await;
    let begun = Instant::now();
    raw.say("bye").await;
    raw.finish().await;
    assert_eq!(raw.rest().await, ("bye".to_owned(), End::Closed));
    assert!(begun.elapsed() >= Duration::from_millis(400));
}

#[tokio::test]
async fn corrupt_changes_bytes_of_a_connection() {
    let (_place, _server, proxy) = echo().await;
    proxy.inject("noise", "do: corrupt").await;
    let mut raw = Raw::connect(proxy.address()).await;
    raw.say("hello, world").await;
    let came = raw.exactly(12).await;
    let changed = came.iter().zip(b"hello, world").filter(|(a, b)| a != b).count();
    assert!(changed >= 1, "{came:?}");
}

#[tokio::test]
async fn misroute_really_leads_elsewhere_and_back() {
    let (_place, _server, proxy) = echo().await;
    let other = Place::new();
    let _other = other.serve(async |mut stream| {
        let _ = stream.write_all(b"wrong door\n").await;
        let _ = stream.read(&mut [0; 1]).await;
    });
    let wrong = format!(
        "where: {{cluster: app}}, do: {{misroute: {{to: \"{}\"}}}}",
        other.address
    );
    proxy.inject("lost", &wrong).await;
    Raw::connect(proxy.address()).await.until("wrong door\n").await;
    proxy.lift("lost").await;
    connected(&proxy).await;

    let nowhere = Place::new();
    let wrong = format!(
        "where: {{cluster: app}}, do: {{misroute: {{to: \"{}\"}}}}",
        nowhere.address
    );
    proxy.inject("lost", &wrong).await;
    assert_eq!(Raw::fate(proxy.address(), "").await.1, End::Reset);
    eventually("it is known whose doing it was", async || {
        let lines = proxy.access_so_far();
        lines
            .iter()
            .any(|line| line["faults"][0] == "lost" && line["reason"] == "connect_refused")
    })
    .await;
}

#[tokio::test]
async fn threads_queue_connections() {
    let (_place, _server, proxy) = echo().await;
    proxy
        .inject("busy", "where: {cluster: app}, do: {threads: {size: 1}}")
        .await;
    let first = connected(&proxy).await;
    let mut second = Raw::connect(proxy.address()).await;
    second.say("hello\n").await;
    eventually("the second waits", async || proxy.held().await == 1.0).await;
    drop(first);
    second.until("hello\n").await;
}
