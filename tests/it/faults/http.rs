//! Faults in HTTP exchanges.

use std::time::{Duration, Instant};

use http::Method;
use http_body_util::BodyExt;

use crate::kit::{
    Answer, Doc, H1, H2, Origin, Place, Proxy, Raw,
    client::{a_get, a_post, attempt, post, request},
    eventually, get, noise,
    origin::{empty, text},
    raw::End,
    within,
};

use super::shop;

/// An origin whose every answer is so many bytes of noise.
fn bulk(length: usize) -> Origin {
    Origin::new(move |request| async move {
        let _ = request.into_body().collect().await;
        text(200, noise(length, 5))
    })
}

/// A GET, and how long it took.
async fn timed(proxy: &Proxy) -> (Answer, Duration) {
    let begun = Instant::now();
    let answer = get(proxy.address(), "/").await;
    (answer, begun.elapsed())
}

#[tokio::test]
async fn latency_adds_time_before_the_backend_is_asked() {
    let (origin, proxy) = shop().await;
    proxy.inject("slow", "do: {latency: {add: 1h}}").await;
    let address = proxy.address();
    let waiting = tokio::spawn(get(address, "/"));
    eventually("it is on its way", async || {
        proxy.show("/api/v1/faults/slow").await["hits"] == 1
    })
    .await;
    assert_eq!(origin.requests(), 0);
    proxy.lift("slow").await;
    assert_eq!(within("the answer", waiting).await.unwrap().status, 200);
    proxy.inject("slow", "do: {latency: {add: 300ms}}").await;
    let (answer, took) = timed(&proxy).await;
    assert_eq!(answer.status, 200);
    assert!(took >= Duration::from_millis(300), "{took:?}");
}

#[tokio::test]
async fn latency_at_the_reply_holds_the_answer_back_that_is_already_there() {
    let (origin, proxy) = shop().await;
    proxy.inject("slow", "do: {latency: {add: 1h, at: reply}}").await;
    let waiting = tokio::spawn(get(proxy.address(), "/"));
    eventually("the backend was asked", async || origin.requests() == 1).await;
    proxy.lift("slow").await;
    assert_eq!(within("the answer", waiting).await.unwrap().text(), "a");
}

#[tokio::test]
async fn latency_at_each_chunk_delays_the_body() {
    let (_origin, proxy) = shop().await;
    proxy
        .inject("slow", "do: {latency: {add: 300ms, at: chunk}}")
        .await;
    let (answer, took) = timed(&proxy).await;
    assert_eq!(answer.text(), "a");
    assert!(took >= Duration::from_millis(300), "{took:?}");
}

#[tokio::test]
async fn abort_answers_in_the_backends_place() {
    let (origin, proxy) = shop().await;
    let fault = r#"do: {abort: {status: 418, headers: {x-pot: tea}, body: "short and stout"}}"#;
    proxy.inject("pot", fault).await;
    let answer = get(proxy.address(), "/").await;
    assert_eq!(
        (answer.status, answer.header("x-pot"), answer.text()),
        (418, "tea", "short and stout")
    );
    assert_eq!(answer.reason(), "injected");
    assert_eq!(origin.requests(), 0);
}

#[tokio::test]
async fn abort_with_after_asks_the_backend_all_the_same() {
    let (origin, proxy) = shop().await;
    proxy
        .inject("lost", "do: {abort: {status: 500, after: true}}")
        .await;
    assert_eq!(post(proxy.address(), "/orders", "one").await.status, 500);
    assert_eq!(origin.requests(), 1, "the write has happened");
    proxy.lift("lost").await;
    let upstream = "where: {cluster: app}, do: {abort: {status: 500, after: true}}";
    proxy.inject("lost", upstream).await;
    assert_eq!(post(proxy.address(), "/orders", "two").await.status, 500);
    assert_eq!(origin.requests(), 2);
}

