//! Every name that a profile uses must be known in it.

use super::Findings;
use crate::{
    config::Path,
    drill::profile::{ALL, END, Moment, Objective, Profile, Sight, Target, When},
};

/// What kind of thing a name stands for.
#[derive(Clone, Copy)]
enum Sort {
    Act,
    Class,
    Fault,
    Phase,
    Role,
}

/// A use of a name: where, what for, and the name.
type Use<'a> = (Path, Sort, &'a str);

pub(super) fn prove(profile: &Profile, found: &mut Findings) {
    let mut uses = Vec::new();
    in_traffic_and_faults(profile, &mut uses);
    in_phases(profile, &mut uses);
    in_acts(profile, &mut uses);
    in_checks(profile, &mut uses);
    in_objectives(profile, &mut uses);
    in_variation(profile, &mut uses);
    for (path, sort, name) in uses {
        let known = sort.known(profile);
        if known.contains(&name) {
            continue;
        }
        let noun = sort.noun();
        let mend = match known.is_empty() {
            true => format!("this profile has none; add it to `{}`", sort.home()),
            false => format!("known are: {}", known.join(", ")),
        };
        found.add(path, format!("there is no {noun} `{name}`"), mend);
    }
    unused(profile, found);
}

impl Sort {
    const fn noun(self) -> &'static str {
        match self {
            Self::Act => "act",
            Self::Class => "traffic class",
            Self::Fault => "fault",
            Self::Phase => "phase",
            Self::Role => "role",
        }
    }

    const fn home(self) -> &'static str {
        match self {
            Self::Act => "acts",
            Self::Class => "traffic",
            Self::Fault => "faults",
            Self::Phase => "phases",
            Self::Role => "needs",
        }
    }

    fn known(self, profile: &Profile) -> Vec<&str> {
        match self {
            Self::Act => profile.acts.names().collect(),
            Self::Class => profile.traffic.names().chain([ALL]).collect(),
            Self::Fault => profile.faults.names().collect(),
            Self::Phase => profile.phases.iter().map(|p| p.name.as_str()).collect(),
            Self::Role => profile.needs.keys().map(String::as_str).collect(),
        }
    }
}

fn in_variation<'a>(profile: &'a Profile, uses: &mut Vec<Use<'a>>) {
    let path = Path::of(["vary"]);
    for (i, (one, other)) in profile.vary.swap.iter().enumerate() {
        let path = path.key("swap").item(i);
        uses.push((path.item(0), Sort::Role, one));
        uses.push((path.item(1), Sort::Role, other));
    }
    let odds = profile.vary.odds.keys();
    uses.extend(odds.map(|name| (path.key("odds").key(name), Sort::Fault, name.as_str())));
}

fn in_traffic_and_faults<'a>(profile: &'a Profile, uses: &mut Vec<Use<'a>>) {
    for (name, class) in profile.traffic.iter() {
        let path = Path::of(["traffic", name]);
        let split = class.split.keys().map(|role| (path.key("split").key(role), role));
        let pin = class.pin.iter().map(|role| (path.key("pin"), role));
        uses.extend(
            pin.chain(split)
                .map(|(path, role)| (path, Sort::Role, role.as_str())),
        );
    }
    for (name, fault) in profile.faults.iter() {
        let path = Path::of(["faults", name, "where", "role"]);
        uses.extend(
            fault
                .r#where
                .role
                .iter()
                .map(|role| (path.clone(), Sort::Role, role.as_str())),
        );
    }
    for (real, stand_in) in &profile.stand_ins {
        let path = Path::of(["stand_ins", real]);
        uses.push((path.clone(), Sort::Fault, real));
        uses.push((path, Sort::Fault, stand_in));
    }
    for class in profile.yardstick.ok.keys() {
        uses.push((Path::of(["yardstick", "ok", class]), Sort::Class, class));
    }
}

fn in_phases<'a>(profile: &'a Profile, uses: &mut Vec<Use<'a>>) {
    for (i, phase) in profile.phases.iter().enumerate() {
        let path = Path::of(["phases"]).item(i);
        for (n, fault) in phase.faults.iter().enumerate() {
            uses.push((path.key("faults").item(n), Sort::Fault, fault));
        }
        for class in phase.may_fail.keys() {
            uses.push((path.key("may_fail").key(class), Sort::Class, class));
        }
        for (n, leave) in phase.leave.iter().enumerate() {
            let path = path.key("leave").item(n);
            if leave.to != END {
                uses.push((path.key("to"), Sort::Phase, &leave.to));
            }
            let when = path.key("when");
            match &leave.when {
                When::After(_) => {}
                When::Done(act) => uses.push((when.key("done"), Sort::Act, act)),
                When::Admitted(over) => uses.push((when.key("admitted").key("role"), Sort::Role, &over.role)),
                When::Ok(steady) => uses.extend(class_of(&when.key("ok"), steady.class.as_deref())),
            }
        }
    }
    for (i, inject) in profile.injects.iter().enumerate() {
        uses.push((
            Path::of(["injects"]).item(i).key("in"),
            Sort::Phase,
            &inject.phase,
        ));
    }
}

