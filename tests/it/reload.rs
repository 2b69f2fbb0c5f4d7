//! The document changes while the proxy runs: by file, signal and API; whole, or not at all.

use std::net::SocketAddr;

use http::Method;
use rustix::process::Signal;
use serde_json::json;

use crate::kit::{Doc, H1, H2, Origin, Place, Proxy, Raw, eventually, get, load::Load};

/// A document for each of two servers; everything else is the same.
async fn two() -> (Origin, Origin, String, String) {
    let (a, b) = (Origin::named("old"), Origin::named("new"));
    let (old, new) = (Doc::http(&[a.address]).text(), Doc::http(&[b.address]).text());
    (a, b, old, new)
}

async fn serves(proxy: &Proxy, who: &str) {
    let what = format!("{who} serves");
    eventually(&what, async || get(proxy.address(), "/").await.text() == who).await;
}

#[tokio::test]
async fn a_changed_file_is_put_in_force() {
    let (_a, _b, old, new) = two().await;
    let proxy = Proxy::setup().start(old).await;
    serves(&proxy, "old").await;
    proxy.rewrite(new);
    serves(&proxy, "new").await;
    let history = proxy.show("/api/v1/config/history").await;
    assert_eq!(history[1]["via"], "file", "{history}");
}

#[tokio::test]
async fn a_folder_that_is_never_quiet_does_not_keep_a_change_from_being_seen() {
    let (_a, _b, old, new) = two().await;
    let proxy = Proxy::setup().start(old).await;
    let noise = proxy.folder().join("noise");
    let busy = async {
        loop {
            std::fs::write(&noise, "again").unwrap();
            // As often as the machine allows: far more often than the proxy waits for silence.
            tokio::task::yield_now().await;
        }
    };
    proxy.rewrite(new);
    tokio::select! {
        () = busy => {}
        () = serves(&proxy, "new") => {}
    }
}

#[tokio::test]
async fn sighup_reads_the_file_again() {
    let (_a, _b, old, new) = two().await;
    let proxy = Proxy::setup().start(old).await;
    // Written in place, without the rename that editors do.
    std::fs::write(proxy.folder().join("chaosproxy.yaml"), new).unwrap();
    proxy.signal(Signal::HUP);
    serves(&proxy, "new").await;
}

#[tokio::test]
async fn the_api_puts_a_document_in_force_and_takes_it_back() {
    let (_a, _b, old, new) = two().await;
    let proxy = Proxy::setup().start(old).await;
    let changed = proxy.apply(new).await;
    assert_eq!(changed.status, 200, "{}", changed.text());
    assert!(
        changed.text().contains("-      - {name: a"),
        "it shows the diff: {}",
        changed.text()
    );
    assert_eq!(get(proxy.address(), "/").await.text(), "new");
    proxy.order("/api/v1/config/rollback", json!({})).await;
    assert_eq!(get(proxy.address(), "/").await.text(), "old");
    let history = proxy.show("/api/v1/config/history").await;
    let vias: Vec<_> = history
        .as_array()
        .unwrap()
        .iter()
        .map(|r| r["via"].clone())
        .collect();
    assert_eq!(vias, ["start", "api", "rollback"]);
}

#[tokio::test]
async fn a_broken_document_is_refused_whole_and_the_old_one_runs_on() {
    let (_a, b, old, new) = two().await;
    let proxy = Proxy::setup().start(old).await;
    let broken = new.replace("cluster: app", "cluster: ap");
    let refused = proxy.apply(broken.clone()).await;
    assert_eq!(refused.status, 422, "{}", refused.text());
    assert!(refused.text().contains("`ap`"), "{}", refused.text());
    proxy.rewrite(broken);
    eventually("the file was refused too", async || {
        proxy.metric("chaosproxy_reloads_total", &["refused"]).await >= 2.0
    })
    .await;
    // In one line, into which no line of the document is packed.
    proxy
        .logs(&[
            "document refused",
            "there is no cluster `ap`; did you mean `app`?",
        ])
        .await;
    assert_eq!(get(proxy.address(), "/").await.text(), "old");
    assert_eq!((proxy.revision().await, b.requests()), (1, 0));
    proxy.rewrite(new);
    serves(&proxy, "new").await;
}

