//! Requests and answers recorded from Toxiproxy 2.12, replayed: each is answered as it was then, or stands in the table of what
//! is better on purpose.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::Request;
use serde_json::Value;

use crate::kit::{Answer, H1, Proxy, origin::whole};

const RECORDED: &str = include_str!("golden.json");

/// What differs on purpose, and why. A case in here that is answered as Toxiproxy does is an error.
const BETTER: &[(&str, &str)] = &[
    (
        "unknown_route",
        "outside of Toxiproxy's own paths the answer is that of chaosproxy's API: 404 and the next step",
    ),
    ("browser_unknown_route_is_404", "as unknown_route"),
    ("root_route", "chaosproxy shows its page there"),
    ("metrics_disabled", "metrics need no flag"),
    (
        "toxic_update_partial_effect",
        "an update is done whole or not at all",
    ),
    (
        "populate_empty_array",
        "`[]` for an empty list: `null` breaks the clients for Node and Ruby",
    ),
    ("populate_null_body", "as populate_empty_array"),
    (
        "show_percent_encoded_slash_404",
        "what can be made can be reached: `/` in a name is `%2F` in a path",
    ),
    (
        "edge_toxic_name_with_slash_show",
        "as show_percent_encoded_slash_404",
    ),
    ("populate_toxics_ignored", "toxics are taken in with their proxy"),
    (
        "edge_populate_wildcard_again",
        "what was asked for is compared, so toxics and connections stay",
    ),
];

/// The recorded requests name their ports, so only one replay can run on a machine at a time.
fn alone() -> std::fs::File {
    let file = std::fs::File::create(std::env::temp_dir().join("chaosproxy-golden.lock")).unwrap();
    file.lock().unwrap();
    file
}

#[tokio::test]
async fn recorded_answers_are_given_or_bettered_on_purpose() {
    let _alone = alone();
    let recorded: Vec<Value> = serde_json::from_str(RECORDED).unwrap();
    assert_eq!(recorded.len(), 198);
    let mut wrong = Vec::new();
    let mut better: BTreeMap<&str, &str> = BETTER.iter().copied().collect();
    for group in ["default", "metrics"] {
        let mut cases = recorded.iter().filter(|case| case["group"] == group).peekable();
        let flags = cases.peek().unwrap()["server_flags"].as_array().unwrap();
        let flags: Vec<&str> = flags.iter().map(|flag| flag.as_str().unwrap()).collect();
        let proxy = Proxy::in_place(&flags).await;
        for case in cases {
            let name = case["name"].as_str().unwrap();
            let found = differs(case, &ask(&proxy, case).await);
            match (found, better.remove(name)) {
                (Some(how), None) => wrong.push(format!("{name}: {how}")),
                (None, Some(_)) => wrong.push(format!("{name}: is no better; take it out of the table")),
                _ => {}
            }
        }
    }
    wrong.extend(better.keys().map(|name| format!("{name}: no such case")));
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

async fn ask(proxy: &Proxy, case: &Value) -> Answer {
    let mut request = Request::builder()
        .method(case["method"].as_str().unwrap())
        .uri(case["path"].as_str().unwrap())
        .header("host", proxy.admin().to_string());
    let empty = serde_json::Map::new();
    let given = case["headers"].as_object().unwrap_or(&empty);
    for (name, value) in given {
        request = request.header(name, value.as_str().unwrap());
    }
    let body = match (case.get("body"), case.get("body_raw")) {
        (Some(body), _) => {
            if !given.contains_key("Content-Type") {
                request = request.header("content-type", "application/json");
            }
            Bytes::from(body.to_string())
        }
        (None, Some(raw)) => Bytes::from(raw.as_str().unwrap().to_owned()),
        (None, None) => Bytes::new(),
    };
    let request = request.body(whole(body)).unwrap();
    H1::connect(proxy.admin()).await.ask(request).await
}

/// What an answer has that the recorded one had not, or the other way round.
fn differs(case: &Value, answer: &Answer) -> Option<String> {
    if case["expect_status"] != answer.status {
        return Some(format!("{}: {}", answer.status, answer.text()));
    }
    for (name, expected) in case["expect_headers"].as_object().into_iter().flatten() {
        // No client looks at it.
        if name == "x-toxiproxy-request-id" {
            continue;
        }
        let value = answer.header(name);
        let expected = expected.as_str().unwrap();
        let fits = match expected.strip_prefix("re:^") {
            // The only pattern that is left is a beginning.
            Some(pattern) => value.starts_with(&pattern.replace('\\', "")),
            None => value == expected,
        };
        if !fits {
            return Some(format!("{name}: {value}, not {expected}"));
        }
    }
    match case["compare"].as_str().unwrap() {
        "exact" => differs_in_body(case, answer),
        "error-prefix" => {
            let error = serde_json::from_slice::<Value>(&answer.body).unwrap_or_default();
            let prefix = case["expect_error_prefix"].as_str().unwrap();
            let said = error["error"].as_str().unwrap_or_default();
            let fits = said.starts_with(prefix) && error["status"] == answer.status;
            (!fits).then(|| answer.text().to_owned())
        }
        _ => {
            let parts = case["expect_text_contains"].as_array().unwrap();
            let missing = |part: &&Value| !answer.text().contains(part.as_str().unwrap());
            parts
                .iter()
                .find(missing)
                .map(|part| format!("{part} is missing"))
        }
    }
}

fn differs_in_body(case: &Value, answer: &Answer) -> Option<String> {
    if let Some(text) = case["expect_text"].as_str() {
        return (answer.text() != text).then(|| answer.text().to_owned());
    }
    let expected = case.get("expect_json")?;
    let Ok(mut found) = serde_json::from_slice::<Value>(&answer.body) else {
        return Some(answer.text().to_owned());
    };
    let mut expected = expected.clone();
    for (pointer, pattern) in case["expect_json_patterns"].as_object().into_iter().flatten() {
        let value = found.pointer_mut(pointer).map(Value::take);
        let value = value.as_ref().and_then(Value::as_str).unwrap_or_default();
        // All patterns are an address and a port that is not 0.
        let start = pattern
            .as_str()
            .unwrap()
            .trim_start_matches('^')
            .replace('\\', "");
        let start = start.split("[1-9]").next().unwrap();
        let port = value
            .strip_prefix(start)
            .and_then(|port| port.parse::<u16>().ok());
        if port.is_none_or(|port| port == 0) {
            return Some(format!("{pointer}: {value}, not {pattern}"));
        }
        *expected.pointer_mut(pointer).unwrap() = Value::Null;
    }
    (found != expected).then(|| format!("{found}, not {expected}"))
}
