//! Bodies that faults give, where a message had none and where HTTP has no place for one.

use http::{Method, Request, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde_json::Value;

use crate::kit::{
    Answer, Body, Doc, H1, H2, Origin, Proxy,
    client::{a_get, a_post, request},
    origin::{empty, text},
};

async fn both(proxy: &Proxy, ask: impl Fn() -> Request<Body>) -> [Answer; 2] {
    let mut h1 = H1::connect(proxy.address()).await;
    let h2 = H2::connect(proxy.address()).await;
    let answers = [h1.ask(ask()).await, h2.ask(ask()).await];
    // The connections are still good.
    assert!(h1.send(ask()).await.is_ok() && h2.send(ask()).await.is_ok());
    answers
}

#[tokio::test]
async fn a_request_without_a_body_gets_the_one_that_replaces_it() {
    let origin = Origin::new(|request| async move {
        let body = request.into_body().collect().await.unwrap().to_bytes();
        text(200, body)
    });
    let proxy = Proxy::start(&Doc::http(&[origin.address])).await;
    for scope in ["", "where: {cluster: app}, "] {
        proxy
            .inject(
                "x",
                &format!("{scope}do: {{body: {{replace: xyz, flow: request}}}}"),
            )
            .await;
        for ask in [|| a_get("/"), || a_post("/", ""), || a_post("/", "abc")] {
            for answer in both(&proxy, ask).await {
                assert_eq!((answer.status, answer.text()), (200, "xyz"), "{scope}");
            }
        }
        proxy.lift("x").await;
    }
}

#[tokio::test]
async fn no_body_goes_where_http_has_no_place_for_one() {
    let origin = Origin::new(|request: Request<Incoming>| async move {
        match *request.method() {
            Method::PUT => Response::builder().status(204).body(empty()).unwrap(),
            _ => text(200, "a"),
        }
    });
    let proxy = Proxy::start(&Doc::http(&[origin.address])).await;
    for (method, kind, status) in [
        (Method::HEAD, "abort: {status: 503, body: x}", 503),
        (Method::HEAD, "body: {replace: xyz}", 200),
        (Method::PUT, "body: {replace: xyz}", 204),
        (Method::GET, "rewrite: {reply: {status: 204}}", 204),
        (Method::GET, "rewrite: {reply: {status: 304}}", 304),
    ] {
        proxy.inject("x", &format!("do: {{{kind}}}")).await;
        let ask = || request(method.clone(), "/").body(empty()).unwrap();
        for answer in both(&proxy, ask).await {
            assert_eq!((answer.status, answer.text()), (status, ""), "{kind}");
        }
        proxy.lift("x").await;
    }
    for line in proxy.access(20).await {
        assert_eq!(line["sent"], 0, "{line}");
        assert_ne!(line["reason"], "client_gone", "{line}");
    }
}

#[tokio::test]
async fn a_head_alone_is_not_held_by_what_holds_bodies() {
    let origin = Origin::new(|request: Request<Incoming>| async move {
        match *request.method() {
            Method::PUT => Response::builder().status(204).body(empty()).unwrap(),
            _ => text(200, "a"),
        }
    });
    let proxy = Proxy::start(&Doc::http(&[origin.address])).await;
    for scope in ["", "where: {cluster: app}, "] {
        for kind in [
            "stall",
            "timeout",
            "{slow_close: {delay: 1m}}",
            "{throttle: {rate: 1B/s}}",
        ] {
            proxy.inject("x", &format!("{scope}do: {kind}")).await;
            for (method, status) in [(Method::HEAD, 200), (Method::PUT, 204)] {
                let ask = || request(method.clone(), "/").body(empty()).unwrap();
                for answer in both(&proxy, ask).await {
                    assert_eq!(answer.status, status, "{scope}{kind}");
                }
            }
            let fault = proxy.show("/api/v1/faults/x").await;
            assert_eq!(fault["hits"], 0, "{fault}");
            proxy.lift("x").await;
        }
    }
}

#[tokio::test]
async fn text_that_is_not_there_is_no_hit() {
    let (_origin, proxy) = super::shop().await;
    proxy.inject("x", "do: {body: {find: xyz, replace: abc}}").await;
    for answer in both(&proxy, || a_get("/")).await {
        assert_eq!((answer.status, answer.text()), (200, "a"));
    }
    for line in proxy.access(4).await {
        assert_eq!(
            (&line["origin"], &line["faults"]),
            (&"upstream".into(), &Value::Null),
            "{line}"
        );
    }
    assert_eq!(proxy.show("/api/v1/faults/x").await["hits"], 0);
}
