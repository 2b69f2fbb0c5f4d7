//! Faults that make a backend behave like a server in trouble: threads, capacity, crash loops, wrong addresses, health.

use crate::kit::{
    Answer, Doc, H1, Origin, Place, Proxy,
    client::{a_get, attempt, request},
    eventually, get,
    origin::empty,
    within,
};

use super::shop;

#[tokio::test]
async fn threads_hold_one_exchange_each_and_queue_the_rest() {
    let origin = Origin::named("a");
    let proxy = Proxy::start(&Doc::http(&[origin.address])).await;
    let fault = "where: {cluster: app}, do: {threads: {size: 1, hang_always: {path: /stuck}}}";
    proxy.inject("threads", fault).await;
    let stuck = tokio::spawn(get(proxy.address(), "/stuck"));
    eventually("one hangs", async || proxy.held().await == 1.0).await;
    let queued: Vec<_> = (0..3).map(|_| tokio::spawn(get(proxy.address(), "/"))).collect();
    eventually("the others wait behind it", async || proxy.held().await == 4.0).await;
    assert_eq!(origin.requests(), 0);
    proxy.lift("threads").await;
    assert_eq!(within("the hung one", stuck).await.unwrap().status, 200);
    for one in queued {
        assert_eq!(within("a queued one", one).await.unwrap().status, 200);
    }
}

#[tokio::test]
async fn who_waits_too_long_for_a_thread_gets_an_error_from_the_edge() {
    let (origin, proxy) = shop().await;
    let fault = "where: {cluster: app}, do: {threads: {size: 0, edge_timeout: 200ms, status: 599}}";
    proxy.inject("threads", fault).await;
    let answer = get(proxy.address(), "/").await;
    assert_eq!((answer.status, answer.reason()), (599, "injected"));
    assert_eq!(origin.requests(), 0);
}

#[tokio::test]
async fn a_backend_over_its_capacity_fails_the_rest() {
    let (origin, proxy) = shop().await;
    let fault = "where: {cluster: app}, do: {capacity: {carries: 2/s, restart_after: 1h, die_after: 1h}}";
    proxy.inject("small", fault).await;
    let mut client = H1::connect(proxy.address()).await;
    let mut statuses = std::collections::BTreeMap::new();
    for _ in 0..50 {
        *statuses.entry(client.get("/").await.status).or_insert(0) += 1;
    }
    assert!(statuses[&503] > 25 && statuses[&200] >= 1, "{statuses:?}");
    assert_eq!(origin.requests(), statuses[&200]);
}

#[tokio::test]
async fn a_backend_in_a_crash_loop_is_up_and_down_in_turn() {
    let (_origin, proxy) = shop().await;
    let fault = "where: {cluster: app}, do: {crash_loop: {up: 300ms, down: 300ms}}";
    proxy.inject("loop", fault).await;
    // A crash cuts the answer that is coming.
    let got = async || attempt(proxy.address(), a_get("/")).await.ok();
    for turn in 0..2 {
        eventually("it is down", async || {
            let down = |answer: Answer| answer.status == 502 && answer.reason() == "connect_refused";
            got().await.is_some_and(down)
        })
        .await;
        let what = format!("it is up again, turn {turn}");
        eventually(&what, async || {
            got().await.is_some_and(|answer| answer.status == 200)
        })
        .await;
    }
    let failed = |line: &serde_json::Value| line["status"] == 502;
    let lines = proxy.access(4).await;
    assert!(
        lines
            .iter()
            .filter(|line| failed(line))
            .all(|line| line["origin"] == "injected")
    );
}

#[tokio::test]
async fn misroute_leads_to_another_server_and_nobody_stays_there_when_it_is_lifted() {
    let (right, wrong) = (Origin::named("right"), Origin::named("wrong"));
    for protocol in ["http1", "http2"] {
        let doc = Doc::http(&[right.address]).cluster(format!("protocol: {protocol}"));
        let proxy = Proxy::start_single(&doc).await;
        let mut client = H1::connect(proxy.address()).await;
        assert_eq!(client.get("/").await.text(), "right");
        let fault = format!(
            "where: {{cluster: app}}, do: {{misroute: {{to: \"{}\"}}}}",
            wrong.address
        );
        proxy.inject("lost", &fault).await;
        for _ in 0..3 {
            assert_eq!(client.get("/").await.text(), "wrong", "{protocol}");
        }
        proxy.lift("lost").await;
        for _ in 0..10 {
            assert_eq!(client.get("/").await.text(), "right", "{protocol}");
        }
    }
}

