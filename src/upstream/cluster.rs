//! A cluster, compiled: its backends, the choice between them, and what their answers say about them.

use std::{
    pin::pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::{sync::Notify, time::Instant};

use super::{
    backend::{Active, Backend, nanos_since},
    balance::Policy,
    field::{Choice, NoBackend, Tiers, View},
    gate::{Connected, Entered, Full, Gate},
    health::Condition,
    outcome::Outcome,
    outlier::{Crowd, Outlier, Verdict},
    settings::{BackendSettings, ClusterSettings},
};
use crate::{
    route::Facts,
    units::{Address, Dice, Probability, stable_hash},
};

/// A group of servers with one balancing policy, as traffic knows it. Immutable but for what the servers go through.
#[derive(Debug)]
pub struct Cluster {
    name: Box<str>,
    settings: ClusterSettings,
    backends: Box<[Arc<Backend>]>,
    tiers: Tiers,
    policy: Policy,
    outlier: Option<Outlier>,
    slow_start: Duration,
    gate: Arc<Gate>,
    shared: Arc<Shared>,
}

/// What all versions of a cluster share.
#[derive(Debug)]
struct Shared {
    epoch: Instant,
    /// The share of exchanges that is let in, as the bits of a double.
    admitted: AtomicU64,
    /// Held while an ejection is judged, so that two at once do not each take the other for the one that stays. That is
    /// seldom, and short: no request waits for it otherwise.
    judging: Mutex<()>,
    /// Told whenever a backend was looked at.
    looked: Notify,
}

/// How a cluster stands, for metrics and people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Backends that the operator has in service.
    pub in_service: usize,
    /// Those of them that nothing speaks against.
    pub usable: usize,
    /// Those that a choice would be made among now.
    pub serving: usize,
    /// Whether health is disregarded, because too few are healthy.
    pub panic: bool,
}

impl Cluster {
    /// Compiles a cluster. Backends that were in it before, by address, keep their state; nothing is changed in them, so
    /// that a document that is refused leaves no trace. One that joins a running cluster is used after its first passed
    /// check where there are checks, and its share grows slowly where that is asked for.
    pub fn compile(name: &str, settings: &ClusterSettings, previous: Option<&Self>, now: Instant) -> Self {
        let fresh = || Shared {
            epoch: now,
            admitted: AtomicU64::new(1.0_f64.to_bits()),
            judging: Mutex::new(()),
            looked: Notify::new(),
        };
        let shared = previous.map_or_else(|| Arc::new(fresh()), |cluster| Arc::clone(&cluster.shared));
        let joining = match (previous, &settings.health) {
            (Some(_), Some(_)) => Condition::Joining,
            _ => Condition::Unchecked,
        };
        let joined = |backend: Backend| {
            let Some(previous) = previous else {
                return backend;
            };
            // At another address it is another server, and still the one that people took out of service by its name.
            if let Some(before) = previous.backends.iter().find(|b| b.name() == backend.name()) {
                backend.keep_in_hand(before);
            }
            backend.grow_from(now);
            backend
        };
        let known = |address: &Address| {
            previous.and_then(|cluster| cluster.backends.iter().find(|b| b.address() == address))
        };
        let backend = |written: &BackendSettings| match known(&written.address) {
            Some(known) => Arc::new(known.rewritten(written)),
            None => Arc::new(joined(Backend::new(written, shared.epoch, joining))),
        };
        let backends: Box<[_]> = settings.backends.iter().map(backend).collect();
        let tiers = Tiers::of(&backends);
        let gate = previous
            .map(|cluster| &cluster.gate)
            .filter(|gate| *gate.limits() == settings.limits);
        Self {
            name: name.into(),
            policy: Policy::compile(&settings.balance.clone().unwrap_or_default(), &backends, &tiers),
            tiers,
            backends,
            outlier: settings.outlier.as_ref().map(Outlier::compile),
            slow_start: settings.slow_start.map_or(Duration::ZERO, Into::into),
            gate: gate.map_or_else(|| Arc::new(Gate::new(&settings.limits)), Arc::clone),
            shared,
            settings: settings.clone(),
        }
    }

    /// Its name in the document.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What was written about it.
    pub const fn settings(&self) -> &ClusterSettings {
        &self.settings
    }

    /// Its backends, in the order written; [`Self::pick`] tells their index.
    pub fn backends(&self) -> &[Arc<Backend>] {
        &self.backends
    }

    /// Whether a backend is known to have another copy of the data than the cluster asks for.
    pub fn has_turned(&self, index: usize) -> bool {
        let is = self.backends[index].replication();
        self.settings
            .only
            .is_some_and(|only| is.is_some_and(|is| is != only))
    }

    /// The key of an exchange, where the cluster balances by one and the exchange has it.
    pub fn hash_key(&self, facts: &Facts<'_>) -> Option<u64> {
        self.policy.hash_key(facts)
    }

    /// Chooses a backend for an exchange, never one that it has been to.
    pub fn pick(&self, choice: &mut Choice<'_>) -> Result<usize, NoBackend> {
        let field = self.tiers.field(&self.view(choice.now), choice.tried)?;
        Ok(self.policy.choose(&field, choice))
    }

