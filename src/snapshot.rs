//! What traffic may know: the document and the active leases, compiled, immutable.
//!
//! Names are resolved here, once. After that a request looks nothing up by name: a listener knows its routes, a route its
//! cluster, and both the faults that may touch them. State that must outlive a change (a backend's health, a fault's
//! counters, a listener's sockets) is carried over by identity.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use http::Method;
use tokio::time::Instant;

use crate::{
    config::{self, Document, Path},
    faults::{Entry, Fault, Leg, Scope},
    net::{
        Addresses, Alpn, ClientTls, Directory, Permits, ServerTls, Sockets, pool, resolve,
        tls::{ClientFiles, KeyPair, ServerFiles, Trust},
    },
    route::{RouteSettings, Table},
    telemetry::{BackendLane, ClusterLane, FaultLane, ListenerLane, Metrics, RouteMetrics, Sharded},
    units::{Dice, Probability},
    upstream::{
        Address, Cluster, ClusterSettings,
        retry::Retry,
        settings::{Protocol as Speaks, TlsSettings},
    },
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
    steering: Vec<Steered>,
}

/// Where a lease sends requests, compiled.
struct Steered {
    methods: Vec<Method>,
    cluster: usize,
    to: Vec<(usize, Probability)>,
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
    pub faults: Vec<Arc<Fault>>,
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
    pub faults: Vec<Arc<Fault>>,
    /// The faults on the upstream leg, by backend.
    pub upstream: Vec<Vec<Arc<Fault>>>,
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
    /// What a worker may keep of idle connections.
    pub pool: pool::Limits,
    /// How many requests a connection carries at most.
    pub uses: Option<u64>,
    /// How its backends are asked over HTTP/1.1.
    pub asking: http1::Asking,
    /// The faults that health checks see, by backend.
    pub faults: Vec<Vec<Arc<Fault>>>,
    /// What is counted for it.
    pub lanes: Arc<Sharded<ClusterLane>>,
    /// What is counted for its backends.
    pub backend_lanes: Vec<Arc<Sharded<BackendLane>>>,
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
}

/// Sends requests with some methods to some backends of a cluster, whatever its policy would choose: an incident's system
/// may have sent writes to one server only.
#[derive(Clone, Debug, PartialEq)]
pub struct Steering {
    /// The methods.
    pub methods: Vec<String>,
    /// The backends (cluster and name), with their shares of these requests.
    pub to: Vec<(String, String, Probability)>,
}

/// What a snapshot is compiled from.
#[derive(Clone, Copy)]
pub struct Source<'a> {
    /// The document.
    pub document: &'a Document,
    /// The faults of the active leases, in order.
    pub leased: &'a [(&'a str, &'a Entry)],
    /// Where leases send traffic.
    pub steering: &'a [&'a Steering],
    /// The snapshot before, from which state is carried over.
    pub previous: Option<&'a Snapshot>,
    /// Whether files are read again: a document was loaded, not just a fault set.
    pub reload: bool,
}

/// What compiling needs of the world: names to follow, ports to bind, files to read.
pub struct Compiler {
    directory: Directory,
    metrics: Arc<Metrics>,
    workers: usize,
    /// The folder that paths in the document are relative to.
    folder: PathBuf,
    dice: Dice,
    /// The number of the next backend.
    next_id: AtomicU64,
}

/// What stands in the way of a document that is right in itself: a port in use, a file that changed meanwhile.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{path}: {what}")]
pub struct Obstacle {
    /// Which value of the document.
    pub path: Path,
    /// What is wrong and what to do about it.
    pub what: String,
}

impl Snapshot {
    /// A cluster by name.
    pub fn cluster(&self, name: &str) -> Option<&Arc<Target>> {
        self.clusters.iter().find(|target| &*target.name == name)
    }

    /// The backend of a cluster that a lease sends a request to, if one does.
    pub fn steered(&self, cluster: usize, method: &Method, exchange: u64) -> Option<usize> {
        let steered = self
            .steering
            .iter()
            .find(|one| one.cluster == cluster && one.methods.contains(method))?;
        let mut left = self.dice.roll(STEERING, exchange);
        steered.to.iter().find_map(|(backend, share)| {
            left -= share.get();
            (left < 0.0).then_some(*backend)
        })
    }