#[tokio::test]
async fn misroute_to_nobody_is_refused_and_to_no_name_not_resolved() {
    let (_origin, proxy) = shop().await;
    let nobody = Place::new();
    let check = async |to: &str, reason: &str| {
        let fault = format!("where: {{cluster: app}}, do: {{misroute: {{to: \"{to}\"}}}}");
        proxy.inject("lost", &fault).await;
        let answer = get(proxy.address(), "/").await;
        assert_eq!((answer.status, answer.reason()), (502, reason), "{to}");
        proxy.lift("lost").await;
    };
    check(&nobody.address.to_string(), "connect_refused").await;
    check("shop.invalid:80", "resolve").await;
    for line in proxy.access(2).await {
        assert_eq!(line["origin"], "injected", "{line}");
    }
}

#[tokio::test]
async fn a_resolution_that_hangs_ends_with_its_fault_or_the_connect_limit() {
    let origin = Origin::named("a");
    let doc = Doc::http(&[origin.address]).cluster("connect_timeout: 300ms");
    let proxy = Proxy::start(&doc).await;
    let fault = "where: {cluster: app}, do: {misroute: {to: \"auth.invalid:443\", hang: true}}";
    proxy.inject("lost", fault).await;
    let answer = get(proxy.address(), "/").await;
    assert_eq!((answer.status, answer.reason()), (502, "resolve"));
    let patient = Proxy::start(&Doc::http(&[origin.address]).cluster("connect_timeout: 1h")).await;
    patient.inject("lost", fault).await;
    let waiting = tokio::spawn(get(patient.address(), "/"));
    eventually("it hangs", async || {
        patient.show("/api/v1/faults/lost").await["hits"] == 1
    })
    .await;
    patient.lift("lost").await;
    assert_eq!(within("the answer", waiting).await.unwrap().text(), "a");
}

/// Checks twice in half a second.
const CHECKED: &str =
    "health: {http: {path: /healthz}, every: 250ms, timeout: 250ms, unhealthy_after: 2, healthy_after: 1}";

#[tokio::test]
async fn health_tells_the_checks_what_is_not_true() {
    let (a, b) = (Origin::named("a"), Origin::named("b"));
    let doc = Doc::http(&[a.address, b.address]).cluster(CHECKED);
    let proxy = Proxy::start(&doc).await;
    proxy.wait_for_health("a", "up").await;
    for told in ["fail", "hang"] {
        proxy
            .inject("lie", &format!("where: {{backend: a}}, do: {{health: {told}}}"))
            .await;
        proxy.wait_for_health("a", "down").await;
        assert_eq!(proxy.backend("b").await["health"], "up");
        let before = a.requests();
        for _ in 0..4 {
            assert_eq!(get(proxy.address(), "/").await.text(), "b", "{told}");
        }
        assert_eq!(a.requests(), before);
        proxy.lift("lie").await;
        proxy.wait_for_health("a", "up").await;
    }
}

#[tokio::test]
async fn health_can_hide_that_a_backend_is_down() {
    let place = Place::new();
    let origin = Origin::named_at(&place, "a");
    let proxy = Proxy::start(&Doc::http(&[place.address]).cluster(CHECKED)).await;
    proxy.wait_for_health("a", "up").await;
    proxy
        .inject("lie", "where: {cluster: app}, do: {health: pass}")
        .await;
    origin.stop().await;
    for _ in 0..20 {
        assert_eq!(get(proxy.address(), "/").await.status, 502);
    }
    assert_eq!(proxy.backend("a").await["health"], "up");
    proxy.lift("lie").await;
    proxy.wait_for_health("a", "down").await;
}

#[tokio::test]
async fn what_health_hides_ejects_nobody() {
    let (a, b) = (Origin::named("a"), Origin::named("b"));
    let doc = Doc::http(&[a.address, b.address]).cluster("outlier: {consecutive_errors: 3, eject_for: 1h}");
    let proxy = Proxy::start_single(&doc).await;
    proxy
        .inject("ill", "where: {backend: a}, do: {abort: {status: 503}}")
        .await;
    proxy
        .inject("lie", "where: {backend: a}, do: {health: pass}")
        .await;
    for _ in 0..20 {
        get(proxy.address(), "/").await;
    }
    assert_eq!(proxy.backend("a").await["health"], "up");
    proxy.lift("lie").await;
    for _ in 0..6 {
        get(proxy.address(), "/").await;
    }
    assert_eq!(proxy.backend("a").await["health"], "ejected");
}