fn in_acts<'a>(profile: &'a Profile, uses: &mut Vec<Use<'a>>) {
    for (name, act) in profile.acts.iter() {
        let path = Path::of(["acts", name]);
        for (i, sight) in act.seen_by.iter().enumerate() {
            let path = path.key("seen_by").item(i);
            let (path, role) = match sight {
                Sight::Drained(role) => (path.key("drained"), role),
                Sight::Restarted(role) => (path.key("restarted"), role),
                Sight::RestartedAtOnce(role) => (path.key("restarted_at_once"), role),
                Sight::RestartedInTurn(role) => (path.key("restarted_in_turn"), role),
                Sight::Admitted(admission) => (path.key("admitted").key("role"), &admission.role),
                Sight::Header(header) => (path.key("header").key("role"), &header.role),
                Sight::MonitorsFell | Sight::RolledBack | Sight::Signal(_) => continue,
            };
            uses.push((path, Sort::Role, role));
        }
        for (i, gate) in act.gates.iter().enumerate() {
            let path = path.key("gates").item(i).key("until");
            let acts = gate.until.iter().enumerate();
            uses.extend(acts.map(|(n, act)| (path.item(n), Sort::Act, act.as_str())));
        }
    }
}

fn in_checks<'a>(profile: &'a Profile, uses: &mut Vec<Use<'a>>) {
    let kinds = [
        ("fidelity", &profile.checks.fidelity),
        ("team", &profile.checks.team),
    ];
    for (kind, checks) in kinds {
        for (i, check) in checks.iter().enumerate() {
            let path = Path::of(["checks", kind]).item(i);
            uses.push((path.key("in"), Sort::Phase, &check.phase));
            let that = path.key("that");
            match &check.that {
                Target::Ok { class, .. } => uses.extend(class_of(&that.key("ok"), class.as_deref())),
                Target::Status { .. } => {}
                Target::Hits(fault) => uses.push((that.key("hits"), Sort::Fault, fault)),
            }
        }
    }
}

fn in_objectives<'a>(profile: &'a Profile, uses: &mut Vec<Use<'a>>) {
    for (name, objective) in profile.objectives.iter() {
        let path = Path::of(["objectives", name]);
        match objective {
            Objective::Never(act) => uses.push((path.key("never"), Sort::Act, act)),
            Objective::Avoid(phase) => uses.push((path.key("avoid"), Sort::Phase, phase)),
            Objective::Time(interval) => {
                let path = path.key("time");
                uses.extend(in_moment(&path.key("from"), &interval.from));
                uses.extend(in_moment(&path.key("to"), &interval.to));
            }
        }
    }
}

fn in_moment<'a>(path: &Path, moment: &'a Moment) -> Option<Use<'a>> {
    match moment {
        Moment::Phase(phase) => Some((path.key("phase"), Sort::Phase, phase)),
        Moment::Tried(act) => Some((path.key("tried"), Sort::Act, act)),
        Moment::Refused(act) => Some((path.key("refused"), Sort::Act, act)),
        Moment::Done(act) => Some((path.key("done"), Sort::Act, act)),
        Moment::Ok(steady) => class_of(&path.key("ok"), steady.class.as_deref()),
        Moment::Signal(_) => None,
    }
}

fn class_of<'a>(path: &Path, class: Option<&'a str>) -> Option<Use<'a>> {
    class.map(|class| (path.key("class"), Sort::Class, class))
}

/// A fault that no phase and no stand-in uses is a slip of the pen; so is one that would silently be left out.
fn unused(profile: &Profile, found: &mut Findings) {
    let active = |name: &str| {
        profile
            .phases
            .iter()
            .any(|phase| phase.faults.iter().any(|fault| fault == name))
    };
    for (name, fault) in profile.faults.iter() {
        let stands_in = profile.stand_ins.values().any(|stand_in| stand_in == name);
        if !active(name) && !stands_in {
            found.add(
                Path::of(["faults", name]),
                format!("fault `{name}` is never active"),
                "name it in a phase, or leave it out",
            );
        }
        let optional = |role: &String| profile.needs.get(role).is_some_and(|need| need.optional);
        if fault.r#where.role.as_ref().is_some_and(optional) && !profile.stand_ins.contains_key(name) {
            found.add(
                Path::of(["faults", name, "where", "role"]),
                "the role is optional, and without it this fault would do nothing",
                format!("add `stand_ins: {{{name}: ...}}` or make the role required"),
            );
        }
    }
}
