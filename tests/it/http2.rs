//! HTTP/2 on either side, and gRPC over it.

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, Version};
use http_body_util::BodyExt;
use tokio::sync::Semaphore;
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use crate::kit::{
    Answer, Doc, H1, H2, Origin, Place, Proxy,
    client::{a_get, a_post, request},
    eventually, noise,
    origin::{piecemeal, text},
    within,
};

/// All four ways through: either version on either side.
async fn each_way(origin: &Origin, check: impl AsyncFn(Result<H1, H2>, &Proxy)) {
    for protocol in ["http1", "http2"] {
        let doc = Doc::http(&[origin.address]).cluster(format!("protocol: {protocol}"));
        let proxy = Proxy::start(&doc).await;
        check(Ok(H1::connect(proxy.address()).await), &proxy).await;
        check(Err(H2::connect(proxy.address()).await), &proxy).await;
    }
}

async fn ask(client: &mut Result<H1, H2>, request: Request<crate::kit::Body>) -> Answer {
    match client {
        Ok(h1) => h1.ask(request).await,
        Err(h2) => h2.ask(request).await,
    }
}

#[tokio::test]
async fn either_version_is_spoken_on_either_side() {
    let origin = Origin::new(async |request| {
        let (head, body) = request.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let host = head.headers.get("host").map_or_else(
            || head.uri.authority().unwrap().as_str().to_owned(),
            |host| host.to_str().unwrap().to_owned(),
        );
        let path = head.uri.path_and_query().unwrap();
        text(200, format!("{} {host} {path} {:?}", head.method, body.len()))
    });
    each_way(&origin, async |mut client, _| {
        let answer = ask(&mut client, a_post("/a?b=c", noise(100_000, 1))).await;
        assert_eq!(
            (answer.status, answer.text()),
            (200, "POST shop.test /a?b=c 100000")
        );
        let answer = ask(&mut client, a_get("/")).await;
        assert_eq!(answer.text(), "GET shop.test / 0");
    })
    .await;
    let versions = origin
        .seen()
        .iter()
        .filter(|seen| seen.version == Version::HTTP_2)
        .count();
    assert_eq!((versions, origin.requests()), (4, 8));
}

#[tokio::test]
async fn megabytes_and_trailers_come_through_every_way() {
    let origin = Origin::new(async |request| {
        let collected = request.into_body().collect().await.unwrap();
        let (mut sender, body) = piecemeal();
        tokio::spawn(async move {
            let trailers = collected.trailers().cloned().unwrap_or_default();
            let _ = sender.send_data(collected.to_bytes()).await;
            let _ = sender.send_trailers(trailers).await;
        });
        Response::builder().header("trailer", "x-sum").body(body).unwrap()
    });
    each_way(&origin, async |mut client, _| {
        let (mut sender, body) = piecemeal();
        let sent = noise(3 << 20, 7);
        let whole = sent.clone();
        tokio::spawn(async move {
            for piece in whole.chunks(50_000) {
                sender.send_data(Bytes::copy_from_slice(piece)).await.unwrap();
            }
            let mut trailers = HeaderMap::new();
            trailers.insert("x-sum", "42".parse().unwrap());
            sender.send_trailers(trailers).await.unwrap();
        });
        let asked = request(Method::POST, "/")
            .header("te", "trailers")
            .header("trailer", "x-sum");
        let answer = ask(&mut client, asked.body(body).unwrap()).await;
        assert!(answer.body == sent, "the body came back changed");
        assert_eq!(
            answer.trailers.get("x-sum").map(http::HeaderValue::as_bytes),
            Some(&b"42"[..])
        );
    })
    .await;
}

#[tokio::test]
async fn many_streams_share_one_connection() {
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let gate = Arc::new(Semaphore::new(0));
    let (count, peak, door) = (now.clone(), most.clone(), gate.clone());
    let origin = Origin::new(move |_| {
        let (count, peak, door) = (count.clone(), peak.clone(), door.clone());
        async move {
            peak.fetch_max(count.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            door.acquire().await.unwrap().forget();
            text(200, "ok")
        }
    });
    let doc = Doc::http(&[origin.address]).cluster("protocol: http2");
    let proxy = Proxy::start_single(&doc).await;
    let client = H2::connect(proxy.address()).await;
    let asks: Vec<_> = (0..50)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move { client.get("/").await.status })
        })
        .collect();
    eventually("all of them are at the origin", async || {
        most.load(Ordering::SeqCst) == 50
    })
    .await;
    gate.add_permits(50);
    for ask in asks {
        assert_eq!(ask.await.unwrap(), 200);
    }
    assert_eq!(
        origin.connections(),
        1,
        "those that came while it was dialled waited for it"
    );
}

