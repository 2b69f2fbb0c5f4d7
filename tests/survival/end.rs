//! The end of a process: what runs may end, what is queued is served, nothing is held for ever.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::kit::{eventually, free, http, origin::Origin, proxy::Proxy};

/// A backend that takes its time for each answer.
async fn slow(time: Duration) -> Origin {
    Origin::start(move |mut stream| async move {
        let mut buffer = [0; 4096];
        while stream.read(&mut buffer).await.is_ok_and(|n| n > 0) {
            tokio::time::sleep(time).await;
            let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nok\n";
            if stream.write_all(answer).await.is_err() {
                return;
            }
        }
    })
    .await
}

async fn before(origin: &Origin, more: &str) -> (Proxy, std::net::SocketAddr) {
    let public = free();
    let document = format!(
        "listeners: {{public: {{bind: \"{public}\", protocol: http, routes: [{{cluster: web}}]}}}}
clusters: {{web: {{backends: [{{address: \"{}\"}}]}}}}
{more}",
        origin.address
    );
    (Proxy::start(&document).await, public)
}

#[tokio::test]
async fn what_runs_ends_and_what_is_idle_is_closed() {
    let origin = slow(Duration::from_millis(800)).await;
    let (proxy, public) = before(&origin, "").await;
    let mut idle = http::Connection::open(public).await.unwrap();
    assert_eq!(
        idle.send(http::request("GET", "/", &[], ""))
            .await
            .unwrap()
            .status(),
        200
    );
    let silent = TcpStream::connect(public).await.unwrap();
    let running = tokio::spawn(async move { http::get(public, "/").await.unwrap() });
    eventually("the request runs", || async {
        let backends = proxy.json("/api/v1/backends").await;
        (backends[0]["active"] == 1).then_some(())
    })
    .await;
    proxy.signal(Signal::TERM);
    let begun = Instant::now();
    let answer = running.await.unwrap();
    assert_eq!(
        (answer.status().as_u16(), &answer.headers()["connection"]),
        (200, &"close".parse().unwrap())
    );
    let (status, _) = proxy.ended().await;
    assert_eq!(status.code(), Some(0));
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    drop(silent);
}

#[tokio::test]
async fn what_a_fault_of_the_document_holds_is_released() {
    let origin = Origin::quick().await;
    let (proxy, public) = before(&origin, "faults: {held: {where: {cluster: web}, do: hang}}\n").await;
    let held = tokio::spawn(async move { http::get(public, "/").await.unwrap() });
    eventually("the request is held", || async {
        let faults = proxy.json("/api/v1/faults").await;
        (faults[0]["hits"] == 1).then_some(())
    })
    .await;
    proxy.signal(Signal::TERM);
    assert_eq!(held.await.unwrap().status(), 200);
    let (status, _) = proxy.ended().await;
    assert_eq!(status.code(), Some(0));
}

#[tokio::test]
async fn a_second_order_ends_it_at_once() {
    let origin = slow(Duration::from_secs(60)).await;
    let (proxy, public) = before(&origin, "").await;
    let running = tokio::spawn(http::get(public, "/"));
    eventually("the request runs", || async {
        let backends = proxy.json("/api/v1/backends").await;
        (backends[0]["active"] == 1).then_some(())
    })
    .await;
    proxy.signal(Signal::TERM);
    proxy.says("no fault stands", 0).await;
    proxy.signal(Signal::INT);
    let begun = Instant::now();
    let (status, _) = proxy.ended().await;
    assert!(begun.elapsed() < Duration::from_secs(5) && status.code() == Some(0));
    assert!(running.await.unwrap().is_err());
}
