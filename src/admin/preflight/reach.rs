//! How far the faults go, before any of them stands.

use std::collections::{BTreeMap, BTreeSet};

use tokio::time::Instant;

use super::{Line, Plan, Point, traffic::Seen};
use crate::{
    admin::Reach,
    config::Document,
    drill::profile::{Phase, Profile},
    faults::{Do, Entry, Fault},
};

/// What the faults of a phase may touch.
struct Touched {
    phase: String,
    /// The share of the exchanges with each backend, by `cluster/backend`.
    backends: BTreeMap<String, f64>,
}

/// How far it goes, and where it is stopped.
pub(super) fn reach(plan: &Plan<'_>, seen: &Seen) -> Line {
    let phases = plan.profile.phases.iter();
    let phases: Vec<_> = phases
        .map(|phase| touched(&plan.document, &plan.profile, phase))
        .collect();
    let limits = &plan.profile.limits;
    let bounds = format!(
        "the drill is stopped beyond {} of requests and after {}, and its faults live {} without it",
        limits.share, limits.max_wall, limits.lease_wall
    );
    let all: BTreeSet<&String> = phases.iter().flat_map(|phase| phase.backends.keys()).collect();
    if all.is_empty() {
        let next =
            "its faults find nothing here: look at `where` in the profile and at `roles` in the document";
        return Line::failed(Point::Reach, "no backend is within reach of any fault", next);
    }
    let named: Vec<&str> = all.iter().map(|place| place.as_str()).collect();
    let shares = phases.iter().map(|phase| (share(phase, seen), &phase.phase));
    let (most, phase) = shares.fold(
        (0.0, &phases[0].phase),
        |best, one| if one.0 > best.0 { one } else { best },
    );
    let how = if seen.backends.values().sum::<u64>() > 0 {
        "as traffic goes now"
    } else {
        "if every backend were asked alike"
    };
    let says = format!(
        "{} of {} backends ({}), at most {:.0}% of exchanges (in `{phase}`, {how}); {bounds}",
        all.len(),
        seen.backends.len(),
        named.join(", "),
        most * 100.0
    );
    match most > limits.share.get() + ROUNDING {
        true => Line::warning(
            Point::Reach,
            says,
            "the drill may be stopped by its own `limits.share`: narrow its faults, or raise the limit in the profile",
        ),
        false => Line::ok(Point::Reach, says),
    }
}

/// Shares that are equal but for rounding are no breach.
const ROUNDING: f64 = 1e-6;

fn touched(document: &Document, profile: &Profile, phase: &Phase) -> Touched {
    let mut spared: BTreeMap<String, f64> = BTreeMap::new();
    for name in &phase.faults {
        let bound = |entry: &&Entry| {
            entry
                .r#where
                .role
                .as_ref()
                .is_none_or(|role| document.roles.has(role))
        };
        let stand_in = || profile.faults.get(profile.stand_ins.get(name)?);
        let Some(entry) = profile.faults.get(name).filter(bound).or_else(stand_in) else {
            continue;
        };
        if matches!(entry.r#do, Do::Health(_)) {
            // What health checks are told touches nobody's request.
            continue;
        }
        let reach = Reach::of(document, &Fault::compile(name, entry, Instant::now()));
        for backend in reach.backends {
            *spared.entry(backend).or_insert(1.0) *= 1.0 - reach.odds.get();
        }
    }
    Touched {
        phase: phase.name.clone(),
        backends: spared
            .into_iter()
            .map(|(place, spared)| (place, 1.0 - spared))
            .collect(),
    }
}

/// The share of all exchanges that a phase may touch.
#[expect(
    clippy::cast_precision_loss,
    reason = "counts of a few seconds are far below 2^53"
)]
fn share(touched: &Touched, seen: &Seen) -> f64 {
    let total: u64 = seen.backends.values().sum();
    let weight = |place: &String| match total {
        0 => 1.0 / seen.backends.len().max(1) as f64,
        total => seen.backends.get(place).copied().unwrap_or_default() as f64 / total as f64,
    };
    touched
        .backends
        .iter()
        .map(|(place, share)| weight(place) * share)
        .sum()
}