    /// Tells those who wait for it that a backend was looked at, and what was found published.
    pub fn looked(&self) {
        self.shared.looked.notify_waiters();
    }

    /// Waits until somebody is known to be what the cluster wants, or everybody was looked at: when the proxy begins, nothing is
    /// known yet.
    pub async fn first_look(&self) {
        while self.settings.only.is_some() {
            let mut looked = pin!(self.shared.looked.notified());
            looked.as_mut().enable();
            let view = self.view(Instant::now());
            let unseen =
                |backend: &Backend| matches!(backend.condition(), Condition::Unchecked | Condition::Joining);
            let waits = !self.backends.iter().any(|backend| view.may_serve(backend))
                && self.backends.iter().any(|backend| unseen(backend));
            if !waits {
                return;
            }
            looked.await;
        }
    }

    pub(super) fn view(&self, now: Instant) -> View<'_> {
        View {
            backends: &self.backends,
            nanos: nanos_since(self.shared.epoch, now),
            slow_start: self.slow_start,
            panic_threshold: self.settings.panic_threshold(),
            only: self.settings.only,
        }
    }

    /// How it stands now.
    pub fn standing(&self, now: Instant) -> Standing {
        let view = self.view(now);
        let field = self.tiers.field(&view, &[]);
        let count =
            |fits: &dyn Fn(&Backend) -> bool| self.backends.iter().filter(|backend| fits(backend)).count();
        Standing {
            in_service: count(&Backend::in_service),
            usable: count(&|backend| view.may_serve(backend) && backend.is_usable(now)),
            serving: field.as_ref().map_or(0, |field| field.set.len()),
            panic: field.is_ok_and(|field| field.panic),
        }
    }

    /// Waits until the cluster may be given one more request, and says which limit is reached where it may not.
    pub async fn enter(&self) -> Result<Entered, Full> {
        self.gate.enter().await
    }

    /// How many wait to enter.
    pub fn waiting(&self) -> u32 {
        self.gate.waiting()
    }

    /// Waits until one more connection may be opened to a backend, and counts it.
    pub async fn connect(&self, backend: &Arc<Backend>) -> Result<Connected, Full> {
        self.gate.connect(backend).await
    }

    /// Whether as many connections are open as may be.
    pub fn is_full(&self) -> bool {
        self.gate.is_full()
    }

    /// Whether somebody waits to open a connection, so that none should be kept idle.
    pub fn wants_connections(&self) -> bool {
        self.gate.wants_connections()
    }

    /// Whether an exchange is let in, with the share that the operator has set: a keyed hash of the exchange, so that a
    /// seed repeats it.
    pub fn admits(&self, dice: Dice, exchange: u64) -> bool {
        let admitted = self.admitted();
        admitted == Probability::ALWAYS || dice.hits(admitted, stable_hash(self.name.as_bytes()), exchange)
    }

    /// The share of exchanges that is let in.
    pub fn admitted(&self) -> Probability {
        Probability::new(f64::from_bits(self.shared.admitted.load(Relaxed))).unwrap_or_default()
    }

    /// Sets the share of exchanges that is let in.
    pub fn admit(&self, share: Probability) {
        self.shared.admitted.store(share.get().to_bits(), Relaxed);
    }

    /// Tells how an attempt ended. Where errors in a row have reached their limit, says what was judged, for the event log.
    pub fn record(&self, now: Instant, attempt: &Active, outcome: Outcome) -> Option<Verdict> {
        let backend = attempt.backend();
        backend.count(outcome);
        let outlier = self.outlier.as_ref()?;
        if backend.is_ejected(now) {
            return None;
        }
        let streak = attempt.change_streak(|streak| outlier.count(streak, outcome))?;
        outlier
            .is_due(streak)
            .then(|| self.judge(outlier, now, attempt))?
    }

    /// The same where the balancer is not to find out: it is counted, and speaks neither for nor against the backend.
    pub fn record_unseen(&self, attempt: &Active, outcome: Outcome) {
        attempt.backend().count(outcome);
    }

    /// One verdict at a time. Another worker may have taken the backend out since its streak was counted.
    fn judge(&self, outlier: &Outlier, now: Instant, attempt: &Active) -> Option<Verdict> {
        let _alone = self.shared.judging.lock().unwrap_or_else(PoisonError::into_inner);
        if attempt.is_stale() {
            return None;
        }
        let suspect = attempt.backend();
        let mut crowd = Crowd {
            hosts: 0,
            out: 0,
            others_usable: 0,
        };
        for backend in self.backends.iter().filter(|backend| backend.in_service()) {
            let other = backend.address() != suspect.address();
            crowd.hosts += 1;
            crowd.out += usize::from(backend.is_ejected(now));
            crowd.others_usable += usize::from(other && backend.is_usable(now));
        }
        let (times, back) = suspect.past_ejections(now);
        let verdict = outlier.judge(crowd, outlier.remembered(times, back));
        if let Verdict::Ejected { time, times } = verdict {
            suspect.eject(now, time, times);
        }
        Some(verdict)
    }
}

#[cfg(test)]
mod tests;
