//! What happened between two looks at the proxy.

use std::time::Duration;

use serde::Serialize;

use crate::admin::{BackendStatus, ClusterStatus, Status, Took};

/// What happened lately.
#[derive(Debug, PartialEq, Serialize)]
pub(super) struct Rates {
    /// Over how many seconds.
    pub(super) seconds: f64,
    /// By cluster, in the order of the document.
    pub(super) clusters: Vec<ClusterRate>,
    /// By fault, in the order tried.
    pub(super) faults: Vec<FaultRate>,
}

/// What a cluster did.
#[derive(Debug, PartialEq, Serialize)]
pub(super) struct ClusterRate {
    pub(super) name: String,
    /// Exchanges that ended in a second, retries not counted.
    pub(super) rate: f64,
    /// Half of them took at most so long.
    pub(super) p50_ms: Option<f64>,
    /// 99% of them did.
    pub(super) p99_ms: Option<f64>,
    pub(super) backends: Vec<BackendRate>,
}

/// What a backend did.
#[derive(Debug, PartialEq, Serialize)]
pub(super) struct BackendRate {
    pub(super) name: String,
    /// Exchanges that it was sent in a second.
    pub(super) rate: f64,
    /// The share that succeeded; nothing where nothing was sent.
    pub(super) success: Option<f64>,
}

/// What a fault did.
#[derive(Debug, PartialEq, Serialize)]
pub(super) struct FaultRate {
    pub(super) name: String,
    /// Exchanges that it touched in a second.
    pub(super) rate: f64,
}

impl Rates {
    /// What happened between two looks. What is new since the first has all its numbers from now on.
    pub(super) fn between(before: &Status, now: &Status, took: Duration) -> Self {
        let seconds = took.as_secs_f64().max(f64::MIN_POSITIVE);
        let cluster = |cluster: &ClusterStatus| {
            let earlier = before.clusters.iter().find(|one| one.name == cluster.name);
            of_cluster(earlier, cluster, seconds)
        };
        let faults = now.faults.iter().flatten().map(|fault| {
            let earlier = before.faults.iter().flatten().find(|one| one.name == fault.name);
            FaultRate {
                name: fault.name.clone(),
                rate: since(fault.hits, earlier.map(|one| one.hits)) / seconds,
            }
        });
        Self {
            seconds,
            clusters: now.clusters.iter().map(cluster).collect(),
            faults: faults.collect(),
        }
    }
}

fn of_cluster(before: Option<&ClusterStatus>, now: &ClusterStatus, seconds: f64) -> ClusterRate {
    let backend = |backend: &BackendStatus| {
        let earlier = before.and_then(|one| one.backends.iter().find(|other| other.name == backend.name));
        let sent = since(backend.exchanges, earlier.map(|one| one.exchanges));
        let failed = since(backend.failed, earlier.map(|one| one.failed));
        BackendRate {
            name: backend.name.clone(),
            rate: sent / seconds,
            success: (sent > 0.0).then(|| (1.0 - failed / sent).max(0.0)),
        }
    };
    let took = lately(before.map_or(&[], |one| one.took.as_slice()), &now.took);
    let ended: f64 = took.iter().map(|(_, count)| count).sum();
    ClusterRate {
        name: now.name.clone(),
        rate: ended / seconds,
        p50_ms: within(&took, 0.5),
        p99_ms: within(&took, 0.99),
        backends: now.backends.iter().map(backend).collect(),
    }
}

/// How often each time was taken since; what took longer than the longest time that is told apart took for ever.
fn lately(before: &[Took], now: &[Took]) -> Vec<(f64, f64)> {
    let step = |took: &Took| {
        let earlier = before.iter().find(|one| one.at_most_ms == took.at_most_ms);
        let count = since(took.count, Some(earlier.map_or(0, |one| one.count)));
        (took.at_most_ms.unwrap_or(f64::INFINITY), count)
    };
    now.iter().map(step).collect()
}

/// The time within which a share of them ended; nothing of nothing.
fn within(took: &[(f64, f64)], share: f64) -> Option<f64> {
    let all: f64 = took.iter().map(|(_, count)| count).sum();
    let mut ended = 0.0;
    let step = took.iter().find(|(_, count)| {
        ended += count;
        ended >= all * share && ended > 0.0
    });
    step.map(|(at_most, _)| *at_most)
}

/// By how much a total has grown. One that has shrunk belongs to something that began anew.
#[expect(
    clippy::cast_precision_loss,
    reason = "what happens in a second is far below 2^53"
)]
fn since(now: u64, before: Option<u64>) -> f64 {
    match before {
        Some(before) => now.saturating_sub(before) as f64,
        None => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_ends_within_the_first_step_that_holds_it() {
        let took = [(1.0, 98.0), (10.0, 1.0), (100.0, 1.0)];
        assert_eq!((within(&took, 0.5), within(&took, 0.99)), (Some(1.0), Some(10.0)));
        assert_eq!(within(&took, 1.0), Some(100.0));
        assert_eq!((within(&[], 0.5), within(&[(1.0, 0.0)], 0.5)), (None, None));
    }

    #[test]
    fn only_what_came_since_counts() {
        let took = |at_most_ms, count| Took { at_most_ms, count };
        let before = [took(Some(1.0), 7)];
        let now = [took(Some(1.0), 9), took(None, 1)];
        assert_eq!(lately(&before, &now), [(1.0, 2.0), (f64::INFINITY, 1.0)]);
        assert_eq!((since(5, Some(9)), since(5, None)), (0.0, 0.0));
    }
}