    /// The faults that stand now and did not stand in `before`, and those that stood and do not any more.
    pub fn faults_changed<'a>(&'a self, before: &'a Self) -> (Vec<&'a Arc<Fault>>, Vec<&'a Arc<Fault>>) {
        let missing = |from: &'a [Arc<Fault>], of: &[Arc<Fault>]| {
            from.iter()
                .filter(|one| !of.iter().any(|other| Arc::ptr_eq(one, other)))
                .collect()
        };
        (
            missing(&self.faults, &before.faults),
            missing(&before.faults, &self.faults),
        )
    }
}

impl Compiler {
    /// A compiler that binds so many sockets per listener.
    pub const fn new(
        directory: Directory,
        metrics: Arc<Metrics>,
        workers: usize,
        folder: PathBuf,
        dice: Dice,
    ) -> Self {
        Self {
            directory,
            metrics,
            workers,
            folder,
            dice,
            next_id: AtomicU64::new(1),
        }
    }

    /// Where everything is counted.
    pub const fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }

    /// Compiles, or says what stands in the way. Nothing is published and nothing of the previous snapshot is touched
    /// either way; ports that were bound for a snapshot that is not published are free again.
    ///
    /// # Errors
    /// Everything that stands in the way, each with its path in the document.
    pub fn compile(&self, source: &Source<'_>, now: Instant) -> Result<Snapshot, Vec<Obstacle>> {
        let faults = compile_faults(source, now);
        let mut obstacles = Vec::new();
        let mut clusters = Vec::new();
        for (name, settings) in source.document.clusters.iter() {
            match self.target(name, settings, source, &faults, now) {
                Ok(target) => clusters.push(Arc::new(target)),
                Err(obstacle) => obstacles.push(obstacle),
            }
        }
        let mut listeners = BTreeMap::new();
        for (name, settings) in source.document.listeners.iter() {
            match self.listener(name, settings, source, &clusters, &faults) {
                Ok(listener) => drop(listeners.insert(listener.name.clone(), Arc::new(listener))),
                Err(obstacle) => obstacles.push(obstacle),
            }
        }
        if !obstacles.is_empty() {
            return Err(obstacles);
        }
        let generation = source.previous.map_or(1, |previous| previous.generation + 1);
        let lane = |fault: &Arc<Fault>| (fault.name().to_owned(), self.metrics.fault(fault.name()));
        let fault_lanes = faults.iter().map(lane).collect();
        let steering = source
            .steering
            .iter()
            .flat_map(|steering| steered(steering, &clusters))
            .collect();
        Ok(Snapshot {
            generation,
            listeners,
            clusters,
            faults,
            fault_lanes,
            dice: self.dice,
            steering,
        })
    }

    fn target(
        &self,
        name: &str,
        settings: &ClusterSettings,
        source: &Source<'_>,
        faults: &[Arc<Fault>],
        now: Instant,
    ) -> Result<Target, Obstacle> {
        let before = source.previous.and_then(|previous| previous.cluster(name));
        let kept = before.filter(|before| !source.reload && before.settings.tls == settings.tls);
        let tls = match (kept, &settings.tls) {
            (Some(before), _) => before.tls.clone(),
            (None, Some(tls)) => Some(self.client_tls(name, tls, settings.protocol.unwrap_or_default())?),
            (None, None) => None,
        };
        let cluster = Arc::new(Cluster::compile(
            name,
            settings,
            before.map(|before| &*before.cluster),
            now,
        ));
        let (ids, addresses) = settings
            .backends
            .iter()
            .map(|backend| self.whereabouts(&backend.address, before))
            .unzip();
        let keep_alive = &settings.keep_alive;
        let faults = cluster.backends().iter().map(|backend| {
            let scope = Scope {
                cluster: Some(name),
                backend: Some(backend.name()),
                ..Scope::default()
            };
            standing(source.document, faults, Leg::Upstream, &scope)
        });
        Ok(Target {
            name: name.into(),
            faults: faults.collect(),
            addresses,
            ids,
            directory: self.directory.clone(),
            tls,
            pool: pool::Limits {
                idle: keep_alive.connections(),
                idle_for: keep_alive.idle(),
                age: keep_alive.age.map(Duration::from),
            },
            uses: keep_alive.requests.map(|most| u64::from(most.get())),
            asking: http1::Asking::default(),
            lanes: self.metrics.cluster(name),
            backend_lanes: cluster
                .backends()
                .iter()
                .map(|b| self.metrics.backend(name, b.name()))
                .collect(),
            settings: settings.clone(),
            cluster,
        })
    }

    /// The number and the addresses of a backend, carried over by what was written.
    fn whereabouts(&self, address: &Address, before: Option<&Arc<Target>>) -> (u64, Addresses) {
        let written = address.to_string();
        let known = before.and_then(|target| {
            let place = target
                .addresses
                .iter()
                .position(|known| known.to_string() == written)?;
            Some((target.ids[place], target.addresses[place].clone()))
        });
        known.unwrap_or_else(|| {
            let id = self.next_id.fetch_add(1, Ordering::Relaxed);
            (id, self.directory.follow(&place(address)))
        })
    }

    fn client_tls(&self, cluster: &str, tls: &TlsSettings, speaks: Speaks) -> Result<ClientTls, Obstacle> {
        let alpn = match speaks {
            Speaks::Http1 => vec![Alpn::Http1],
            Speaks::Http2 => vec![Alpn::Http2],
        };
        let trust = match (&tls.roots, tls.verify) {
            (_, Some(false)) => Trust::Anybody,
            (Some(file), _) => Trust::File(self.folder.join(file)),
            (None, _) => Trust::System,
        };
        let files = ClientFiles {
            trust,
            identity: tls.client.as_ref().map(|pair| KeyPair {
                certificate: self.folder.join(&pair.certificate),
                key: self.folder.join(&pair.key),
            }),
            server_name: tls.server_name.clone(),
            alpn,
        };
        files.load().map_err(|bad| Obstacle {
            path: Path::of(["clusters", cluster, "tls"]),
            what: bad.to_string(),
        })
    }

    fn listener(
        &self,
        name: &str,
        settings: &config::Listener,
        source: &Source<'_>,
        clusters: &[Arc<Target>],
        faults: &[Arc<Fault>],
    ) -> Result<Listener, Obstacle> {
        let before = source.previous.and_then(|previous| previous.listeners.get(name));
        let same = before.filter(|before| before.sockets.asked() == settings.bind.0);
        let sockets = match same {
            Some(same) => same.sockets.clone(),
            None => Arc::new(
                Sockets::bind(settings.bind.0, self.workers).map_err(|error| Obstacle {
                    path: Path::of(["listeners", name, "bind"]),
                    what: error.to_string(),
                })?,
            ),
        };
        let kept = before.filter(|before| !source.reload && before.settings.tls == settings.tls);
        let tls = match (kept, &settings.tls) {
            (Some(before), _) => before.tls.clone(),
            (None, Some(tls)) => Some(self.server_tls(name, tls)?),
            (None, None) => None,
        };
        let table = settings.table();
        let routes: Vec<Route> = table
            .iter()
            .enumerate()
            .map(|(place, route)| self.route(name, place, route, before, source.document, clusters, faults))
            .collect();
        let scope = Scope {
            listener: Some(name),
            ..Scope::default()
        };
        Ok(Listener {
            name: name.into(),
            tls,
            permits: same.map_or_else(
                || Permits::new(settings.limits.connections.get() as usize),
                |s| s.permits.clone(),
            ),
            table: Table::compile(table.iter().map(|route| &route.r#match)),
            routes,
            faults: standing(source.document, faults, Leg::Client, &scope),
            lanes: self.metrics.listener(name),
            no_route: self.metrics.route(name, "", "", &[]),
            settings: settings.clone(),
            sockets,
        })
    }

    fn server_tls(&self, listener: &str, tls: &config::Tls) -> Result<ServerTls, Obstacle> {
        let files = ServerFiles {
            certificates: tls
                .pairs()
                .map(|pair| KeyPair {
                    certificate: self.folder.join(pair.certificate),
                    key: self.folder.join(pair.key),
                })
                .collect(),
            client_ca: tls.client_ca.as_ref().map(|file| self.folder.join(file)),
            client_optional: tls.client_certificate == config::ClientCertificate::Optional,
            tls13_only: tls.oldest_version == config::TlsVersion::V1_3,
            alpn: vec![Alpn::Http2, Alpn::Http1],
        };
        files.load().map_err(|bad| Obstacle {
            path: Path::of(["listeners", listener, "tls"]),
            what: bad.to_string(),
        })
    }

    fn route(
        &self,
        listener: &str,
        place: usize,
        settings: &RouteSettings,
        before: Option<&Arc<Listener>>,
        document: &Document,
        clusters: &[Arc<Target>],
        faults: &[Arc<Fault>],
    ) -> Route {
        let name = settings
            .name
            .clone()
            .unwrap_or_else(|| format!("{listener}/{place}"));
        let cluster = clusters
            .iter()
            .position(|target| *target.name == *settings.cluster);
        let known = before
            .and_then(|b| b.routes.get(place))
            .filter(|b| b.settings.retry == settings.retry);
        let retry = match (known, &settings.retry) {
            (Some(before), _) => before.retry.clone(),
            (None, written) => written
                .as_ref()
                .map(|written| Arc::new(Retry::compile(written, Instant::now()))),
        };
        let scope = Scope {
            listener: Some(listener),
            route: Some(&name),
            cluster: Some(&settings.cluster),
            backend: None,
        };
        let upstream = cluster.map_or_else(Vec::new, |cluster| {
            let backends = clusters[cluster].cluster.backends();
            let scope = |backend| Scope {
                backend: Some(backend),
                ..scope
            };
            backends
                .iter()
                .map(|b| standing(document, faults, Leg::Upstream, &scope(b.name())))
                .collect()
        });
        let backends = cluster
            .map(|cluster| clusters[cluster].cluster.backends())
            .unwrap_or_default();
        let names: Vec<&str> = backends.iter().map(|backend| backend.name()).collect();
        Route {
            metrics: self.metrics.route(listener, &name, &settings.cluster, &names),
            faults: standing(document, faults, Leg::Client, &scope),
            name: name.into(),
            settings: settings.clone(),
            retry,
            cluster,
            upstream,
        }
    }
}

/// The question that steering asks the dice, apart from those of faults.
const STEERING: u64 = 0x5753;

/// Resolves where a lease sends traffic, in every cluster that has one of its backends.
fn steered(steering: &Steering, clusters: &[Arc<Target>]) -> Vec<Steered> {
    let methods: Vec<Method> = steering
        .methods
        .iter()
        .filter_map(|method| method.parse().ok())
        .collect();
    let within = |(place, target): (usize, &Arc<Target>)| {
        let backends = target.cluster.backends();
        let to: Vec<(usize, Probability)> = steering
            .to
            .iter()
            .filter(|(cluster, ..)| **cluster == *target.name)
            .filter_map(|(_, name, share)| Some((backends.iter().position(|b| b.name() == name)?, *share)))
            .collect();
        (!to.is_empty()).then(|| Steered {
            methods: methods.clone(),
            cluster: place,
            to,
        })
    };
    clusters.iter().enumerate().filter_map(within).collect()
}

/// The address as the resolver knows it.
fn place(address: &Address) -> resolve::Address {
    address
        .to_string()
        .parse()
        .expect("an address shows itself in the form that it reads")
}

/// The document's faults and the leases', carried over while their definitions are equal.
fn compile_faults(source: &Source<'_>, now: Instant) -> Vec<Arc<Fault>> {
    let known = |name: &str, entry: &Entry| {
        let previous = source.previous?;
        let same = |fault: &&Arc<Fault>| fault.name() == name && fault.entry() == entry && !fault.is_lifted();
        previous.faults.iter().find(same).cloned()
    };
    let written = source.document.faults.iter();
    written
        .chain(source.leased.iter().copied())
        .map(|(name, entry)| known(name, entry).unwrap_or_else(|| Fault::compile(name, entry, now)))
        .collect()
}

/// The faults of one leg that stand in a scope, each as it stands before its backend.
fn standing(document: &Document, faults: &[Arc<Fault>], leg: Leg, scope: &Scope<'_>) -> Vec<Arc<Fault>> {
    faults
        .iter()
        .filter(|fault| fault.leg() == leg && fault.covers(scope) && plays(document, fault, scope))
        .map(|fault| match (scope.cluster, scope.backend) {
            (Some(cluster), Some(backend)) => fault.at(&format!("{cluster}/{backend}")),
            _ => fault.clone(),
        })
        .collect()
}

/// Whether the scope is one that the document binds to the fault's role.
fn plays(document: &Document, fault: &Fault, scope: &Scope<'_>) -> bool {
    let Some(role) = &fault.entry().r#where.role else {
        return true;
    };
    document.roles.get(role).is_some_and(|bound| {
        bound.iter().any(|target| {
            scope.cluster == Some(&*target.cluster)
                && target
                    .backend
                    .as_deref()
                    .is_none_or(|backend| scope.backend.is_none_or(|is| is == backend))
        })
    })
}
