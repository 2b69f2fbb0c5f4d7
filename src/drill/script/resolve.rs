//! The names of a profile, resolved for one run: stand-ins chosen, phases and acts by their places.

use std::{collections::BTreeMap, time::Duration};

use super::{Act, Bindings, Named, Station, Way, When};
use crate::{
    drill::{
        event::Form,
        profile::{self, END, Profile, Sight},
    },
    faults::Entry,
};

/// The faults whose role is not bound, with their stand-ins.
pub(super) fn replaced(profile: &Profile, bindings: &Bindings) -> BTreeMap<String, String> {
    let lost = |name: &String| {
        let role = profile
            .faults
            .get(name)
            .and_then(|fault| fault.r#where.role.as_ref());
        role.is_some_and(|role| !bindings.contains_key(role))
    };
    let pairs = profile.stand_ins.iter().filter(|(real, _)| lost(real));
    pairs
        .map(|(real, stand_in)| (real.clone(), stand_in.clone()))
        .collect()
}

/// Whether the application really fails: where a fault takes away what it needs, and nothing answers in its place. Which form
/// of a profile with stand-ins that is, its bindings say; of any other, whether a fault stands behind an application.
pub(super) fn form(profile: &Profile, bindings: &Bindings, replaced: &BTreeMap<String, String>) -> Form {
    let used = profile.phases.iter().flat_map(|phase| &phase.faults);
    let roles = used.filter_map(|fault| profile.faults.get(fault)?.r#where.role.as_ref());
    let mut bound = roles.filter_map(|role| bindings.get(role));
    match (replaced.is_empty(), profile.stand_ins.is_empty()) {
        (false, _) => Form::Simulated,
        (true, false) => Form::Causal,
        (true, true) if bound.any(|bound| bound.beneath) => Form::Causal,
        (true, true) => Form::Direct,
    }
}

/// The roles of the profile that sessions reach of which a proxy that passes encryption reads no word.
pub(super) fn unread(profile: &Profile, bindings: &Bindings) -> Vec<String> {
    let needed = bindings
        .iter()
        .filter(|(role, bound)| bound.unread && profile.needs.contains_key(*role));
    needed.map(|(role, _)| role.clone()).collect()
}

pub(super) fn station(
    profile: &Profile,
    phase: &profile::Phase,
    pace: f64,
    replaced: &BTreeMap<String, String>,
) -> Station {
    let mut faults: Vec<Named> = Vec::new();
    for name in &phase.faults {
        let name = replaced.get(name).unwrap_or(name);
        let taken = faults.iter().any(|(taken, _)| taken == name);
        if let (false, Some(entry)) = (taken, profile.faults.get(name)) {
            // What a fault does over time belongs to the story; what a client waits for does not.
            let r#do = entry.r#do.compressed(pace);
            faults.push((
                name.clone(),
                Entry {
                    r#do,
                    ..entry.clone()
                },
            ));
        }
    }
    let injects = profile.injects.iter().filter(|inject| inject.phase == phase.name);
    let mut injects: Vec<_> = injects.cloned().collect();
    injects.sort_by_key(|inject| inject.after);
    Station {
        name: phase.name.clone(),
        kind: phase.kind,
        pace,
        faults,
        may_fail: phase.may_fail.clone(),
        ways: phase.leave.iter().map(|leave| way(profile, leave)).collect(),
        at_most: phase.at_most.map(Duration::from),
        injects,
    }
}

fn way(profile: &Profile, leave: &profile::Leave) -> Way {
    let to = profile.phases.iter().position(|phase| phase.name == leave.to);
    debug_assert!(to.is_some() || leave.to == END, "the proof resolves every name");
    let when = match &leave.when {
        profile::When::After(span) => When::After(span.0),
        profile::When::Done(act) => When::Done(index(profile, act)),
        profile::When::Ok(steady) => When::Ok(steady.clone()),
        profile::When::Admitted(over) => When::Admitted(over.clone()),
    };
    Way { when, to }
}

pub(super) fn act(profile: &Profile, name: &str, act: &profile::Act) -> Act {
    let gate = |gate: &profile::Gate| {
        let until = gate.until.iter().map(|act| index(profile, act)).collect();
        (until, gate.refuse.clone())
    };
    Act {
        name: name.to_owned(),
        declare: act.declare,
        seen_by: act.seen_by.clone(),
        rolls_back: act.seen_by.contains(&Sight::RolledBack),
        takes: act.takes.unwrap_or_default().0,
        people: usize::from(act.people.get()),
        gates: act.gates.iter().map(gate).collect(),
    }
}

/// Acts keep the order in which they are written; the proof has resolved every one of them.
fn index(profile: &Profile, act: &str) -> usize {
    profile.acts.names().take_while(|name| *name != act).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drill::script::{Binding, Script, Settings};

    #[test]
    fn what_stands_behind_an_application_makes_it_fail_by_itself() {
        let text = r#"{
            "schema": "chaosproxy.profile/v1", "name": "lost-db", "needs": {"db.source": {}},
            "fault": {"where": {"role": "db.source"}, "do": {"refuse": {}}}, "for": "10s"
        }"#;
        let profile: Profile = serde_json::from_str(text).unwrap();
        let check = |beneath: bool, form: Form| {
            let binding = Binding {
                target: "orders-db".to_owned(),
                backends: 1,
                beneath,
                unread: !beneath,
            };
            let bindings = Bindings::from([("db.source".to_owned(), binding)]);
            let script = Script::new(profile.clone(), &bindings, Settings::default()).unwrap();
            assert_eq!(script.form(), form, "{beneath}");
            assert_eq!(script.started().unread.is_empty(), beneath);
        };
        check(true, Form::Causal);
        check(false, Form::Direct);
    }
}