#[tokio::test]
async fn hang_holds_exchanges_until_it_is_lifted() {
    let (origin, proxy) = shop().await;
    proxy.inject("stuck", "do: hang").await;
    let asks: Vec<_> = (0..5).map(|_| tokio::spawn(get(proxy.address(), "/"))).collect();
    eventually("all are held", async || proxy.held().await == 5.0).await;
    assert_eq!(origin.requests(), 0);
    proxy.lift("stuck").await;
    for ask in asks {
        assert_eq!(within("the answer", ask).await.unwrap().status, 200);
    }
    eventually("none is held", async || proxy.held().await == 0.0).await;
}

#[tokio::test]
async fn hang_can_end_with_503_when_it_is_lifted() {
    let (origin, proxy) = shop().await;
    proxy
        .inject("stuck", "do: {hang: {at: reply, on_lift: unavailable}}")
        .await;
    let ask = tokio::spawn(get(proxy.address(), "/"));
    eventually("it is held", async || proxy.held().await == 1.0).await;
    assert_eq!(origin.requests(), 1, "what the request does is done");
    proxy.lift("stuck").await;
    let answer = within("the answer", ask).await.unwrap();
    assert_eq!((answer.status, answer.reason()), (503, "injected"));
}

#[tokio::test]
async fn refuse_turns_new_connections_away_and_keeps_those_that_stand() {
    let (_origin, proxy) = shop().await;
    let mut standing = H1::connect(proxy.address()).await;
    assert_eq!(standing.get("/").await.status, 200);
    proxy.inject("closed", "do: refuse").await;
    let (heard, end) = Raw::fate(proxy.address(), "GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!((heard.as_str(), end), ("", End::Reset));
    assert_eq!(standing.get("/").await.status, 200);
    proxy.lift("closed").await;
    assert_eq!(get(proxy.address(), "/").await.status, 200);
}

#[tokio::test]
async fn refuse_can_end_what_stands_too() {
    let (_origin, proxy) = shop().await;
    for (standing, end) in [("reset", End::Reset), ("close", End::Closed)] {
        let mut raw = Raw::connect(proxy.address()).await;
        raw.say("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        raw.head().await;
        raw.exactly(1).await;
        proxy
            .inject("closed", &format!("do: {{refuse: {{standing: {standing}}}}}"))
            .await;
        assert_eq!(raw.rest().await, (String::new(), end), "{standing}");
        proxy.lift("closed").await;
    }
}

#[tokio::test]
async fn reset_and_close_end_exchanges_at_the_start() {
    let (origin, proxy) = shop().await;
    for (kind, expected) in [("reset", End::Reset), ("close", End::Closed)] {
        proxy.inject("cut", &format!("do: {kind}")).await;
        let (heard, end) = Raw::fate(proxy.address(), "GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        assert_eq!((heard.as_str(), end), ("", expected), "{kind}");
        proxy.lift("cut").await;
    }
    assert_eq!(origin.requests(), 0);
}

#[tokio::test]
async fn reset_and_close_end_answers_after_so_many_bytes() {
    let origin = bulk(100_000);
    let proxy = Proxy::start(&Doc::http(&[origin.address])).await;
    for kind in ["reset", "close"] {
        let fault = format!("do: {{{kind}: {{after_bytes: 10KiB}}}}");
        proxy.inject("cut", &fault).await;
        let mut raw = Raw::connect(proxy.address()).await;
        raw.say("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        raw.head().await;
        let (body, end) = raw.rest_bytes().await;
        if kind == "close" {
            assert_eq!(end, End::Closed);
            assert_eq!(without_chunk_frames(&body).len(), 10 << 10, "{kind}");
        } else {
            assert_eq!(end, End::Reset);
        }
        proxy.lift("cut").await;
    }
}

/// The data of a chunked body that may have been broken off.
fn without_chunk_frames(mut body: &[u8]) -> Vec<u8> {
    let mut data = Vec::new();
    while let Some(end) = body.windows(2).position(|pair| pair == b"\r\n") {
        let size = std::str::from_utf8(&body[..end]).unwrap();
        let size = usize::from_str_radix(size, 16).unwrap();
        let rest = &body[end + 2..];
        data.extend_from_slice(&rest[..size.min(rest.len())]);
        body = rest.get(size + 2..).unwrap_or_default();
    }
    data
}

#[tokio::test]
async fn reset_after_a_time_breaks_an_answer_off() {
    let place = Place::new();
    let _server = place.serve(async |stream| {
        let mut raw = Raw::over(stream);
        raw.head().await;
        raw.say("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
            .await;
        raw.rest().await;
    });
    let proxy = Proxy::start(&Doc::http(&[place.address])).await;
    proxy.inject("cut", "do: {reset: {after: 200ms}}").await;
    assert!(attempt(proxy.address(), a_get("/")).await.is_err());
}

#[tokio::test]
async fn throttle_lets_bytes_pass_at_a_rate() {
    let origin = bulk(40 << 10);
    let proxy = Proxy::start(&Doc::http(&[origin.address])).await;
    proxy.inject("thin", "do: {throttle: {rate: 40KiB/s}}").await;
    let (answer, took) = timed(&proxy).await;
    assert!(answer.body == noise(40 << 10, 5));
    assert!(
        took >= Duration::from_millis(900),
        "40 KiB at 40 KiB/s took {took:?}"
    );
    proxy.lift("thin").await;
    let fault = "do: {throttle: {rate: 40KiB/s, flow: request}}";
    proxy.inject("thin", fault).await;
    let begun = Instant::now();
    post(proxy.address(), "/", noise(40 << 10, 1)).await;
    assert!(begun.elapsed() >= Duration::from_millis(900));
}

#[tokio::test]
async fn a_throttle_that_is_lifted_lets_go_at_once() {
    let origin = bulk(1 << 20);
    let proxy = Proxy::start(&Doc::http(&[origin.address])).await;
    proxy.inject("thin", "do: {throttle: {rate: 1KiB/s}}").await;
    let mut client = H1::connect(proxy.address()).await;
    let mut body = client.begin(a_get("/")).await.unwrap().into_body();
    within("a beginning", body.frame()).await.unwrap().unwrap();
    proxy.lift("thin").await;
    let begun = Instant::now();
    within("the rest", body.collect()).await.unwrap();
    assert!(
        begun.elapsed() < Duration::from_secs(10),
        "it would have taken 17 minutes"
    );
}

#[tokio::test]
async fn slice_cuts_bodies_small_and_loses_nothing() {
    let origin = bulk(5000);
    let proxy = Proxy::start(&Doc::http(&[origin.address])).await;
    proxy.inject("thin", "do: {slice: {size: 64B, vary: 32B}}").await;
    let mut client = H1::connect(proxy.address()).await;
    let mut body = client.begin(a_get("/")).await.unwrap().into_body();
    let (mut whole, mut pieces) = (Vec::new(), 0);
    while let Some(frame) = within("a frame", body.frame()).await {
        let data = frame.unwrap().into_data().unwrap();
        assert!(data.len() <= 96, "{}", data.len());
        whole.extend_from_slice(&data);
        pieces += 1;
    }
    assert!(whole == noise(5000, 5) && pieces >= 50, "{pieces} pieces");
}

#[tokio::test]
async fn stall_holds_bytes_back_until_it_is_lifted_and_loses_none() {
    let origin = bulk(50_000);
    let proxy = Proxy::start(&Doc::http(&[origin.address])).await;
    proxy.inject("stop", "do: {stall: {after_bytes: 1KiB}}").await;
    let mut client = H1::connect(proxy.address()).await;
    let mut body = client.begin(a_get("/")).await.unwrap().into_body();
    let mut came = Vec::new();
    while came.len() < 1024 {
        let frame = within("the beginning", body.frame()).await.unwrap().unwrap();
        came.extend_from_slice(&frame.into_data().unwrap());
    }
    assert_eq!(came.len(), 1024);
    proxy.lift("stop").await;
    let rest = within("the rest", body.collect()).await.unwrap();
    came.extend_from_slice(&rest.to_bytes());
    assert!(came == noise(50_000, 5));
}

#[tokio::test]
async fn truncate_ends_a_body_as_if_that_were_all() {
    let origin = bulk(5000);
    let proxy = Proxy::start(&Doc::http(&[origin.address])).await;
    proxy.inject("short", "do: {truncate: {after_bytes: 100B}}").await;
    let answer = get(proxy.address(), "/").await;
    assert!(answer.body == noise(5000, 5)[..100]);
}

#[tokio::test]
async fn corrupt_changes_bytes_and_keeps_the_length() {
    let origin = bulk(50_000);
    let proxy = Proxy::start(&Doc::http(&[origin.address])).await;
    proxy.inject("noise", "do: {corrupt: {every: 1KiB}}").await;
    let answer = get(proxy.address(), "/").await;
    let sent = noise(50_000, 5);
    assert_eq!(answer.body.len(), sent.len());
    let changed = answer.body.iter().zip(&sent).filter(|(a, b)| a != b).count();
    assert!((40..=50).contains(&changed), "{changed} bytes in 49 pieces");
}

#[tokio::test]
async fn slow_close_keeps_the_end_back() {
    let (_origin, proxy) = shop().await;
    proxy.inject("late", "do: {slow_close: {delay: 400ms}}").await;
    let mut client = H1::connect(proxy.address()).await;
    let mut body = client.begin(a_get("/")).await.unwrap().into_body();
    let data = within("the body", body.frame()).await.unwrap().unwrap();
    let begun = Instant::now();
    assert_eq!(data.into_data().unwrap(), "a");
    assert!(within("the end", body.frame()).await.is_none());
    assert!(
        begun.elapsed() >= Duration::from_millis(300),
        "{:?}",
        begun.elapsed()
    );
}

#[tokio::test]
async fn timeout_lets_nothing_pass_and_closes_after_a_time() {
    let (_origin, proxy) = shop().await;
    proxy.inject("gone", "do: {timeout: {after: 300ms}}").await;
    let begun = Instant::now();
    assert!(attempt(proxy.address(), a_get("/")).await.is_err());
    assert!(
        begun.elapsed() >= Duration::from_millis(300),
        "not when the body ends"
    );
    assert_eq!(proxy.access(1).await[0]["origin"], "injected");
}

#[tokio::test]
async fn what_passes_before_a_cut_reaches_clients_of_http2_too() {
    let origin = bulk(100_000);
    let proxy = Proxy::start(&Doc::http(&[origin.address])).await;
    for fault in [
        "do: {limit_data: {bytes: 12345B}}",
        "where: {cluster: app}, do: {limit_data: {bytes: 12345B}}",
        "do: {reset: {after_bytes: 12345B}}",
        "do: {close: {after_bytes: 12345B}}",
        "do: {truncate: {after_bytes: 12345B}}",
    ] {
        proxy.inject("cut", fault).await;
        let client = H2::connect(proxy.address()).await;
        let mut answer = client.begin(a_get("/")).await.unwrap();
        let mut passed = Vec::new();
        while let Some(Ok(frame)) = within("the body", answer.body_mut().frame()).await {
            passed.extend(frame.into_data().unwrap());
        }
        assert!(
            passed == noise(100_000, 5)[..12345],
            "{fault}: {} bytes",
            passed.len()
        );
        proxy.lift("cut").await;
    }
}

#[tokio::test]
async fn limit_data_closes_after_exactly_so_many_bytes() {
    let origin = bulk(100_000);
    let proxy = Proxy::start(&Doc::http(&[origin.address])).await;
    proxy.inject("limit", "do: {limit_data: {bytes: 12345B}}").await;
    let mut raw = Raw::connect(proxy.address()).await;
    raw.say("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    raw.head().await;
    let (body, end) = raw.rest_bytes().await;
    assert_eq!(end, End::Closed);
    assert!(without_chunk_frames(&body) == noise(100_000, 5)[..12345]);
}

#[tokio::test]
async fn rewrite_changes_the_heads_of_request_and_answer() {
    let (origin, proxy) = shop().await;
    let fault = "do: {rewrite: {request: {path: /v1/orders, set: {x-new: yes}, remove: [authorization]},
                 reply: {status: 404, set: {cache-control: no-store}}}}";
    proxy.inject("twist", fault).await;
    let asked = request(Method::GET, "/orders").header("authorization", "secret");
    let answer = attempt(proxy.address(), asked.body(empty()).unwrap())
        .await
        .unwrap();
    let seen = origin.last();
    assert_eq!(seen.uri, "/v1/orders");
    assert_eq!((seen.header("x-new"), seen.header("authorization")), ("yes", ""));
    assert_eq!((answer.status, answer.header("cache-control")), (404, "no-store"));
    assert_eq!(proxy.access(1).await[0]["origin"], "injected");
}

#[tokio::test]
async fn body_replaces_the_whole_or_some_text_in_either_direction() {
    let origin = Origin::new(async |request| {
        let body = request.into_body().collect().await.unwrap().to_bytes();
        text(200, body)
    });
    let proxy = Proxy::start(&Doc::http(&[origin.address])).await;
    let check = async |fault: &str, sent: &'static str, came: &str| {
        proxy.inject("edit", &format!("do: {{body: {fault}}}")).await;
        assert_eq!(post(proxy.address(), "/", sent).await.text(), came, "{fault}");
        proxy.lift("edit").await;
    };
    check("{replace: sorry}", "apples", "sorry").await;
    check("{find: p, replace: P}", "apples", "aPPles").await;
    check("{find: p, replace: P, at_most: 1}", "apples", "aPples").await;
    check("{find: apple, replace: pear, flow: request}", "apples", "pears").await;
    check("{replace: nothing, flow: request}", "apples", "nothing").await;
}

#[tokio::test]
async fn rate_limit_refuses_what_is_too_much_with_429() {
    let (origin, proxy) = shop().await;
    proxy
        .inject("quota", "do: {rate_limit: {rate: 1/m, burst: 3}}")
        .await;
    let mut client = H1::connect(proxy.address()).await;
    for _ in 0..3 {
        assert_eq!(client.get("/").await.status, 200);
    }
    let refused = client.get("/").await;
    assert_eq!(refused.status, 429);
    assert!(
        refused.header("retry-after").parse::<u64>().unwrap() >= 1,
        "{refused:?}"
    );
    assert_eq!(origin.requests(), 3);
}

#[tokio::test]
async fn byte_faults_on_the_upstream_leg_work_as_on_the_clients() {
    let origin = Origin::new(async |request| {
        let body = request.into_body().collect().await.unwrap().to_bytes();
        text(200, body)
    });
    let proxy = Proxy::start(&Doc::http(&[origin.address])).await;
    let check = async |fault: &str, came: Option<&str>| {
        proxy
            .inject("edit", &format!("where: {{cluster: app}}, do: {fault}"))
            .await;
        let answer = attempt(proxy.address(), a_post("/", "apples")).await.ok();
        let answer = answer.filter(|answer| answer.status == 200);
        assert_eq!(answer.as_ref().map(Answer::text), came, "{fault}");
        proxy.lift("edit").await;
    };
    check("{body: {find: p, replace: P}}", Some("aPPles")).await;
    check("{body: {find: pp, replace: PP, flow: request}}", Some("aPPles")).await;
    check("{truncate: {after_bytes: 3B}}", Some("app")).await;
    check("{truncate: {after_bytes: 3B, flow: request}}", Some("app")).await;
    check("{limit_data: {bytes: 3B}}", None).await;
    check("{limit_data: {bytes: 3B, flow: request}}", None).await;
    check("{slice: {size: 1B, flow: request}}", Some("apples")).await;
}

#[tokio::test]
async fn a_cut_on_http2_ends_its_stream_and_not_the_connection() {
    let origin = bulk(100_000);
    let proxy = Proxy::start(&Doc::http(&[origin.address])).await;
    let client = H2::connect(proxy.address()).await;
    for fault in [
        "reset",
        "close",
        "{reset: {after_bytes: 1KiB}}",
        "{limit_data: {bytes: 1KiB}}",
    ] {
        assert_eq!(client.get("/").await.body.len(), 100_000);
        let fault = format!("where: {{match: {{path: /cut}}}}, do: {fault}");
        proxy.inject("cut", &fault).await;
        assert!(client.send(a_get("/cut")).await.is_err(), "{fault}");
        assert_eq!(client.get("/").await.body.len(), 100_000, "{fault}");
        proxy.lift("cut").await;
    }
}
