//! The document binds what the profile needs, and lets its faults in.

use std::collections::BTreeSet;

use super::{Line, Plan, Point};
use crate::{
    admin::{Start, bindings},
    config::{self, Path},
    drill::{Autopilot, Bindings, Script, Settings, Unfit},
};

/// Whether every role stands for something; and the drill made ready, if it can be.
pub(super) fn roles(plan: &Plan<'_>, drill: &Start) -> (Option<Script>, Line) {
    let bound = bindings(&plan.document);
    let settings = Settings {
        mode: drill.mode,
        compression: drill.wait,
        seed: drill.seed.unwrap_or_default(),
        blind: plan.blind.then(|| drill.seed.unwrap_or_default()),
        max_wall: drill.max_wall,
    };
    let script =
        Script::new(plan.profile.clone(), &bound, settings).and_then(|script| match &drill.runbook {
            Some(runbook) => script.flown_by(&Autopilot::Runbook(runbook.clone())),
            None => Ok(script),
        });
    match script {
        Ok(script) => {
            let line = admitted(plan, told(plan, &bound));
            (Some(script), line)
        }
        Err(unfit) => {
            let says: Vec<_> = unfit.iter().map(Unfit::to_string).collect();
            let next = match unfit
                .iter()
                .any(|one| matches!(one, Unfit::Unbound(_) | Unfit::TooFew { .. }))
            {
                true => "bind it in the document and reload: `chaosproxy config apply FILE`",
                false => "`chaosproxy check FILE` tells what is wrong with a profile",
            };
            (None, Line::failed(Point::Roles, says.join("; "), next))
        }
    }
}

/// What each role is.
fn told(plan: &Plan<'_>, bound: &Bindings) -> String {
    let role = |role: &String| match bound.get(role) {
        Some(binding) => format!("{role} is {}", binding.target),
        None => format!("{role} is not bound, so {}", stand_ins(plan, role)),
    };
    let says: Vec<_> = plan.profile.needs.keys().map(role).collect();
    match says.is_empty() {
        true => "it needs none".to_owned(),
        false => says.join("; "),
    }
}

/// What stands in for the faults of a role that is not bound.
fn stand_ins(plan: &Plan<'_>, role: &str) -> String {
    let plays = |name: &str| {
        let fault = plan.profile.faults.get(name);
        fault.is_some_and(|fault| fault.r#where.role.as_deref() == Some(role))
    };
    let pairs = plan.profile.stand_ins.iter().filter(|(real, _)| plays(real));
    let pairs: Vec<_> = pairs
        .map(|(real, stand_in)| format!("`{stand_in}` stands in for `{real}`"))
        .collect();
    match pairs.is_empty() {
        true => "it is left out".to_owned(),
        false => pairs.join(", "),
    }
}

/// A fault that the document does not let in would end the drill in its middle.
fn admitted(plan: &Plan<'_>, says: String) -> Line {
    let mut barred = BTreeSet::new();
    for (name, entry) in plan.profile.faults.iter() {
        let optional = |role: &String| !plan.document.roles.has(role);
        if entry.r#where.role.as_ref().is_some_and(optional) {
            // Its stand-in takes its place.
            continue;
        }
        let found = config::check_fault(&plan.document, &Path::of(["faults", name]), entry);
        barred.extend(found.into_iter().map(|finding| (finding.what, finding.mend)));
    }
    if barred.is_empty() {
        return Line::ok(Point::Roles, says);
    }
    let (whats, mends): (Vec<_>, BTreeSet<_>) = barred.into_iter().unzip();
    let mends: Vec<_> = mends.into_iter().collect();
    Line::failed(
        Point::Roles,
        format!("{says}; but {}", whats.join("; ")),
        mends.join("; "),
    )
}
