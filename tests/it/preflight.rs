//! `chaosproxy drill check` before a proxy that runs: one with which all is well, and one with which nothing is.

use std::{net::SocketAddr, time::Duration};

use http::{Method, Request};
use serde_json::{Value, json};

use crate::{
    commands::run,
    kit::{Doc, H1, Origin, Place, Proxy, load::Load, origin, within},
};

const PROFILE: &str = "
schema: chaosproxy.profile/v1
name: slow-app
needs: {http.primary: {min: 2}}
traffic: {read: {methods: [GET]}, write: {methods: [POST]}}
faults:
  slow: {where: {role: http.primary}, odds: 50%, do: {latency: {add: 300ms}}}
phases:
  - {name: slow, kind: think, at: +0m, faults: [slow], leave: [{when: {done: mend}, to: end}], at_most: 1h}
acts: {mend: {say: mend it, people: 2, original: [{at: +20m}]}}
checks: {fidelity: [{in: slow, that: {hits: slow}}]}
";

const TOKENS: &str = "
tokens:
  - {name: ada, role: facilitator, token: facilitator-token}
  - {name: bob, role: responder, token: responder-token-1}
  - {name: cid, role: responder, token: responder-token-2}
  - {name: wall, role: observer, token: observers-token-}
";

fn document(backends: &[SocketAddr]) -> Doc {
    Doc::http(backends)
        .cluster(
            "health: {http: {path: /}, every: 500ms, timeout: 500ms, healthy_after: 1, unhealthy_after: 1}",
        )
        .top("roles: {http.primary: app}")
}

/// Each point with its state, and whether the drill can begin.
fn states(out: &str) -> (bool, Vec<String>) {
    let readiness: Value = serde_json::from_str(out).unwrap();
    let line = |line: &Value| {
        format!(
            "{} {}",
            line["point"].as_str().unwrap(),
            line["state"].as_str().unwrap()
        )
    };
    let lines = readiness["lines"].as_array().unwrap().iter();
    (readiness["ready"].as_bool().unwrap(), lines.map(line).collect())
}

/// Sends alerts, as Alertmanager does, until somebody has had enough.
async fn alerts(admin: SocketAddr) {
    let body = json!({"alerts": [{"status": "firing", "labels": {"alertname": "Slow"}}]}).to_string();
    loop {
        let request = Request::builder()
            .method(Method::POST)
            .uri("/api/v1/webhooks/alertmanager")
            .header("host", admin.to_string())
            .header("authorization", "Bearer observers-token-")
            .header("content-type", "application/json");
        let answer = H1::connect(admin)
            .await
            .ask(request.body(origin::whole(body.clone())).unwrap())
            .await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn all_is_well_with_a_proxy_that_is_ready() {
    let origins = [Origin::named("a"), Origin::named("b")];
    let proxy = Proxy::setup()
        .file("tokens.yaml", TOKENS)
        .file("token", "facilitator-token")
        .file("slow-app.yaml", PROFILE);
    let doc =
        document(&origins.each_ref().map(|origin| origin.address)).top("admin: {tokens_file: tokens.yaml}");
    let proxy = proxy.start(doc.text()).await;
    let load = Load::start(proxy.address(), 2);
    load.goes_on_for(20).await;
    let [token, profile] =
        ["token", "slow-app.yaml"].map(|file| proxy.folder().join(file).display().to_string());
    let line = [
        "drill",
        "check",
        &profile,
        "--mode",
        "rehearse",
        "--token-file",
        &token,
    ];
    let more = [
        "--alert-after",
        "30s",
        "--wait-alert",
        "30s",
        "--test-panic",
        "--json",
    ];
    let whole = [&line[..], &more[..]].concat();
    let said = tokio::select! {
        said = run(Some(&proxy), &whole) => said,
        () = alerts(proxy.admin()) => unreachable!(),
    };
    assert_eq!(said.status, 0, "{}{}", said.out, said.err);
    assert!(said.err.contains("/api/v1/webhooks/alertmanager"), "{}", said.err);
    let points = [
        "quiet", "roles", "traffic", "health", "reach", "alert", "pace", "people", "journal", "panic",
    ];
    assert_eq!(
        states(&said.out),
        (true, points.map(|point| format!("{point} ok")).to_vec()),
        "{}",
        said.out
    );
    let text = run(Some(&proxy), &line).await;
    assert!(
        text.status == 0 && text.out.contains("slow-app (rehearse): ready, with 1 warning"),
        "{}",
        text.out
    );
    load.must_have_been_fine().await;
}

#[tokio::test]
async fn each_point_fails_where_it_should() {
    let failing = Origin::new(|request| async move {
        match request.uri().path() {
            "/" => origin::text(200, "well"),
            _ => origin::text(500, "ill"),
        }
    });
    let nobody = Place::new();
    let proxy = Proxy::setup()
        .arguments(&["--report-dir", "/proc/self/nowhere"])
        .file("slow-app.yaml", PROFILE.replace("min: 2", "min: 3"));
    let proxy = proxy
        .start(document(&[failing.address, nobody.address]).text())
        .await;
    proxy.wait_for_health("b", "down").await;
    proxy
        .inject("mine", "do: {latency: {add: 1ms}}, where: {cluster: app}")
        .await;
    let load = Load::start(proxy.address(), 2);
    load.goes_on_for(20).await;
    let profile = proxy.folder().join("slow-app.yaml").display().to_string();
    let line = [
        "drill",
        "check",
        &profile,
        "--mode",
        "step",
        "--wait-alert",
        "100ms",
        "--test-panic",
    ];
    let said = run(Some(&proxy), &[&line[..], &["--json"]].concat()).await;
    assert_eq!(said.status, 1, "{}{}", said.out, said.err);
    let (ready, states) = states(&said.out);
    assert!(!ready, "{states:?}");
    for point in ["quiet", "roles", "traffic", "health", "alert", "journal"] {
        assert!(
            states.contains(&format!("{point} failed")),
            "{point}: {}",
            said.out
        );
    }
    assert!(states.contains(&"panic warning".to_owned()), "{}", said.out);
    assert!(
        proxy.show("/api/v1/panic").await["panic"].is_null(),
        "nothing was panicked away"
    );
    let text = run(Some(&proxy), &line).await;
    assert!(
        text.out.contains("not ready") && text.out.contains("chaosproxy faults remove mine"),
        "{}",
        text.out
    );
    within("the load to end", load.stop()).await;
}
