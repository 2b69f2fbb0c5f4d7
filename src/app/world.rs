//! The world that a drill runs in: its faults are a lease of `control`, what it sees are traffic's own counters.

mod deeds;
mod sights;
mod toll;
mod traffic;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{sync::broadcast, time::Instant};

use self::{
    deeds::{Deeds, Roles},
    sights::Seen,
    toll::Tolls,
};
use super::steady::{Asked, Steady};
use crate::{
    control::{Author, Control, LeaseId, Owner},
    demo::Monitor,
    drill::{
        Named, Refusal, Script, Steer, World,
        facts::{Counts, Observed, Server, Stand, Traffic},
        profile::{Header, Sight},
    },
    snapshot::{Steering, Target},
    telemetry::{Metrics, events::Record},
    upstream::{Backend, Condition},
};

/// The proxy as a drill sees it.
pub(super) struct Proxy {
    control: Arc<Control>,
    metrics: Arc<Metrics>,
    name: String,
    /// The places in [`crate::telemetry::METHODS`] of each class.
    classes: Vec<(String, Vec<usize>)>,
    /// What each role stands for: clusters, and backends of them.
    roles: Roles,
    deeds: Deeds,
    /// The monitoring, by its `User-Agent`.
    monitors: Vec<String>,
    /// Whether those who look at traffic must not know what is injected.
    blind: bool,
    state: Mutex<State>,
}

struct State {
    lease: Option<(LeaseId, Duration)>,
    /// Whether the lease was taken at all.
    begun: bool,
    /// What happened to the balancer and to health since the last look.
    events: broadcast::Receiver<Arc<Record>>,
    /// Backends whose health checks fail, with how many events said so.
    failing: BTreeMap<String, u32>,
    /// Backends that a fault stood before, with the time by which they must have recovered from it.
    excused: BTreeMap<String, Instant>,
    /// What came of faults, those that are gone included: totals only grow.
    tolls: Tolls,
    /// What the lease says of traffic.
    steering: Vec<Steering>,
    /// What standbys would carry.
    steady: Option<Steady>,
    /// Whether a broken document was put live that nobody has put right yet.
    broken: bool,
    /// What stands in the way of that.
    obstruction: Option<String>,
}

/// Who the history says rolled back in a replay.
const ORIGINAL: &str = "the original team";

