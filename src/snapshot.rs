//! What traffic may know: the document and the active leases, compiled, immutable.
//!
//! Names are resolved here, once. After that a request looks nothing up by name: a listener knows its routes, a route its
//! cluster, and both the faults that may touch them. State that must outlive a change (a backend's health, a fault's
//! counters, a listener's sockets) is carried over by identity.

mod compiler;
mod ports;
mod secret;
mod standing;
mod steering;
mod whereabouts;

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};

use http::{HeaderMap, Method};
use tokio::time::Instant;

use self::steering::Steered;
pub use self::{
    compiler::Compiler,
    steering::{Steering, Watched},
};
use crate::{
    config::{self, Document, Named, Path},
    faults::{Entry, Fault, Lineup},
    net::{Addresses, ClientTls, Directory, Permits, ServerTls, Sockets, pool},
    route::{Facts, Matcher, RouteSettings, Table},
    telemetry::{BackendLane, ClusterLane, FaultLane, LastValue, ListenerLane, RouteMetrics, Sharded},
    units::Dice,
    upstream::{Active, Cluster, ClusterSettings, Outcome, outlier::Verdict, retry::Retry},
    wire::http1,
};

/// What traffic may know at one moment.
pub struct Snapshot {
    /// Counts up with every change that is published.
    pub generation: u64,
    /// The listeners by name.
    pub listeners: BTreeMap<Arc<str>, Arc<Listener>>,
    /// The clusters, in the order written.
    pub clusters: Vec<Arc<Target>>,
    /// The active faults, in the order in which they are tried.
    pub faults: Vec<Arc<Fault>>,
    /// What is counted for each fault, by name.
    pub fault_lanes: BTreeMap<String, Arc<Sharded<FaultLane>>>,
    /// What every roll is made with.
    pub dice: Dice,
    /// Whether those who look at traffic must not know what is injected.
    pub blind: bool,
    /// The places of the clusters, by name.
    places: HashMap<Arc<str>, usize>,
    steering: Vec<Steered>,
    monitors: Vec<Matcher>,
}

/// A listener, compiled.
pub struct Listener {
    /// Its name.
    pub name: Arc<str>,
    /// What was written.
    pub settings: config::Listener,
    /// Its certificates, where it ends TLS.
    pub tls: Option<ServerTls>,
    /// Its sockets, one per worker.
    pub sockets: Arc<Sockets>,
    /// How many connections it may serve.
    pub permits: Permits,
    /// Which route a request takes.
    pub table: Table,
    /// The routes; a TCP listener has one.
    pub routes: Vec<Route>,
    /// The faults on its client's leg that may touch a connection before its route is known.
    pub faults: Lineup,
    /// What is counted for it.
    pub lanes: Arc<Sharded<ListenerLane>>,
    /// What is counted for requests that take no route.
    pub no_route: RouteMetrics,
}

/// A route, compiled.
pub struct Route {
    /// Its name.
    pub name: Arc<str>,
    /// What was written.
    pub settings: RouteSettings,
    /// The cluster's place in the snapshot; `None` only in a document that went live without validation.
    pub cluster: Option<usize>,
    /// Whether and when a request is tried again.
    pub retry: Option<Arc<Retry>>,
    /// The faults on the client's leg.
    pub faults: Lineup,
    /// The faults on the upstream leg, by backend.
    pub upstream: Vec<Lineup>,
    /// What is counted for it.
    pub metrics: RouteMetrics,
}

/// A cluster with what it takes to reach it.
pub struct Target {
    /// Its name.
    pub name: Arc<str>,
    /// What was written.
    pub settings: ClusterSettings,
    /// The choice between its backends, their health and counters.
    pub cluster: Arc<Cluster>,
    /// Where its backends are, by backend.
    pub addresses: Vec<Addresses>,
    ids: Vec<u64>,
    /// Follows other names, for calls that a fault misleads.
    pub directory: Directory,
    /// TLS towards them.
    pub tls: Option<ClientTls>,
    /// What health checks prove who they are with.
    pub password: Option<Arc<str>>,
    /// What a worker may keep of idle connections.
    pub pool: pool::Limits,
    /// How many requests a connection carries at most.
    pub uses: Option<u64>,
    /// How its backends are asked over HTTP/1.1.
    pub asking: http1::Asking,
    /// The faults that health checks see, by backend.
    pub faults: Vec<Lineup>,
    /// What is counted for it.
    pub lanes: Arc<Sharded<ClusterLane>>,
    /// What is counted for its backends.
    pub backend_lanes: Vec<Arc<Sharded<BackendLane>>>,
    /// Headers of its backends' answers that a lease wants to know, each with the backend's place.
    pub watched: Vec<(usize, Arc<LastValue>)>,
}

