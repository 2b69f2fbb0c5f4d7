//! What standbys would carry when all is well: the load of their whole cluster, as it was before the first fault. A standby
//! idles until it is needed, so nothing else could tell what share of the load it carries.

use std::{collections::BTreeMap, time::Duration};

use tokio::time::Instant;

/// A load that was seen for less than this, or on fewer requests, is an accident and no baseline.
const SEEN_FOR: Duration = Duration::from_secs(1);
const FEWEST: u64 = 20;

/// What a backend was asked so far.
pub(super) struct Asked {
    /// Its cluster.
    pub(super) cluster: String,
    /// Where it stands: `cluster/backend`.
    pub(super) place: String,
    /// Whether it stands by for others.
    pub(super) standby: bool,
    /// Requests and connections that were sent to it.
    pub(super) attempts: u64,
}

/// The load of each standby's cluster, in exchanges per second.
#[derive(Debug)]
pub(super) struct Steady {
    begun: Instant,
    before: BTreeMap<String, u64>,
    rates: Option<BTreeMap<String, f64>>,
}

impl Steady {
    /// Begins to measure.
    pub(super) fn begin(now: Instant, asked: &[Asked]) -> Self {
        Self {
            begun: now,
            before: totals(asked),
            rates: None,
        }
    }

    /// Ends the measuring, because a fault stands from now on, and gives the rate by place. The first end counts.
    pub(super) fn end(&mut self, now: Instant, asked: &[Asked]) -> &BTreeMap<String, f64> {
        let (begun, before) = (self.begun, &self.before);
        self.rates.get_or_insert_with(|| {
            let took = now.saturating_duration_since(begun);
            let totals = totals(asked);
            let rate = |cluster: &str| {
                let earlier = before.get(cluster).copied().unwrap_or_default();
                let seen = totals.get(cluster)?.saturating_sub(earlier);
                #[expect(
                    clippy::cast_precision_loss,
                    reason = "counts of one drill are far below 2^53"
                )]
                (took >= SEEN_FOR && seen >= FEWEST).then(|| seen as f64 / took.as_secs_f64())
            };
            let standbys = asked.iter().filter(|asked| asked.standby);
            standbys
                .filter_map(|asked| Some((asked.place.clone(), rate(&asked.cluster)?)))
                .collect()
        })
    }
}

/// What each cluster was asked so far.
fn totals(asked: &[Asked]) -> BTreeMap<String, u64> {
    let mut totals = BTreeMap::new();
    for asked in asked {
        *totals.entry(asked.cluster.clone()).or_default() += asked.attempts;
    }
    totals
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(counts: [u64; 3]) -> Vec<Asked> {
        let backends = [
            ("app", "a", false),
            ("app", "standby", true),
            ("idle", "spare", true),
        ];
        let asked = backends.into_iter().zip(counts);
        asked
            .map(|((cluster, name, standby), attempts)| Asked {
                cluster: cluster.into(),
                place: format!("{cluster}/{name}"),
                standby,
                attempts,
            })
            .collect()
    }

    #[tokio::test(start_paused = true)]
    async fn a_standby_would_carry_what_its_cluster_did() {
        let now = Instant::now();
        let mut steady = Steady::begin(now, &asked([100, 3, 7]));
        let later = now + Duration::from_secs(4);
        let rates = steady.end(later, &asked([300, 3, 8])).clone();
        assert_eq!(
            rates,
            [("app/standby".to_owned(), 50.0)].into(),
            "too few asked `idle`"
        );
        let again = steady.end(later + Duration::from_secs(9), &asked([900, 800, 700]));
        assert_eq!(*again, rates, "what comes with faults is no baseline");
    }

    #[tokio::test(start_paused = true)]
    async fn a_moment_is_no_baseline() {
        let now = Instant::now();
        let mut steady = Steady::begin(now, &asked([0, 0, 0]));
        assert!(steady.end(now + SEEN_FOR / 2, &asked([900, 0, 900])).is_empty());
    }
}
