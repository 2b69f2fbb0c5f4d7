//! Profiles that must not run, with what is said of them.

use super::*;
use crate::drill::profiles::{find, read};

/// The shipped profile with one text replaced, and everything that is found in it.
fn found(from: &str, to: &str) -> String {
    let text = find("orm-break").unwrap().text;
    assert!(text.contains(from), "{from}");
    match read("p.yaml", &text.replacen(from, to, 1)) {
        Ok(_) => String::new(),
        Err(problems) => problems.to_string(),
    }
}

#[test]
fn every_slip_is_found_and_named() {
    let check = |from: &str, to: &str, what: &str| {
        let found = found(from, to);
        assert!(found.contains(what), "{from} -> {to}: {found}");
    };
    check(
        "name: orm-break",
        "name: ../orm-break",
        "cannot be the name of a folder",
    );
    check("to: outage", "to: outrage", "there is no phase `outrage`");
    check(
        "faults: [cold-start, health-lies]",
        "faults: [cold-stat]",
        "there is no fault `cold-stat`",
    );
    check(
        "faults: [cold-start, health-lies]",
        "faults: []",
        "fault `cold-start` is never active",
    );
    check("{done: restart}", "{done: reboot}", "there is no act `reboot`");
    check(
        "until: [restore-config]",
        "until: [restore]",
        "there is no act `restore`",
    );
    check(
        "until: [restore-config]",
        "until: [restart]",
        "act `restart` waits for itself",
    );
    check(
        "class: write, max",
        "class: writes, max",
        "there is no traffic class `writes`",
    );
    check(
        "where: {role: db.source}",
        "where: {role: db.primary}",
        "there is no role `db.primary`",
    );
    check(
        "stand_ins: {db-cut: app-500}",
        "stand_ins: {}",
        "the role is optional",
    );
    check("to: end}", "to: latent}", "no way leads from phase");
    check(
        "http.replica: 50%",
        "http.replica: 60%",
        "the shares add up to 110%",
    );
    check(
        "do: {abort: {status: 500}}",
        "do: rewrite",
        "this changes neither the request nor the answer",
    );
    check("PUT, PATCH", "GET, PATCH", "`GET` already belongs to `read`");
    check("min: 45%, max: 55%", "min: 65%, max: 55%", "this never holds");
    check("class: write, max: 0%", "class: write", "without a bound");
    check(
        "original: [{at: +90m}]",
        "original: [{at: +80m}]",
        "its gate still refuses",
    );
    check(
        "original: [{at: +60m}]",
        "original: [{at: +60m, result: refused}]",
        "nothing here refuses",
    );
    check("{after: 5m}", "{after: 0s}", "shorter than a second");
    check("max_wall: 2h", "max_wall: 0s", "with no time at all");
    check("name: tail", "name: clear", "there already is a phase `clear`");
    check(
        "[+90m, 50%], [+136m, 100%]]",
        "[+90m, 50%], [+36m, 100%]]",
        "+36m comes after +90m",
    );
}

#[test]
fn a_short_form_takes_five_lines_and_is_checked_for_its_one_fault() {
    let text = "schema: chaosproxy.profile/v1\n\
                name: slow\n\
                fault: {where: {cluster: app}, do: {latency: {add: 300ms}}}\n\
                for: 10m\n";
    let long = read("slow.yaml", text)
        .unwrap_or_else(|problems| panic!("{problems}"))
        .expand();
    let phases: Vec<_> = long.phases.iter().map(|phase| phase.name.as_str()).collect();
    assert_eq!(phases, ["fault", "clear"]);
    assert_eq!(long.phases[0].faults, ["slow"]);
    assert_eq!(long.checks.fidelity[0].that, Target::Hits("slow".into()));
    assert!(prove(&long).is_empty());
}

#[test]
fn the_two_forms_are_not_mixed() {
    let check = |text: &str, what: &str| {
        let problems = read(
            "p.yaml",
            &format!("schema: chaosproxy.profile/v1\nname: p\n{text}"),
        );
        let problems = problems.unwrap_err().to_string();
        assert!(problems.contains(what), "{problems}");
    };
    check("", "neither `phases` nor a `fault`");
    check("for: 10m\n", "`for` belongs to the short form");
    check(
        "fault: {do: reset}\nphases: [{name: a, kind: wait, leave: [{when: {after: 1m}, to: end}]}]\n",
        "in the short form or in the long one",
    );
}