impl Target {
    /// A number by which a worker knows a backend's connections, unique while the process lives.
    pub fn backend_id(&self, index: usize) -> u64 {
        self.ids[index]
    }

    /// Whether one of its backends has this number.
    pub fn has_backend(&self, id: u64) -> bool {
        self.ids.contains(&id)
    }

    /// The place of the backend with this number.
    pub fn place_of(&self, id: u64) -> Option<usize> {
        self.ids.iter().position(|known| *known == id)
    }

    /// Looks at the head of what a backend answered; where nobody wants to know a header of it, there is nothing to do.
    pub fn heard(&self, index: usize, headers: &HeaderMap) {
        for (place, value) in &self.watched {
            if *place == index {
                value.note(headers);
            }
        }
    }

    /// Tells how an attempt ended. Where a fault keeps trouble from the balancer, it is counted and nothing follows from it.
    pub fn record(&self, index: usize, now: Instant, attempt: &Active, outcome: Outcome) -> Option<Verdict> {
        if self.faults[index].iter().any(|fault| fault.hides_trouble()) {
            self.cluster.record_unseen(attempt, outcome);
            return None;
        }
        self.cluster.record(now, attempt, outcome)
    }
}

/// What a snapshot is compiled from.
#[derive(Clone, Copy)]
pub struct Source<'a> {
    /// The document.
    pub document: &'a Document,
    /// Those of its listeners that a program has made, and nobody has written down.
    pub beside: &'a Named<config::Listener>,
    /// The faults of the active leases, in order.
    pub leased: &'a [(&'a str, &'a Entry)],
    /// Where leases send traffic.
    pub steering: &'a [&'a Steering],
    /// The snapshot before, from which state is carried over.
    pub previous: Option<&'a Snapshot>,
    /// Whether files are read again: a document was loaded, not just a fault set.
    pub reload: bool,
}

/// What stands in the way of a document that is right in itself: a port in use, a file that changed meanwhile.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{path}: {what}")]
pub struct Obstacle {
    /// Which value of the document.
    pub path: Path,
    /// What is wrong and what to do about it.
    pub what: String,
    /// What the system said, where it was asked.
    pub error: Option<std::io::ErrorKind>,
}

impl Snapshot {
    /// The listener that has these sockets, which one of this name had, whatever it is called by now.
    pub fn listener_at(&self, before: &str, sockets: &Arc<Sockets>) -> Option<&Arc<Listener>> {
        let has = |listener: &&Arc<Listener>| Arc::ptr_eq(&listener.sockets, sockets);
        let same = self.listeners.get(before).filter(has);
        same.or_else(|| self.listeners.values().find(has))
    }

    /// Counts something that a fault has hit, in a worker's lane.
    pub fn count_hit(&self, fault: &str, worker: usize) {
        if let Some(lanes) = self.fault_lanes.get(fault) {
            lanes.lane(worker).hits.inc();
        }
    }

    /// A cluster by name.
    pub fn cluster(&self, name: &str) -> Option<&Arc<Target>> {
        self.places.get(name).map(|place| &self.clusters[*place])
    }

    /// The backend of a cluster that a lease sends a request to, if one does.
    pub fn steered(&self, cluster: usize, method: &Method, exchange: u64) -> Option<usize> {
        let mut steering = self.steering.iter();
        let steered = steering.find(|one| one.takes(cluster, method))?;
        let backends = self.clusters[cluster].cluster.backends();
        // What the responders took out of service gets nothing: that is how they save the reads.
        steered
            .pick(self.dice, exchange)
            .filter(|index| backends[*index].in_service())
    }

    /// Whether a request is monitoring's, which is no user.
    pub fn is_monitoring(&self, facts: &Facts<'_>) -> bool {
        self.monitors.iter().any(|matcher| matcher.holds(facts))
    }

    /// The faults that stand now and did not stand in `before`, and those that stood and do not any more.
    pub fn faults_changed<'a>(&'a self, before: &'a Self) -> (Vec<&'a Arc<Fault>>, Vec<&'a Arc<Fault>>) {
        let missing = |from: &'a [Arc<Fault>], of: &[Arc<Fault>]| {
            let of: HashSet<*const Fault> = of.iter().map(Arc::as_ptr).collect();
            let is_missing = |one: &&Arc<Fault>| !of.contains(&Arc::as_ptr(one));
            from.iter().filter(is_missing).collect()
        };
        (
            missing(&self.faults, &before.faults),
            missing(&before.faults, &self.faults),
        )
    }
}
