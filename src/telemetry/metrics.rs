//! The numbers: what is counted, for whom, and how they are found again after a reload.
//!
//! A snapshot registers its names when it is compiled and keeps what it gets; the hot path then only indexes. A name that
//! was there before finds its counters again, so a reload resets nothing.

use std::{
    collections::BTreeMap,
    net::IpAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
};

use super::{
    clients::{Busiest, ClientTable},
    labels::{Attempt, Class, Origin},
    refusals::RefusalLane,
    shard::{Counter, Histogram, Level, Sharded},
    usual::Usual,
};

/// All numbers of the process.
#[derive(Debug)]
pub struct Metrics {
    workers: usize,
    pub(super) listeners: Family<1, ListenerLane>,
    pub(super) requests: Family<4, RequestLane>,
    pub(super) clusters: Family<1, ClusterLane>,
    pub(super) backends: Family<2, BackendLane>,
    pub(super) faults: Family<1, FaultLane>,
    /// What users saw, by the method that they asked with ([`METHODS`]).
    pub methods: [Sharded<MethodLane>; METHODS.len()],
    /// What monitoring saw, while a drill counts it apart from users.
    pub monitors: Sharded<MethodLane>,
    /// Answers of 400 or above, by their status.
    pub refusals: Sharded<RefusalLane>,
    /// Exchanges that a fault holds now.
    pub held: Sharded<Level>,
    /// Reloads that went live.
    pub reloads_applied: Counter,
    /// Reloads that were refused; the old document runs on.
    pub reloads_refused: Counter,
    /// The number of the snapshot in force.
    pub generation: AtomicU64,
    /// The number of the snapshot that each worker goes by.
    followed: Box<[AtomicU64]>,
    /// Whether the proxy is draining.
    pub draining: AtomicBool,
    /// Access log lines lost because the disk was slower than the traffic.
    pub access_lines_dropped: Counter,
}

/// What a worker counts for a listener.
#[derive(Debug, Default)]
pub struct ListenerLane {
    /// Connections.
    pub connections: Level,
    /// Bytes received from clients.
    pub received: Counter,
    /// Bytes sent to clients.
    pub sent: Counter,
    /// Times that accepting had to stop for a while.
    pub accept_pauses: Counter,
    /// TLS handshakes that failed.
    pub handshakes_failed: Counter,
    /// Who connected.
    pub clients: ClientTable,
}

impl Sharded<ListenerLane> {
    /// The addresses that have connected most, the first most often, each with how often at least.
    pub fn busiest(&self) -> Vec<(IpAddr, u64)> {
        let mut busiest = Busiest::default();
        self.each(|lane| busiest.add(&lane.clients));
        busiest.shown()
    }
}

/// What a worker counts for a route and the backend that answered.
#[derive(Debug, Default)]
pub struct RequestLane {
    answers: [[Counter; Origin::ALL.len()]; Class::ALL.len()],
    /// Injected answers that look like the proxy's own, by class; the others look like the backend's.
    posing: [Counter; Class::ALL.len()],
}

impl RequestLane {
    /// Counts what the user saw, once an exchange.
    pub fn answered(&self, class: Class, origin: Origin) {
        self.count(class, origin).inc();
    }

    /// Counts an injected answer that looks like the proxy's own.
    pub fn posed(&self, class: Class) {
        self.posing[class as usize].inc();
    }

    pub(super) fn count(&self, class: Class, origin: Origin) -> &Counter {
        &self.answers[class as usize][origin as usize]
    }

    /// The count as it looks to those who must not know what was injected.
    pub(super) fn plain(&self, class: Class, origin: Origin) -> u64 {
        let [seen, injected] = [origin, Origin::Injected].map(|origin| self.count(class, origin).get());
        let posing = self.posing[class as usize].get();
        match origin {
            Origin::Injected => 0,
            Origin::Proxy => seen + posing,
            Origin::Upstream => seen + injected.saturating_sub(posing),
        }
    }
}

/// What a worker counts for a cluster.
#[derive(Debug, Default)]
pub struct ClusterLane {
    /// From the head of a request to the end of its answer, as the user saw it.
    pub duration: Histogram,
    /// Attempts beyond the first.
    pub retries: Counter,
    /// Retries that the budget did not allow.
    pub retries_denied: Counter,
    /// Requests for which no backend was left.
    pub without_backend: Counter,
    /// How long its backends' answers took lately, where injected ones must look like them.
    pub usual: Usual,
}

