//! What is looked at before a drill: each point when it is well and when it is not.

use super::*;

/// The profile of these tests: a role, a fault in a compressed phase, an act for two.
const STORY: &str = "
schema: chaosproxy.profile/v1
name: slow-app
needs: {http.primary: {min: 2}, db.source: {optional: true}}
clock: {wait: 10, floor: 1s}
faults:
  slow: {where: {role: http.primary}, odds: 50%, do: {latency: {add: 300ms}}}
  cut: {where: {role: db.source}, do: refuse}
  failing: {where: {role: http.primary}, do: {abort: {status: 500}}}
stand_ins: {cut: failing}
phases:
  - {name: creeping, kind: wait, at: +0m, faults: [slow], leave: [{when: {after: 10m}, to: down}]}
  - {name: down, kind: think, at: +10m, faults: [cut], leave: [{when: {done: mend}, to: end}], at_most: 1h}
acts: {mend: {say: mend it, people: 2, original: [{at: +20m}]}}
checks: {fidelity: [{in: creeping, that: {hits: slow}}]}
limits: {share: 60%, max_wall: 1h}
";

/// The document of these tests binds the role; other words may take the place of its last line.
fn bound(proxy: &Proxy, roles: &str) {
    let text = format!("{DOCUMENT}{roles}\n");
    let author = Author::new("ada", "test");
    proxy
        .desk
        .control
        .apply(&text, "chaosproxy.yaml", author)
        .unwrap();
}

const ROLES: &str = "roles: {http.primary: app}";

/// Looks at a rehearsal of the story, with more said than that.
async fn look(proxy: &Proxy, more: Value) -> Value {
    let story: Value = config::read("story", STORY).unwrap();
    let mut body = json!({"drill": {"mode": "rehearse", "story": story}});
    body.as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    let request = request(Method::POST, "/api/v1/drill/check")
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::AUTHORIZATION, "Bearer facilitator-token");
    let reply = proxy
        .ask(request.body(Body::from(body.to_string())).unwrap())
        .await;
    assert_eq!(reply.status, StatusCode::OK, "{}", reply.text);
    reply.json()
}

/// How a point stands, and what is said of it.
fn line(readiness: &Value, point: &str) -> (String, String) {
    let lines = readiness["lines"].as_array().unwrap();
    let line = lines.iter().find(|line| line["point"] == point).unwrap();
    let word = |key: &str| line[key].as_str().unwrap_or_default().to_owned();
    assert!(word("state") == "ok" || !word("next").is_empty(), "{line}");
    (word("state"), word("says") + "; " + &word("next"))
}

