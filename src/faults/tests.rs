//! The catalogue as a whole: what is said of a kind is so, whatever the kind.

use std::collections::BTreeSet;

use proptest::{option, prelude::*, sample::select};
use serde_json::{Value, json};

use super::{
    trial::{entry, in_session as facts, reply, request, yaml},
    *,
};
use crate::units::{Dice, Probability};

fn each_example() -> impl Iterator<Item = (&'static Doc, &'static str)> {
    catalogue()
        .iter()
        .flat_map(|doc| doc.examples.iter().map(|example| (*doc, *example)))
}

#[test]
fn every_example_reads_back_as_it_was_written() {
    for (doc, example) in each_example() {
        let entry = entry(example);
        let written = serde_json::to_value(&entry).unwrap();
        assert_eq!(
            serde_json::from_value::<Entry>(written.clone()).unwrap(),
            entry,
            "{example}"
        );
        let kind = written["do"].as_object().unwrap().keys().next().unwrap();
        assert_eq!(kind, doc.kind, "{example}");
        assert_eq!(
            entry.r#do.compile(Instant::now()).doc().kind,
            doc.kind,
            "{example}"
        );
    }
}

#[test]
fn every_example_acts_at_the_hooks_that_its_page_names_and_at_no_other() {
    for doc in catalogue() {
        let acted: BTreeSet<String> = doc
            .examples
            .iter()
            .flat_map(|example| hooks_that_act(example))
            .collect();
        let named: BTreeSet<String> = doc.acts_at.iter().map(|hook| format!("{hook:?}")).collect();
        // The connection of `refuse` is the performer's to turn away, and `control` asks no hook of traffic.
        let asked: BTreeSet<String> = named
            .into_iter()
            .filter(|hook| hook != "Control" && (hook != "Connection" || doc.kind == "tls"))
            .collect();
        assert_eq!(acted, asked, "{}", doc.kind);
    }
}

fn hooks_that_act(example: &str) -> BTreeSet<String> {
    let now = Instant::now();
    let entry = Entry {
        odds: Probability::ALWAYS,
        r#where: Where::default(),
        ..entry(example)
    };
    let faults = [Fault::compile("example", &entry, now)];
    let mut acted = BTreeSet::new();
    let head = request("/orders");
    let untouched = |plan: &Plan| plan.touched().next().is_none();
    // Enough exchanges at once to go beyond any rate, capacity or pool.
    for exchange in 0..300 {
        let connection = Plan::of_connection(&faults, Dice::new(1), exchange, &facts(None));
        let mut plan = Plan::roll(&faults, Dice::new(1), exchange, &facts(Some(&head)));
        if plan.is_empty() {
            plan = connection;
        }
        for i in 0..plan.len() {
            let verdict = plan.open(i, now, Some(&mut request("/orders")));
            if !matches!(verdict, Verdict::Pass) || !untouched(&plan) {
                acted.insert("Open".into());
                plan = Plan::roll(&faults, Dice::new(1), exchange, &facts(None));
            }
            let verdict = plan.reply(i, now, &mut reply(200));
            if !matches!(verdict, Verdict::Pass) || !untouched(&plan) {
                acted.insert("Reply".into());
            }
            // Some shape only what is no body of HTTP.
            let mut bytes = Plan::roll(&faults, Dice::new(1), exchange, &facts(None));
            let shapes = |plan: &mut Plan| {
                [Flow::Reply, Flow::Request]
                    .into_iter()
                    .any(|flow| plan.flow(flow, now).is_some())
            };
            if shapes(&mut plan) || shapes(&mut bytes) {
                acted.insert("Flow".into());
            }
            if plan.dial().0 != Dial::Backend {
                acted.insert("Dial".into());
            }
            if plan.handshake().0 != Handshake::Sound {
                acted.insert("Connection".into());
            }
        }
        if told(&faults, Dice::new(1), exchange).is_some() {
            acted.insert("Probe".into());
        }
    }
    acted
}

#[test]
fn a_page_names_exactly_the_settings_that_the_schema_has() {
    let schema = schemars::schema_for!(Do).to_value();
    for doc in catalogue() {
        let kinds = schema["oneOf"].as_array().unwrap().iter();
        let settings = kinds.filter_map(|kind| kind["properties"].get(doc.kind)).next();
        let mut settings = settings.unwrap_or_else(|| panic!("{} is not in the schema", doc.kind));
        if let Some(name) = settings["$ref"].as_str() {
            settings = schema.pointer(name.trim_start_matches('#')).unwrap();
        }
        let names: BTreeSet<&str> = settings["properties"]
            .as_object()
            .map(|properties| properties.keys().map(String::as_str).collect())
            .unwrap_or_default();
        let told = doc.settings.iter().flat_map(|(name, _)| name.split(", "));
        let told = told
            .filter_map(|name| name.split('.').next())
            .filter(|name| !name.is_empty());
        assert_eq!(told.collect::<BTreeSet<_>>(), names, "{}", doc.kind);
    }
}