#[tokio::test]
async fn a_document_that_cannot_be_bound_is_refused_whole() {
    let (_a, _b, old, new) = two().await;
    let proxy = Proxy::setup().start(old).await;
    let taken = Place::new();
    let _listener = taken.listen();
    let more = new.replace(
        "listeners:\n",
        &format!(
            "listeners:\n  more: {{bind: \"{}\", cluster: app}}\n",
            taken.address
        ),
    );
    let refused = proxy.apply(more).await;
    assert!((400..500).contains(&refused.status), "{}", refused.status);
    assert!(
        refused.text().contains(&taken.address.to_string()),
        "{}",
        refused.text()
    );
    assert_eq!(get(proxy.address(), "/").await.text(), "old");
}

#[tokio::test]
async fn reloads_under_load_fail_no_request_and_drop_no_connection() {
    let (a, b) = (Origin::named("a"), Origin::named("b"));
    let base = Doc::http(&[a.address, b.address]);
    let proxy = Proxy::start(&base).await;
    let mut standing = H1::connect(proxy.address()).await;
    let over_h2 = H2::connect(proxy.address()).await;
    let load = Load::start(proxy.address(), 16);
    for turn in 0..10 {
        load.goes_on_for(50).await;
        let doc = base
            .clone()
            .cluster(format!("balance: {}", ["random", "least_request"][turn % 2]))
            .route(format!("timeout: {}s", 60 + turn));
        match turn % 3 {
            0 => proxy.rewrite(doc.text()),
            1 => {
                std::fs::write(proxy.folder().join("chaosproxy.yaml"), doc.text()).unwrap();
                proxy.signal(Signal::HUP);
            }
            _ => assert_eq!(proxy.apply(doc.text()).await.status, 200),
        }
        let wanted = doc.text();
        eventually("it is in force", async || {
            proxy.show("/api/v1/config").await["text"] == wanted
        })
        .await;
    }
    load.goes_on_for(200).await;
    load.must_have_been_fine().await;
    assert_eq!(standing.get("/").await.status, 200);
    assert_eq!(over_h2.get("/").await.status, 200);
}

#[tokio::test]
async fn backends_keep_health_and_counters_across_a_reload() {
    let (a, b) = (
        Origin::named("a"),
        Origin::new(async |_| crate::kit::text(503, "ill")),
    );
    let doc = Doc::http(&[a.address, b.address]).cluster("outlier: {consecutive_errors: 2, eject_for: 1h}");
    let proxy = Proxy::start_single(&doc).await;
    for _ in 0..4 {
        get(proxy.address(), "/").await;
    }
    proxy.wait_for_health("b", "ejected").await;
    proxy
        .order("/api/v1/backends/app/a/weight", json!({"weight": 7}))
        .await;
    let before = proxy.backend("a").await["exchanges"].clone();
    assert_eq!(proxy.apply(doc.route("timeout: 33s").text()).await.status, 200);
    assert_eq!(proxy.backend("b").await["health"], "ejected");
    assert_eq!(proxy.backend("a").await["exchanges"], before);
    assert_eq!(
        proxy.backend("a").await["weight"],
        7,
        "what the responder set stays"
    );
}

#[tokio::test]
async fn listeners_come_go_and_move() {
    let origin = Origin::named("a");
    let old = Doc::http(&[origin.address]).text();
    let proxy = Proxy::setup().start(old.clone()).await;
    let mut standing = H1::connect(proxy.address()).await;
    assert_eq!(standing.get("/").await.status, 200);
    let more = old.replace(
        "listeners:\n",
        "listeners:\n  more: {bind: \"127.0.0.1:0\", cluster: app}\n",
    );
    assert_eq!(proxy.apply(more).await.status, 200);
    let status = proxy.show("/api/v1/status").await;
    let listeners = status["listeners"].as_array().unwrap();
    let address = listeners.iter().find(|one| one["name"] == "more").unwrap()["address"]
        .as_str()
        .unwrap();
    let address = address.parse().unwrap();
    assert_eq!(get(address, "/").await.text(), "a");
    let mut on_more = H1::connect(address).await;
    assert_eq!(on_more.get("/").await.status, 200);
    assert_eq!(proxy.apply(old).await.status, 200);
    eventually("nobody listens there", async || {
        tokio::net::TcpStream::connect(address).await.is_err()
    })
    .await;
    eventually("its connections are closed", async || on_more.is_closed()).await;
    assert_eq!(standing.get("/").await.status, 200);
}

