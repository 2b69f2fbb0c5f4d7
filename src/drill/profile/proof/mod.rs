//! Proves that a profile can be run: every name is known, every phase can be reached and left, the end is reached from
//! everywhere, no act waits for itself, and the original's acts agree with the gates. All findings at once.

mod acts;
mod names;
mod phases;

use super::{Check, Profile, Target};
use crate::{
    config::{Path, check_settings},
    units::Probability,
};

/// Something that is wrong with a profile, by the path of the value that is to be mended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Which value.
    pub path: Path,
    /// What is wrong, in one line.
    pub what: String,
    /// How to mend it, in one line.
    pub mend: String,
}

/// What is found, in the order in which it is looked for.
#[derive(Default)]
struct Findings(Vec<Finding>);

impl Findings {
    fn add(&mut self, path: Path, what: impl Into<String>, mend: impl Into<String>) {
        self.0.push(Finding {
            path,
            what: what.into(),
            mend: mend.into(),
        });
    }
}

/// Everything that keeps a profile from being run; nothing when it can be.
pub fn prove(profile: &Profile) -> Vec<Finding> {
    let mut found = Findings::default();
    name(profile, &mut found);
    short_form(profile, &mut found);
    if !found.0.is_empty() {
        return found.0;
    }
    let long = profile.clone().expand();
    names::prove(&long, &mut found);
    phases::prove(&long, &mut found);
    acts::prove(&long, &mut found);
    traffic(&long, &mut found);
    faults(profile, &mut found);
    yardstick(&long, &mut found);
    checks(&long, &mut found);
    limits(&long, &mut found);
    variation(&long, &mut found);
    found.0
}

/// A longer name makes no folder.
const LONGEST_NAME: usize = 64;

/// Reports stand in a folder that bears the name.
fn name(profile: &Profile, found: &mut Findings) {
    let name = &profile.name;
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if name.is_empty() || name.len() > LONGEST_NAME || name.starts_with('.') || !name.chars().all(plain) {
        found.add(
            Path::of(["name"]),
            format!("`{name}` cannot be the name of a folder, and reports need one"),
            format!("use letters, digits, `-` and `_`, as in `our-outage`, {LONGEST_NAME} at most"),
        );
    }
}

fn short_form(profile: &Profile, found: &mut Findings) {
    match (&profile.fault, &profile.lasts) {
        (Some(_), _) if !profile.phases.is_empty() => found.add(
            Path::of(["fault"]),
            "a profile is written in the short form or in the long one, not in both",
            "move this fault to `faults` and name it in a phase, or leave out `phases`",
        ),
        (None, Some(_)) => found.add(
            Path::of(["for"]),
            "`for` belongs to the short form, which has one `fault`",
            "leave it out, or write `fault` in place of `phases`",
        ),
        (None, None) if profile.phases.is_empty() => found.add(
            Path::default(),
            "the profile has neither `phases` nor a `fault`",
            "write `fault: {where: {cluster: app}, do: {latency: {add: 300ms}}}` and `for: 10m`",
        ),
        _ => {}
    }
}

/// Faults that can do nothing, whatever the document.
fn faults(profile: &Profile, found: &mut Findings) {
    let named = profile.faults.iter();
    let named = named.map(|(name, entry)| (Path::of(["faults", name]), entry));
    let short = profile.fault.iter().map(|entry| (Path::of(["fault"]), entry));
    for (path, entry) in named.chain(short) {
        for finding in check_settings(&path, entry) {
            found.add(finding.path, finding.what, finding.mend);
        }
    }
}

fn variation(profile: &Profile, found: &mut Findings) {
    let path = Path::of(["vary"]);
    for (i, (one, other)) in profile.vary.swap.iter().enumerate() {
        let [a, b] = [one, other].map(|role| profile.needs.get(role));
        if a != b || a.is_some_and(|need| need.optional) {
            found.add(
                path.key("swap").item(i),
                format!("`{one}` and `{other}` do not need the same, so neither can be the other"),
                "swap roles that are written the same in `needs`, and that are not optional",
            );
        }
    }
    for (name, (least, greatest)) in &profile.vary.odds {
        if least > greatest {
            found.add(
                path.key("odds").key(name),
                format!("{least} is more than {greatest}"),
                "write the least first, as in [20%, 35%]",
            );
        }
    }
}