#[test]
fn a_kind_without_settings_may_be_written_as_its_name() {
    let check = |short: &str, long: &str| {
        let read = |text| serde_json::from_value::<Do>(yaml(text)).unwrap();
        assert_eq!(read(short), read(long));
    };
    check("reset", "{reset: {}}");
    check("hang", "{hang: {}}");
    check("refuse", "{refuse: {standing: keep}}");
}

#[test]
fn what_is_no_fault_is_refused_with_a_reason() {
    let check = |text: &str, reason: &str| {
        let error = serde_json::from_value::<Entry>(yaml(text))
            .unwrap_err()
            .to_string();
        assert!(error.contains(reason), "{text}: {error}");
    };
    check("{do: latency}", "missing field `add`");
    check("{do: {latncy: {add: 1s}}}", "unknown variant `latncy`");
    check("{do: {latency: {ad: 1s}}}", "unknown field `ad`");
    check("{do: {latency: {add: 300}}}", "expected a");
    check("{do: {abort: {status: 99}}}", "between 200 and 599");
    check("{do: {abort: {headers: {\"a b\": c}}}}", "no header name");
    check("{do: {slice: {size: 0B}}}", "at least `1B`");
    check("{do: {corrupt: {every: 0B}}}", "at least `1B`");
    check("{do: {crash_loop: {up: 0s, down: 1s}}}", "too short");
    check("{do: {abort: {grpc_status: 17}}}", "0 to 16");
    check(
        "{do: {capacity: {carries: [[1m, 20%], [0m, 100%]]}}}",
        "must rise",
    );
    check("{do: {capacity: {carries: []}}}", "without points");
    check("{do: {misroute: {to: auth}}}", "it needs a port");
    check("{do: {rewrite: {request: {path: orders}}}}", "no path");
    check("{odds: 120%, do: reset}", "between 0% and 100%");
    check("{do: {reset: {}, close: {}}}", "");
}

#[test]
fn defaults_are_not_written() {
    let write = |text: &str| serde_json::to_value(entry(text)).unwrap();
    assert_eq!(
        write("{odds: 100%, probes: false, where: {}, do: {latency: {add: 1s, jitter: 0s, at: open}}}"),
        json!({"do": {"latency": {"add": "1s"}}})
    );
    assert_eq!(write("{do: reset}"), json!({"do": {"reset": {}}}));
}

#[test]
fn the_schema_knows_the_short_form() {
    let schema = schemars::schema_for!(Do).to_value();
    let forms = schema["oneOf"].as_array().unwrap();
    let short = forms.iter().find(|form| form["type"] == "string").unwrap();
    let names = short["enum"].as_array().unwrap();
    assert!(names.contains(&Value::from("reset")) && !names.contains(&Value::from("latency")));
}

#[test]
fn a_compressed_story_is_shorter_but_clients_wait_as_long() {
    let check = |written: &str, compressed: &str| {
        let read = |text| serde_json::from_value::<Do>(yaml(text)).unwrap();
        assert_eq!(read(written).compressed(60.0), read(compressed));
    };
    check(
        "{capacity: {carries: [[0m, 20%], [46m, 100%]], die_after: 30s, restart_after: 60s}}",
        "{capacity: {carries: [[0s, 20%], [46s, 100%]], die_after: 500ms, restart_after: 1s}}",
    );
    check(
        "{capacity: {carries: 40%, die_after: 30s}}",
        "{capacity: {carries: 40%, die_after: 500ms, restart_after: 1s}}",
    );
    check("{capacity: {carries: 40%}}", "{capacity: {carries: 40%}}");
    check(
        "{crash_loop: {up: 30s, down: 60s}}",
        "{crash_loop: {up: 500ms, down: 1s}}",
    );
    check(
        "{threads: {size: 4, edge_timeout: 30s}}",
        "{threads: {size: 4, edge_timeout: 30s}}",
    );
}

/// Settings of one kind, each there or left out.
fn settings(kind: &'static str, keys: &[(&'static str, BoxedStrategy<Value>)]) -> BoxedStrategy<Value> {
    let keys = keys.iter().map(|(key, value)| {
        let key = *key;
        option::weighted(0.8, value.clone()).prop_map(move |value| (key, value))
    });
    let settings = keys.collect::<Vec<_>>().prop_map(|settings| {
        let present = settings
            .into_iter()
            .filter_map(|(key, value)| Some((key.to_owned(), value?)));
        Value::Object(present.collect())
    });
    settings.prop_map(move |settings| json!({kind: settings})).boxed()
}