/// What a worker counts for a backend.
#[derive(Debug, Default)]
pub struct BackendLane {
    attempts: [Counter; Attempt::ALL.len()],
    /// Connections to it.
    pub connections: Level,
    /// Bytes received from it on connections that only pass bytes.
    pub received: Counter,
    /// Bytes sent to it on connections that only pass bytes.
    pub sent: Counter,
    /// Bytes received from the clients of those.
    pub from_clients: Counter,
    /// Bytes sent to them.
    pub to_clients: Counter,
}

impl BackendLane {
    /// Counts one attempt, retries included.
    pub fn attempted(&self, attempt: Attempt) {
        self.count(attempt).inc();
    }

    /// How many attempts there were, and how many of them failed.
    pub fn attempts(&self) -> (u64, u64) {
        let all = Attempt::ALL.map(|attempt| self.count(attempt).get());
        let sum: u64 = all.iter().sum();
        (sum, sum - all[Attempt::Ok as usize])
    }

    pub(super) fn count(&self, attempt: Attempt) -> &Counter {
        &self.attempts[attempt as usize]
    }
}

/// The methods that are counted apart; the last stands for all others.
pub const METHODS: [&str; 8] = [
    "GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE", "other",
];

/// What a worker counts for a method: what users saw, retries apart. A drill adds these up to its classes of traffic.
#[derive(Debug, Default)]
pub struct MethodLane {
    /// Attempts on backends, retries included.
    pub attempts: Counter,
    /// Requests that were answered below 500.
    pub ok: Counter,
    /// Requests that a fault failed.
    pub injected: Counter,
    /// Requests that the backend failed.
    pub upstream: Counter,
    /// Requests that the proxy failed.
    pub proxy: Counter,
    /// Those among them that were turned away because only a share is admitted.
    pub turned_away: Counter,
}

impl MethodLane {
    /// Counts a request that has ended; `failed` says by whose doing, if it did.
    pub fn ended(&self, attempts: u32, failed: Option<Origin>) {
        self.attempts.add(u64::from(attempts));
        match failed {
            None => self.ok.inc(),
            Some(Origin::Injected) => self.injected.inc(),
            Some(Origin::Upstream) => self.upstream.inc(),
            Some(Origin::Proxy) => self.proxy.inc(),
        }
    }
}

/// The place of a method in [`METHODS`].
pub fn method_place(method: &str) -> usize {
    METHODS
        .iter()
        .position(|known| *known == method)
        .unwrap_or(METHODS.len() - 1)
}

/// What a worker counts for a fault.
#[derive(Debug, Default)]
pub struct FaultLane {
    /// Exchanges that it touched.
    pub hits: Counter,
}

/// The counters of a route, one for each backend that may answer and one for when none did.
#[derive(Clone, Debug)]
pub struct RouteMetrics {
    none: Arc<Sharded<RequestLane>>,
    backends: Vec<Arc<Sharded<RequestLane>>>,
}

impl RouteMetrics {
    /// The counters of a worker, for an answer by the backend with this index or by none.
    pub fn lane(&self, worker: usize, backend: Option<usize>) -> &RequestLane {
        backend
            .and_then(|i| self.backends.get(i))
            .unwrap_or(&self.none)
            .lane(worker)
    }
}

/// The label for "none": no name in the document can be empty.
const NONE: &str = "";

impl Metrics {
    /// Numbers for so many workers.
    pub fn new(workers: usize) -> Arc<Self> {
        Arc::new(Self {
            workers,
            listeners: Family::new(["listener"]),
            requests: Family::new(["listener", "route", "cluster", "backend"]),
            clusters: Family::new(["cluster"]),
            backends: Family::new(["cluster", "backend"]),
            faults: Family::new(["fault"]),
            methods: std::array::from_fn(|_| Sharded::new(workers)),
            monitors: Sharded::new(workers),
            refusals: Sharded::new(workers),
            held: Sharded::new(workers),
            reloads_applied: Counter::default(),
            reloads_refused: Counter::default(),
            generation: AtomicU64::default(),
            followed: (0..workers).map(|_| AtomicU64::default()).collect(),
            draining: AtomicBool::default(),
            access_lines_dropped: Counter::default(),
        })
    }

    /// A worker goes by this snapshot from now on, its standing connections too.
    pub fn follow(&self, worker: usize, generation: u64) {
        self.followed[worker].store(generation, Relaxed);
    }

