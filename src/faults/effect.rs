//! What came of a fault, counted: besides the exchanges that it touched, those that it might have touched, and those that it
//! kept waiting.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What came of a fault besides its hits; in a journal a list of four, since each sample has one for every fault.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(from = "(u64, u64, u64, u64)", into = "(u64, u64, u64, u64)")]
pub struct Effect {
    /// Exchanges that it was asked about and that match, whatever its odds said of them then.
    pub matched: u64,
    /// Those among them that were spared because they were a platform's probes.
    pub spared: u64,
    /// Exchanges that it kept waiting: held, or in a queue.
    pub held: u64,
    /// Those among them that went on: a place became free, or the fault was lifted. The others gave up, or were given up.
    pub released: u64,
}

impl Effect {
    /// Whether nothing came of it.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// What was added since an earlier moment.
    #[must_use]
    pub const fn since(&self, earlier: &Self) -> Self {
        Self {
            matched: self.matched.saturating_sub(earlier.matched),
            spared: self.spared.saturating_sub(earlier.spared),
            held: self.held.saturating_sub(earlier.held),
            released: self.released.saturating_sub(earlier.released),
        }
    }

    /// Both together.
    #[must_use]
    pub const fn plus(&self, other: &Self) -> Self {
        Self {
            matched: self.matched + other.matched,
            spared: self.spared + other.spared,
            held: self.held + other.held,
            released: self.released + other.released,
        }
    }
}

impl From<(u64, u64, u64, u64)> for Effect {
    fn from((matched, spared, held, released): (u64, u64, u64, u64)) -> Self {
        Self {
            matched,
            spared,
            held,
            released,
        }
    }
}

impl From<Effect> for (u64, u64, u64, u64) {
    fn from(effect: Effect) -> Self {
        (effect.matched, effect.spared, effect.held, effect.released)
    }
}

/// The counters of a fault.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) hits: AtomicU64,
    matched: AtomicU64,
    spared: AtomicU64,
    held: AtomicU64,
    released: AtomicU64,
}

impl Counters {
    pub(super) fn effect(&self) -> Effect {
        Effect {
            matched: self.matched.load(Relaxed),
            spared: self.spared.load(Relaxed),
            held: self.held.load(Relaxed),
            released: self.released.load(Relaxed),
        }
    }

    /// An exchange matches, and may be spared.
    pub(super) fn met(&self, spared: bool) {
        self.matched.fetch_add(1, Relaxed);
        if spared {
            self.spared.fetch_add(1, Relaxed);
        }
    }

    pub(super) fn hold(&self) {
        self.held.fetch_add(1, Relaxed);
    }

    pub(super) fn release(&self) {
        self.released.fetch_add(1, Relaxed);
    }
}
