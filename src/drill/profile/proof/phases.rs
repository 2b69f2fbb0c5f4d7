//! Every phase can be reached and left, and the end is reached from everywhere.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use super::Findings;
use crate::{
    config::Path,
    drill::profile::{END, Phase, Profile, When},
};

/// Phases that lead to each other in no time would never let go of the clock.
const SHORTEST: Duration = Duration::from_secs(1);

pub(super) fn prove(profile: &Profile, found: &mut Findings) {
    if profile.phases.is_empty() {
        return;
    }
    for (i, phase) in profile.phases.iter().enumerate() {
        one(phase, &Path::of(["phases"]).item(i), found);
    }
    unique(profile, found);
    reachable(profile, found);
    ending(profile, found);
}

fn one(phase: &Phase, path: &Path, found: &mut Findings) {
    if phase.name == END {
        found.add(
            path.key("name"),
            "`end` is where a drill is over, not a phase",
            "give the phase another name",
        );
    }
    if phase.leave.is_empty() {
        found.add(
            path.key("leave"),
            format!("phase `{}` has no way out", phase.name),
            "add one, such as `{when: {after: 5m}, to: end}`",
        );
    }
    let instant = |when: &When| matches!(when, When::After(span) if span.0 < SHORTEST);
    for (n, leave) in phase.leave.iter().enumerate() {
        if instant(&leave.when) {
            found.add(
                path.key("leave").item(n).key("when").key("after"),
                "a phase shorter than a second of the story is none",
                "write a duration such as `5m`, or leave the phase out",
            );
        }
    }
    if phase.at_most.is_some_and(|span| span.0.is_zero()) {
        found.add(
            path.key("at_most"),
            "with no time at all the drill ends here",
            "write a duration such as `2h`",
        );
    }
}

fn unique(profile: &Profile, found: &mut Findings) {
    let mut seen = BTreeSet::new();
    for (i, phase) in profile.phases.iter().enumerate() {
        if !seen.insert(&phase.name) {
            found.add(
                Path::of(["phases"]).item(i).key("name"),
                format!("there already is a phase `{}`", phase.name),
                "give this one another name",
            );
        }
    }
}

fn reachable(profile: &Profile, found: &mut Findings) {
    let ways: BTreeMap<&str, Vec<&str>> = profile
        .phases
        .iter()
        .map(|phase| {
            (
                phase.name.as_str(),
                phase.leave.iter().map(|l| l.to.as_str()).collect(),
            )
        })
        .collect();
    let met = closure(&profile.phases[0].name, &ways);
    for (i, phase) in profile.phases.iter().enumerate() {
        if !met.contains(phase.name.as_str()) {
            found.add(
                Path::of(["phases"]).item(i),
                format!("nothing leads to phase `{}`", phase.name),
                "let another phase leave to it, or leave it out",
            );
        }
    }
}

fn ending(profile: &Profile, found: &mut Findings) {
    let mut back: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for phase in &profile.phases {
        for leave in &phase.leave {
            back.entry(&leave.to).or_default().push(&phase.name);
        }
    }
    let met = closure(END, &back);
    for (i, phase) in profile.phases.iter().enumerate() {
        if !met.contains(phase.name.as_str()) && !phase.leave.is_empty() {
            found.add(
                Path::of(["phases"]).item(i).key("leave"),
                format!("no way leads from phase `{}` to the end", phase.name),
                "add a way out to a phase that ends, or to `end`",
            );
        }
    }
}

/// Everything that can be reached from a place, the place included.
fn closure<'a>(from: &'a str, ways: &BTreeMap<&'a str, Vec<&'a str>>) -> BTreeSet<&'a str> {
    let mut met = BTreeSet::from([from]);
    let mut open = vec![from];
    while let Some(place) = open.pop() {
        for next in ways.get(place).into_iter().flatten() {
            if met.insert(next) {
                open.push(next);
            }
        }
    }
    met
}
