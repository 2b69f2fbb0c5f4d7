//! Beginning and end: readiness, draining, exit statuses.

use http::{Method, Response};
use http_body_util::BodyExt;
use rustix::process::Signal;
use tokio::net::TcpStream;

use crate::kit::{
    Doc, H1, H2, Origin, Place, Proxy, Raw, client::a_get, eventually, get, load::Load, origin::piecemeal,
    raw::End, within,
};

/// An origin whose one answer a test sends piece by piece.
fn piece_by_piece() -> (
    http_body_util::channel::Sender<bytes::Bytes, crate::kit::BoxError>,
    Origin,
) {
    let (sender, body) = piecemeal();
    let body = std::sync::Mutex::new(Some(body));
    let origin = Origin::new(move |_| {
        let body = body.lock().unwrap().take().unwrap();
        async move { Response::new(body) }
    });
    (sender, origin)
}

/// Waits until every worker drains.
async fn accepts_nobody(proxy: &Proxy) {
    eventually("it accepts nobody", async || {
        TcpStream::connect(proxy.address()).await.is_err()
    })
    .await;
}

#[tokio::test]
async fn sigterm_lets_what_runs_finish_and_ends_with_0() {
    let (mut sender, origin) = piece_by_piece();
    let mut proxy = Proxy::start(&Doc::http(&[origin.address])).await;
    let mut idle = Raw::connect(proxy.address()).await;
    let mut client = H1::connect(proxy.address()).await;
    sender.send_data("begin".into()).await.unwrap();
    let answer = client.begin(a_get("/")).await.unwrap();
    proxy.signal(Signal::TERM);
    assert_eq!(
        idle.rest().await,
        (String::new(), End::Closed),
        "an idle connection is closed"
    );
    accepts_nobody(&proxy).await;
    assert!(proxy.is_alive());
    sender.send_data(", end".into()).await.unwrap();
    drop(sender);
    let whole = within("the end", answer.into_body().collect()).await.unwrap();
    assert_eq!(whole.to_bytes(), "begin, end");
    assert_eq!(proxy.ended().await.code(), Some(0));
}

#[tokio::test]
async fn sigterm_tells_http1_clients_to_close_and_http2_clients_to_go_away() {
    let gate = std::sync::Arc::new(tokio::sync::Semaphore::new(0));
    let door = gate.clone();
    let origin = Origin::new(move |_| {
        let door = door.clone();
        async move {
            door.acquire().await.unwrap().forget();
            crate::kit::text(200, "fine")
        }
    });
    let mut proxy = Proxy::start(&Doc::http(&[origin.address])).await;
    let mut h1 = H1::connect(proxy.address()).await;
    let h2 = H2::connect(proxy.address()).await;
    let over_h2 = h2.clone();
    let (first, second) = (
        tokio::spawn(async move { h1.get("/").await }),
        tokio::spawn(async move { over_h2.get("/").await }),
    );
    eventually("both run", async || origin.requests() == 2).await;
    proxy.signal(Signal::TERM);
    accepts_nobody(&proxy).await;
    gate.add_permits(2);
    let (first, second) = (
        within("h1", first).await.unwrap(),
        within("h2", second).await.unwrap(),
    );
    assert_eq!((first.text(), second.text()), ("fine", "fine"));
    assert_eq!(first.header("connection"), "close");
    eventually("the HTTP/2 connection is over", async || h2.is_closed()).await;
    assert_eq!(proxy.ended().await.code(), Some(0));
}

#[tokio::test]
async fn sigterm_under_load_fails_no_request() {
    let origin = Origin::named("a");
    let doc = Doc::http(&[origin.address]).top("drain: {delay: 300ms, limit: 10s}");
    let mut proxy = Proxy::start(&doc).await;
    let load = Load::start(proxy.address(), 16);
    load.goes_on_for(200).await;
    proxy.signal(Signal::TERM);
    // The balancer in front has until the delay is over to send clients elsewhere.
    let ready = async || {
        H1::connect(proxy.admin())
            .await
            .send(
                http::Request::get("/readyz")
                    .header("host", proxy.admin().to_string())
                    .body(crate::kit::origin::empty())
                    .unwrap(),
            )
            .await
            .is_ok_and(|answer| answer.status == 200)
    };
    eventually("it says that it is not ready", async || !ready().await).await;
    load.must_have_been_fine().await;
    assert_eq!(proxy.ended().await.code(), Some(0));
}

