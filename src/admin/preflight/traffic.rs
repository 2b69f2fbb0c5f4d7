//! The steady state: users are served, and backends are well. Whoever breaks what is broken already learns nothing.

use std::{collections::BTreeMap, time::Duration};

use super::{Line, Plan, Point};
use crate::{
    admin::{BackendStatus, Health, clusters},
    drill::facts::{Counts, Traffic},
};

/// How long traffic is watched: long enough for a few requests of a quiet service, and short for who waits.
const WATCHED: Duration = Duration::from_secs(3);

/// Service below this is no steady state.
const STEADY: f64 = 0.99;

/// What was counted, in total or since.
pub(super) struct Seen {
    /// What users saw, by class.
    traffic: Traffic,
    /// What each backend was sent, by `cluster/backend`.
    pub(super) backends: BTreeMap<String, u64>,
}

impl Seen {
    fn now(plan: &Plan<'_>) -> Self {
        let methods = &plan.desk.metrics.methods;
        let class = |(name, places): (String, Vec<usize>)| {
            let counts = places.into_iter().map(|place| Counts::of(&methods[place]));
            (name, counts.fold(Counts::default(), |sum, one| sum.plus(&one)))
        };
        let backends = clusters::all(plan.desk)
            .into_iter()
            .flat_map(|cluster| cluster.backends);
        Self {
            traffic: Traffic(plan.profile.classes().into_iter().map(class).collect()),
            backends: backends.map(|one| (place(&one), one.exchanges)).collect(),
        }
    }

    fn since(self, before: &Self) -> Self {
        let grown = |(place, sent): (String, u64)| {
            let earlier = before.backends.get(&place).copied().unwrap_or_default();
            (place, sent.saturating_sub(earlier))
        };
        Self {
            traffic: self.traffic.since(&before.traffic),
            backends: self.backends.into_iter().map(grown).collect(),
        }
    }
}

fn place(backend: &BackendStatus) -> String {
    format!("{}/{}", backend.cluster, backend.name)
}

/// Watches traffic for a while.
pub(super) async fn watch(plan: &Plan<'_>) -> Seen {
    let before = Seen::now(plan);
    tokio::time::sleep(WATCHED).await;
    Seen::now(plan).since(&before)
}

/// Whether users are served as they should be.
pub(super) fn traffic(seen: &Seen) -> Line {
    let classes = &seen.traffic.0;
    let told = classes
        .iter()
        .map(|(class, counts)| match counts.admitted_ok_share() {
            Some(share) => format!(
                "{:.1}% of {} requests of `{class}` succeed",
                share * 100.0,
                counts.admitted()
            ),
            None => format!("nobody asks for `{class}`"),
        });
    let says = format!(
        "{} (in {}s)",
        told.collect::<Vec<_>>().join(", "),
        WATCHED.as_secs()
    );
    let shares: Vec<_> = classes.values().map(Counts::admitted_ok_share).collect();
    if shares.iter().flatten().any(|share| *share < STEADY) {
        let next =
            "mend the service first: `chaosproxy status` shows its backends, the access log each answer";
        return Line::failed(Point::Traffic, says, next);
    }
    if shares.iter().any(Option::is_none) {
        let next = "let users or a load generator in: checks without requests are not evaluated. The built-in visitors come with \
                    the drill";
        return Line::warning(Point::Traffic, says, next);
    }
    Line::ok(Point::Traffic, says)
}

/// Whether backends are well.
pub(super) fn health(plan: &Plan<'_>) -> Line {
    let mut ill = Vec::new();
    let mut odd = Vec::new();
    let mut count = 0;
    for cluster in clusters::all(plan.desk) {
        if cluster.admitted.get() < 1.0 {
            odd.push(format!("{} admits only {}", cluster.name, cluster.admitted));
        }
        for backend in &cluster.backends {
            count += 1;
            let name = place(backend);
            match backend.health {
                _ if backend.drained => odd.push(format!("{name} is drained")),
                Health::Up => {}
                Health::Down => ill.push(format!("{name} is down ({})", backend.why)),
                Health::Ejected => ill.push(format!("{name} is ejected ({})", backend.why)),
                Health::Unknown => odd.push(format!("{name} {}", backend.why)),
            }
        }
    }
    match (ill.is_empty(), odd.is_empty()) {
        (true, true) => Line::ok(Point::Health, format!("all {count} backends are up")),
        (true, false) => Line::warning(
            Point::Health,
            odd.join("; "),
            "bring it back with `chaosproxy lb enable BACKEND` or `lb admit 100%`, unless the drill is about that",
        ),
        (false, _) => {
            ill.extend(odd);
            Line::failed(
                Point::Health,
                ill.join("; "),
                "mend it first: `chaosproxy status` shows why",
            )
        }
    }
}