fn traffic(profile: &Profile, found: &mut Findings) {
    let mut taken = std::collections::BTreeMap::new();
    for (name, class) in profile.traffic.iter() {
        let path = Path::of(["traffic", name]);
        for (i, method) in class.methods.iter().enumerate() {
            if let Some(other) = taken.insert(method.clone(), name) {
                found.add(
                    path.key("methods").item(i),
                    format!("`{method}` already belongs to `{other}`"),
                    "name each method in one class",
                );
            }
        }
        if class.pin.is_some() && !class.split.is_empty() {
            found.add(
                path.key("pin"),
                "a class is pinned or split, not both",
                "leave one of them out",
            );
        }
        let sum: f64 = class.split.values().map(|share| share.get()).sum();
        if !class.split.is_empty() && (sum - 1.0).abs() > 1e-6 {
            found.add(
                path.key("split"),
                format!("the shares add up to {:.0}%", sum * 100.0),
                "make them add up to 100%",
            );
        }
    }
}

fn yardstick(profile: &Profile, found: &mut Findings) {
    for (class, curve) in &profile.yardstick.ok {
        let path = Path::of(["yardstick", "ok", class]);
        if curve.0.is_empty() {
            found.add(
                path.clone(),
                "a curve needs a point",
                "write it as `[[+0m, 100%], [+4m, 50%]]`",
            );
        }
        for (i, pair) in curve.0.windows(2).enumerate() {
            if pair[1].0 < pair[0].0 {
                found.add(
                    path.item(i + 1),
                    format!("{} comes after {}", pair[1].0, pair[0].0),
                    "write the points in the order of time",
                );
            }
        }
    }
}

fn checks(profile: &Profile, found: &mut Findings) {
    let checks = &profile.checks;
    let always = |check: &Check| !check.if_entered;
    if !checks.fidelity.iter().chain(&checks.team).any(always) {
        found.add(
            Path::of(["checks"]),
            "nothing is asked of every run: a drill that did nothing would pass",
            "add a fidelity check such as `{in: outage, that: {ok: {max: 50%}}}`",
        );
    }
    let kinds = [("fidelity", &checks.fidelity), ("team", &checks.team)];
    for (kind, list) in kinds {
        for (i, check) in list.iter().enumerate() {
            bounds(check, &Path::of(["checks", kind]).item(i).key("that"), found);
        }
    }
}

fn bounds(check: &Check, path: &Path, found: &mut Findings) {
    let (key, min, max) = match &check.that {
        Target::Ok { min, max, .. } => ("ok", min, max),
        Target::Status { of, min, max } => {
            if of.is_empty() || of.iter().any(|status| !(400..600).contains(status)) {
                found.add(
                    path.key("status").key("of"),
                    "only answers from 400 to 599 are counted by their status",
                    "write them as in `of: [404, 500]`",
                );
            }
            ("status", min, max)
        }
        Target::Hits(_) => return,
    };
    let apart = |(min, max): (&Probability, &Probability)| min.get() > max.get();
    if min.is_none() && max.is_none() {
        found.add(
            path.key(key),
            "without a bound this holds whatever happens",
            "add `min` or `max`",
        );
    } else if min.as_ref().zip(max.as_ref()).is_some_and(apart) {
        found.add(
            path.key(key).key("min"),
            "`min` is greater than `max`: this never holds",
            "exchange them",
        );
    }
}

fn limits(profile: &Profile, found: &mut Findings) {
    let limits = &profile.limits;
    let spans = [("max_wall", limits.max_wall), ("lease_wall", limits.lease_wall)];
    for (name, span) in spans {
        if span.0.is_zero() {
            found.add(
                Path::of(["limits", name]),
                "with no time at all the drill ends before it begins",
                "write a duration such as `10s` or `2h`",
            );
        }
    }
}

#[cfg(test)]
mod tests;