fn one_of(words: &'static [&'static str]) -> BoxedStrategy<Value> {
    select(words).prop_map(Value::from).boxed()
}

fn spans() -> BoxedStrategy<Value> {
    (0_u64..10_000_000)
        .prop_map(|us| json!(format!("{us}us")))
        .boxed()
}

fn sizes() -> BoxedStrategy<Value> {
    (1_u64..1 << 40)
        .prop_map(|bytes| json!(format!("{bytes}B")))
        .boxed()
}

fn shares() -> BoxedStrategy<Value> {
    (0_u32..=1000)
        .prop_map(|share| json!(format!("{}%", f64::from(share) / 10.0)))
        .boxed()
}

fn curves() -> BoxedStrategy<Value> {
    let times = prop::collection::btree_map(0_u64..5000, 0.0..=1.0_f64, 1..5);
    times
        .prop_map(|points| {
            points
                .into_iter()
                .map(|(time, share)| json!([format!("{time}s"), share]))
                .collect()
        })
        .boxed()
}

fn kinds() -> BoxedStrategy<Value> {
    let (flow, text) = (
        || one_of(&["request", "reply"]),
        || ".*".prop_map(Value::from).boxed(),
    );
    let status = || (200_u16..600).prop_map(Value::from).boxed();
    let yes_or_no = || any::<bool>().prop_map(Value::from).boxed();
    let distribution = one_of(&["constant", "uniform", "normal", "pareto"]);
    let load = prop_oneof![
        shares(),
        curves(),
        (1_u32..99).prop_map(|n| json!(format!("{n}/m")))
    ]
    .boxed();
    prop_oneof![
        settings(
            "latency",
            &[
                ("add", spans()),
                ("jitter", spans()),
                ("distribution", distribution),
                ("at", one_of(&["open", "reply", "chunk"])),
                ("flow", flow())
            ]
        ),
        settings(
            "abort",
            &[
                ("status", status()),
                ("body", text()),
                ("after", yes_or_no()),
                ("grpc_status", (0_u8..=16).prop_map(Value::from).boxed()),
                ("grpc_message", text())
            ]
        ),
        settings(
            "hang",
            &[
                ("at", one_of(&["open", "reply"])),
                ("on_lift", one_of(&["go_on", "unavailable"]))
            ]
        ),
        settings("refuse", &[("standing", one_of(&["keep", "reset", "close"]))]),
        settings(
            "reset",
            &[("after_bytes", sizes()), ("after", spans()), ("flow", flow())]
        ),
        settings(
            "slice",
            &[
                ("size", sizes()),
                ("vary", sizes()),
                ("pause", spans()),
                ("flow", flow())
            ]
        ),
        settings(
            "corrupt",
            &[("odds", shares()), ("every", sizes()), ("flow", flow())]
        ),
        settings(
            "body",
            &[
                ("replace", text()),
                ("find", one_of(&["x", "a b"])),
                ("at_most", (0_u64..9).prop_map(Value::from).boxed())
            ]
        ),
        settings(
            "threads",
            &[
                ("size", (0_usize..99).prop_map(Value::from).boxed()),
                ("hang", curves()),
                ("status", status())
            ]
        ),
        settings(
            "capacity",
            &[
                ("carries", load),
                ("die_after", spans()),
                ("beyond", one_of(&["answer", "refuse"]))
            ]
        ),
        settings(
            "misroute",
            &[("to", one_of(&["a:1", "[::1]:80"])), ("hang", yes_or_no())]
        ),
        one_of(&["expired", "hang"]).prop_map(|shown| json!({"tls": shown})),
    ]
    .boxed()
}

proptest! {
    #[test]
    fn what_is_read_is_written_so_that_it_reads_the_same(
        kind in kinds(), odds in shares(), every in option::of(1_u64..9), probes in any::<bool>(),
        place in option::of(one_of(&["app", "db"])), sticky in option::of(one_of(&["client"])),
    ) {
        let written = json!({
            "where": {"cluster": place}, "odds": odds, "every": every, "probes": probes, "sticky": sticky, "do": kind,
        });
        match serde_json::from_value::<Entry>(written) {
            Ok(entry) => {
                let again = serde_json::to_value(&entry).unwrap();
                prop_assert_eq!(serde_json::from_value::<Entry>(again.clone()).unwrap(), entry, "{}", again);
            }
            Err(error) => prop_assert!(error.to_string().starts_with("missing field"), "{}", error),
        }
    }
}