#[tokio::test]
async fn a_client_may_open_only_so_many_streams() {
    let origin = Origin::new(async |_| std::future::pending().await);
    let doc = Doc::http(&[origin.address]).listener("limits: {streams: 3}");
    let proxy = Proxy::start(&doc).await;
    let client = H2::connect(proxy.address()).await;
    let asks: Vec<_> = (0..10)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move { client.begin(a_get("/")).await.is_ok() })
        })
        .collect();
    eventually("three are at the origin", async || origin.requests() >= 3).await;
    // The others wait in the client; one round trip later none of them has come through.
    proxy.show("/api/v1/status").await;
    assert_eq!(origin.requests(), 3);
    asks.iter().for_each(tokio::task::JoinHandle::abort);
}

#[tokio::test]
async fn a_stream_that_the_client_gives_up_does_not_harm_the_others() {
    let origin = Origin::new(async |request| match request.uri().path() {
        "/slow" => std::future::pending().await,
        _ => text(200, "ok"),
    });
    let proxy = Proxy::start(&Doc::http(&[origin.address])).await;
    let client = H2::connect(proxy.address()).await;
    for _ in 0..20 {
        let slow = client.clone();
        let given_up = tokio::spawn(async move { slow.begin(a_get("/slow")).await.is_ok() });
        assert_eq!(client.get("/").await.status, 200);
        given_up.abort();
    }
    assert_eq!(client.get("/").await.status, 200);
    eventually("the proxy has let go of them", async || {
        proxy.backend("a").await["active"] == 0
    })
    .await;
}

#[tokio::test]
async fn an_upgrade_is_not_offered_to_a_client_that_speaks_http2() {
    let origin = Origin::named("a");
    let proxy = Proxy::start(&Doc::http(&[origin.address])).await;
    let answer = H2::connect(proxy.address()).await.get("/").await;
    for gone in ["connection", "keep-alive", "transfer-encoding", "upgrade"] {
        assert!(!answer.headers.contains_key(gone), "{gone}");
    }
}

#[tokio::test]
async fn an_idle_connection_is_told_to_go_away() {
    let origin = Origin::named("a");
    let doc = Doc::http(&[origin.address]).listener("timeouts: {keep_alive_idle: 300ms}");
    let proxy = Proxy::start(&doc).await;
    let client = H2::connect(proxy.address()).await;
    assert_eq!(client.get("/").await.status, 200);
    eventually("the connection is over", async || client.is_closed()).await;
}

#[tokio::test]
async fn limits_hold_on_http2_too() {
    let origin = Origin::echo();
    let doc = Doc::http(&[origin.address]).listener("limits: {body: 1KiB, header_size: 4KiB}");
    let proxy = Proxy::start(&doc).await;
    let client = H2::connect(proxy.address()).await;
    assert_eq!(client.ask(a_post("/", noise(1024, 1))).await.status, 200);
    assert_eq!(client.ask(a_post("/", noise(1025, 1))).await.status, 413);
    let long = request(Method::GET, "/").header("x-long", "x".repeat(8000));
    match client.send(long.body(crate::kit::origin::empty()).unwrap()).await {
        Ok(answer) => assert_eq!(answer.status, 431),
        Err(error) => panic!("{error:?}"),
    }
    assert_eq!(client.get("/").await.status, 200);
}

/// A gRPC server that knows one service, and the place where it stands.
async fn health_server() -> (Place, tonic_health::server::HealthReporter) {
    let (reporter, service) = tonic_health::server::health_reporter();
    reporter
        .set_service_status("shop", tonic_health::ServingStatus::Serving)
        .await;
    let place = Place::new();
    let listener = place.listen();
    tokio::spawn(async move {
        let incoming = tonic::transport::server::TcpIncoming::from(listener);
        let served = tonic::transport::Server::builder().add_service(service);
        served.serve_with_incoming(incoming).await.unwrap();
    });
    (place, reporter)
}

async fn health_client(proxy: &Proxy) -> HealthClient<tonic::transport::Channel> {
    let address = format!("http://{}", proxy.address());
    let channel = tonic::transport::Endpoint::try_from(address).unwrap();
    HealthClient::new(within("a channel", channel.connect()).await.unwrap())
}

fn about(service: &str) -> HealthCheckRequest {
    HealthCheckRequest {
        service: service.to_owned(),
    }
}

