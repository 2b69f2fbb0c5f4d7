//! Whatever a document says, it says the same once written and read again.

use proptest::{prelude::*, sample::select};
use serde_json::{Map, Value, json};

use crate::config::{Document, read, to_yaml};

/// A mapping in which each key is left out or has one of its values.
fn settings(keys: Vec<(&'static str, Vec<Value>)>) -> BoxedStrategy<Value> {
    let empty = Just(Map::new()).boxed();
    let grow = |map: BoxedStrategy<Map<String, Value>>, (key, values): (&'static str, Vec<Value>)| {
        let value = prop::option::of(select(values));
        let with = move |(mut map, value): (Map<String, Value>, Option<Value>)| {
            map.extend(value.map(|value| (key.to_owned(), value)));
            map
        };
        (map, value).prop_map(with).boxed()
    };
    keys.into_iter().fold(empty, grow).prop_map(Value::Object).boxed()
}

/// The same with keys that must be there.
fn with(required: Value, rest: BoxedStrategy<Value>) -> BoxedStrategy<Value> {
    let join = move |rest: Value| {
        let mut all = required.as_object().unwrap().clone();
        all.extend(rest.as_object().unwrap().clone());
        Value::Object(all)
    };
    rest.prop_map(join).boxed()
}

/// Things by names, some of which need quotes.
fn named(thing: BoxedStrategy<Value>) -> impl Strategy<Value = Value> {
    let name = prop_oneof![
        "[a-z][a-z0-9.-]{0,8}",
        select(vec!["on", "no", "1.5", "12:30", "null", "ä b", "#"]).prop_map(str::to_owned)
    ];
    prop::collection::vec((name, thing), 0..4).prop_map(|things| Value::Object(things.into_iter().collect()))
}

fn matches() -> Vec<Value> {
    vec![
        json!({"method": ["GET", "PUT"], "path": "/a/**"}),
        json!({"client": "10.0.0.0/8", "header": {"x-user": "!test-*", "x-n": "1"}}),
        json!({"query": {"on": "*", "q": ": #"}, "host": ["*.example", "a.example"]}),
    ]
}

fn route() -> BoxedStrategy<Value> {
    let retry = json!({"attempts": 3, "on": ["connect", 503, "5xx"], "budget": "12.5%", "backoff": "25ms"});
    let keys = vec![
        ("name", vec![json!("orders"), json!("true")]),
        ("match", matches()),
        ("timeout", vec![json!("1m30s")]),
        ("retry", vec![retry, json!({})]),
        ("rewrite", vec![json!({"strip_prefix": "/api"})]),
        (
            "request_headers",
            vec![json!({"set": {"x-a": "b: c"}, "remove": ["x-b"]})],
        ),
    ];
    with(json!({"cluster": "app"}), settings(keys))
}

fn listener() -> BoxedStrategy<Value> {
    let tls = json!({"certificate": "a b.pem", "key": "~/key", "more": [{"certificate": "c", "key": "d"}],
        "client_ca": "ca.pem", "client_certificate": "optional", "oldest_version": "1.3"});
    let keys = vec![
        ("protocol", vec![json!("http"), json!("tcp")]),
        ("tls", vec![tls]),
        ("cluster", vec![json!("app"), json!("off")]),
        ("proxy_protocol", vec![json!(true), json!(false)]),
        (
            "limits",
            vec![
                json!({"connections": 7, "body": "none"}),
                json!({"body": "3MiB", "headers": 5}),
            ],
        ),
        ("timeouts", vec![json!({"request": "1.5s", "handshake": "none"})]),
        (
            "headers",
            vec![json!({"via": "edge: 1", "forwarded": "drop", "reason": false})],
        ),
    ];
    let bind = select(vec![json!("0.0.0.0:80"), json!("[::1]:8080")]);
    let routes = prop::collection::vec(route(), 0..3);
    let join = |(bind, routes, mut rest): (Value, Vec<Value>, Value)| {
        rest["bind"] = bind;
        rest["routes"] = Value::from(routes);
        rest
    };
    (bind, routes, settings(keys)).prop_map(join).boxed()
}

fn cluster() -> BoxedStrategy<Value> {
    let health = json!({"http": {"path": "/h", "expect": [200, "5xx"]}, "every": "2s", "healthy_after": 2});
    let keys = vec![
        (
            "balance",
            vec![
                json!("random"),
                json!({"hash": {"on": {"header": "x-user"}}}),
                json!({"hash": {"on": "client"}}),
            ],
        ),
        ("health", vec![health, json!({"tcp": {}})]),
        (
            "outlier",
            vec![json!({"consecutive_errors": 5, "at_most": "50%"})],
        ),
        ("limits", vec![json!({"connections": 10, "waiting": 0})]),
        ("tls", vec![json!({}), json!({"verify": false})]),
        ("slow_start", vec![json!("30s")]),
    ];
    let backends =
        json!([{"address": "a.internal:1", "weight": 0}, {"name": "12", "address": "[::1]:2", "tier": 1}]);
    with(json!({"backends": backends}), settings(keys))
}

fn fault() -> BoxedStrategy<Value> {
    let kinds = vec![
        json!({"latency": {"add": "300ms"}}),
        json!({"abort": {"status": 503}}),
        json!("reset"),
        json!({"throttle": {"rate": "64KiB/s"}}),
    ];
    let keys = vec![
        (
            "where",
            vec![
                json!({"cluster": "app", "leg": "client", "match": matches()[1]}),
                json!({}),
            ],
        ),
        ("odds", vec![json!("0.1%"), json!("33.333333333%"), json!("100%")]),
        ("sticky", vec![json!("client"), json!({"header": "x-user"})]),
        ("for", vec![json!("10m")]),
        ("first", vec![json!(3)]),
        ("probes", vec![json!(true)]),
    ];
    (select(kinds), settings(keys))
        .prop_map(|(kind, mut rest)| {
            rest["do"] = kind;
            rest
        })
        .boxed()
}

fn document() -> impl Strategy<Value = Value> {
    let keys = vec![
        (
            "roles",
            vec![json!({"http.source": "app/12", "db.source": "app"})],
        ),
        (
            "admin",
            vec![json!({"bind": "0.0.0.0:1", "tokens_file": "t.yaml", "names": ["on"]})],
        ),
        ("access_log", vec![json!("off"), json!("json")]),
        ("drain", vec![json!({"delay": "5s"})]),
        ("state_folder", vec![json!("/var/lib/chaosproxy")]),
        (
            "safety",
            vec![json!({"allow_public": ["8.8.8.8", "shop.example.com"]})],
        ),
    ];
    (
        named(listener()),
        named(cluster()),
        named(fault()),
        settings(keys),
    )
        .prop_map(|(listeners, clusters, faults, mut rest)| {
            rest["listeners"] = listeners;
            rest["clusters"] = clusters;
            rest["faults"] = faults;
            rest
        })
}

proptest! {
    #[test]
    fn a_document_survives_being_written(value in document()) {
        let document: Document = read("given.json", &value.to_string()).map_err(|e| TestCaseError::fail(e.to_string()))?;
        let text = to_yaml(&document).unwrap();
        let back: Document = read("written.yaml", &text).map_err(|e| TestCaseError::fail(format!("{e}\n{text}")))?;
        prop_assert_eq!(&back, &document, "{}", text);
        prop_assert_eq!(to_yaml(&back).unwrap(), text);
    }
}
