//! Clusters: shares, tiers, health, ejection, retries, limits, and the responder's balancer.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use http::{Method, Response};
use http_body_util::BodyExt;
use serde_json::json;
use tokio::sync::Semaphore;

use crate::kit::{
    Doc, H1, Origin, Place, Proxy, Raw,
    client::{a_get, a_post, attempt, post, request},
    eventually, get, noise,
    origin::{empty, piecemeal, text},
    within,
};

/// How often each server answers so many requests on one connection.
async fn shares(proxy: &Proxy, requests: usize) -> BTreeMap<String, usize> {
    let mut client = H1::connect(proxy.address()).await;
    let mut shares = BTreeMap::new();
    for _ in 0..requests {
        let answer = client.get("/").await;
        let who = if answer.status == 200 {
            answer.text().to_owned()
        } else {
            answer.status.to_string()
        };
        *shares.entry(who).or_default() += 1;
    }
    shares
}

fn expected(shares: &[(&str, usize)]) -> BTreeMap<String, usize> {
    shares.iter().map(|(who, n)| ((*who).to_owned(), *n)).collect()
}

#[tokio::test]
async fn round_robin_gives_each_its_turn_by_weight() {
    let (a, b, c) = (Origin::named("a"), Origin::named("b"), Origin::named("c"));
    let doc = Doc::http(&[a.address, b.address, c.address]);
    let proxy = Proxy::start_single(&doc).await;
    assert_eq!(
        shares(&proxy, 30).await,
        expected(&[("a", 10), ("b", 10), ("c", 10)])
    );
    let proxy = Proxy::start_single(&doc.backend('b', "weight: 3").backend('c', "weight: 0")).await;
    assert_eq!(shares(&proxy, 40).await, expected(&[("a", 10), ("b", 30)]));
}

#[tokio::test]
async fn every_policy_uses_every_backend() {
    let (a, b) = (Origin::named("a"), Origin::named("b"));
    for policy in ["round_robin", "least_request", "random"] {
        let doc = Doc::http(&[a.address, b.address]).cluster(format!("balance: {policy}"));
        let shares = shares(&Proxy::start(&doc).await, 200).await;
        assert!(shares["a"] > 50 && shares["b"] > 50, "{policy}: {shares:?}");
    }
}

