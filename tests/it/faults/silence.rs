//! Requests whose answer does not come: faults that end exchanges after a time end these too.

use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::sync::{mpsc, watch};

use crate::kit::{
    Doc, H1, H2, Origin, Place, Proxy, Raw,
    client::a_get,
    eventually, get,
    origin::{Server, text},
    raw::End,
    within,
};

const ASK: &str = "GET /slow HTTP/1.1\r\nHost: a\r\n\r\n";
const AFTER: Duration = Duration::from_millis(300);

/// A server that answers once it may.
fn slow() -> (Origin, watch::Sender<bool>) {
    let (may, wait) = watch::channel(false);
    let origin = Origin::new(move |_| {
        let mut wait = wait.clone();
        async move {
            wait.wait_for(|may| *may).await.unwrap();
            text(200, "at last")
        }
    });
    (origin, may)
}

/// A server that never answers, and tells when it is left alone.
fn silent() -> (Place, Server, mpsc::UnboundedReceiver<()>) {
    let (gone, left) = mpsc::unbounded_channel();
    let place = Place::new();
    let server = place.serve(move |stream| {
        let gone = gone.clone();
        async move {
            let mut raw = Raw::over(stream);
            raw.head().await;
            raw.rest().await;
            let _ = gone.send(());
        }
    });
    (place, server, left)
}

async fn before(origin: &Origin) -> Proxy {
    Proxy::start(&Doc::http(&[origin.address])).await
}

async fn asked(proxy: &Proxy) -> Raw {
    let mut raw = Raw::connect(proxy.address()).await;
    raw.say(ASK).await;
    raw
}

fn check_ended(line: &Value, status: &Value) {
    assert_eq!(line["origin"], "injected", "{line}");
    assert_eq!(line["faults"][0], "end", "{line}");
    assert_eq!(&line["status"], status, "{line}");
}

#[tokio::test]
async fn the_client_is_cut_off_when_the_time_is_over() {
    let (place, _server, mut left) = silent();
    for (kind, end) in [
        ("reset: {after: 300ms}", End::Reset),
        ("close: {after: 300ms}", End::Closed),
        ("timeout: {after: 300ms}", End::Closed),
        ("timeout: {after: 300ms, since: start}", End::Closed),
    ] {
        let proxy = Proxy::start(&Doc::http(&[place.address])).await;
        proxy.inject("end", &format!("do: {{{kind}}}")).await;
        let begun = Instant::now();
        let mut raw = asked(&proxy).await;
        assert_eq!(raw.rest().await, (String::new(), end), "{kind}");
        assert!(begun.elapsed() >= AFTER, "{kind}: {:?}", begun.elapsed());
        let client = H2::connect(proxy.address()).await;
        assert!(client.send(a_get("/slow")).await.is_err(), "{kind}");
        for line in proxy.access(2).await {
            check_ended(&line, &Value::Null);
        }
        proxy
            .counts("chaosproxy_injected_total", "fault=\"end\"", 2.0)
            .await;
        within("the server is left alone", left.recv()).await.unwrap();
    }
}

#[tokio::test]
async fn the_backend_is_cut_off_and_the_client_gets_an_answer() {
    let (place, _server, mut left) = silent();
    for kind in [
        "reset: {after: 300ms}",
        "close: {after: 300ms}",
        "timeout: {after: 300ms}",
    ] {
        let proxy = Proxy::start(&Doc::http(&[place.address])).await;
        proxy
            .inject("end", &format!("where: {{cluster: app}}, do: {{{kind}}}"))
            .await;
        let begun = Instant::now();
        let mut client = H1::connect(proxy.address()).await;
        let answer = client.get("/slow").await;
        assert_eq!(
            (answer.status, answer.reason()),
            (502, "upstream_reset"),
            "{kind}"
        );
        assert!(begun.elapsed() >= AFTER, "{kind}: {:?}", begun.elapsed());
        check_ended(&proxy.access(1).await[0], &502.into());
        within("the server is left alone", left.recv()).await.unwrap();
    }
}

#[tokio::test]
async fn who_is_answered_in_time_or_let_off_has_met_nothing() {
    let (origin, may) = slow();
    let proxy = before(&origin).await;
    proxy.inject("end", "do: {reset: {after: 1m}}").await;
    let mut held = asked(&proxy).await;
    eventually("it is asked", async || origin.requests() == 1).await;
    may.send_replace(true);
    assert_eq!(get(proxy.address(), "/").await.text(), "at last");
    held.until("at last").await;

    may.send_replace(false);
    proxy.lift("end").await;
    let after = "do: {reset: {after: 2s}}";
    proxy.inject("end", after).await;
    held.say(ASK).await;
    eventually("it is asked", async || origin.requests() == 3).await;
    proxy.lift("end").await;
    // One that began later and is cut: by then the other one's time is over.
    let other = format!("where: {{match: {{path: /other}}}}, {after}");
    proxy.inject("other", &other).await;
    let (heard, end) = Raw::fate(proxy.address(), &ASK.replace("/slow", "/other")).await;
    assert_eq!((&*heard, end), ("", End::Reset));
    proxy.lift("other").await;
    may.send_replace(true);
    held.until("at last").await;
    proxy
        .counts("chaosproxy_injected_total", "fault=\"end\"", 0.0)
        .await;
}

#[tokio::test]
async fn what_comes_while_the_answer_is_awaited_ends_the_wait() {
    let (origin, _may) = slow();
    let proxy = before(&origin).await;
    let mut asked_for = 0;
    for (fault, status) in [
        ("do: {reset: {after: 300ms}}", None),
        ("where: {match: {path: /slow}}, do: reset", None),
        ("where: {match: {path: /slow}}, do: {close: {after: 300ms}}", None),
        ("where: {cluster: app}, do: {timeout: {after: 300ms}}", Some(502)),
        (
            "where: {cluster: app, match: {path: /slow}}, do: close",
            Some(502),
        ),
    ] {
        let mut raw = asked(&proxy).await;
        asked_for += 1;
        eventually("it is asked", async || origin.requests() == asked_for).await;
        proxy.inject("end", fault).await;
        match status {
            None => assert_eq!(raw.rest().await.0, "", "{fault}"),
            Some(status) => drop(raw.until(&format!("{status} ")).await),
        }
        let lines = proxy.access(asked_for).await;
        check_ended(lines.last().unwrap(), &status.into());
        proxy.lift("end").await;
    }
}
