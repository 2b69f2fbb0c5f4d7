//! The backends that one choice is made among: which tier serves, who of it is fit, and how their shares compare.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;

use super::{backend::Backend, replication::Replication, set::Set};
use crate::units::Stream;

/// What one choice may go by.
#[derive(Debug)]
pub struct Choice<'a> {
    /// The time.
    pub now: Instant,
    /// The worker's own count of choices, which round robin goes by. Workers begin at different numbers.
    pub turn: u64,
    /// The key of hash balancing, from [`super::Cluster::hash_key`].
    pub hash: Option<u64>,
    /// The backends that this exchange has been to.
    pub tried: &'a [usize],
    /// Dice of the exchange.
    pub stream: &'a mut Stream,
}

/// The backends of a cluster by tier, the first tier first.
#[derive(Debug)]
pub(super) struct Tiers(Box<[Box<[usize]>]>);

/// The candidates of one choice; there is at least one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Field<'a> {
    pub(super) backends: &'a [Arc<Backend>],
    pub(super) set: Set,
    /// The tier that all candidates are of, where it is one.
    pub(super) tier: Option<usize>,
    /// Whether health is disregarded, because too few backends are healthy to carry the traffic.
    pub(super) panic: bool,
    pub(super) nanos: u64,
    pub(super) slow_start: Duration,
}

/// Why there is nothing to choose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoBackend {
    /// The operator took all of them out of service.
    #[error("every backend is drained or has weight 0")]
    OutOfService,
    /// None is what the cluster wants.
    #[error("no backend is known to be a {0}")]
    NotOne(Replication),
    /// None is healthy, and the panic threshold is off.
    #[error("no backend is healthy")]
    Unhealthy,
    /// All that could serve have been tried.
    #[error("every backend that could serve was tried")]
    Tried,
}

/// What a tier looks like to one choice.
struct Muster {
    in_service: usize,
    well: usize,
}

impl Tiers {
    pub(super) fn of(backends: &[Arc<Backend>]) -> Self {
        let mut numbers: Vec<u8> = backends.iter().map(|backend| backend.tier()).collect();
        numbers.sort_unstable();
        numbers.dedup();
        let members = |tier: u8| {
            (0..backends.len())
                .filter(|i| backends[*i].tier() == tier)
                .collect()
        };
        Self(numbers.into_iter().map(members).collect())
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &[usize]> {
        self.0.iter().map(|tier| &**tier)
    }

    /// Finds the candidates. The first tier with enough usable backends serves; a tier with fewer than the threshold is
    /// helped by the next. Where no tier is well off, the first is used whole, whatever its health.
    pub(super) fn field<'a>(&self, view: &View<'a>, tried: &[usize]) -> Result<Field<'a>, NoBackend> {
        let mut field = Field {
            backends: view.backends,
            set: Set::default(),
            tier: None,
            panic: false,
            nanos: view.nanos,
            slow_start: view.slow_start,
        };
        let (mut any_in_service, mut any_well, mut any_well_off) = (false, false, false);
        for (number, tier) in self.0.iter().enumerate() {
            let had_some = !field.set.is_empty();
            let muster = view.muster(tier, tried, &mut field.set);
            let well_off =
                muster.well > 0 && muster.well as f64 >= view.panic_threshold * muster.in_service as f64;
            any_in_service |= muster.in_service > 0;
            any_well |= muster.well > 0;
            any_well_off |= well_off;
            field.tier = (!had_some).then_some(number);
            if well_off && !field.set.is_empty() {
                return Ok(field);
            }
        }
        let panic = view.panic_threshold > 0.0 && !any_well_off && any_in_service;
        match () {
            () if panic => self.panic(view, tried, field),
            () if !field.set.is_empty() => Ok(Field { tier: None, ..field }),
            () if any_well => Err(NoBackend::Tried),
            () if any_in_service => Err(NoBackend::Unhealthy),
            () => Err(view.only.map_or(NoBackend::OutOfService, NoBackend::NotOne)),
        }
    }

    /// All backends of the first tier that has a usable one, or else of the first tier, without those tried.
    fn panic<'a>(&self, view: &View<'a>, tried: &[usize], field: Field<'a>) -> Result<Field<'a>, NoBackend> {
        let untried = |index: &usize| view.may_serve(&view.backends[*index]) && !tried.contains(index);
        let hopeful = |tier: &[usize]| tier.iter().any(|index| field.set.contains(*index));
        let tiers = || {
            self.iter()
                .enumerate()
                .filter(|(_, tier)| tier.iter().any(untried))
        };
        let (number, tier) = tiers()
            .find(|(_, tier)| hopeful(tier))
            .or_else(|| tiers().next())
            .ok_or(NoBackend::Tried)?;
        let mut set = Set::default();
        tier.iter()
            .filter(|index| untried(index))
            .for_each(|index| set.insert(*index));
        Ok(Field {
            set,
            tier: Some(number),
            panic: true,
            ..field
        })
    }
}

