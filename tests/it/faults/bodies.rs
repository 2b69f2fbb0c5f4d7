//! Bodies that faults give, where a message had none and where HTTP has no place for one.

use http::Request;
use http_body_util::BodyExt;

use crate::kit::{
    Answer, Body, Doc, H1, H2, Origin, Proxy,
    client::{a_get, a_post},
    origin::text,
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
