//! Faults that come while the body of a request or of an answer is under way: they meet what has yet to come of it.

use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Method, Response};
use http_body_util::{BodyExt, channel::Sender};
use hyper::body::Incoming;
use tokio::sync::mpsc;

use crate::kit::{
    Body, BoxError, Doc, H1, H2, Origin, Proxy,
    client::{a_get, request},
    eventually, noise,
    origin::{self, piecemeal},
    within,
};

/// The pieces of an answer, as a test gives them.
type Pieces = Sender<Bytes, BoxError>;

/// An origin whose answers come piece by piece; the pieces of each are sent by who receives its sender.
fn streaming(length: Option<usize>) -> (Origin, mpsc::UnboundedReceiver<Pieces>) {
    let (tell, told) = mpsc::unbounded_channel();
    let origin = Origin::new(move |_| {
        let (pieces, body) = piecemeal();
        tell.send(pieces).unwrap();
        let mut answer = Response::builder();
        if let Some(length) = length {
            answer = answer.header("content-length", length);
        }
        async move { answer.body(body).unwrap() }
    });
    (origin, told)
}

/// A client of either version.
enum Client {
    One(H1),
    Two(H2),
}

impl Client {
    async fn begin(&mut self, request: http::Request<Body>) -> Incoming {
        let answer = match self {
            Self::One(client) => client.begin(request).await,
            Self::Two(client) => client.begin(request).await,
        };
        answer.unwrap().into_body()
    }
}

/// Runs a test with both versions of HTTP on either side.
async fn each_way(address: std::net::SocketAddr, check: impl AsyncFn(Client, Proxy)) {
    for protocol in ["http1", "http2"] {
        let doc = Doc::http(&[address]).cluster(format!("protocol: {protocol}"));
        let proxy = Proxy::start_single(&doc).await;
        check(Client::One(H1::connect(proxy.address()).await), proxy).await;
        let proxy = Proxy::start_single(&doc).await;
        check(Client::Two(H2::connect(proxy.address()).await), proxy).await;
    }
}

/// The next bytes of a body; `None` at its end, whichever that is.
async fn next(body: &mut Incoming) -> Option<Bytes> {
    loop {
        let frame = within("something of a body", body.frame()).await?;
        let data = frame.ok()?.into_data().ok()?;
        if !data.is_empty() {
            return Some(data);
        }
    }
}

async fn send(pieces: &mut Pieces, piece: impl Into<Bytes>) {
    pieces.send_data(piece.into()).await.unwrap();
}

/// Sets a fault and waits until what stands has met it.
async fn meet(proxy: &Proxy, fault: &str) {
    proxy.inject("late", fault).await;
    eventually("what stands has met the fault", async || {
        proxy.show("/api/v1/faults/late").await["matched"].as_u64() == Some(1)
    })
    .await;
}

async fn comes_late(body: &mut Incoming) -> bool {
    let early = tokio::time::timeout(Duration::from_millis(200), body.frame()).await;
    early.is_err()
}

#[tokio::test]
async fn an_answer_that_is_coming_is_held_and_let_go() {
    let (origin, mut told) = streaming(None);
    let told = tokio::sync::Mutex::new(&mut told);
    each_way(origin.address, async |mut client, proxy| {
        let mut body = client.begin(a_get("/feed/1")).await;
        let mut pieces = told.lock().await.recv().await.unwrap();
        for place in [
            "match: {path: /feed/*}",
            "cluster: app, match: {path: /feed/*}",
            "listener: public",
        ] {
            send(&mut pieces, "before").await;
            assert_eq!(next(&mut body).await.unwrap(), "before");
            meet(&proxy, &format!("where: {{{place}}}, do: stall")).await;
            send(&mut pieces, "held").await;
            assert!(comes_late(&mut body).await, "{place}");
            proxy.lift("late").await;
            assert_eq!(next(&mut body).await.unwrap(), "held", "{place}");
        }
        drop(pieces);
        assert_eq!(next(&mut body).await, None);
        let line = proxy.access(1).await.remove(0);
        assert_eq!(
            (&line["origin"], &line["faults"]),
            (&"upstream".into(), &serde_json::json!(["late", "late", "late"]))
        );
    })
    .await;
}