/// The cluster as one choice sees it.
pub(super) struct View<'a> {
    pub(super) backends: &'a [Arc<Backend>],
    pub(super) nanos: u64,
    pub(super) slow_start: Duration,
    pub(super) panic_threshold: f64,
    pub(super) only: Option<Replication>,
}

impl View<'_> {
    /// Whether a backend is in service, and what the cluster wants. No panic makes a replica a primary.
    pub(super) fn may_serve(&self, backend: &Backend) -> bool {
        backend.in_service() && self.only.is_none_or(|only| backend.replication() == Some(only))
    }

    /// Counts a tier and adds its usable, untried backends to the set.
    fn muster(&self, tier: &[usize], tried: &[usize], set: &mut Set) -> Muster {
        let mut muster = Muster {
            in_service: 0,
            well: 0,
        };
        for index in tier {
            let backend = &self.backends[*index];
            if !self.may_serve(backend) {
                continue;
            }
            muster.in_service += 1;
            if backend.is_well(self.nanos) {
                muster.well += 1;
                if !tried.contains(index) {
                    set.insert(*index);
                }
            }
        }
        muster
    }
}

impl Field<'_> {
    /// The share of a candidate against the others.
    pub(super) fn share(&self, index: usize) -> u64 {
        self.backends[index].share(self.nanos, self.slow_start)
    }

    /// Draws a candidate by its share. The shares may change meanwhile: then the last one stands for what is missing.
    pub(super) fn draw(&self, stream: &mut Stream) -> usize {
        let total: u64 = self.set.iter().map(|index| self.share(index)).sum();
        let mut left = (stream.unit() * total as f64) as u64;
        let mut last = 0;
        for index in self.set.iter() {
            let share = self.share(index);
            if left < share {
                return index;
            }
            left -= share;
            last = index;
        }
        last
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::{
        super::{Cluster, Condition},
        *,
    };

    /// A cluster from its tiers: `+` a healthy backend, `-` an unhealthy one, `x` a drained one.
    fn cluster(tiers: &str, panic_threshold: &str, now: Instant) -> Cluster {
        let tiers = tiers
            .split(' ')
            .enumerate()
            .flat_map(|(tier, states)| states.chars().map(move |state| (tier, state)));
        let tiers: Vec<_> = tiers.collect();
        let address = |n: usize| format!("10.0.{}.{}:80", n / 256, n % 256);
        let backend = |(n, (tier, _)): (usize, &(usize, char))| json!({"address": address(n), "tier": tier});
        let backends: Vec<_> = tiers.iter().enumerate().map(backend).collect();
        let settings = json!({"backends": backends, "panic_threshold": panic_threshold});
        let cluster = Cluster::compile("app", &serde_json::from_value(settings).unwrap(), None, now);
        for (backend, (_, state)) in cluster.backends().iter().zip(tiers) {
            match state {
                '-' => backend.set_condition(now, Condition::Unhealthy),
                'x' => backend.drain(),
                _ => {}
            }
        }
        cluster
    }

    /// The candidates, `!` for panic, or why there is none.
    fn candidates(tiers: &str, panic_threshold: &str, tried: &[usize]) -> String {
        let now = Instant::now();
        let cluster = cluster(tiers, panic_threshold, now);
        match Tiers::of(cluster.backends()).field(&cluster.view(now), tried) {
            Ok(field) => {
                let names: Vec<_> = field.set.iter().map(|index| index.to_string()).collect();
                names.join(" ") + if field.panic { " !" } else { "" }
            }
            Err(none) => format!("{none:?}"),
        }
    }

    #[test]
    fn a_standby_takes_over_and_gives_back() {
        let check = |tiers, expected| assert_eq!(candidates(tiers, "50%", &[]), expected, "{tiers}");
        check("++ +", "0 1");
        check("-+ +", "1");
        check("-- +", "2");
        check("xx +", "2");
        check("-- - +", "3");
        check("++ - +", "0 1");
    }

    #[test]
    fn a_tier_below_the_threshold_is_helped_by_the_next() {
        let check = |tiers, expected| assert_eq!(candidates(tiers, "50%", &[]), expected, "{tiers}");
        check("--+ +", "2 3");
        check("---+ --+ +", "3 6 7");
        check("---+ -+ +", "3 5");
    }

    #[test]
    fn where_no_tier_is_well_off_health_is_disregarded() {
        let check =
            |tiers, threshold, expected| assert_eq!(candidates(tiers, threshold, &[]), expected, "{tiers}");
        check("--+", "50%", "0 1 2 !");
        check("--+", "30%", "2");
        check("--+", "0%", "2");
        check("-+", "50%", "1");
        check("-+", "60%", "0 1 !");
        check("---", "50%", "0 1 2 !");
        check("--x", "50%", "0 1 !");
        check("--- -", "50%", "0 1 2 !");
        check("--- --+", "50%", "3 4 5 !");
        check("--+ --+", "50%", "0 1 2 !");
        check("---", "0%", "Unhealthy");
        check("xx", "50%", "OutOfService");
    }

    #[test]
    fn what_was_tried_is_left_out_and_the_next_tier_asked() {
        let check = |tiers, tried: &[usize], expected| {
            assert_eq!(candidates(tiers, "50%", tried), expected, "{tiers} {tried:?}");
        };
        check("++ +", &[0], "1");
        check("++ +", &[0, 1], "2");
        check("++ +", &[0, 1, 2], "Tried");
        check("++ --+", &[0, 1], "4");
        check("--+", &[2], "0 1 !");
        check("--+", &[0, 1, 2], "Tried");
        check("--+ --+", &[0, 1, 2], "3 4 5 !");
    }

    #[test]
    fn where_only_a_primary_is_wanted_no_panic_makes_one_of_a_replica() {
        let now = Instant::now();
        let mut settings = cluster("+++", "50%", now).settings().clone();
        settings.only = Some(Replication::Primary);
        let cluster = Cluster::compile("app", &settings, None, now);
        let serving = || match Tiers::of(cluster.backends()).field(&cluster.view(now), &[]) {
            Ok(field) => field.set.iter().collect::<Vec<_>>(),
            Err(none) => panic!("{none:?}"),
        };
        let is = |index: usize, is| cluster.backends()[index].set_replication(Some(is));
        let none = Tiers::of(cluster.backends())
            .field(&cluster.view(now), &[])
            .unwrap_err();
        assert_eq!(
            none,
            NoBackend::NotOne(Replication::Primary),
            "nothing is known yet"
        );
        assert!(!cluster.has_turned(0));
        assert!(is(0, Replication::Replica) && is(1, Replication::Primary) && is(2, Replication::Replica));
        assert!(!is(1, Replication::Primary), "no news");
        assert_eq!(serving(), [1]);
        assert!(cluster.has_turned(0) && !cluster.has_turned(1));
        // Nobody else is to be had, so it is tried all the same.
        cluster.backends()[1].set_condition(now, Condition::Unhealthy);
        assert_eq!(serving(), [1]);
        is(2, Replication::Primary);
        assert_eq!(serving(), [2]);
    }

    proptest! {
        #[test]
        fn there_is_a_candidate_as_long_as_one_in_service_is_untried(tiers in "[-+x]{1,6}( [-+x]{1,4}){0,3}", tried in prop::collection::vec(0..20_usize, 0..6)) {
            let states: Vec<_> = tiers.chars().filter(|c| *c != ' ').collect();
            let untried = states.iter().enumerate().any(|(index, state)| *state != 'x' && !tried.contains(&index));
            let usable = states.iter().enumerate().any(|(index, state)| *state == '+' && !tried.contains(&index));
            let found = |threshold| candidates(&tiers, threshold, &tried).starts_with(|c: char| c.is_ascii_digit());
            prop_assert!(!found("50%") || untried);
            prop_assert!(found("50%") || !usable);
            prop_assert_eq!(found("0%"), usable);
        }
    }
}