#[tokio::test]
async fn faults_of_the_upstream_leg_are_seen_by_health_checks() {
    let (a, b) = (Origin::named("a"), Origin::named("b"));
    let proxy = Proxy::start(&Doc::http(&[a.address, b.address]).cluster(CHECKED)).await;
    proxy.wait_for_health("a", "up").await;
    for kind in [
        "refuse",
        "reset",
        "hang",
        "{abort: {status: 500}}",
        "{latency: {add: 10s}}",
    ] {
        proxy
            .inject("down", &format!("where: {{backend: a}}, do: {kind}"))
            .await;
        proxy.wait_for_health("a", "down").await;
        proxy.lift("down").await;
        proxy.wait_for_health("a", "up").await;
    }
}

#[tokio::test]
async fn a_retry_goes_round_a_fault_on_one_backend() {
    let (a, b) = (Origin::named("a"), Origin::named("b"));
    let doc =
        Doc::http(&[a.address, b.address]).route("retry: {attempts: 2, on: [connect, refused, reset, 503]}");
    let proxy = Proxy::start(&doc).await;
    for kind in ["refuse", "reset", "{abort: {status: 503}}"] {
        proxy
            .inject("down", &format!("where: {{backend: a}}, do: {kind}"))
            .await;
        let mut client = H1::connect(proxy.address()).await;
        for _ in 0..6 {
            assert_eq!(client.get("/").await.text(), "b", "{kind}");
        }
        proxy.lift("down").await;
    }
    assert_eq!(a.requests(), 0);
    let lines = proxy.access(18).await;
    let retried = lines.iter().filter(|line| line["attempts"] == 2).count();
    assert!(retried >= 6, "{retried} of {}", lines.len());
    assert!(
        lines.iter().all(|line| line["origin"] == "upstream"),
        "what the client got was real"
    );
}

#[tokio::test]
async fn errors_that_a_fault_makes_on_the_upstream_leg_eject_the_backend() {
    for kind in ["{abort: {status: 503}}", "refuse", "reset"] {
        let (a, b) = (Origin::named("a"), Origin::named("b"));
        let doc =
            Doc::http(&[a.address, b.address]).cluster("outlier: {consecutive_errors: 3, eject_for: 1h}");
        let proxy = Proxy::start_single(&doc).await;
        proxy
            .inject("bad", &format!("where: {{backend: a}}, do: {kind}"))
            .await;
        for _ in 0..10 {
            let _ = attempt(proxy.address(), a_get("/")).await;
        }
        proxy.wait_for_health("a", "ejected").await;
        assert_eq!(get(proxy.address(), "/").await.text(), "b", "{kind}");
    }
}

#[tokio::test]
async fn a_bad_reload_really_goes_live_and_a_rollback_mends_it() {
    let (_origin, proxy) = shop().await;
    proxy
        .inject(
            "slip",
            "do: {bad_reload: {find: \"cluster: app\", replace: \"cluster: ap\"}}",
        )
        .await;
    eventually("it is live", async || {
        get(proxy.address(), "/").await.reason() == "bad_configuration"
    })
    .await;
    let broken = get(proxy.address(), "/").await;
    assert_eq!(broken.status, 500);
    proxy
        .order("/api/v1/config/rollback", serde_json::json!({}))
        .await;
    assert_eq!(get(proxy.address(), "/").await.status, 200);
}

#[tokio::test]
async fn platform_probes_are_spared_unless_asked_for() {
    let (_origin, proxy) = shop().await;
    let probe = || {
        let asked = request(http::Method::GET, "/").header("user-agent", "kube-probe/1.31");
        attempt(proxy.address(), asked.body(empty()).unwrap())
    };
    proxy.inject("out", "do: {abort: {status: 503}}").await;
    assert_eq!(get(proxy.address(), "/").await.status, 503);
    assert_eq!(probe().await.unwrap().status, 200);
    proxy.lift("out").await;
    proxy
        .inject("out", "probes: true, do: {abort: {status: 503}}")
        .await;
    assert_eq!(probe().await.unwrap().status, 503);
}
