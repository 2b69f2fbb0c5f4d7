//! The catalogue as a whole: what is said of a kind is so, whatever the kind.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{
    trial::{entry, facts, reply, request, yaml},
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
            if plan.flow(Flow::Reply, now).is_some() || plan.flow(Flow::Request, now).is_some() {
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
    check(
        "{do: {abort: {headers: {\"a b\": c}}}}",
        "no name of a header field",
    );
    check("{do: {slice: {size: 0B}}}", "at least 1B");
    check("{do: {corrupt: {every: 0B}}}", "at least 1B");
    check("{do: {crash_loop: {up: 0s, down: 1s}}}", "longer than 0s");
    check("{do: {abort: {grpc_status: 17}}}", "0 to 16");
    check(
        "{do: {capacity: {carries: [[1m, 20%], [0m, 100%]]}}}",
        "must rise",
    );
    check("{do: {capacity: {carries: []}}}", "at least one point");
    check("{do: {misroute: {to: auth}}}", "host:port");
    check("{do: {rewrite: {request: {path: orders}}}}", "`/v2/orders`");
    check("{odds: 120%, do: reset}", "between 0% and 100%");
    check("{every: 0, do: reset}", "nonzero");
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
        "{capacity: {carries: [[0m, 20%], [46m, 100%]], restart_after: 60s}}",
        "{capacity: {carries: [[0s, 20%], [46s, 100%]], restart_after: 1s}}",
    );
    check(
        "{crash_loop: {up: 30s, down: 60s}}",
        "{crash_loop: {up: 500ms, down: 1s}}",
    );
    check(
        "{threads: {size: 4, edge_timeout: 30s}}",
        "{threads: {size: 4, edge_timeout: 30s}}",
    );
}