impl Proxy {
    /// The proxy, for one drill of a profile.
    pub(super) fn new(
        control: &Arc<Control>,
        metrics: &Arc<Metrics>,
        name: &str,
        script: &Script,
        monitor: Option<Monitor>,
    ) -> Self {
        let profile = script.profile();
        let document = control.document();
        let roles = document.roles.iter().map(|(role, bound)| {
            let places = bound
                .iter()
                .map(|target| (target.cluster.clone(), target.backend.clone()));
            (role.to_owned(), places.collect())
        });
        Self {
            control: control.clone(),
            metrics: metrics.clone(),
            name: name.to_owned(),
            classes: profile.classes(),
            roles: roles.collect(),
            deeds: Deeds::new(monitor),
            monitors: profile.monitors.clone(),
            blind: script.is_blind(),
            state: Mutex::new(State {
                lease: None,
                begun: false,
                events: control.events().subscribe(),
                failing: BTreeMap::new(),
                excused: BTreeMap::new(),
                tolls: Tolls::default(),
                steering: Vec::new(),
                steady: None,
                broken: false,
                obstruction: None,
            }),
        }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn counts(&self, places: &[usize]) -> Counts {
        let lanes = places.iter().filter_map(|place| self.metrics.methods.get(*place));
        lanes.fold(Counts::default(), |sum, lanes| sum.plus(&Counts::of(lanes)))
    }

    /// How every backend stands, and what it was asked.
    fn backends(&self) -> BTreeMap<String, Server> {
        let (now, snapshot) = (Instant::now(), self.control.snapshot());
        let of = |target: &Arc<Target>| {
            let lanes = target.cluster.backends().iter().zip(&target.backend_lanes);
            let servers = lanes.map(|(backend, lanes)| {
                let server = Server {
                    stand: stand(backend, now),
                    attempts: lanes.sum(|lane| lane.attempts().0),
                    failed: lanes.sum(|lane| lane.attempts().1),
                };
                (format!("{}/{}", target.name, backend.name()), server)
            });
            servers.collect::<Vec<_>>()
        };
        snapshot.clusters.iter().flat_map(of).collect()
    }

    /// What every backend was asked so far.
    fn asked(&self) -> Vec<Asked> {
        let snapshot = self.control.snapshot();
        let of = |target: &Arc<Target>| {
            let lanes = target.settings.backends.iter().zip(&target.backend_lanes);
            let asked = lanes.map(|(backend, lanes)| Asked {
                cluster: target.name.to_string(),
                place: format!("{}/{}", target.name, backend.name()),
                standby: backend.tier.is_some_and(|tier| tier > 0),
                attempts: lanes.sum(|lane| lane.attempts().0),
            });
            asked.collect::<Vec<_>>()
        };
        snapshot.clusters.iter().flat_map(of).collect()
    }

    /// Tells faults that stand before a standby what it would carry when all is well.
    fn teach(&self, state: &mut State) {
        let Some(steady) = &mut state.steady else { return };
        let rates = steady.end(Instant::now(), &self.asked());
        for status in self.control.faults() {
            for (place, per_second) in rates {
                status.fault.learn_baseline(place, *per_second);
            }
        }
    }

    /// The clusters that do not admit everything, with the share that they do.
    fn admitted(&self) -> BTreeMap<String, f64> {
        let snapshot = self.control.snapshot();
        let shares = snapshot.clusters.iter().map(|target| {
            let share = target.cluster.admitted().get();
            (target.name.to_string(), share)
        });
        shares.filter(|(_, share)| *share < 1.0).collect()
    }

    /// The roles that a backend plays.
    fn roles_of(&self, cluster: &str, backend: &str) -> impl Iterator<Item = &String> {
        self.roles.iter().filter_map(move |(role, places)| {
            let is =
                |(c, b): &(String, Option<String>)| c == cluster && b.as_deref().is_none_or(|b| b == backend);
            places.iter().any(is).then_some(role)
        })
    }

    /// Checks in a row that failed: at least as many as it takes to call a backend unhealthy. One that a fault stands
    /// before is ill because it was meant to be, and does not count; nor does one that has not yet had the time to show
    /// that it is well again.
    fn failing(&self, excused: &mut BTreeMap<String, Instant>) -> BTreeMap<String, u32> {
        let (now, snapshot) = (Instant::now(), self.control.snapshot());
        let mut failing = BTreeMap::new();
        for target in &snapshot.clusters {
            let Some(health) = &target.settings.health else {
                continue;
            };
            for (backend, faults) in target.cluster.backends().iter().zip(&target.faults) {
                let place = format!("{}/{}", target.name, backend.name());
                if faults.iter().any(|fault| fault.meets_checks()) {
                    excused.insert(place, now + health.recovery());
                } else if backend.condition() == Condition::Unhealthy
                    && excused.get(&place).is_none_or(|until| *until < now)
                {
                    failing.insert(place, health.unhealthy_after());
                }
            }
        }
        failing
    }
}

/// How a backend stands: what people did comes before what is known of it.
fn stand(backend: &Backend, now: Instant) -> Stand {
    match backend.condition() {
        _ if !backend.in_service() => Stand::Drained,
        _ if backend.is_ejected(now) => Stand::Ejected,
        Condition::Unhealthy | Condition::Joining => Stand::Down,
        Condition::Healthy | Condition::Unchecked => Stand::Up,
    }
}

impl World for Proxy {
    fn begin(&self, lease: Duration, steering: &[Steer]) -> Result<(), Refusal> {
        let refuse = |error: crate::control::ChangeError| Refusal(error.to_string());
        let owner = Owner::Drill {
            drill: self.name.clone(),
        };
        let id = self
            .control
            .take_lease(owner, lease, Vec::new())
            .map_err(refuse)?;
        let mut state = self.state();
        state.lease = Some((id, lease));
        state.begun = true;
        state.steady = Some(Steady::begin(Instant::now(), &self.asked()));
        state.steering = self.steering(steering)?;
        self.control.steer(id, state.steering.clone()).map_err(refuse)
    }

