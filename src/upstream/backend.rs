//! One server of a cluster: what was written about it, and its state, which all versions of it share across reloads.
//!
//! The state is atomics only. Verdicts (health, ejection, weight, drain) are read at every choice and seldom written;
//! counts are written by every request: they lie apart, so that counting does not slow choosing down on other workers.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::time::Instant;

use super::{
    health::Condition,
    outcome::{Outcome, OutcomeKind},
    outlier::Streak,
    replication::Replication,
    settings::BackendSettings,
    tally::Tally,
    weight::Weight,
};
use crate::units::Address;

/// One server of a cluster, with its health and counters.
#[derive(Debug)]
pub struct Backend {
    name: Box<str>,
    address: Address,
    weight: Weight,
    tier: u8,
    state: Arc<State>,
}

/// What is carried over from one version of the document to the next.
#[derive(Debug)]
struct State {
    /// Times are kept in nanoseconds since this one, which all backends of a cluster share.
    epoch: Instant,
    verdicts: Verdicts,
    counts: Counts,
}

#[derive(Debug, Default)]
#[repr(align(64))]
struct Verdicts {
    condition: AtomicU8,
    /// A [`Replication`] plus one; 0 where nothing is known.
    replication: AtomicU8,
    drained: AtomicBool,
    /// A weight set by hand, plus one, and above it the written weight that it stands for; 0 where none is.
    weight: AtomicU32,
    /// When the share began to grow; 0 where it never had to.
    growing_since: AtomicU64,
    ejected_until: AtomicU64,
    ejections: AtomicU32,
    /// Ejections that still count towards the length of the next.
    ejected_times: AtomicU32,
}

#[derive(Debug, Default)]
#[repr(align(64))]
struct Counts {
    active: AtomicUsize,
    connections: AtomicUsize,
    /// A [`Tally`] in one word, so that it changes as one.
    tally: AtomicU64,
    outcomes: [AtomicU64; OutcomeKind::ALL.len()],
}

/// A request in flight on a backend, until it is dropped.
#[derive(Debug)]
#[must_use = "the request counts as in flight until this is dropped"]
pub struct Active {
    backend: Arc<Backend>,
    era: u16,
}

/// The least share of its weight that a backend begins with, so that it gets some traffic at all.
const FIRST_SHARE: f64 = 0.1;

/// Shares are weights in these units, so that a growing share is a whole number too.
const UNIT: u64 = 1 << 10;

impl Backend {
    /// A backend that nothing is known about.
    pub(super) fn new(settings: &BackendSettings, epoch: Instant, condition: Condition) -> Self {
        let state = State {
            epoch,
            verdicts: Verdicts::default(),
            counts: Counts::default(),
        };
        state.verdicts.condition.store(condition as u8, Relaxed);
        Self::with_state(settings, Arc::new(state))
    }

    /// The same backend as written now.
    pub(super) fn rewritten(&self, settings: &BackendSettings) -> Self {
        Self::with_state(settings, Arc::clone(&self.state))
    }

    fn with_state(settings: &BackendSettings, state: Arc<State>) -> Self {
        Self {
            name: settings.name().into(),
            address: settings.address.clone(),
            weight: settings.weight.unwrap_or_default(),
            tier: settings.tier.unwrap_or_default(),
            state,
        }
    }

    /// Its name: as written, or its address.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where it is.
    pub const fn address(&self) -> &Address {
        &self.address
    }

    /// Its tier: 0 is the first, the others stand by.
    pub const fn tier(&self) -> u8 {
        self.tier
    }

    /// Its weight: as set by hand, or as written.
    pub fn weight(&self) -> Weight {
        let set = self.state.verdicts.weight.load(Relaxed);
        if set == 0 || set >> 16 != self.weight.get() {
            return self.weight;
        }
        Weight::try_from((set & 0xffff) - 1).unwrap_or(self.weight)
    }

    /// Sets its weight by hand, until the document says another, or goes back to the one written. Round robin follows a
    /// larger weight with the next snapshot, everything else at once.
    pub fn set_weight(&self, weight: Option<Weight>) {
        let stored = weight.map_or(0, |weight| (self.weight.get() << 16) | (weight.get() + 1));
        self.state.verdicts.weight.store(stored, Relaxed);
    }

    /// Takes over whether people have taken another one out of service.
    pub(super) fn keep_in_hand(&self, other: &Self) {
        self.state.verdicts.drained.store(other.is_drained(), Relaxed);
    }