fn expect(readiness: &Value, point: &str, state: &str, words: &str) {
    let (stands, says) = line(readiness, point);
    assert!(
        stands == state && says.contains(words),
        "{point} is {stands}: {says}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_drill_that_can_begin_shows_its_roles_and_reach() {
    let proxy = proxy();
    bound(&proxy, ROLES);
    let readiness = look(&proxy, json!({})).await;
    assert_eq!(readiness["ready"], true, "{readiness}");
    expect(&readiness, "quiet", "ok", "no fault stands");
    expect(&readiness, "roles", "ok", "http.primary is app");
    expect(
        &readiness,
        "roles",
        "ok",
        "db.source is not bound, so `failing` stands in for `cut`",
    );
    expect(&readiness, "traffic", "warning", "nobody asks for `all` (in 3s)");
    expect(&readiness, "health", "ok", "all 2 backends are up");
    expect(
        &readiness,
        "reach",
        "warning",
        "2 of 2 backends (app/app-a, app/app-b), at most 100% of exchanges (in `down`",
    );
    expect(&readiness, "reach", "warning", "`limits.share`");
    expect(&readiness, "alert", "warning", "/api/v1/webhooks/alertmanager");
    expect(
        &readiness,
        "pace",
        "warning",
        "`creeping` lasts 1m on the wall: an alert that takes 5m",
    );
    expect(&readiness, "people", "warning", "there are no tokens");
    expect(&readiness, "journal", "ok", "can be written");
    expect(&readiness, "panic", "warning", "was not tried");
    let readiness = look(&proxy, json!({"alert_after": "30s"})).await;
    expect(&readiness, "pace", "ok", "less than the 30s");
}

#[tokio::test(start_paused = true)]
async fn what_is_under_way_already_is_in_the_way() {
    let proxy = proxy();
    bound(&proxy, ROLES);
    let fault = json!({"faults": {"mine": {"do": {"latency": {"add": "1ms"}}, "for": "5m"}}});
    assert_eq!(proxy.post("/api/v1/faults", &fault).await.status, StatusCode::OK);
    let readiness = look(&proxy, json!({"test_panic": true})).await;
    assert_eq!(readiness["ready"], false);
    expect(&readiness, "quiet", "failed", "faults remove mine");
    expect(&readiness, "panic", "warning", "was not tried");
    assert!(
        proxy.desk.control.panicked().is_none(),
        "nothing that stands is panicked away"
    );
    proxy.post("/api/v1/panic", &json!({})).await;
    let readiness = look(&proxy, json!({"test_panic": true})).await;
    expect(&readiness, "quiet", "failed", "a panic is in force");
    assert!(
        proxy.desk.control.panicked().is_some(),
        "somebody else's panic stays"
    );
}

#[tokio::test(start_paused = true)]
async fn roles_that_are_not_bound_and_faults_that_may_not_be_set_are_told() {
    let proxy = proxy();
    let readiness = look(&proxy, json!({})).await;
    expect(&readiness, "roles", "failed", "role `http.primary` is not bound");
    expect(&readiness, "reach", "failed", "no backend is within reach");
    bound(&proxy, "roles: {http.primary: app/app-a}");
    expect(
        &look(&proxy, json!({})).await,
        "roles",
        "failed",
        "the profile needs 2",
    );
    let far = DOCUMENT.replace("127.0.0.1:9002", "8.8.8.8:80") + ROLES;
    let author = Author::new("ada", "test");
    proxy.desk.control.apply(&far, "chaosproxy.yaml", author).unwrap();
    expect(
        &look(&proxy, json!({})).await,
        "roles",
        "failed",
        "allow_public: [...]",
    );
}

#[tokio::test(start_paused = true)]
async fn the_button_is_pressed_when_that_is_asked_for_and_let_go() {
    let proxy = proxy();
    bound(&proxy, ROLES);
    let mut events = proxy.desk.control.events().subscribe();
    let readiness = look(&proxy, json!({"test_panic": true})).await;
    expect(
        &readiness,
        "panic",
        "ok",
        "a panic was raised over a fault that hits nothing, traffic was clean in",
    );
    assert!(proxy.desk.control.panicked().is_none() && proxy.desk.control.faults().is_empty());
    let mut told = Vec::new();
    while let Ok(record) = events.try_recv() {
        told.push(format!("{:?}", record.event));
    }
    assert!(told.iter().any(|event| event.starts_with("Panic {")), "{told:?}");
}

#[tokio::test(start_paused = true)]
async fn a_button_that_does_not_clean_fails() {
    let proxy = proxy();
    bound(&proxy, ROLES);
    // A worker that follows no change goes on with what it knows.
    proxy.desk.metrics.follow(0, 0);
    let readiness = look(&proxy, json!({"test_panic": true})).await;
    expect(&readiness, "panic", "failed", "traffic was not clean within 1s");
    assert!(proxy.desk.control.panicked().is_none());
}

#[tokio::test(start_paused = true)]
async fn alerts_that_came_in_are_remembered() {
    let proxy = proxy();
    bound(&proxy, ROLES);
    let resolved = json!({"alerts": [{"status": "resolved", "labels": {"alertname": "Slow"}}]});
    proxy.post("/api/v1/webhooks/alertmanager", &resolved).await;
    expect(
        &look(&proxy, json!({})).await,
        "alert",
        "warning",
        "no alert yet: Alertmanager said resolve",
    );
    let firing = json!({"alerts": [{"status": "firing", "labels": {"alertname": "Slow"}}]});
    proxy.post("/api/v1/webhooks/alertmanager", &firing).await;
    expect(
        &look(&proxy, json!({})).await,
        "alert",
        "ok",
        "Alertmanager said page (“Slow”) 3s ago",
    );
    let tools = proxy.get("/api/v1/webhooks").await.json();
    assert_eq!(tools[0]["pages"], 1, "{tools}");
}

#[tokio::test(start_paused = true)]
async fn people_need_tokens_for_what_they_are_to_do() {
    let with = async |people: &[(&str, &str)]| {
        let mut file = "tokens:\n  - {name: ada, role: facilitator, token: facilitator-token}\n".to_owned();
        for (name, role) in people {
            file += &format!("  - {{name: {name}, role: {role}, token: the-token-of-{name}-}}\n");
        }
        let proxy = proxy_with(Guard::new(
            Vec::new(),
            Some(Tokens::read("tokens.yaml", &file).unwrap()),
        ));
        bound(&proxy, ROLES);
        line(&look(&proxy, json!({})).await, "people")
    };
    let check = |(state, says): (String, String), wanted: &str, words: &str| {
        assert!(state == wanted && says.contains(words), "{state}: {says}");
    };
    check(with(&[]).await, "failed", "1 facilitator (ada), no responder");
    check(
        with(&[("bob", "responder")]).await,
        "failed",
        "an act needs 2 people",
    );
    let two = [("bob", "responder"), ("cid", "responder")];
    check(
        with(&two).await,
        "warning",
        "2 responders (bob, cid), no observer",
    );
    let three = [two[0], two[1], ("dan", "observer")];
    check(with(&three).await, "ok", "1 observer (dan)");
}

#[tokio::test(start_paused = true)]
async fn a_replay_asks_for_nobody() {
    let proxy = proxy();
    bound(&proxy, ROLES);
    let body = json!({"drill": {"profile": "orm-break"}});
    let readiness = proxy.post("/api/v1/drill/check", &body).await.json();
    expect(&readiness, "people", "ok", "nobody has to act");
    expect(&readiness, "pace", "ok", "nobody has to wait");
    expect(&readiness, "roles", "failed", "role `http.source` is not bound");
    let unknown = proxy
        .post("/api/v1/drill/check", &json!({"drill": {"profile": "orm-brake"}}))
        .await;
    assert_eq!(unknown.status, StatusCode::NOT_FOUND);
}