#[tokio::test]
async fn a_fault_of_the_document_comes_and_goes_with_it() {
    let origin = Origin::named("a");
    let doc = Doc::http(&[origin.address]);
    let proxy = Proxy::start(&doc).await;
    let broken = doc.clone().top("faults: {out: {do: {abort: {status: 503}}}}");
    assert_eq!(proxy.apply(broken.text()).await.status, 200);
    assert_eq!(get(proxy.address(), "/").await.status, 503);
    let refused = proxy.api(Method::DELETE, "/api/v1/faults/out", "", "").await;
    assert_eq!(refused.status, 409, "it was not set by hand: {}", refused.text());
    assert_eq!(proxy.apply(doc.text()).await.status, 200);
    assert_eq!(get(proxy.address(), "/").await.status, 200);
}

#[tokio::test]
async fn a_fault_set_by_hand_survives_a_reload_and_goes_on_counting() {
    let origin = Origin::named("a");
    let doc = Doc::http(&[origin.address]);
    let proxy = Proxy::start(&doc).await;
    proxy.inject("some", "nth: 2, do: {abort: {status: 503}}").await;
    assert_eq!(get(proxy.address(), "/").await.status, 200);
    assert_eq!(proxy.apply(doc.route("timeout: 33s").text()).await.status, 200);
    assert_eq!(get(proxy.address(), "/").await.status, 503, "the second of all");
    assert_eq!(get(proxy.address(), "/").await.status, 200);
}

#[tokio::test]
async fn a_tcp_connection_stands_through_a_reload() {
    let place = Place::new();
    let _server = place.serve(async |mut stream| {
        let (mut reader, mut writer) = stream.split();
        let _ = tokio::io::copy(&mut reader, &mut writer).await;
    });
    let doc = Doc::tcp(&[place.address]);
    let proxy = Proxy::start(&doc).await;
    let mut raw = Raw::connect(proxy.address()).await;
    for turn in 1..5 {
        raw.say("still\n").await;
        raw.until("still\n").await;
        assert_eq!(
            proxy
                .apply(doc.clone().cluster(format!("idle_timeout: {turn}m")).text())
                .await
                .status,
            200
        );
    }
    raw.say("there\n").await;
    raw.until("there\n").await;
}

#[tokio::test]
async fn listeners_take_over_each_others_ports_and_lose_no_connection() {
    let (a, b) = (Origin::named("a"), Origin::named("b"));
    let (here, there) = (Place::new().address, Place::new().address);
    let listeners = |lines: [(&str, SocketAddr, &str); 2]| {
        let line = |(name, bind, cluster)| format!("  {name}: {{bind: {bind}, cluster: {cluster}}}\n");
        let (a, b) = (a.address, b.address);
        format!(
            "listeners:\n{}clusters:\n  a: {{backends: [{{address: \"{a}\"}}]}}\n  b: {{backends: [{{address: \"{b}\"}}]}}\n",
            lines.map(line).concat()
        )
    };
    let proxy = Proxy::setup()
        .start(listeners([("one", here, "a"), ("two", there, "b")]))
        .await;
    let serve = async |at, who: &str| {
        eventually("the other serves", async || get(at, "/").await.text() == who).await;
    };
    serve(here, "a").await;
    let load = Load::start(there, 8);
    load.goes_on_for(50).await;
    for (lines, at_here, at_there) in [
        ([("one", there, "a"), ("two", here, "b")], "b", "a"),
        ([("other", there, "b"), ("two", here, "a")], "a", "b"),
        ([("two", there, "a"), ("third", here, "b")], "b", "a"),
    ] {
        let answer = proxy.apply(listeners(lines)).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        serve(here, at_here).await;
        serve(there, at_there).await;
        let shown = proxy.show("/api/v1/status").await.to_string();
        assert!(
            lines
                .iter()
                .all(|(name, ..)| shown.contains(&format!("\"{name}\""))),
            "{shown}"
        );
    }
    load.goes_on_for(100).await;
    load.must_have_been_fine().await;
}