    /// Whether every worker goes by this snapshot, or a later one, and no exchange is held: what traffic itself says.
    pub fn has_settled(&self, generation: u64) -> bool {
        self.held.now() == 0 && self.is_followed(generation)
    }

    /// Whether every worker goes by this snapshot, or a later one.
    pub fn is_followed(&self, generation: u64) -> bool {
        let follows = |worker: &AtomicU64| worker.load(Relaxed) >= generation;
        self.followed.iter().all(follows)
    }

    /// How many workers have a lane.
    pub fn workers(&self) -> usize {
        self.workers
    }

    /// The counters of a listener.
    pub fn listener(&self, name: &str) -> Arc<Sharded<ListenerLane>> {
        self.listeners.member(self.workers, [name])
    }

    /// The counters of a route to a cluster with these backends. What matched no route is counted with empty names.
    pub fn route(&self, listener: &str, route: &str, cluster: &str, backends: &[&str]) -> RouteMetrics {
        let member = |backend| {
            self.requests
                .member(self.workers, [listener, route, cluster, backend])
        };
        RouteMetrics {
            none: member(NONE),
            backends: backends.iter().copied().map(member).collect(),
        }
    }

    /// The counters of a cluster.
    pub fn cluster(&self, name: &str) -> Arc<Sharded<ClusterLane>> {
        self.clusters.member(self.workers, [name])
    }

    /// The counters of a backend.
    pub fn backend(&self, cluster: &str, name: &str) -> Arc<Sharded<BackendLane>> {
        self.backends.member(self.workers, [cluster, name])
    }

    /// The counters of a fault.
    pub fn fault(&self, name: &str) -> Arc<Sharded<FaultLane>> {
        self.faults.member(self.workers, [name])
    }
}

/// Counters of the same kind, told apart by the values of `N` labels.
#[derive(Debug)]
pub(super) struct Family<const N: usize, T> {
    pub(super) labels: [&'static str; N],
    members: Mutex<BTreeMap<[String; N], Arc<Sharded<T>>>>,
}

/// Beyond so many members, those that no snapshot holds any more are forgotten: names of faults set through the API may be
/// new each time.
const MANY_MEMBERS: usize = 4096;

impl<const N: usize, T: Default> Family<N, T> {
    fn new(labels: [&'static str; N]) -> Self {
        Self {
            labels,
            members: Mutex::default(),
        }
    }

    fn member(&self, workers: usize, values: [&str; N]) -> Arc<Sharded<T>> {
        // An insertion is whole or has not happened, whatever panicked.
        let mut members = self.members.lock().unwrap_or_else(PoisonError::into_inner);
        if members.len() >= MANY_MEMBERS {
            members.retain(|_, member| Arc::strong_count(member) > 1);
        }
        let fresh = || Arc::new(Sharded::new(workers));
        Arc::clone(members.entry(values.map(Into::into)).or_insert_with(fresh))
    }

    /// All members, in the order of their labels.
    pub(super) fn all(&self) -> Vec<([String; N], Arc<Sharded<T>>)> {
        let members = self.members.lock().unwrap_or_else(PoisonError::into_inner);
        members
            .iter()
            .map(|(values, member)| (values.clone(), Arc::clone(member)))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_finds_its_counters_again_after_a_reload() {
        let metrics = Metrics::new(2);
        let before = metrics.route("public", "orders", "app", &["a", "b"]);
        before.lane(1, Some(1)).answered(Class::Success, Origin::Upstream);
        let after = metrics.route("public", "orders", "app", &["b"]);
        assert_eq!(
            after
                .lane(1, Some(0))
                .count(Class::Success, Origin::Upstream)
                .get(),
            1
        );
    }

    #[test]
    fn an_index_that_is_gone_counts_as_no_backend() {
        let metrics = Metrics::new(1);
        let route = metrics.route("public", "orders", "app", &["a"]);
        route.lane(0, Some(7)).answered(Class::ServerError, Origin::Proxy);
        assert_eq!(
            route.lane(0, None).count(Class::ServerError, Origin::Proxy).get(),
            1
        );
    }

    #[test]
    fn names_that_nobody_holds_are_forgotten_when_there_are_many() {
        let metrics = Metrics::new(1);
        let kept = metrics.fault("kept");
        kept.lane(0).hits.inc();
        for i in 0..MANY_MEMBERS + 10 {
            metrics.fault(&format!("once-{i}"));
        }
        assert!(metrics.faults.all().len() < 100);
        assert_eq!(metrics.fault("kept").sum(|lane| lane.hits.get()), 1);
    }
}
