//! Clients that give up while they wait: the log and the metrics say for whom they waited.

use serde_json::Value;

use crate::kit::{Doc, H1, H2, Origin, Proxy, client::a_get, eventually};

use super::shop;

/// Asks over HTTP/1.1 and over HTTP/2, and gives up once `waits` has come true for each.
async fn give_up(proxy: &Proxy, mut waits: impl AsyncFnMut(u32)) {
    let mut h1 = H1::connect(proxy.address()).await;
    let asked = tokio::spawn(async move { h1.begin(a_get("/")).await.map(drop) });
    waits(1).await;
    asked.abort();
    proxy.access(1).await;
    let h2 = H2::connect(proxy.address()).await;
    let asked = tokio::spawn(async move { h2.begin(a_get("/")).await.map(drop) });
    waits(2).await;
    asked.abort();
}

fn check(line: &Value, origin: &str, faults: &[&str]) {
    assert!(line["status"].is_null(), "{line}");
    assert_eq!(line["origin"], origin, "{line}");
    assert_eq!(line["reason"], "client_gone", "{line}");
    let named: Vec<_> = line["faults"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    assert_eq!(named, faults, "{line}");
}

async fn check_held(scope: &str, kind: &str) {
    let (_origin, proxy) = shop().await;
    proxy.inject("stuck", &format!("{scope}do: {{{kind}}}")).await;
    give_up(&proxy, async |n| {
        eventually("it is held", async || {
            proxy.show("/api/v1/faults/stuck").await["hits"] == n
        })
        .await;
    })
    .await;
    for line in proxy.access(2).await {
        check(&line, "injected", &["stuck"]);
    }
    proxy
        .counts("chaosproxy_injected_total", "fault=\"stuck\"", 2.0)
        .await;
    let labels = ["class=\"none\"", "origin=\"injected\""];
    assert_eq!(proxy.metric("chaosproxy_requests_total", &labels).await, 2.0);
    let labels = ["class=\"2xx\""];
    assert_eq!(proxy.metric("chaosproxy_requests_total", &labels).await, 0.0);
}

#[tokio::test]
async fn who_leaves_while_a_fault_holds_them_leaves_because_of_it() {
    let upstream = "where: {cluster: app}, ";
    for (scope, kind) in [
        ("", "latency: {add: 1h}"),
        ("", "hang: {on_lift: unavailable}"),
        ("", "hang: {at: reply}"),
        (upstream, "latency: {add: 1h}"),
        (upstream, "hang: {at: reply}"),
        (upstream, "threads: {size: 1, hang: 100%}"),
        (upstream, "misroute: {to: 'auth.invalid:443', hang: true}"),
    ] {
        check_held(scope, kind).await;
    }
}

#[tokio::test]
async fn who_leaves_a_slow_backend_got_no_answer() {
    let origin = Origin::new(|_| std::future::pending());
    let proxy = Proxy::start(&Doc::http(&[origin.address])).await;
    give_up(&proxy, async |n| {
        eventually("it was asked", async || origin.requests() == n as usize).await;
    })
    .await;
    for line in proxy.access(2).await {
        check(&line, "proxy", &[]);
    }
    let labels = ["class=\"none\"", "origin=\"proxy\""];
    assert_eq!(proxy.metric("chaosproxy_requests_total", &labels).await, 2.0);
}
