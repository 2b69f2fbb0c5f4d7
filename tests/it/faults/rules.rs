//! The rules that hold for every fault: who is hit, how often, for how long, and who can tell.

use std::time::{Duration, Instant};

use http::Method;
use rustix::process::Signal;
use serde_json::json;

use crate::kit::{
    Doc, H1, Origin, Place, Proxy,
    client::{attempt, post, request},
    eventually, get,
    load::Load,
    origin::{empty, text},
    within,
};

use super::shop;

#[tokio::test]
async fn injected_upstream_and_proxy_are_told_apart_everywhere() {
    let origin = Origin::new(async |request| match request.uri().path() {
        "/ill" => text(503, "really"),
        _ => text(200, "fine"),
    });
    let doc = Doc::http(&[origin.address]).listener("limits: {body: 1KiB}");
    let proxy = Proxy::start(&doc).await;
    let fault = "where: {match: {path: /out}}, do: {abort: {status: 503}}";
    proxy.inject("out", fault).await;
    let mut client = H1::connect(proxy.address()).await;
    let (injected, real) = (client.get("/out").await, client.get("/ill").await);
    let own = post(proxy.address(), "/", vec![b'x'; 2048]).await;
    assert_eq!((injected.status, injected.reason()), (503, "injected"));
    assert_eq!((real.status, real.reason()), (503, ""));
    assert_eq!((own.status, own.reason()), (413, "body_too_large"));

    let lines = proxy.access(3).await;
    let origin_of = |path: &str| lines.iter().find(|line| line["path"] == path).unwrap()["origin"].clone();
    assert_eq!(origin_of("/out"), "injected");
    assert_eq!(origin_of("/ill"), "upstream");
    let refused = lines.iter().find(|line| line["status"] == 413).unwrap();
    assert_eq!(
        (&refused["origin"], &refused["reason"]),
        (&json!("proxy"), &json!("body_too_large"))
    );
    let out = lines.iter().find(|line| line["path"] == "/out").unwrap();
    assert_eq!(out["faults"], json!(["out"]));

    let count = async |labels: &[&str]| proxy.metric("chaosproxy_requests_total", labels).await;
    assert_eq!(count(&["origin=\"injected\"", "class=\"5xx\""]).await, 1.0);
    assert_eq!(count(&["origin=\"upstream\"", "class=\"5xx\""]).await, 1.0);
    assert_eq!(count(&["origin=\"proxy\"", "class=\"4xx\""]).await, 1.0);
    proxy.counts("chaosproxy_injected_total", "out", 1.0).await;
}

#[tokio::test]
async fn the_reason_header_can_be_switched_off() {
    let nobody = Place::new();
    let doc = Doc::http(&[nobody.address]).listener("headers: {reason: false}");
    let proxy = Proxy::start(&doc).await;
    let answer = get(proxy.address(), "/").await;
    assert_eq!((answer.status, answer.reason()), (502, ""));
}

#[tokio::test]
async fn a_match_decides_who_is_hit() {
    let (_origin, proxy) = shop().await;
    let fault = "where: {match: {method: POST, path: /checkout/**, header: {x-user: \"test-*\"}}}, \
                 do: {abort: {status: 500}}";
    proxy.inject("checkout", fault).await;
    let ask = async |method: Method, path: &str, user: &str| {
        let asked = request(method, path).header("x-user", user);
        attempt(proxy.address(), asked.body(empty()).unwrap())
            .await
            .unwrap()
            .status
    };
    assert_eq!(ask(Method::POST, "/checkout/pay", "test-7").await, 500);
    assert_eq!(ask(Method::GET, "/checkout/pay", "test-7").await, 200);
    assert_eq!(ask(Method::POST, "/cart", "test-7").await, 200);
    assert_eq!(ask(Method::POST, "/checkout/pay", "anna").await, 200);
}

#[tokio::test]
async fn odds_are_honest() {
    let (_origin, proxy) = shop().await;
    proxy
        .inject("some", "odds: 30%, do: {abort: {status: 500}}")
        .await;
    let mut client = H1::connect(proxy.address()).await;
    let mut hit = 0;
    for _ in 0..1000 {
        hit += u32::from(client.get("/").await.status == 500);
    }
    // Five standard deviations to either side.
    assert!((228..=372).contains(&hit), "{hit} of 1000 at 30%");
}

#[tokio::test]
async fn the_same_user_is_always_in_or_always_out() {
    let (_origin, proxy) = shop().await;
    proxy
        .inject(
            "some",
            "odds: 50%, sticky: {header: x-user}, do: {abort: {status: 500}}",
        )
        .await;
    let mut client = H1::connect(proxy.address()).await;
    let mut verdicts = std::collections::BTreeSet::new();
    for user in 0..20 {
        let mut statuses = std::collections::BTreeSet::new();
        for _ in 0..5 {
            let asked = request(Method::GET, "/").header("x-user", format!("user-{user}"));
            statuses.insert(client.ask(asked.body(empty()).unwrap()).await.status);
        }
        assert_eq!(statuses.len(), 1, "user {user}: {statuses:?}");
        verdicts.extend(statuses);
    }
    assert_eq!(verdicts.len(), 2, "some are in, some are out");
}

