//! Each in its turn, as often as its weight says, evenly spread: a round is laid out beforehand, so that a choice is a
//! look at the worker's own turn and nothing is shared.

use std::sync::Arc;

use super::super::{
    backend::Backend,
    field::{Field, Tiers},
    weight::Weight,
};
use crate::units::Stream;

/// The rounds, one per tier.
#[derive(Debug)]
pub(crate) struct RoundRobin {
    rounds: Box<[Box<[usize]>]>,
    /// The weights that the rounds were laid out for.
    weights: Box<[Weight]>,
}

/// A longer round is laid out with coarser weights: this many turns tell weights apart well enough.
const LONGEST_ROUND: u64 = 4096;

impl RoundRobin {
    pub(super) fn new(backends: &[Arc<Backend>], tiers: &Tiers) -> Self {
        let weights: Box<[Weight]> = backends.iter().map(|backend| backend.weight()).collect();
        let weight = |index: &usize| (*index, u64::from(weights[*index].get()));
        let lay_out = |tier: &[usize]| round(&tier.iter().map(weight).collect::<Vec<_>>());
        Self {
            rounds: tiers.iter().map(lay_out).collect(),
            weights,
        }
    }

    pub(super) fn choose(&self, field: &Field<'_>, turn: u64, stream: &mut Stream) -> usize {
        let round = field.tier.map_or(&[][..], |tier| &self.rounds[tier]);
        if round.is_empty() {
            return field.draw(stream);
        }
        let next = round[usize::try_from(turn % round.len() as u64).unwrap_or_default()];
        // The turn of one that is out goes to any of the others by weight, not to its neighbour: that one would carry twice
        // as much. One whose share is less than its turns, because it grows or was set so, passes on the difference.
        let full = Backend::full_share(self.weights[next]);
        let takes_it = field.set.contains(next)
            && (field.share(next) >= full || stream.unit() * (full as f64) < field.share(next) as f64);
        if takes_it { next } else { field.draw(stream) }
    }
}

/// Lays out a round in which each comes as often as its weight says and as evenly spread as can be: the one that is owed
/// most comes next ("smooth" weighted round robin, as in nginx).
fn round(weighted: &[(usize, u64)]) -> Box<[usize]> {
    let total: u64 = weighted.iter().map(|(_, weight)| weight).sum();
    let shrink = |weight: u64| match weight {
        0 => 0,
        weight if total <= LONGEST_ROUND => weight,
        weight => (weight * LONGEST_ROUND / total).max(1),
    };
    let divisor = weighted
        .iter()
        .fold(0, |divisor, (_, weight)| gcd(divisor, shrink(*weight)))
        .max(1);
    let weights: Vec<i64> = weighted
        .iter()
        .map(|(_, weight)| (shrink(*weight) / divisor).cast_signed())
        .collect();
    let length: i64 = weights.iter().sum();
    let mut owed = vec![0; weights.len()];
    let mut next = || {
        owed.iter_mut()
            .zip(&weights)
            .for_each(|(owed, weight)| *owed += weight);
        let most = (0..owed.len()).rev().max_by_key(|n| owed[*n])?;
        owed[most] -= length;
        Some(weighted[most].0)
    };
    (0..length).filter_map(|_| next()).collect()
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_round_is_evenly_spread() {
        let check = |weights: &[u64], expected: &[usize]| {
            let weighted = weights.iter().copied().enumerate().collect::<Vec<_>>();
            assert_eq!(&*round(&weighted), expected, "{weights:?}");
        };
        check(&[1, 1, 1], &[0, 1, 2]);
        check(&[5, 1, 1], &[0, 0, 1, 0, 2, 0, 0]);
        check(&[10, 20], &[1, 0, 1]);
        check(&[0, 3], &[1]);
        check(&[0, 0], &[]);
        check(&[], &[]);
    }

    proptest! {
        #[test]
        fn each_comes_as_often_as_its_weight_says(weights in prop::collection::vec(0..=1000_u64, 1..70)) {
            let total: u64 = weights.iter().sum();
            let round = round(&weights.iter().copied().enumerate().collect::<Vec<_>>());
            prop_assert!(round.len() as u64 <= LONGEST_ROUND + 70);
            for (index, weight) in weights.iter().enumerate() {
                let turns = round.iter().filter(|i| **i == index).count() as f64 / round.len().max(1) as f64;
                let share = *weight as f64 / total.max(1) as f64;
                prop_assert!((turns - share).abs() <= 2.0 / LONGEST_ROUND as f64 + share * 0.02, "{turns} {share}");
                prop_assert_eq!(turns > 0.0, *weight > 0);
            }
        }
    }
}
