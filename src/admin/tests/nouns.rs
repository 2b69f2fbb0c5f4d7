//! Each noun, asked and changed.

use std::time::Duration;

use super::*;
use crate::{telemetry::events::Event, upstream::Condition};

fn slow() -> Value {
    json!({"do": {"latency": {"add": "300ms"}}, "where": {"cluster": "app"}, "odds": "20%", "for": "5m"})
}

#[tokio::test]
async fn status_tells_everything_that_stands() {
    let proxy = proxy();
    proxy
        .post("/api/v1/faults", &json!({"faults": {"slow": slow()}}))
        .await;
    let status = proxy.get("/api/v1/status").await.json();
    assert_eq!(status["ready"], true);
    assert_eq!(status["revision"], 1);
    assert_eq!(status["seed"], 7);
    assert_eq!(status["listeners"][0]["name"], "public");
    assert_ne!(
        status["listeners"][0]["address"], "127.0.0.1:0",
        "the port that was given"
    );
    assert_eq!(status["clusters"][0]["backends"][1]["name"], "app-b");
    assert_eq!(status["faults"][0]["name"], "slow");
}

#[tokio::test]
async fn a_fault_is_set_told_and_removed() {
    let proxy = proxy();
    let added = proxy
        .post("/api/v1/faults", &json!({"faults": {"slow": slow()}}))
        .await;
    assert_eq!(added.status, 200, "{}", added.text);
    let fault = &added.json()["faults"][0];
    assert_eq!(fault["owner"], "local");
    assert_eq!(fault["reach"]["backends"], json!(["app/app-a", "app/app-b"]));
    assert_eq!(fault["fault"]["odds"], "20%");
    assert_eq!(proxy.get("/api/v1/faults/slow").await.json()["name"], "slow");
    let removed = proxy
        .send(Method::DELETE, "/api/v1/faults/slow", &json!({}))
        .await;
    assert_eq!(removed.status, 200, "{}", removed.text);
    assert_eq!(proxy.get("/api/v1/faults").await.json(), json!([]));
    assert_eq!(
        proxy
            .send(Method::DELETE, "/api/v1/faults/slow", &json!({}))
            .await
            .status,
        404
    );
}

#[tokio::test]
async fn a_fault_set_by_hand_needs_an_end_or_a_lease() {
    let proxy = proxy();
    let endless = json!({"faults": {"cut": {"do": "reset"}}});
    let reply = proxy.post("/api/v1/faults", &endless).await;
    assert_eq!(reply.status, 422);
    assert!(
        reply.json()["problems"][0]["mend"]
            .as_str()
            .unwrap()
            .contains("for: 10m"),
        "{}",
        reply.text
    );
    let leased = json!({"faults": {"cut": {"do": "reset"}}, "lease": true});
    assert_eq!(proxy.post("/api/v1/faults", &leased).await.status, 200);
}

