//! How one backend is chosen among those that may be: the catalogue of policies, one file each.
//!
//! A policy chooses among the candidates of a [`Field`]; who is one is decided before. To add a policy: its file, and a
//! line in `Policy`, `compile` and `choose`.

mod hash;
mod least_request;
mod random;
mod round_robin;

use std::sync::Arc;

use self::{hash::Hash, round_robin::RoundRobin};
use super::{
    backend::Backend,
    field::{Choice, Field, Tiers},
    settings::Balance,
};
use crate::route::Facts;

/// A compiled policy.
#[derive(Debug)]
pub(super) enum Policy {
    RoundRobin(RoundRobin),
    LeastRequest,
    Random,
    Hash(Hash),
}

impl Policy {
    pub(super) fn compile(balance: &Balance, backends: &[Arc<Backend>], tiers: &Tiers) -> Self {
        match balance {
            Balance::RoundRobin => Self::RoundRobin(RoundRobin::new(backends, tiers)),
            Balance::LeastRequest => Self::LeastRequest,
            Balance::Random => Self::Random,
            Balance::Hash { on } => Self::Hash(Hash::new(on, backends)),
        }
    }

    /// Chooses a candidate.
    pub(super) fn choose(&self, field: &Field<'_>, choice: &mut Choice<'_>) -> usize {
        match self {
            Self::RoundRobin(policy) => policy.choose(field, choice.turn, choice.stream),
            Self::LeastRequest => least_request::choose(field, choice.stream),
            Self::Random => random::choose(field, choice.stream),
            Self::Hash(policy) => policy.choose(field, choice.hash, choice.stream),
        }
    }