#[tokio::test]
async fn grpc_works_end_to_end() {
    let (place, reporter) = health_server().await;
    let proxy = Proxy::start(&Doc::http(&[place.address]).cluster("protocol: http2")).await;
    let mut client = health_client(&proxy).await;

    let serving = client.check(about("shop")).await.unwrap().into_inner();
    assert_eq!(
        serving.status(),
        tonic_health::pb::health_check_response::ServingStatus::Serving
    );
    let unknown = client.check(about("nobody")).await.unwrap_err();
    assert_eq!(
        unknown.code(),
        tonic::Code::NotFound,
        "the status came in the trailers"
    );

    let mut changes = client.watch(about("shop")).await.unwrap().into_inner();
    let mut next = async || {
        within("a change", changes.message())
            .await
            .unwrap()
            .unwrap()
            .status
    };
    assert_eq!(next().await, 1);
    reporter
        .set_service_status("shop", tonic_health::ServingStatus::NotServing)
        .await;
    assert_eq!(next().await, 2, "a stream of answers is passed on as it comes");
}

#[tokio::test]
async fn a_grpc_client_gets_a_grpc_status_from_the_proxy_and_from_faults() {
    let (place, _reporter) = health_server().await;
    let proxy = Proxy::start(&Doc::http(&[place.address]).cluster("protocol: http2")).await;
    let mut client = health_client(&proxy).await;
    proxy
        .inject("out", "do: {abort: {grpc_status: 8, grpc_message: too much}}")
        .await;
    let injected = client.check(about("shop")).await.unwrap_err();
    assert_eq!(
        (injected.code(), injected.message()),
        (tonic::Code::ResourceExhausted, "too much")
    );
    proxy.lift("out").await;
    assert!(client.check(about("shop")).await.is_ok());
    let nobody = Place::new();
    let proxy = Proxy::start(&Doc::http(&[nobody.address]).cluster("protocol: http2")).await;
    let refused = health_client(&proxy)
        .await
        .check(about("shop"))
        .await
        .unwrap_err();
    assert_eq!(refused.code(), tonic::Code::Unavailable, "{refused:?}");
}

#[tokio::test]
async fn a_grpc_health_check_decides_who_gets_traffic() {
    let (place, reporter) = health_server().await;
    let doc = Doc::http(&[place.address])
        .cluster("protocol: http2")
        .cluster("panic_threshold: 0%")
        .cluster("health: {grpc: {service: shop}, every: 200ms, timeout: 200ms, unhealthy_after: 2, healthy_after: 1}");
    let proxy = Proxy::start(&doc).await;
    proxy.wait_for_health("a", "up").await;
    reporter
        .set_service_status("shop", tonic_health::ServingStatus::NotServing)
        .await;
    proxy.wait_for_health("a", "down").await;
    reporter
        .set_service_status("shop", tonic_health::ServingStatus::Serving)
        .await;
    proxy.wait_for_health("a", "up").await;
}

#[tokio::test]
async fn a_backend_that_ends_its_http2_connection_is_dialled_again() {
    let place = Place::new();
    let origin = Origin::named_at(&place, "first");
    let doc = Doc::http(&[place.address]).cluster("protocol: http2");
    let proxy = Proxy::start_single(&doc).await;
    let client = H2::connect(proxy.address()).await;
    assert_eq!(client.get("/").await.text(), "first");
    origin.stop().await;
    let answer = client.get("/").await;
    assert_eq!(answer.status, 502, "{}", answer.reason());
    let _origin = Origin::named_at(&place, "second");
    assert_eq!(client.get("/").await.text(), "second");
}

#[tokio::test]
async fn a_slow_stream_does_not_hold_up_the_others() {
    let origin = Origin::new(async |request| match request.uri().path() {
        "/large" => text(200, noise(64 << 20, 1)),
        _ => text(200, "small"),
    });
    let proxy = Proxy::start(&Doc::http(&[origin.address])).await;
    let client = H2::connect(proxy.address()).await;
    let mut large = client.begin(a_get("/large")).await.unwrap().into_body();
    within("a beginning", large.frame()).await.unwrap().unwrap();
    // The large one is not read any further: its window fills, and the others go on.
    for _ in 0..20 {
        assert_eq!(client.get("/").await.text(), "small");
    }
    let grown = proxy.memory();
    assert!(grown < 128 << 20, "the proxy holds {grown} bytes");
    let patience = Duration::from_secs(20);
    let rest = tokio::time::timeout(patience, large.collect())
        .await
        .unwrap()
        .unwrap();
    assert!(rest.to_bytes().len() > 60 << 20);
}