#[tokio::test]
async fn least_request_avoids_a_backend_that_is_busy() {
    let slow = Origin::new(async |_| std::future::pending().await);
    let fast = Origin::named("fast");
    let doc = Doc::http(&[slow.address, fast.address]).cluster("balance: least_request");
    let proxy = Proxy::start_single(&doc).await;
    let mut stuck = Vec::new();
    while slow.requests() < 1 {
        let mut raw = Raw::connect(proxy.address()).await;
        raw.say("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        stuck.push(raw);
        let asked = stuck.len();
        eventually("it has arrived", async || {
            slow.requests() + fast.requests() == asked
        })
        .await;
    }
    // Of two drawn at random the idle one wins; with two servers both are nearly always drawn.
    let before = slow.requests();
    let mut done = 0;
    while done < 20 {
        let mut client = H1::connect(proxy.address()).await;
        let ask = tokio::spawn(async move { client.send(a_get("/")).await });
        eventually("it has arrived somewhere", async || {
            ask.is_finished() || slow.requests() > before
        })
        .await;
        if !ask.is_finished() {
            break;
        }
        done += 1;
    }
    assert!(done >= 1, "the busy one got all of them");
}

#[tokio::test]
async fn hash_keeps_a_user_with_one_backend() {
    let (a, b, c) = (Origin::named("a"), Origin::named("b"), Origin::named("c"));
    let doc =
        Doc::http(&[a.address, b.address, c.address]).cluster("balance: {hash: {on: {header: x-user}}}");
    let proxy = Proxy::start(&doc).await;
    let mut used = std::collections::BTreeSet::new();
    for user in 0..20 {
        let mut first = None;
        for _ in 0..3 {
            let asked = request(Method::GET, "/").header("x-user", format!("user-{user}"));
            let answer = attempt(proxy.address(), asked.body(empty()).unwrap())
                .await
                .unwrap();
            let who = answer.text().to_owned();
            assert_eq!(first.get_or_insert(who.clone()), &who, "user {user} moved");
            used.insert(who);
        }
    }
    assert_eq!(used.len(), 3, "{used:?}");
}

/// Checks four times a second.
const CHECKED: &str =
    "health: {http: {path: /healthz}, every: 250ms, timeout: 250ms, unhealthy_after: 2, healthy_after: 1}";

#[tokio::test]
async fn a_standby_takes_over_when_its_tier_is_down_and_gives_back() {
    let place = Place::new();
    let (main, standby) = (Origin::named_at(&place, "main"), Origin::named("standby"));
    let doc = Doc::http(&[place.address, standby.address])
        .backend('b', "tier: 1")
        .cluster(CHECKED);
    let proxy = Proxy::start(&doc).await;
    assert_eq!(shares(&proxy, 10).await, expected(&[("main", 10)]));
    main.stop().await;
    proxy.wait_for_health("a", "down").await;
    assert_eq!(shares(&proxy, 10).await, expected(&[("standby", 10)]));
    let _main = Origin::named_at(&place, "main");
    proxy.wait_for_health("a", "up").await;
    assert_eq!(shares(&proxy, 10).await, expected(&[("main", 10)]));
}

#[tokio::test]
async fn an_http_check_takes_a_backend_out_and_back() {
    let ill = Arc::new(AtomicUsize::new(0));
    let mood = ill.clone();
    let a = Origin::new(move |request| {
        let status = match request.uri().path() {
            "/healthz" if mood.load(Ordering::SeqCst) == 1 => 500,
            _ => 200,
        };
        async move { text(status, "a") }
    });
    let b = Origin::named("b");
    let proxy = Proxy::start_single(&Doc::http(&[a.address, b.address]).cluster(CHECKED)).await;
    proxy.wait_for_health("a", "up").await;
    ill.store(1, Ordering::SeqCst);
    proxy.wait_for_health("a", "down").await;
    assert!(proxy.backend("a").await["why"].as_str().unwrap().contains("500"));
    assert_eq!(shares(&proxy, 10).await, expected(&[("b", 10)]));
    ill.store(0, Ordering::SeqCst);
    proxy.wait_for_health("a", "up").await;
    assert_eq!(shares(&proxy, 10).await, expected(&[("a", 5), ("b", 5)]));
    let seen = a.seen();
    let check = seen.iter().find(|seen| seen.uri == "/healthz").unwrap();
    assert_eq!(check.header("user-agent"), "chaosproxy-health");
}

#[tokio::test]
async fn a_tcp_check_takes_a_backend_out_and_back() {
    let place = Place::new();
    let server = place.serve(async |stream| {
        Raw::over(stream).rest().await;
    });
    let doc = Doc::tcp(&[place.address])
        .cluster("health: {tcp: {}, every: 250ms, timeout: 250ms, unhealthy_after: 2, healthy_after: 1}");
    let proxy = Proxy::start(&doc).await;
    proxy.wait_for_health("a", "up").await;
    server.stop().await;
    proxy.wait_for_health("a", "down").await;
    let _server = place.serve(async |stream| {
        Raw::over(stream).rest().await;
    });
    proxy.wait_for_health("a", "up").await;
}

#[tokio::test]
async fn a_check_that_hangs_is_a_check_that_fails_and_holds_up_nothing() {
    let place = Place::new();
    let _server = place.serve(async |stream| {
        let mut raw = Raw::over(stream);
        if raw.head().await.contains("/healthz") {
            std::future::pending::<()>().await;
        }
        raw.say("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nConnection: close\r\n\r\na")
            .await;
    });
    let doc = Doc::http(&[place.address]).cluster(CHECKED);
    let proxy = Proxy::start(&doc).await;
    proxy.wait_for_health("a", "down").await;
    // It is the only one: rather a backend that may be ill than none.
    assert_eq!(get(proxy.address(), "/").await.text(), "a");
}

#[tokio::test]
async fn without_a_panic_threshold_an_ill_cluster_answers_503() {
    let place = Place::new();
    let doc = Doc::http(&[place.address])
        .cluster(CHECKED)
        .cluster("panic_threshold: 0%");
    let proxy = Proxy::start(&doc).await;
    proxy.wait_for_health("a", "down").await;
    let answer = get(proxy.address(), "/").await;
    assert_eq!((answer.status, answer.reason()), (503, "no_backend"));
    assert!(!answer.header("retry-after").is_empty());
}

#[tokio::test]
async fn errors_in_a_row_eject_a_backend_for_a_while() {
    let ill = Arc::new(AtomicUsize::new(1));
    let mood = ill.clone();
    let a = Origin::new(move |_| {
        let status = if mood.load(Ordering::SeqCst) == 1 {
            503
        } else {
            200
        };
        async move { text(status, "a") }
    });
    let b = Origin::named("b");
    let doc = Doc::http(&[a.address, b.address]).cluster("outlier: {consecutive_errors: 3, eject_for: 1s}");
    let proxy = Proxy::start_single(&doc).await;
    assert_eq!(shares(&proxy, 6).await, expected(&[("503", 3), ("b", 3)]));
    assert_eq!(proxy.backend("a").await["health"], "ejected");
    assert_eq!(shares(&proxy, 4).await, expected(&[("b", 4)]));
    ill.store(0, Ordering::SeqCst);
    eventually("it serves again", async || {
        get(proxy.address(), "/").await.text() == "a"
    })
    .await;
    assert_eq!(shares(&proxy, 10).await, expected(&[("a", 5), ("b", 5)]));
}

#[tokio::test]
async fn the_last_usable_backend_is_never_ejected() {
    let a = Origin::new(async |_| text(503, "ill"));
    let doc = Doc::http(&[a.address]).cluster("outlier: {consecutive_errors: 1, eject_for: 1h}");
    let proxy = Proxy::start(&doc).await;
    assert_eq!(shares(&proxy, 10).await, expected(&[("503", 10)]));
    assert_eq!(a.requests(), 10);
    assert_eq!(proxy.backend("a").await["health"], "up");
}

#[tokio::test]
async fn a_retry_goes_to_another_backend() {
    let dead = Place::new();
    let b = Origin::named("b");
    let doc = Doc::http(&[dead.address, b.address]).route("retry: {attempts: 2, on: [refused]}");
    let proxy = Proxy::start_single(&doc).await;
    assert_eq!(shares(&proxy, 10).await, expected(&[("b", 10)]));
    let lines = proxy.access(10).await;
    assert!(lines.iter().any(|line| line["attempts"] == 2));
    assert_eq!(post(proxy.address(), "/", "nothing was sent").await.text(), "b");
    assert_eq!(
        post(proxy.address(), "/", "to the one that refused").await.text(),
        "b"
    );
}

#[tokio::test]
async fn a_status_worth_a_retry_is_passed_on_when_all_gave_it() {
    let (a, b) = (
        Origin::new(async |_| text(503, "a is ill")),
        Origin::new(async |_| text(503, "b is ill")),
    );
    let doc = Doc::http(&[a.address, b.address]).route("retry: {attempts: 3, on: [503], backoff: 1ms}");
    let proxy = Proxy::start(&doc).await;
    let answer = get(proxy.address(), "/").await;
    assert_eq!((answer.status, answer.reason()), (503, ""));
    assert!(answer.text().ends_with("is ill"));
    assert_eq!(a.requests() + b.requests(), 3);
    let line = &proxy.access(1).await[0];
    assert_eq!(
        (&line["origin"], &line["attempts"]),
        (&json!("upstream"), &json!(3))
    );
}

/// A server that reads a request's head and resets the connection, and how often it was asked.
fn resetting(place: &Place) -> crate::kit::origin::Server {
    place.serve(async |stream| {
        let mut raw = Raw::over(stream);
        raw.head().await;
        let stream = raw.into_stream();
        socket2::SockRef::from(&stream)
            .set_linger(Some(std::time::Duration::ZERO))
            .unwrap();
    })
}

#[tokio::test]
async fn a_request_that_may_have_run_is_repeated_only_when_that_does_no_harm() {
    let place = Place::new();
    let server = resetting(&place);
    let b = Origin::named("b");
    let doc = Doc::http(&[place.address, b.address]).route("retry: {attempts: 2, on: [reset]}");
    let proxy = Proxy::start_single(&doc).await;
    let mut client = H1::connect(proxy.address()).await;
    let mut failed = 0;
    for _ in 0..6 {
        assert_eq!(client.get("/").await.text(), "b");
        let answer = client.ask(a_post("/orders", "one")).await;
        match answer.status {
            200 => assert_eq!(answer.text(), "b"),
            502 => {
                assert_eq!(answer.reason(), "upstream_reset");
                failed += 1;
            }
            other => panic!("{other}"),
        }
    }
    assert!(failed >= 1, "some of the writes met the server that resets");
    assert!(server.connections() >= 2);
    let writes = b.seen().iter().filter(|seen| seen.method == Method::POST).count();
    assert_eq!(writes, 6 - failed, "no write was sent twice");
}

#[tokio::test]
async fn a_body_is_replayed_whole() {
    let place = Place::new();
    let _server = place.serve(async |stream| {
        let mut raw = Raw::over(stream);
        raw.head().await;
        raw.exactly(20_000).await;
        raw.say("HTTP/1.1 503 Busy\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            .await;
        raw.rest().await;
    });
    let b = Origin::echo();
    let doc = Doc::http(&[place.address, b.address])
        .listener("limits: {body: 60KiB}")
        .route("retry: {attempts: 2, on: [503], body: 64KiB}");
    let proxy = Proxy::start_single(&doc).await;
    for turn in 0..4 {
        let (mut sender, body) = piecemeal();
        let whole = noise(40_000, turn);
        let sent = whole.clone();
        tokio::spawn(async move {
            for piece in sent.chunks(7_000) {
                let _ = sender.send_data(bytes::Bytes::copy_from_slice(piece)).await;
            }
        });
        let asked = request(Method::PUT, "/").body(body).unwrap();
        let answer = attempt(proxy.address(), asked).await.unwrap();
        assert!(answer.body == whole, "turn {turn}: {}", answer.status);
    }
}

#[tokio::test]
async fn a_body_too_large_to_keep_is_not_retried() {
    let place = Place::new();
    let server = place.serve(async |stream| {
        let mut raw = Raw::over(stream);
        raw.head().await;
        raw.exactly(20_000).await;
        raw.say("HTTP/1.1 503 Busy\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            .await;
        raw.rest().await;
    });
    let doc = Doc::http(&[place.address]).route("retry: {attempts: 3, on: [503], body: 1KiB}");
    let proxy = Proxy::start(&doc).await;
    let (mut sender, body) = piecemeal();
    tokio::spawn(async move {
        for turn in 0..10 {
            let _ = sender.send_data(noise(5_000, turn)).await;
        }
    });
    let asked = request(Method::PUT, "/").body(body).unwrap();
    assert_eq!(attempt(proxy.address(), asked).await.unwrap().status, 503);
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn retries_have_a_budget() {
    let a = Origin::new(async |_| text(503, "ill"));
    let doc = Doc::http(&[a.address])
        .route("retry: {attempts: 2, on: [503], backoff: 1ms, budget: 20%, budget_floor: 1/m}");
    let proxy = Proxy::start_single(&doc).await;
    shares(&proxy, 50).await;
    let retries = a.requests() - 50;
    assert!(
        (5..=15).contains(&retries),
        "{retries} retries of 50 requests at 20%"
    );
    let denied = proxy.metric("chaosproxy_retries_denied_total", &[]).await;
    assert!(denied >= 35.0, "{denied}");
}

#[tokio::test]
async fn one_try_has_a_limit_of_its_own() {
    let (slow, fast) = (
        Origin::new(async |_| std::future::pending().await),
        Origin::named("b"),
    );
    let doc = Doc::http(&[slow.address, fast.address])
        .route("retry: {attempts: 2, on: [timeout], per_try_timeout: 200ms}");
    let proxy = Proxy::start_single(&doc).await;
    assert_eq!(shares(&proxy, 4).await, expected(&[("b", 4)]));
    assert!(slow.requests() >= 1);
}

#[tokio::test]
async fn a_connection_that_died_while_idle_costs_no_request() {
    let place = Place::new();
    let _server = place.serve(async |stream| {
        let mut raw = Raw::over(stream);
        raw.head().await;
        raw.say("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na").await;
        // And is closed without a word, as by a server's idle limit.
    });
    let proxy = Proxy::start_single(&Doc::http(&[place.address])).await;
    let mut client = H1::connect(proxy.address()).await;
    for _ in 0..20 {
        assert_eq!(client.get("/").await.text(), "a");
    }
}

#[tokio::test]
async fn more_requests_than_allowed_wait_and_the_rest_is_refused() {
    let gate = Arc::new(Semaphore::new(0));
    let door = gate.clone();
    let a = Origin::new(move |_| {
        let door = door.clone();
        async move {
            door.acquire().await.unwrap().forget();
            text(200, "a")
        }
    });
    let doc = Doc::http(&[a.address]).cluster("limits: {requests: 2, waiting: 1, waiting_timeout: 1h}");
    let proxy = Proxy::start(&doc).await;
    let asks: Vec<_> = (0..3).map(|_| tokio::spawn(get(proxy.address(), "/"))).collect();
    eventually("two run", async || a.requests() == 2).await;
    eventually("the fourth is refused", async || {
        // Until the third has arrived it may itself be the one that waits; then it is given up.
        let ask = attempt(proxy.address(), a_get("/"));
        match tokio::time::timeout(std::time::Duration::from_millis(200), ask).await {
            Ok(Ok(answer)) => (answer.status, answer.reason()) == (503, "cluster_full"),
            _ => false,
        }
    })
    .await;
    assert_eq!(a.requests(), 2);
    gate.add_permits(1000);
    let mut fine = 0;
    for ask in asks {
        fine += usize::from(within("an answer", ask).await.unwrap().status == 200);
    }
    assert!(fine >= 2, "{fine}");
}

#[tokio::test]
async fn who_waits_too_long_for_a_turn_is_refused() {
    let a = Origin::new(async |_| std::future::pending().await);
    let doc = Doc::http(&[a.address]).cluster("limits: {requests: 1, waiting_timeout: 200ms}");
    let proxy = Proxy::start(&doc).await;
    let _first = tokio::spawn(attempt(proxy.address(), a_get("/")));
    eventually("the first runs", async || a.requests() == 1).await;
    let answer = get(proxy.address(), "/").await;
    assert_eq!((answer.status, answer.reason()), (503, "cluster_full"));
}

#[tokio::test]
async fn a_drained_backend_gets_nothing_new_until_it_is_enabled() {
    let (a, b) = (Origin::named("a"), Origin::named("b"));
    let proxy = Proxy::start_single(&Doc::http(&[a.address, b.address])).await;
    proxy.order("/api/v1/backends/app/a/drain", json!(null)).await;
    assert_eq!(shares(&proxy, 10).await, expected(&[("b", 10)]));
    assert_eq!(proxy.backend("a").await["drained"], true);
    proxy.order("/api/v1/backends/app/a/enable", json!(null)).await;
    assert_eq!(shares(&proxy, 10).await, expected(&[("a", 5), ("b", 5)]));
    proxy
        .order("/api/v1/backends/app/b/weight", json!({"weight": 4}))
        .await;
    assert_eq!(shares(&proxy, 10).await, expected(&[("a", 2), ("b", 8)]));
}

#[tokio::test]
async fn a_drained_backend_finishes_what_it_has() {
    let (mut sender, body) = piecemeal();
    let body = std::sync::Mutex::new(Some(body));
    let a = Origin::new(move |_| {
        let body = body.lock().unwrap().take().unwrap();
        async move { Response::new(body) }
    });
    let proxy = Proxy::start(&Doc::http(&[a.address])).await;
    let mut client = H1::connect(proxy.address()).await;
    sender.send_data("begin".into()).await.unwrap();
    let answer = client.begin(a_get("/")).await.unwrap();
    proxy.order("/api/v1/backends/app/a/drain", json!(null)).await;
    let refused = get(proxy.address(), "/").await;
    assert_eq!((refused.status, refused.reason()), (503, "no_backend"));
    sender.send_data(", end".into()).await.unwrap();
    drop(sender);
    let whole = within("the end", answer.into_body().collect()).await.unwrap();
    assert_eq!(whole.to_bytes(), "begin, end");
}

#[tokio::test]
async fn only_a_share_is_admitted() {
    let a = Origin::named("a");
    let proxy = Proxy::start(&Doc::http(&[a.address])).await;
    proxy
        .order("/api/v1/clusters/app/admit", json!({"share": "25%"}))
        .await;
    let seen = shares(&proxy, 1000).await;
    assert!((180..=320).contains(&seen["a"]), "{seen:?}");
    assert_eq!(seen["503"] + seen["a"], 1000);
    let refused = proxy.access(1000).await;
    assert!(
        refused
            .iter()
            .all(|line| line["status"] == 200 || line["reason"] == "not_admitted")
    );
    proxy
        .order("/api/v1/clusters/app/admit", json!({"share": "100%"}))
        .await;
    assert_eq!(shares(&proxy, 50).await, expected(&[("a", 50)]));
}

#[tokio::test]
async fn an_order_for_nobody_names_who_there_is() {
    let a = Origin::named("a");
    let proxy = Proxy::start(&Doc::http(&[a.address])).await;
    let answer = proxy
        .api(Method::POST, "/api/v1/backends/app/nobody/drain", "", "")
        .await;
    assert_eq!(answer.status, 404);
    assert!(
        answer.text().contains("nobody") && answer.text().contains('a'),
        "{}",
        answer.text()
    );
}