#[tokio::test]
async fn first_nth_and_every_count_exchanges() {
    let (_origin, proxy) = shop().await;
    let check = async |which: &str, expected: &[u16]| {
        proxy
            .inject("some", &format!("{which}, do: {{abort: {{status: 500}}}}"))
            .await;
        let mut client = H1::connect(proxy.address()).await;
        let mut statuses = Vec::new();
        for _ in 0..expected.len() {
            statuses.push(client.get("/").await.status);
        }
        assert_eq!(statuses, expected, "{which}");
        proxy.lift("some").await;
    };
    check("first: 2", &[500, 500, 200, 200]).await;
    check("nth: 3", &[200, 200, 500, 200]).await;
    check("every: 2", &[200, 500, 200, 500]).await;
}

#[tokio::test]
async fn overlapping_faults_are_tried_in_the_order_written() {
    let (_origin, proxy) = shop().await;
    proxy
        .inject("one", "odds: 100%, do: {abort: {status: 501}}")
        .await;
    proxy
        .inject("two", "odds: 100%, do: {abort: {status: 502}}")
        .await;
    assert_eq!(get(proxy.address(), "/").await.status, 501);
    proxy.lift("one").await;
    assert_eq!(get(proxy.address(), "/").await.status, 502);
}

#[tokio::test]
async fn a_fault_set_by_hand_needs_an_end_and_ends_by_itself() {
    let (_origin, proxy) = shop().await;
    let refused = proxy.try_inject("out", "do: {abort: {status: 503}}").await;
    assert_eq!(refused.status, 422, "{}", refused.text());
    assert!(refused.text().contains("for"), "{}", refused.text());
    assert_eq!(
        proxy
            .try_inject("out", "for: 1s, do: {abort: {status: 503}}")
            .await
            .status,
        200
    );
    assert_eq!(get(proxy.address(), "/").await.status, 503);
    eventually("it has ended", async || {
        get(proxy.address(), "/").await.status == 200
    })
    .await;
    assert_eq!(proxy.show("/api/v1/faults").await, json!([]));
}

#[tokio::test]
async fn a_lease_that_nobody_renews_ends_within_ten_seconds() {
    let (_origin, proxy) = shop().await;
    let faults = json!({"faults": {"out": {"do": {"abort": {"status": 503}}}}, "lease": true});
    let set = proxy.order("/api/v1/faults", faults).await;
    let lease = set["leases"][0].as_u64().unwrap();
    let begun = Instant::now();
    assert_eq!(get(proxy.address(), "/").await.status, 503);
    eventually("it has ended", async || {
        get(proxy.address(), "/").await.status == 200
    })
    .await;
    assert!(begun.elapsed() < Duration::from_secs(12), "{:?}", begun.elapsed());
    let path = format!("/api/v1/leases/{lease}");
    assert_eq!(proxy.api(Method::PUT, &path, "", "").await.status, 404);
}

#[tokio::test]
async fn a_lease_given_back_takes_its_faults_with_it() {
    let (_origin, proxy) = shop().await;
    let faults = json!({"faults": {"out": {"do": {"abort": {"status": 503}}}}, "lease": true});
    let set = proxy.order("/api/v1/faults", faults).await;
    let path = format!("/api/v1/leases/{}", set["leases"][0]);
    assert_eq!(proxy.api(Method::PUT, &path, "", "").await.status, 200);
    assert_eq!(get(proxy.address(), "/").await.status, 503);
    assert_eq!(proxy.api(Method::DELETE, &path, "", "").await.status, 200);
    assert_eq!(get(proxy.address(), "/").await.status, 200);
}

#[tokio::test]
async fn faults_come_together_or_not_at_all() {
    let (_origin, proxy) = shop().await;
    let faults = json!({"faults": {
        "good": {"for": "1m", "do": {"abort": {"status": 503}}},
        "bad": {"for": "1m", "where": {"cluster": "nobody"}, "do": "hang"},
    }});
    let body = faults.to_string();
    let answer = proxy
        .api(Method::POST, "/api/v1/faults", "application/json", body)
        .await;
    assert_eq!(answer.status, 422, "{}", answer.text());
    assert!(answer.text().contains("nobody"), "{}", answer.text());
    assert_eq!(get(proxy.address(), "/").await.status, 200);
}

