//! What traffic may know: the document and the active leases, compiled, immutable.
//!
//! Names are resolved here, once. After that a request looks nothing up by name: a listener knows its routes, a route its
//! cluster, and both the faults that may touch them. State that must outlive a change (a backend's health, a fault's
//! counters, a listener's sockets) is carried over by identity.

use std::{collections::BTreeMap, sync::Arc};

use tokio::time::Instant;

use crate::{
    config::{Document, Listener as ListenerSettings, Problem, Protocol},
    faults::{Entry, Fault, Leg, Scope},
    net::{Addresses, ClientTls, Directory, Permits, ServerTls, Sockets},
    route::{RouteSettings, Table},
    units::Dice,
    upstream::{Cluster, ClusterSettings},
};

/// What traffic may know at one moment.
pub struct Snapshot {
    /// Counts up with every change that is published.
    pub generation: u64,
    /// The listeners by name.
    pub listeners: BTreeMap<String, Arc<Listener>>,
    /// The clusters, in the order of their names.
    pub clusters: Vec<Arc<Target>>,
    /// The active faults, in the order in which they are tried.
    pub faults: Vec<Arc<Fault>>,
    /// What every roll is made with.
    pub dice: Dice,
}

/// A listener, compiled.
pub struct Listener {
    /// Its name.
    pub name: Arc<str>,
    /// What was written.
    pub settings: ListenerSettings,
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
}

/// A route, compiled.
pub struct Route {
    /// Its name.
    pub name: Arc<str>,
    /// What was written.
    pub settings: RouteSettings,
    /// The cluster's place in the snapshot; `None` only in a document that went live without validation.
    pub cluster: Option<usize>,
    /// The faults on the client's leg.
    pub faults: Vec<Arc<Fault>>,
    /// The faults on the upstream leg, by backend.
    pub upstream: Vec<Vec<Arc<Fault>>>,
}

/// A cluster with what it takes to reach it.
pub struct Target {
    /// Its name.
    pub name: Arc<str>,
    /// The choice between its backends, their health and counters.
    pub cluster: Arc<Cluster>,
    /// Where its backends are, by backend.
    pub addresses: Vec<Addresses>,
    /// TLS towards them.
    pub tls: Option<ClientTls>,
    /// The faults that health checks see, by backend.
    pub faults: Vec<Vec<Arc<Fault>>>,
}

/// What a snapshot is compiled from.
pub struct Source<'a> {
    /// The document.
    pub document: &'a Document,
    /// The faults of the active leases, in order.
    pub leased: Vec<(&'a str, &'a Entry)>,
    /// The snapshot before, from which state is carried over.
    pub previous: Option<&'a Snapshot>,
    /// Whether the document was validated; if not, what does not resolve is served as the failure it is.
    pub validated: bool,
}

/// What compiling needs of the world: names to follow, ports to bind, files to read.
pub struct Compiler {
    /// Follows the names of backends.
    pub directory: Directory,
    /// How many sockets a listener gets.
    pub workers: usize,
    /// What every roll is made with.
    pub dice: Dice,
}

impl Compiler {
    /// Compiles, or says what stands in the way: a port in use, a certificate that cannot be read. Nothing is published
    /// and nothing of the previous snapshot is touched either way.
    ///
    /// # Errors
    /// Everything that is wrong, each with its path in the document.
    pub fn compile(&self, source: &Source<'_>, now: Instant) -> Result<Snapshot, Vec<Problem>> {
        let faults = compile_faults(source, now);
        let mut problems = Vec::new();
        let clusters = self.clusters(source, &faults, now, &mut problems);
        let listeners = self.listeners(source, &clusters, &faults, &mut problems);
        if !problems.is_empty() {
            return Err(problems);
        }
        let generation = source.previous.map_or(1, |previous| previous.generation + 1);
        Ok(Snapshot { generation, listeners, clusters, faults, dice: self.dice })
    }

    fn clusters(
        &self,
        source: &Source<'_>,
        faults: &[Arc<Fault>],
        now: Instant,
        problems: &mut Vec<Problem>,
    ) -> Vec<Arc<Target>> {
        let mut targets = Vec::new();
        for (name, settings) in &source.document.clusters {
            let before = source.previous.and_then(|previous| previous.cluster(name));
            match self.target(name, settings, before, now) {
                Ok(mut target) => {
                    target.faults = by_backend(&target.cluster, |backend| {
                        let scope = Scope { cluster: Some(name), backend: Some(backend), ..Scope::default() };
                        standing(source.document, faults, Leg::Upstream, &scope, Some((name, backend)))
                    });
                    targets.push(Arc::new(target));
                }
                Err(problem) => problems.push(problem),
            }
        }
        targets
    }

    fn target(
        &self,
        name: &str,
        settings: &ClusterSettings,
        before: Option<&Arc<Target>>,
        now: Instant,
    ) -> Result<Target, Problem> {
        let tls = match &settings.tls {
            Some(tls) => Some(
                ClientTls::load(&tls.into())
                    .map_err(|bad| Problem::at(format!("clusters.{name}.tls"), bad.to_string(), bad.mend()))?,
            ),
            None => None,
        };
        let cluster = Arc::new(Cluster::compile(name, settings, before.map(|b| &*b.cluster), now));
        let addresses = settings.backends.iter().map(|backend| {
            let known = before.and_then(|b| b.addresses.iter().find(|a| *a.address() == backend.address));
            known.cloned().unwrap_or_else(|| self.directory.follow(&backend.address))
        });
        Ok(Target { name: name.into(), cluster, addresses: addresses.collect(), tls, faults: Vec::new() })
    }
}
