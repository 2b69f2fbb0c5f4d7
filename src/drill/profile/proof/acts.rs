//! No act waits for itself, and what the original tried comes out as it did then.

use std::{collections::BTreeSet, time::Duration};

use http::HeaderName;

use super::Findings;
use crate::{
    config::Path,
    drill::{
        offset::Offset,
        profile::{Act, Outcome, Profile, Sight},
        signal,
    },
};

pub(super) fn prove(profile: &Profile, found: &mut Findings) {
    for (name, act) in profile.acts.iter() {
        if waits_for_itself(profile, name) {
            found.add(
                Path::of(["acts", name, "gates"]),
                format!("act `{name}` waits for itself, directly or by way of others: it can never be done"),
                "open the circle by leaving out one `until`",
            );
        }
        if !act.declare && act.seen_by.is_empty() {
            found.add(
                Path::of(["acts", name]),
                "nobody can do this act: it is neither seen nor declared",
                "add `seen_by`, or leave out `declare: false`",
            );
        }
    }
    original(profile, found);
    sights(profile, found);
    let watches = |act: &Act| act.seen_by.contains(&Sight::MonitorsFell);
    let watching = profile.acts.iter().find(|(_, act)| watches(act));
    if let (Some((name, _)), true) = (watching, profile.monitors.is_empty()) {
        found.add(
            Path::of(["acts", name, "seen_by"]),
            "nothing says who monitoring is",
            "add `monitors: [\"*monitor*\"]` to the profile",
        );
    }
}

/// Names that nothing can have would never be seen.
fn sights(profile: &Profile, found: &mut Findings) {
    for (name, act) in profile.acts.iter() {
        for (place, sight) in act.seen_by.iter().enumerate() {
            let path = Path::of(["acts", name, "seen_by"]).item(place);
            match sight {
                Sight::Header(header) if HeaderName::from_bytes(header.name.as_bytes()).is_err() => found
                    .add(
                        path.key("header").key("name"),
                        format!("`{}` is no name of a header", header.name),
                        "write it as servers send it, such as `x-config-version`",
                    ),
                Sight::Signal(signal) if !signal::is_name(signal) => found.add(
                    path.key("signal"),
                    format!("`{signal}` is no name of a signal"),
                    "use letters, digits, `-` and `_`",
                ),
                _ => {}
            }
        }
    }
}

fn waits_for_itself(profile: &Profile, name: &str) -> bool {
    let gates = |name: &str| profile.acts.get(name).into_iter().flat_map(|act| &act.gates);
    let mut met = BTreeSet::new();
    let mut open: Vec<&String> = gates(name).flat_map(|gate| &gate.until).collect();
    while let Some(act) = open.pop() {
        if act == name {
            return true;
        }
        if met.insert(act) {
            open.extend(gates(act).flat_map(|gate| &gate.until));
        }
    }
    false
}

/// An attempt of the original: when its gates decide, and where it is written.
struct Tried<'a> {
    lands: Duration,
    act: &'a str,
    number: usize,
    result: Outcome,
}

/// Plays the original's attempts against the gates: a replay must come out as the incident did.
fn original(profile: &Profile, found: &mut Findings) {
    let mut tried: Vec<Tried<'_>> = Vec::new();
    for (name, act) in profile.acts.iter() {
        tried.extend(act.original.iter().enumerate().map(|(number, attempt)| Tried {
            lands: attempt.at.0 + attempt.takes.or(act.takes).unwrap_or_default().0,
            act: name,
            number,
            result: attempt.result,
        }));
    }
    tried.sort_by_key(|attempt| attempt.lands);
    let mut done = BTreeSet::new();
    for attempt in tried {
        let Some(act) = profile.acts.get(attempt.act) else {
            continue;
        };
        let closed = |gate: &&super::super::Gate| gate.until.iter().any(|act| !done.contains(act.as_str()));
        let gate = act.gates.iter().find(closed);
        let path = Path::of(["acts", attempt.act, "original"]).item(attempt.number);
        let when = Offset(attempt.lands);
        match (attempt.result, gate) {
            (Outcome::Ok, Some(gate)) => found.add(
                path,
                format!("at {when} the original did this, but its gate still refuses"),
                format!("let the original do {} before", gate.until.join(" and ")),
            ),
            (Outcome::Refused, None) => found.add(
                path,
                format!("at {when} the original was refused, but nothing here refuses"),
                "add a gate that is still closed then",
            ),
            (Outcome::Ok, None) => _ = done.insert(attempt.act),
            (Outcome::Refused, Some(_)) => {}
        }
    }
}