    /// Whether it was taken out of service by hand.
    pub fn is_drained(&self) -> bool {
        self.state.verdicts.drained.load(Relaxed)
    }

    /// Takes it out of service: it gets nothing new, and finishes what it has.
    pub fn drain(&self) {
        self.state.verdicts.drained.store(true, Relaxed);
    }

    /// Puts it back into service; its share begins to grow.
    pub fn enable(&self, now: Instant) {
        if self.state.verdicts.drained.swap(false, Relaxed) {
            self.grow_from(now);
        }
    }

    /// What is known about its health.
    pub fn condition(&self) -> Condition {
        match self.state.verdicts.condition.load(Relaxed) {
            1 => Condition::Joining,
            2 => Condition::Healthy,
            3 => Condition::Unhealthy,
            _ => Condition::Unchecked,
        }
    }

    /// Publishes the verdict of its health checks; on recovery its share begins to grow.
    pub fn set_condition(&self, now: Instant, condition: Condition) {
        let before = self.condition();
        self.state.verdicts.condition.store(condition as u8, Relaxed);
        if condition == Condition::Healthy && matches!(before, Condition::Joining | Condition::Unhealthy) {
            self.grow_from(now);
        }
    }

    /// Which copy of the data it has, where a check has told.
    pub fn replication(&self) -> Option<Replication> {
        match self.state.verdicts.replication.load(Relaxed) {
            1 => Some(Replication::Primary),
            2 => Some(Replication::Replica),
            _ => None,
        }
    }

    /// Publishes which copy of the data it has; says whether that is news. Where nothing is told any more, nothing is known.
    pub fn set_replication(&self, is: Option<Replication>) -> bool {
        let known = is.map_or(0, |is| is as u8 + 1);
        self.state.verdicts.replication.swap(known, Relaxed) != known
    }

    pub(super) fn grow_from(&self, now: Instant) {
        let since = self.state.nanos(now);
        self.state.verdicts.growing_since.store(since, Relaxed);
    }

    /// Whether traffic's errors have taken it out.
    pub fn is_ejected(&self, now: Instant) -> bool {
        self.state.is_ejected(self.state.nanos(now))
    }

    /// How long it stays out, where it is out.
    pub fn ejected_for(&self, now: Instant) -> Option<Duration> {
        let until = self.state.verdicts.ejected_until.load(Relaxed);
        let left = until.saturating_sub(self.state.nanos(now));
        (left > 0).then(|| Duration::from_nanos(left))
    }

    /// How often it was taken out since the process began.
    pub fn ejections(&self) -> u32 {
        self.state.verdicts.ejections.load(Relaxed)
    }

    /// Whether the operator wants it to be used at all.
    pub fn in_service(&self) -> bool {
        !self.is_drained() && self.weight().get() > 0
    }

    /// Whether nothing speaks against it: in service, not failing its checks, not taken out.
    pub fn is_usable(&self, now: Instant) -> bool {
        self.in_service() && self.is_well(self.state.nanos(now))
    }