    /// The key of an exchange, for a policy that goes by one.
    pub(super) fn hash_key(&self, facts: &Facts<'_>) -> Option<u64> {
        match self {
            Self::Hash(policy) => policy.key(facts),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, time::Duration};

    use proptest::{prelude::*, sample::subsequence};
    use serde_json::{Value, json};
    use tokio::time::Instant;

    use super::super::{Choice, Cluster, Condition};
    use crate::units::{Dice, Probability, Span};

    fn policies() -> [Value; 4] {
        [
            json!("round_robin"),
            json!("least_request"),
            json!("random"),
            json!({"hash": {"on": "client"}}),
        ]
    }

    /// A cluster without panic, as the threshold has tests of its own.
    fn cluster(policy: &Value, weights: &[u32], now: Instant) -> Cluster {
        let backend =
            |(n, weight): (usize, &u32)| json!({"address": format!("10.0.0.{n}:80"), "weight": weight});
        let backends: Vec<_> = weights.iter().enumerate().map(backend).collect();
        let settings = json!({"balance": policy, "backends": backends, "panic_threshold": "0%"});
        Cluster::compile("app", &serde_json::from_value(settings).unwrap(), None, now)
    }

    /// The choice for an exchange; its number stands for its key too.
    fn pick(cluster: &Cluster, now: Instant, exchange: u64, tried: &[usize]) -> Option<usize> {
        let mut choice = Choice {
            now,
            turn: exchange,
            hash: Some(Dice::new(7).stream(exchange, 0).bits()),
            tried,
            stream: &mut Dice::new(5).stream(exchange, 1),
        };
        cluster.pick(&mut choice).ok()
    }

    fn shares(cluster: &Cluster, now: Instant, exchanges: u64) -> BTreeMap<usize, f64> {
        let mut shares = BTreeMap::new();
        for exchange in 0..exchanges {
            *shares
                .entry(pick(cluster, now, exchange, &[]).unwrap())
                .or_default() += 1.0 / exchanges as f64;
        }
        shares
    }

    /// Asserts that a share lies in the 99.99% binomial band.
    fn assert_near(share: f64, expected: f64, exchanges: f64, what: &str) {
        let sigma = (expected * (1.0 - expected) / exchanges).sqrt();
        assert!(
            (share - expected).abs() <= 3.9 * sigma + 1e-9,
            "{what}: {share} for {expected}"
        );
    }

    #[test]
    fn shares_follow_weights() {
        let now = Instant::now();
        for policy in policies() {
            let cluster = cluster(&policy, &[1, 2, 5, 0], now);
            let shares = shares(&cluster, now, 20_000);
            for (index, expected) in [(0, 0.125), (1, 0.25), (2, 0.625)] {
                assert_near(shares[&index], expected, 20_000.0, &format!("{policy} {index}"));
            }
            assert_eq!(shares.get(&3), None, "{policy}");
        }
    }

    #[test]
    fn the_share_of_one_that_is_out_goes_to_the_others_by_weight() {
        let now = Instant::now();
        for policy in policies() {
            let cluster = cluster(&policy, &[1, 2, 1, 4], now);
            cluster.backends()[3].set_condition(now, Condition::Unhealthy);
            let shares = shares(&cluster, now, 20_000);
            for (index, expected) in [(0, 0.25), (1, 0.5), (2, 0.25)] {
                assert_near(shares[&index], expected, 20_000.0, &format!("{policy} {index}"));
            }
        }
    }

    #[test]
    fn a_weight_set_by_hand_holds_at_once() {
        let now = Instant::now();
        for policy in policies() {
            let cluster = cluster(&policy, &[2, 2], now);
            cluster.backends()[0].set_weight(1.try_into().ok());
            let share = shares(&cluster, now, 20_000)[&0];
            assert_near(share, 1.0 / 3.0, 20_000.0, &policy.to_string());
            cluster.backends()[0].set_weight(0.try_into().ok());
            assert_eq!(shares(&cluster, now, 100).get(&0), None, "{policy}");
        }
    }

    #[test]
    fn a_recovered_backend_begins_small_and_grows_to_its_share() {
        let start = Instant::now();
        for policy in policies() {
            let mut settings = cluster(&policy, &[1, 1], start).settings().clone();
            settings.slow_start = Some(Span::secs(100));
            let cluster = Cluster::compile("app", &settings, None, start);
            assert_near(
                shares(&cluster, start, 10_000)[&0],
                0.5,
                10_000.0,
                "when all begin together",
            );
            let recovered = &cluster.backends()[0];
            recovered.set_condition(start, Condition::Unhealthy);
            recovered.set_condition(start, Condition::Healthy);
            let share = |secs| shares(&cluster, start + Duration::from_secs(secs), 10_000)[&0];
            let (first, half, whole) = (share(1), share(50), share(100));
            assert!(
                first < 0.2 && first < half && half < 0.45,
                "{policy}: {first} {half}"
            );
            assert_near(whole, 0.5, 10_000.0, &policy.to_string());
        }
    }

    #[test]
    fn round_robin_takes_each_in_its_turn() {
        let now = Instant::now();
        let cluster = cluster(&json!("round_robin"), &[1, 1, 1], now);
        let turns: Vec<_> = (0..6)
            .map(|turn| pick(&cluster, now, turn, &[]).unwrap())
            .collect();
        assert_eq!(turns, [0, 1, 2, 0, 1, 2]);
    }

    #[test]
    fn least_request_avoids_the_busy_one_by_weight() {
        let now = Instant::now();
        let cluster = cluster(&json!("least_request"), &[1, 4], now);
        let busy: Vec<_> = (0..3).map(|_| cluster.backends()[1].begin()).collect();
        let free = cluster.backends()[0].begin();
        assert!((0..100).all(|n| pick(&cluster, now, n, &[]) == Some(1)));
        drop(free);
        assert!((0..100).all(|n| pick(&cluster, now, n, &[]) == Some(0)));
        drop(busy);
        assert_eq!(cluster.backends()[1].active(), 0);
    }

    #[test]
    fn an_exchange_without_a_key_is_drawn_by_weight() {
        let now = Instant::now();
        let cluster = cluster(&json!({"hash": {"on": {"header": "x-user"}}}), &[1, 1], now);
        let mut seen = [0; 2];
        for exchange in 0..100 {
            let mut choice = Choice {
                now,
                turn: 0,
                hash: None,
                tried: &[],
                stream: &mut Dice::new(1).stream(exchange, 0),
            };
            seen[cluster.pick(&mut choice).unwrap()] += 1;
        }
        assert!(seen.iter().all(|n| *n > 20), "{seen:?}");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn only_usable_and_untried_backends_are_chosen(
            weights in prop::collection::vec(0..5_u32, 1..80),
            states in prop::collection::vec(0..4_u8, 80),
            tried in subsequence((0..80_usize).collect::<Vec<_>>(), 0..8),
            exchange: u64,
        ) {
            let now = Instant::now();
            for policy in policies() {
                let cluster = cluster(&policy, &weights, now);
                for (backend, state) in cluster.backends().iter().zip(&states) {
                    match state {
                        0 => backend.drain(),
                        1 => backend.set_condition(now, Condition::Unhealthy),
                        2 => backend.eject(now, Duration::from_secs(1), 1),
                        _ => {}
                    }
                }
                let fit = |index: &usize| cluster.backends()[*index].is_usable(now) && !tried.contains(index);
                let picked = pick(&cluster, now, exchange, &tried);
                prop_assert_eq!(picked.is_some(), (0..weights.len()).any(|index| fit(&index)), "{}", policy);
                prop_assert!(picked.is_none_or(|index| fit(&index)), "{}", policy);
            }
        }

        #[test]
        fn retries_come_to_every_usable_backend_once(weights in prop::collection::vec(0..5_u32, 1..20), exchange: u64) {
            let now = Instant::now();
            for policy in policies() {
                let cluster = cluster(&policy, &weights, now);
                let mut tried = Vec::new();
                while let Some(index) = pick(&cluster, now, exchange, &tried) {
                    tried.push(index);
                }
                tried.sort_unstable();
                let usable: Vec<_> = (0..weights.len()).filter(|index| weights[*index] > 0).collect();
                prop_assert_eq!(tried, usable, "{}", policy);
            }
        }

        #[test]
        fn only_the_keys_of_a_lost_backend_move(weights in prop::collection::vec(1..5_u32, 2..20), lost: prop::sample::Index) {
            let now = Instant::now();
            let cluster = cluster(&json!({"hash": {"on": "client"}}), &weights, now);
            let homes = || (0..500).map(|key| pick(&cluster, now, key, &[]).unwrap()).collect::<Vec<_>>();
            let before = homes();
            let lost = lost.index(weights.len());
            cluster.backends()[lost].drain();
            for (old, new) in before.iter().zip(homes()) {
                prop_assert!(new != lost && (*old == lost || *old == new));
            }
            cluster.backends()[lost].enable(now);
            prop_assert_eq!(before, homes());
        }

        #[test]
        fn the_admitted_share_is_honest_and_repeats_itself(percent in 0..=100_u32, seed: u64) {
            let now = Instant::now();
            let cluster = cluster(&json!("random"), &[1], now);
            let share = Probability::new(f64::from(percent) / 100.0).unwrap();
            cluster.admit(share);
            let admitted = || (0..2_000).filter(|exchange| cluster.admits(Dice::new(seed), *exchange)).count();
            assert_near(admitted() as f64 / 2_000.0, share.get(), 2_000.0 / 1.5, "admitted");
            prop_assert_eq!(admitted(), admitted());
        }
    }
}