#[tokio::test]
async fn a_request_body_that_is_coming_is_held_and_let_go() {
    let origin = Origin::echo();
    each_way(origin.address, async |mut client, proxy| {
        let (mut pieces, body) = piecemeal();
        let asked = request(Method::POST, "/upload").body(body).unwrap();
        let mut came = client.begin(asked).await;
        for place in ["match: {method: POST}", "cluster: app"] {
            send(&mut pieces, "before").await;
            assert_eq!(next(&mut came).await.unwrap(), "before");
            meet(
                &proxy,
                &format!("where: {{{place}}}, do: {{stall: {{flow: request}}}}"),
            )
            .await;
            send(&mut pieces, "held").await;
            assert!(comes_late(&mut came).await, "{place}");
            proxy.lift("late").await;
            assert_eq!(next(&mut came).await.unwrap(), "held", "{place}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_request_body_is_met_before_the_answer_begins() {
    let origin = Origin::new(async |request: http::Request<Incoming>| {
        let body = request.into_body().collect().await.unwrap().to_bytes();
        origin::text(200, body)
    });
    each_way(origin.address, async |client, proxy| {
        let (mut pieces, body) = piecemeal();
        let asked = request(Method::POST, "/upload").body(body).unwrap();
        let answer = tokio::spawn(async move {
            let mut client = client;
            client.begin(asked).await.collect().await.unwrap().to_bytes()
        });
        let sent = origin.requests();
        send(&mut pieces, "before ").await;
        eventually("the backend has the request", async || origin.requests() > sent).await;
        meet(&proxy, "do: {latency: {add: 300ms, at: chunk, flow: request}}").await;
        let begun = Instant::now();
        send(&mut pieces, "after").await;
        drop(pieces);
        assert_eq!(within("the answer", answer).await.unwrap(), "before after");
        assert!(
            begun.elapsed() >= Duration::from_millis(300),
            "{:?}",
            begun.elapsed()
        );
    })
    .await;
}

#[tokio::test]
async fn an_answer_of_known_length_is_slowed_and_loses_nothing() {
    let data = noise(2 << 20, 3);
    let (origin, mut told) = streaming(Some(data.len()));
    let told = tokio::sync::Mutex::new(&mut told);
    each_way(origin.address, async |mut client, proxy| {
        let mut body = client.begin(a_get("/")).await;
        let mut pieces = told.lock().await.recv().await.unwrap();
        // The rest is sent only once the fault is there: how much the kernel holds of what is on its way is its own affair.
        let (first, rest) = data.split_at(64 << 10);
        send(&mut pieces, first.to_vec()).await;
        let mut came = next(&mut body).await.unwrap().to_vec();
        meet(&proxy, "do: {throttle: {rate: 1MiB/s}}").await;
        let begun = Instant::now();
        send(&mut pieces, rest.to_vec()).await;
        drop(pieces);
        while came.len() < 1 << 20 {
            came.extend_from_slice(&next(&mut body).await.unwrap());
        }
        let slowed = begun.elapsed();
        proxy.lift("late").await;
        while let Some(more) = next(&mut body).await {
            came.extend_from_slice(&more);
        }
        assert!(came == data, "{} bytes", came.len());
        assert!(slowed >= Duration::from_millis(500), "{slowed:?}");
    })
    .await;
}

#[tokio::test]
async fn an_answer_that_stands_still_is_ended_in_time() {
    let (origin, mut told) = streaming(Some(100));
    let told = tokio::sync::Mutex::new(&mut told);
    let faults = [
        "where: {match: {path: /}}, do: reset",
        "where: {cluster: app, match: {path: /}}, do: close",
        "do: {reset: {after: 100ms}}",
        "do: {timeout: {after: 100ms}}",
    ];
    for fault in faults {
        each_way(origin.address, async |mut client, proxy| {
            let mut body = client.begin(a_get("/")).await;
            let mut pieces = told.lock().await.recv().await.unwrap();
            send(&mut pieces, "before").await;
            assert_eq!(next(&mut body).await.unwrap(), "before");
            meet(&proxy, fault).await;
            assert_eq!(next(&mut body).await, None, "{fault}");
            let line = proxy.access(1).await.remove(0);
            assert_eq!(line["origin"], "injected", "{fault}: {line}");
            assert_eq!(line["faults"][0], "late", "{fault}: {line}");
        })
        .await;
    }
}

#[tokio::test]
async fn after_so_many_bytes_counts_those_that_come_after_the_fault() {
    let (origin, mut told) = streaming(None);
    let told = tokio::sync::Mutex::new(&mut told);
    each_way(origin.address, async |mut client, proxy| {
        let mut body = client.begin(a_get("/")).await;
        let mut pieces = told.lock().await.recv().await.unwrap();
        send(&mut pieces, "before").await;
        assert_eq!(next(&mut body).await.unwrap(), "before");
        meet(&proxy, "do: {truncate: {after_bytes: 3B}}").await;
        send(&mut pieces, "after").await;
        assert_eq!(next(&mut body).await.unwrap(), "aft");
        assert_eq!(next(&mut body).await, None);
    })
    .await;
}

#[tokio::test]
async fn a_fault_that_asks_for_another_request_leaves_this_one_alone() {
    let (origin, mut told) = streaming(None);
    let doc = Doc::http(&[origin.address]).route("rewrite: {add_prefix: /inside}");
    let proxy = Proxy::start_single(&doc).await;
    let mut body = Client::One(H1::connect(proxy.address()).await)
        .begin(a_get("/outside"))
        .await;
    let mut pieces = told.recv().await.unwrap();
    for (fault, met) in [
        (
            "where: {match: {path: /inside/outside}}, do: {truncate: {after_bytes: 1B}}",
            false,
        ),
        (
            "where: {match: {method: POST}}, do: {truncate: {after_bytes: 1B}}",
            false,
        ),
        (
            "where: {match: {path: /outside}}, do: {latency: {add: 1ms, at: chunk}}",
            true,
        ),
        (
            "where: {cluster: app, match: {path: /inside/outside}}, do: {latency: {add: 1ms, at: chunk}}",
            true,
        ),
    ] {
        match met {
            true => meet(&proxy, fault).await,
            false => proxy.inject("late", fault).await,
        }
        send(&mut pieces, "piece").await;
        assert_eq!(next(&mut body).await.unwrap(), "piece", "{fault}");
        assert_eq!(
            proxy.show("/api/v1/faults/late").await["hits"],
            u64::from(met),
            "{fault}"
        );
        proxy.lift("late").await;
    }
}

#[tokio::test]
async fn a_fault_meets_what_stands_within_100_ms() {
    let (origin, mut told) = streaming(None);
    let proxy = Proxy::start_single(&Doc::http(&[origin.address])).await;
    let mut body = Client::One(H1::connect(proxy.address()).await)
        .begin(a_get("/"))
        .await;
    let mut pieces = told.recv().await.unwrap();
    send(&mut pieces, "before").await;
    assert_eq!(next(&mut body).await.unwrap(), "before");
    // The best of several: this machine may be busy, the proxy must not be slow.
    let mut best = Duration::MAX;
    for _ in 0..10 {
        let begun = Instant::now();
        meet(&proxy, "do: stall").await;
        best = best.min(begun.elapsed());
        proxy.lift("late").await;
    }
    assert!(best < Duration::from_millis(100), "{best:?}");
}