    /// Its state in a word, for people: what the operator did first, then what is known about it.
    pub fn state_word(&self, now: Instant) -> &'static str {
        match self.condition() {
            _ if !self.in_service() => "drained",
            _ if self.is_ejected(now) => "ejected",
            Condition::Unhealthy => "unhealthy",
            Condition::Joining => "joining",
            Condition::Healthy => "healthy",
            Condition::Unchecked => "unchecked",
        }
    }

    pub(super) fn is_well(&self, nanos: u64) -> bool {
        matches!(self.condition(), Condition::Unchecked | Condition::Healthy) && !self.state.is_ejected(nanos)
    }

    /// Its share against the others: its weight, or less while it still grows.
    pub(super) fn share(&self, nanos: u64, slow_start: Duration) -> u64 {
        let whole = u64::from(self.weight().get()) * UNIT;
        let verdicts = &self.state.verdicts;
        let since = verdicts
            .growing_since
            .load(Relaxed)
            .max(verdicts.ejected_until.load(Relaxed));
        if slow_start.is_zero() || since == 0 {
            return whole;
        }
        let grown = Duration::from_nanos(nanos.saturating_sub(since)).div_duration_f64(slow_start);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a share of a small number"
        )]
        let share = (whole as f64 * grown.clamp(FIRST_SHARE, 1.0)) as u64;
        share
    }

    /// The share of a weight that is neither growing nor set by hand.
    pub(super) fn full_share(weight: Weight) -> u64 {
        u64::from(weight.get()) * UNIT
    }

    /// Requests in flight.
    pub fn active(&self) -> usize {
        self.state.counts.active.load(Relaxed)
    }

    /// Open connections.
    pub fn connections(&self) -> usize {
        self.state.counts.connections.load(Relaxed)
    }

    /// Attempts that ended so, since the process began.
    pub fn outcomes(&self, kind: OutcomeKind) -> u64 {
        self.state.counts.outcomes[kind as usize].load(Relaxed)
    }

    /// Attempts that ended, however they did, since the process began.
    pub fn attempts(&self) -> u64 {
        OutcomeKind::ALL.into_iter().map(|kind| self.outcomes(kind)).sum()
    }

    /// Errors in a row, of both kinds.
    pub fn streak(&self) -> Streak {
        self.state.tally().streak
    }

    /// Begins a request on it.
    pub fn begin(self: &Arc<Self>) -> Active {
        self.state.counts.active.fetch_add(1, Relaxed);
        Active {
            era: self.state.tally().era,
            backend: Arc::clone(self),
        }
    }

    pub(super) fn count(&self, outcome: Outcome) {
        self.state.counts.outcomes[outcome.kind() as usize].fetch_add(1, Relaxed);
    }

    /// Takes it out: what was counted so far is settled with that, and what is still in flight will not be counted.
    pub(super) fn eject(&self, now: Instant, time: Duration, times: u32) {
        let verdicts = &self.state.verdicts;
        verdicts.ejected_times.store(times, Relaxed);
        verdicts
            .ejected_until
            .store(self.state.nanos(now + time), Relaxed);
        verdicts.ejections.fetch_add(1, Relaxed);
        let next = self.state.tally().after_ejection();
        self.state.counts.tally.store(next.to_word(), Relaxed);
    }

    /// How often it was taken out lately, and how long it has been back.
    pub(super) fn past_ejections(&self, now: Instant) -> (u32, Duration) {
        let verdicts = &self.state.verdicts;
        let back = self
            .state
            .nanos(now)
            .saturating_sub(verdicts.ejected_until.load(Relaxed));
        (verdicts.ejected_times.load(Relaxed), Duration::from_nanos(back))
    }

    pub(super) fn connection_opened(&self) {
        self.state.counts.connections.fetch_add(1, Relaxed);
    }

    pub(super) fn connection_closed(&self) {
        self.state.counts.connections.fetch_sub(1, Relaxed);
    }
}

impl State {
    fn nanos(&self, now: Instant) -> u64 {
        nanos_since(self.epoch, now)
    }

    fn tally(&self) -> Tally {
        Tally::from_word(self.counts.tally.load(Relaxed))
    }

    fn is_ejected(&self, nanos: u64) -> bool {
        self.verdicts.ejected_until.load(Relaxed) > nanos
    }
}

/// Nanoseconds from an epoch, at least one: 0 stands for "never". They last for five centuries.
pub(super) fn nanos_since(epoch: Instant, now: Instant) -> u64 {
    let nanos = now.saturating_duration_since(epoch).as_nanos();
    u64::try_from(nanos).unwrap_or(u64::MAX).max(1)
}

impl Active {
    /// The backend that it runs on.
    pub fn backend(&self) -> &Arc<Backend> {
        &self.backend
    }

    /// Whether the backend was taken out since this began, so that its end says nothing new.
    pub(super) fn is_stale(&self) -> bool {
        self.era != self.backend.state.tally().era
    }

    /// Changes the backend's streak by a rule and tells the new one; `None` where it stays as it was, or this is stale.
    pub(super) fn change_streak(&self, rule: impl Fn(Streak) -> Streak) -> Option<Streak> {
        let change = |word| {
            let before = Tally::from_word(word);
            let after = Tally {
                streak: rule(before.streak),
                ..before
            };
            (before.era == self.era && after != before).then(|| after.to_word())
        };
        let before = self
            .backend
            .state
            .counts
            .tally
            .fetch_update(Relaxed, Relaxed, change)
            .ok()?;
        Some(rule(Tally::from_word(before).streak))
    }
}

impl Drop for Active {
    fn drop(&mut self) {
        self.backend.state.counts.active.fetch_sub(1, Relaxed);
    }
}