    fn hold(&self, faults: &[Named]) -> Result<(), Refusal> {
        let Some((id, _)) = self.state().lease else {
            return Err(Refusal("the lease is gone".into()));
        };
        if faults.is_empty() && !self.control.holds(id) {
            // A panic, or the end of its time, has lifted all of them already.
            return Ok(());
        }
        self.control
            .replace(id, faults.to_vec())
            .map_err(|error| Refusal(error.to_string()))?;
        let mut state = self.state();
        state.broken = self.control.is_broken();
        if !faults.is_empty() {
            self.teach(&mut state);
        }
        // What a fault does to a backend may show before the next look.
        self.failing(&mut state.excused);
        Ok(())
    }

    fn obstruct(&self, words: Option<&str>) -> Result<(), Refusal> {
        let words = words.map(str::to_owned);
        let mut state = self.state();
        state.obstruction.clone_from(&words);
        match state.lease {
            Some((id, _)) => self
                .control
                .obstruct(id, words)
                .map_err(|error| Refusal(error.to_string())),
            None => Err(Refusal("the lease is gone".into())),
        }
    }

    fn watch(&self, headers: &[Header]) -> Result<(), Refusal> {
        self.watch_for(headers)
    }

    fn roll_back(&self) -> Result<(), Refusal> {
        // What people have put right already is not rolled back further.
        if !self.control.is_broken() {
            return Ok(());
        }
        let before = std::mem::replace(&mut self.state().broken, false);
        let rolled_back = self.control.rollback(None, Author::new(ORIGINAL, "rollback"));
        rolled_back.map(|_| ()).map_err(|error| {
            self.state().broken = before;
            Refusal(error.to_string())
        })
    }

    fn renew(&self) -> bool {
        let held = self.state().lease;
        held.is_some_and(|(id, ttl)| self.control.renew(id, ttl).is_ok())
    }

    fn observe(&self) -> Observed {
        let faults = self.control.faults();
        let lease_lost = {
            let state = self.state();
            let stands = state.lease.is_some_and(|(id, _)| self.control.holds(id));
            state.begun && !stands
        };
        let mut state = self.state();
        let Seen {
            sights,
            rebuffs,
            restarted,
        } = self.sights(&mut state);
        for status in &faults {
            state.tolls.note(&status.fault);
        }
        let traffic = self
            .classes
            .iter()
            .map(|(class, places)| (class.clone(), self.counts(places)));
        let statuses = self.metrics.refusals.totals().into_iter();
        Observed {
            traffic: Traffic(traffic.collect()),
            monitors: Counts::of(&self.metrics.monitors),
            hits: state.tolls.hits(),
            effects: state.tolls.effects(),
            sights,
            rebuffs,
            restarted,
            statuses: statuses
                .map(|(status, count)| (status.to_string(), count))
                .collect(),
            failing: self.failing(&mut state.excused),
            backends: self.backends(),
            admitted: self.admitted(),
            headers: self.headers(),
            held: self.metrics.held.now(),
            lease_lost,
        }
    }

    fn perform(&self, deed: &Sight) {
        self.deeds.perform(&self.control, &self.roles, deed);
    }

    fn end(&self) {
        self.deeds.undo(&self.control);
        let lease = self.state().lease.take();
        if let Some((id, _)) = lease {
            self.control.release(id);
        }
    }
}