#[tokio::test]
async fn panic_lifts_everything_and_lets_nothing_in_until_it_is_reset() {
    let (_origin, proxy) = shop().await;
    proxy
        .inject("stuck", "where: {match: {path: /stuck}}, do: hang")
        .await;
    proxy.inject("out", "do: {abort: {status: 503}}").await;
    let held = tokio::spawn(get(proxy.address(), "/stuck"));
    eventually("it is held", async || proxy.held().await == 1.0).await;
    let panicked = proxy.panic().await;
    assert_eq!(panicked["lifted"], 2, "{panicked}");
    assert_eq!(get(proxy.address(), "/").await.status, 200);
    assert_eq!(within("what was held", held).await.unwrap().status, 200);
    let refused = proxy
        .try_inject("out", "for: 1m, do: {abort: {status: 503}}")
        .await;
    assert_eq!(refused.status, 409, "{}", refused.text());
    proxy.order("/api/v1/panic/reset", json!(null)).await;
    proxy.inject("out", "do: {abort: {status: 503}}").await;
    assert_eq!(get(proxy.address(), "/").await.status, 503);
}

#[tokio::test]
async fn a_signal_and_a_file_are_emergency_buttons_too() {
    let origin = Origin::named("a");
    let doc = Doc::http(&[origin.address]).top("state_folder: state");
    let proxy = Proxy::start(&doc).await;
    let fine = async || get(proxy.address(), "/").await.status == 200;
    proxy.inject("out", "do: {abort: {status: 503}}").await;
    assert!(!fine().await);
    proxy.signal(Signal::USR1);
    eventually("the signal has lifted it", fine).await;
    proxy.order("/api/v1/panic/reset", json!(null)).await;
    proxy.inject("out", "do: {abort: {status: 503}}").await;
    assert!(!fine().await);
    std::fs::write(proxy.folder().join("state/panic"), "").unwrap();
    eventually("the file has lifted it", fine).await;
}

#[tokio::test]
async fn setting_and_lifting_every_kind_under_load_never_makes_the_api_wait() {
    // Of an answer of one byte a slice of one byte would be the whole.
    let (a, b) = (Origin::named("first"), Origin::named("second"));
    let proxy = Proxy::start(&Doc::http(&[a.address, b.address])).await;
    let load = Load::start(proxy.address(), 16);
    let kinds = [
        "{latency: {add: 10ms}}",
        "{abort: {status: 503}}",
        "hang",
        "refuse",
        "reset",
        "close",
        "{throttle: {rate: 1KiB/s}}",
        "{slice: {size: 1B}}",
        "stall",
        "{truncate: {after_bytes: 0B}}",
        "corrupt",
        "{slow_close: {delay: 1s}}",
        "timeout",
        "{limit_data: {bytes: 0B}}",
        "{rewrite: {reply: {status: 404}}}",
        "{body: {replace: x}}",
        "{rate_limit: {rate: 1/s}}",
        "{threads: {size: 1, hang: 50%}}",
        "{capacity: {carries: 1/s}}",
        "{crash_loop: {up: 1s, down: 1s}}",
        "{misroute: {to: \"shop.invalid:80\"}}",
        "{health: pass}",
    ];
    let mut slowest = Duration::ZERO;
    for kind in kinds {
        for place in ["", "where: {cluster: app}, "] {
            let begun = Instant::now();
            let set = proxy
                .try_inject("one", &format!("for: 1m, {place}do: {kind}"))
                .await;
            slowest = slowest.max(begun.elapsed());
            if set.status == 422 && place.is_empty() {
                // It stands before backends only.
                continue;
            }
            assert_eq!(set.status, 200, "{kind}: {}", set.text());
            eventually("it has hit somebody", async || {
                // Checks and new connections are not what the load is made of.
                ["{health: pass}", "refuse"].contains(&kind)
                    || proxy.show("/api/v1/faults/one").await["hits"] != 0
            })
            .await;
            let begun = Instant::now();
            proxy.lift("one").await;
            slowest = slowest.max(begun.elapsed());
            load.goes_on_for(64).await;
        }
    }
    assert!(slowest < Duration::from_secs(2), "{slowest:?}");
    load.goes_on_for(200).await;
    load.stop().await;
    let load = Load::start(proxy.address(), 16);
    load.goes_on_for(500).await;
    load.must_have_been_fine().await;
    assert_eq!(proxy.held().await, 0.0);
}

#[tokio::test]
async fn no_fault_survives_a_crash() {
    let origin = Origin::named("a");
    let text = Doc::http(&[origin.address]).top("state_folder: state").text();
    let proxy = Proxy::setup().start(text.clone()).await;
    proxy.inject("out", "do: {abort: {status: 503}}").await;
    assert_eq!(get(proxy.address(), "/").await.status, 503);
    let state = proxy.folder().join("state");
    proxy.signal(Signal::KILL);
    let state = state.to_str().unwrap();
    let again = Proxy::setup().arguments(&["--state", state]).start(text).await;
    assert_eq!(get(again.address(), "/").await.status, 200);
    assert_eq!(again.show("/api/v1/faults").await, json!([]));
}