#[tokio::test]
async fn faults_come_together_or_not_at_all() {
    let proxy = proxy();
    proxy
        .post("/api/v1/faults", &json!({"faults": {"slow": slow()}}))
        .await;
    let reply = proxy
        .post(
            "/api/v1/faults",
            &json!({"faults": {"other": slow(), "slow": slow()}}),
        )
        .await;
    assert_eq!(reply.status, 409, "{}", reply.text);
    assert_eq!(
        proxy.get("/api/v1/faults").await.json().as_array().unwrap().len(),
        1
    );
    let nowhere = json!({"do": "reset", "where": {"cluster": "ap"}, "for": "1m"});
    let reply = proxy
        .post("/api/v1/faults", &json!({"faults": {"cut": nowhere}}))
        .await;
    assert_eq!(
        reply.json()["problems"][0]["mend"],
        "did you mean `app`?",
        "{}",
        reply.text
    );
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_is_not_renewed_takes_its_faults_along() {
    let proxy = proxy();
    tokio::spawn(proxy.desk.control.clone().expire_leases());
    let leased = json!({"faults": {"cut": {"do": "reset"}}, "lease": true});
    let lease = proxy.post("/api/v1/faults", &leased).await.json()["leases"][0].clone();
    let path = format!("/api/v1/leases/{lease}");
    for _ in 0..3 {
        tokio::time::sleep(Duration::from_secs(8)).await;
        assert_eq!(
            proxy.send(Method::PUT, &path, &json!({})).await.json()["ends_in"],
            "10s"
        );
    }
    assert_eq!(
        proxy.get("/api/v1/faults").await.json().as_array().unwrap().len(),
        1
    );
    tokio::time::sleep(Duration::from_millis(10_001)).await;
    assert_eq!(proxy.get("/api/v1/faults").await.json(), json!([]));
    assert_eq!(proxy.send(Method::PUT, &path, &json!({})).await.status, 404);
}

#[tokio::test]
async fn a_lease_is_given_back() {
    let proxy = proxy();
    let lease = proxy
        .post("/api/v1/faults", &json!({"faults": {"slow": slow()}}))
        .await
        .json()["leases"][0]
        .clone();
    let path = format!("/api/v1/leases/{lease}");
    assert_eq!(
        proxy.send(Method::PUT, &path, &json!({})).await.json()["ends_in"],
        "5m",
        "what it was set for"
    );
    assert_eq!(proxy.send(Method::DELETE, &path, &json!({})).await.status, 200);
    assert_eq!(proxy.get("/api/v1/faults").await.json(), json!([]));
    assert_eq!(proxy.send(Method::DELETE, &path, &json!({})).await.status, 404);
}

#[tokio::test]
async fn panic_lifts_everything_and_lets_nothing_in() {
    let proxy = proxy();
    proxy
        .post("/api/v1/faults", &json!({"faults": {"slow": slow()}}))
        .await;
    let panicked = proxy.post("/api/v1/panic", &json!({})).await.json();
    assert_eq!((&panicked["lifted"], &panicked["leases"]), (&json!(1), &json!(1)));
    let refused = proxy
        .post("/api/v1/faults", &json!({"faults": {"slow": slow()}}))
        .await;
    assert_eq!(
        (refused.status.as_u16(), &refused.json()["type"]),
        (409, &json!("urn:chaosproxy:panicked"))
    );
    assert!(proxy.get("/api/v1/status").await.json()["panic"].is_object());
    assert_eq!(
        proxy.post("/api/v1/panic/reset", &json!({})).await.json()["was_in_force"],
        true
    );
    assert_eq!(
        proxy.post("/api/v1/panic/reset", &json!({})).await.json()["was_in_force"],
        false
    );
    assert_eq!(
        proxy
            .post("/api/v1/faults", &json!({"faults": {"slow": slow()}}))
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn responders_work_the_balancer() {
    let proxy = proxy();
    let backend = |reply: Reply, place: usize| reply.json()["backends"][place].clone();
    let drained = proxy.post("/api/v1/backends/app/app-a/drain", &json!({})).await;
    assert_eq!(backend(drained, 0)["drained"], true);
    let enabled = proxy.post("/api/v1/backends/app/app-a/enable", &json!({})).await;
    assert_eq!(backend(enabled, 0)["drained"], false);
    let weighed = proxy
        .post("/api/v1/backends/app/app-b/weight", &json!({"weight": 3}))
        .await;
    assert_eq!(backend(weighed, 1)["weight"], 3);
    let form = request(Method::POST, "/api/v1/clusters/app/admit")
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    let admitted = proxy.ask(form.body(Body::from("share=25%25")).unwrap()).await;
    assert_eq!(
        admitted.json()["admitted"],
        "25%",
        "as Chaos Toolkit sends it: {}",
        admitted.text
    );
    assert_eq!(
        proxy
            .post("/api/v1/backends/app/app-b/weight", &json!({"weight": 3000}))
            .await
            .status,
        422
    );
    let missing = proxy.post("/api/v1/backends/app/app-c/drain", &json!({})).await;
    assert_eq!(missing.status, 404);
    assert!(
        missing.json()["detail"]
            .as_str()
            .unwrap()
            .contains("app-a, app-b"),
        "{}",
        missing.text
    );
}

#[tokio::test]
async fn a_document_is_applied_whole_refused_whole_and_rolled_back() {
    let proxy = proxy();
    let apply = async |text: String| {
        let request = request(Method::PUT, "/api/v1/config?file=new.yaml")
            .header(header::CONTENT_TYPE, "application/yaml");
        proxy.ask(request.body(Body::from(text)).unwrap()).await
    };
    let broken = apply(DOCUMENT.replace("least_request", "least_reqest")).await;
    assert_eq!(broken.status, 422);
    assert_eq!(broken.json()["problems"][0]["line"], 5, "{}", broken.text);
    assert_eq!(broken.json()["problems"][0]["file"], "new.yaml");
    let applied = apply(DOCUMENT.replace("least_request", "random")).await.json();
    assert_eq!(applied["revision"], 2);
    assert!(applied["diff"].as_str().unwrap().contains("+    balance: random"));
    let history = proxy.get("/api/v1/config/history").await.json();
    assert_eq!(
        (&history[1]["who"], &history[1]["via"], &history[1]["added"]),
        (&json!("local"), &json!("api"), &json!(1))
    );
    let back = proxy.post("/api/v1/config/rollback", &json!({})).await.json();
    assert_eq!(back["revision"], 3);
    assert_eq!(proxy.get("/api/v1/config").await.json()["text"], DOCUMENT);
    assert_eq!(proxy.get("/api/v1/config/history/2").await.json()["revision"], 2);
    assert_eq!(proxy.get("/api/v1/config/history/9").await.status, 404);
    assert_eq!(
        proxy
            .post("/api/v1/config/rollback", &json!({"to": 9}))
            .await
            .status,
        404
    );
}

#[tokio::test]
async fn without_a_drill_its_nouns_say_how_to_start_one() {
    let proxy = proxy();
    for path in [
        "/api/v1/drill",
        "/api/v1/acts",
        "/api/v1/verdict",
        "/api/v1/report",
    ] {
        let reply = proxy.get(path).await;
        assert_eq!(reply.status, 404, "{path}");
        assert!(
            reply.json()["mend"].as_str().unwrap().contains("drill start"),
            "{path}"
        );
    }
    assert_eq!(proxy.get("/api/v1/report?drill=../../etc").await.status, 404);
}

#[tokio::test]
async fn readiness_is_about_forwarding_alone() {
    let proxy = proxy();
    let all_broken = json!({"do": {"abort": {"status": 503}}, "for": "5m"});
    proxy
        .post("/api/v1/faults", &json!({"faults": {"all": all_broken}}))
        .await;
    assert_eq!(proxy.get("/readyz").await.status, 200);
    proxy
        .desk
        .metrics
        .draining
        .store(true, std::sync::atomic::Ordering::Relaxed);
    assert_eq!(proxy.get("/readyz").await.status, 503);
    assert_eq!(proxy.get("/healthz").await.status, 200);
}

#[tokio::test]
async fn a_backend_that_is_down_says_why() {
    let proxy = proxy();
    tokio::spawn(proxy.desk.clone().follow(proxy.desk.control.events().subscribe()));
    tokio::task::yield_now().await;
    let snapshot = proxy.desk.control.snapshot();
    let backend = &snapshot.clusters[0].cluster.backends()[0];
    backend.set_condition(tokio::time::Instant::now(), Condition::Unhealthy);
    proxy.desk.control.events().tell(Event::HealthChanged {
        cluster: "app".to_owned(),
        backend: "app-a".to_owned(),
        healthy: false,
        cause: "connection refused".to_owned(),
    });
    tokio::task::yield_now().await;
    let shown = proxy.get("/api/v1/backends").await.json()[0].clone();
    assert_eq!(
        (&shown["health"], &shown["why"]),
        (&json!("down"), &json!("connection refused"))
    );
}

#[tokio::test]
async fn numbers_are_openmetrics_with_what_stands() {
    let proxy = proxy();
    proxy
        .post("/api/v1/faults", &json!({"faults": {"slow": slow()}}))
        .await;
    let reply = proxy.get("/metrics").await;
    assert!(reply.media.starts_with("application/openmetrics-text"));
    for line in [
        "chaosproxy_backend_healthy{cluster=\"app\",backend=\"app-a\"} 1",
        "chaosproxy_cluster_admitted_ratio{cluster=\"app\"} 1",
        "chaosproxy_lease_remaining_seconds{fault=\"slow\"} 29",
        "chaosproxy_panic{} 0.0",
        "# EOF",
    ] {
        assert!(reply.text.contains(line), "{line}:\n{}", reply.text);
    }
}

#[tokio::test]
async fn the_page_shows_what_stands_and_escapes_it() {
    let proxy = proxy();
    proxy
        .post("/api/v1/faults", &json!({"faults": {"<script>": slow()}}))
        .await;
    let page = proxy.get("/").await.text;
    assert!(
        page.contains("app-b") && page.contains("&lt;script&gt;") && !page.contains("<script>"),
        "{page}"
    );
}

#[tokio::test(start_paused = true)]
async fn events_come_as_they_happen_and_a_silent_stream_is_kept_open() {
    let proxy = proxy();
    let request = request(Method::GET, "/api/v1/events")
        .body(Body::empty())
        .unwrap();
    let mut body = proxy.router.clone().oneshot(request).await.unwrap().into_body();
    let mut next = async || {
        let frame = body.frame().await.unwrap().unwrap().into_data().unwrap();
        String::from_utf8(frame.to_vec()).unwrap()
    };
    assert_eq!(next().await, ": still here\n\n");
    proxy.post("/api/v1/panic", &json!({})).await;
    let event = next().await;
    assert!(
        event.starts_with("event: proxy\nid: ") && event.contains("\"type\":\"panic\""),
        "{event}"
    );
    assert_eq!(
        next().await,
        ": still here\n\n",
        "after ten seconds without an event"
    );
    proxy.desk.end.cancel();
    assert!(body.frame().await.is_none());
}
