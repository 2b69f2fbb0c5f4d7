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
