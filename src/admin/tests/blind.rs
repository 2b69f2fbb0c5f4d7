//! A blind drill, as each role reads it.

use super::{access::TOKENS, drill::while_playing_for, *};
use crate::{
    admin::{
        Declared,
        clearance::{Clearance, Tell},
    },
    drill::lead::Verb,
};

/// What would tell responders of `orm-break` what it is about.
const TELLTALE: [&str; 12] = [
    "orm-break",
    "ORM",
    "db-cut",
    "app-500",
    "health-lies",
    "cold-start",
    "http.source",
    "latent",
    "reads-saved",
    "hash",
    "injected",
    "yardstick",
];

fn guard() -> Guard {
    Guard::new(Vec::new(), Some(Tokens::read("tokens.yaml", TOKENS).unwrap()))
}

async fn asked(proxy: &Proxy, token: &str, method: Method, path: &str, body: &Value) -> Reply {
    let request = request(method, path)
        .header(header::AUTHORIZATION, format!("Bearer {token}"))
        .header(header::CONTENT_TYPE, "application/json");
    let body = if body.is_null() {
        String::new()
    } else {
        body.to_string()
    };
    proxy.ask(request.body(Body::from(body)).unwrap()).await
}

async fn acts_of_responders(proxy: &Proxy) -> Value {
    let acts = asked(
        proxy,
        "responders-token",
        Method::GET,
        "/api/v1/acts",
        &Value::Null,
    );
    acts.await.json()
}

/// Every page that ends, and is not the same whatever runs.
fn pages() -> impl Iterator<Item = String> {
    let endpoints = endpoints().into_iter();
    let read = endpoints.filter(|endpoint| {
        let same = ["/api/openapi.json", "/api/v1/faults/kinds", "/api/v1/events"];
        endpoint.method == Method::GET && !same.contains(&endpoint.path)
    });
    read.map(|endpoint| {
        let path = endpoint
            .path
            .replace("{cluster}", "app")
            .replace("{revision}", "1");
        path.replace("{name}", "db-cut")
    })
}

#[tokio::test(start_paused = true)]
async fn nobody_but_the_facilitator_reads_what_a_blind_drill_is_about_until_it_is_over() {
    while_playing_for(guard(), true, async |proxy, remote| {
        let _ = remote.views().wait_for(Option::is_some).await;
        for token in ["responders-token", "observers-token-"] {
            for path in pages() {
                let reply = asked(&proxy, token, Method::GET, &path, &Value::Null).await;
                // What was asked for is said back.
                let text = reply.text.replace("`db-cut`", "");
                for word in TELLTALE {
                    assert!(!text.contains(word), "{token} {path}: `{word}` in {text}");
                }
            }
        }
        let known = asked(
            &proxy,
            "facilitator-token",
            Method::GET,
            "/api/v1/status",
            &Value::Null,
        )
        .await;
        assert!(
            known.text.contains("orm-break") && known.text.contains("latent"),
            "{}",
            known.text
        );
        remote.interrupt("ada").unwrap();
        remote.closed().await;
        let opened = asked(
            &proxy,
            "responders-token",
            Method::GET,
            "/api/v1/report",
            &Value::Null,
        )
        .await;
        assert!(
            opened.status == 200 && opened.text.contains("orm-break"),
            "{}",
            opened.text
        );
        let opened = asked(
            &proxy,
            "responders-token",
            Method::GET,
            "/api/v1/drill",
            &Value::Null,
        )
        .await;
        assert_eq!(opened.json()["profile"], "orm-break");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn acts_of_another_profile_are_taken_as_those_of_this_one() {
    while_playing_for(guard(), true, async |proxy, remote| {
        let declare = async |name: &str| {
            let body = json!({"name": name});
            asked(&proxy, "responders-token", Method::POST, "/api/v1/acts", &body).await
        };
        let acts = acts_of_responders(&proxy).await;
        let names: Vec<_> = acts
            .as_array()
            .unwrap()
            .iter()
            .map(|act| act["name"].as_str().unwrap())
            .collect();
        assert!(
            names.contains(&"quiet-monitors") && names.contains(&"restore-config"),
            "{names:?}"
        );
        // Neither that the one is foreign nor that the proxy looks for the other is told.
        for name in ["quiet-monitors", "drain-source", "find-server"] {
            let done = declare(name).await;
            assert_eq!(
                done.json(),
                json!({"name": name, "state": "done"}),
                "{}",
                done.text
            );
        }
        let early = declare("restart").await.json();
        assert_eq!(early["detail"], "it changes nothing as things are");
        remote.lead(Verb::Next(None), "grace").await.unwrap();
        let refused = declare("restart").await.json();
        assert_eq!(refused["detail"], "still cannot connect to the database");
        let under_way = declare("restore-config").await.json();
        assert_eq!(under_way["state"], "under way");
        let acts = acts_of_responders(&proxy).await;
        let state = |name: &str| {
            let found = acts.as_array().unwrap().iter().find(|act| act["name"] == name);
            found.unwrap()["state"].clone()
        };
        assert_eq!(
            ["quiet-monitors", "drain-source", "find-server", "restart", "shed"].map(state),
            ["done", "done", "done", "refused", "open"].map(Value::from)
        );
        assert_eq!(declare("pray").await.status, 404);
    })
    .await;
}

#[test]
fn what_the_proxy_did_for_an_act_is_not_told_where_it_would_tell_the_act_from_foreign_ones() {
    let declared = Declared {
        name: "shed".to_owned(),
        state: "done".to_owned(),
        by_proxy: Some("`chaosproxy lb admit 40% --cluster shop`".to_owned()),
    };
    let is_told = |clearance| declared.clone().told(clearance).by_proxy.is_some();
    assert_eq!(
        [Clearance::Blind, Clearance::Plain, Clearance::Full].map(is_told),
        [false, true, true]
    );
}

#[tokio::test(start_paused = true)]
async fn a_drill_that_is_not_blind_tells_responders_the_phase_and_no_more() {
    while_playing_for(guard(), false, async |proxy, remote| {
        let _ = remote
            .views()
            .wait_for(|view| view.as_ref().is_some_and(|view| !view.faults.is_empty()))
            .await;
        for path in ["/", "/api/v1/drill", "/api/v1/status"] {
            let theirs = asked(&proxy, "responders-token", Method::GET, path, &Value::Null).await;
            assert!(
                theirs.text.contains("outage") && !theirs.text.contains("db-cut"),
                "{path}: {}",
                theirs.text
            );
            assert!(!theirs.text.contains("app-500"), "{path}: {}", theirs.text);
            let whole = asked(&proxy, "observers-token-", Method::GET, path, &Value::Null).await;
            assert!(
                path == "/" || whole.text.contains("health-lies"),
                "{path}: {}",
                whole.text
            );
        }
    })
    .await;
}