#[tokio::test]
async fn what_does_not_end_within_the_drain_limit_is_cut() {
    let (mut sender, origin) = piece_by_piece();
    let doc = Doc::http(&[origin.address]).top("drain: {limit: 300ms}");
    let mut proxy = Proxy::start(&doc).await;
    let mut client = H1::connect(proxy.address()).await;
    sender.send_data("begin".into()).await.unwrap();
    let answer = client.begin(a_get("/")).await.unwrap();
    proxy.signal(Signal::TERM);
    assert_eq!(proxy.ended().await.code(), Some(0));
    assert!(within("the cut", answer.into_body().collect()).await.is_err());
    proxy.logs(&["drain limit"]).await;
}

#[tokio::test]
async fn a_second_sigterm_ends_at_once() {
    let (mut sender, origin) = piece_by_piece();
    let doc = Doc::http(&[origin.address]).top("drain: {limit: 1h}");
    let mut proxy = Proxy::start(&doc).await;
    let mut client = H1::connect(proxy.address()).await;
    sender.send_data("begin".into()).await.unwrap();
    let _answer = client.begin(a_get("/")).await.unwrap();
    proxy.signal(Signal::TERM);
    proxy.logs(&["draining"]).await;
    proxy.signal(Signal::TERM);
    proxy.ended().await;
}

#[tokio::test]
async fn sigterm_waits_for_tcp_connections_up_to_the_limit() {
    let place = Place::new();
    let _server = place.serve(async |mut stream| {
        let (mut reader, mut writer) = stream.split();
        let _ = tokio::io::copy(&mut reader, &mut writer).await;
    });
    let mut proxy = Proxy::start(&Doc::tcp(&[place.address]).top("drain: {limit: 1h}")).await;
    let mut raw = Raw::connect(proxy.address()).await;
    raw.say("one\n").await;
    raw.until("one\n").await;
    proxy.signal(Signal::TERM);
    proxy.logs(&["draining"]).await;
    raw.say("two\n").await;
    raw.until("two\n").await;
    raw.finish().await;
    raw.rest().await;
    assert_eq!(proxy.ended().await.code(), Some(0));
}

#[tokio::test]
async fn it_is_ready_and_live_whatever_is_broken_on_purpose() {
    let origin = Origin::named("a");
    let proxy = Proxy::start(&Doc::http(&[origin.address])).await;
    proxy.inject("out", "do: {abort: {status: 503}}").await;
    assert_eq!(get(proxy.address(), "/").await.status, 503);
    for path in ["/healthz", "/readyz"] {
        assert_eq!(proxy.api(Method::GET, path, "", "").await.status, 200, "{path}");
    }
}

#[tokio::test]
async fn the_admin_port_is_not_for_other_sites() {
    let origin = Origin::named("a");
    let proxy = Proxy::start(&Doc::http(&[origin.address])).await;
    let ask = async |host: &str, from: &str| {
        let request = format!(
            "POST /api/v1/panic HTTP/1.1\r\nHost: {host}\r\nOrigin: {from}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        );
        Raw::ask(proxy.admin(), &request).await
    };
    let own = proxy.admin().to_string();
    assert!(
        ask("evil.example", "http://evil.example")
            .await
            .starts_with("HTTP/1.1 421")
    );
    assert!(ask(&own, "http://evil.example").await.starts_with("HTTP/1.1 403"));
    assert!(
        ask(&own, &format!("http://{own}"))
            .await
            .starts_with("HTTP/1.1 200")
    );
}
