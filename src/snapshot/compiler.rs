//! Makes a snapshot of a document and the active leases, or says what stands in the way.

use std::{
    collections::{BTreeMap, HashMap},
    net::SocketAddr,
    path::PathBuf,
    sync::{Arc, atomic::AtomicU64},
    time::Duration,
};

use tokio::time::Instant;

use super::{
    Listener, Obstacle, Route, Snapshot, Source, Target,
    ports::{obstacle, stood_there},
    secret::password,
    standing::{Sorted, compile_faults},
    steering::{monitors, steered, watched},
    whereabouts::{terms, whereabouts},
};
use crate::{
    config::{self, Path},
    faults::{Fault, Leg, Scope},
    net::{
        Alpn, ClientTls, Directory, Permits, ServerTls, Sockets, pool,
        tls::{ClientFiles, KeyPair, ServerFiles, Trust},
    },
    route::{RouteSettings, Table},
    telemetry::Metrics,
    units::Dice,
    upstream::{
        Cluster, ClusterSettings,
        retry::Retry,
        settings::{Protocol as Speaks, TlsSettings},
    },
    wire::http1,
};

/// What compiling needs of the world: names to follow, ports to bind, files to read.
pub struct Compiler {
    directory: Directory,
    metrics: Arc<Metrics>,
    workers: usize,
    /// The folder that paths in the document are relative to.
    folder: PathBuf,
    dice: Dice,
    /// Where the admin API listens.
    admin: Option<SocketAddr>,
    /// The number of the next backend.
    next_id: AtomicU64,
}

/// What listeners and routes are compiled from.
struct Parts<'a> {
    source: &'a Source<'a>,
    clusters: &'a [Arc<Target>],
    /// The places of the clusters, by name.
    places: &'a HashMap<Arc<str>, usize>,
    faults: &'a Sorted<'a>,
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
            admin: None,
            next_id: AtomicU64::new(1),
        }
    }

    /// The same, of a process whose admin API listens there.
    #[must_use]
    pub const fn beside_admin(mut self, admin: SocketAddr) -> Self {
        self.admin = Some(admin);
        self
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
        let sorted = Sorted::new(source.document, &faults);
        let mut obstacles = Vec::new();
        let mut clusters: Vec<Arc<Target>> = Vec::new();
        let mut places = HashMap::new();
        for (name, settings) in source.document.clusters.iter() {
            match self.target(name, settings, source, &sorted, now) {
                Ok(target) => {
                    places.insert(target.name.clone(), clusters.len());
                    clusters.push(Arc::new(target));
                }
                Err(obstacle) => obstacles.push(obstacle),
            }
        }
        let parts = Parts {
            source,
            clusters: &clusters,
            places: &places,
            faults: &sorted,
        };
        let mut listeners = BTreeMap::new();
        for (name, settings) in source.document.listeners.iter() {
            match self.listener(name, settings, &parts) {
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
            places,
            faults,
            fault_lanes,
            dice: self.dice,
            steering,
            blind: source.steering.iter().any(|steering| steering.blind),
            monitors: monitors(source.steering),
        })
    }

    fn target(
        &self,
        name: &str,
        settings: &ClusterSettings,
        source: &Source<'_>,
        faults: &Sorted<'_>,
        now: Instant,
    ) -> Result<Target, Obstacle> {
        let before = source.previous.and_then(|previous| previous.cluster(name));
        let kept = before.filter(|before| !source.reload && before.settings.tls == settings.tls);
        let tls = match (kept, &settings.tls) {
            (Some(before), _) => before.tls.clone(),
            (None, Some(tls)) => Some(self.client_tls(name, tls, settings.protocol.unwrap_or_default())?),
            (None, None) => None,
        };
        let known = before.filter(|_| !source.reload);
        let password = password(&self.folder, name, settings, known)?;
        let cluster = Arc::new(Cluster::compile(
            name,
            settings,
            before.map(|before| &*before.cluster),
            now,
        ));
        let terms = terms(&settings.dns);
        let (ids, addresses) = settings
            .backends
            .iter()
            .map(|backend| whereabouts(&self.directory, &self.next_id, (&backend.address, terms), before))
            .unzip();
        let keep_alive = &settings.keep_alive;
        let faults = cluster.backends().iter().map(|backend| {
            let scope = Scope {
                cluster: Some(name),
                backend: Some(backend.name()),
                ..Scope::default()
            };
            faults.standing(Leg::Upstream, &scope)
        });
        Ok(Target {
            name: name.into(),
            watched: watched(
                source.steering,
                name,
                cluster.backends(),
                before.map(|target| &**target),
            ),
            faults: faults.collect(),
            addresses,
            ids,
            directory: self.directory.clone(),
            tls,
            password,
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
            error: None,
        })
    }

    fn listener(
        &self,
        name: &str,
        settings: &config::Listener,
        parts: &Parts<'_>,
    ) -> Result<Listener, Obstacle> {
        let source = parts.source;
        let before = source.previous.and_then(|previous| previous.listeners.get(name));
        let same = stood_there(source, before, settings);
        let sockets = match same {
            Some(same) => same.sockets.clone(),
            None => Arc::new(
                Sockets::bind(settings.bind.0, self.workers)
                    .map_err(|bad| obstacle(source, self.admin, name, &bad))?,
            ),
        };
        let kept = before.filter(|before| {
            !source.reload
                && before.settings.tls == settings.tls
                && before.settings.protocol == settings.protocol
        });
        let tls = match (kept, &settings.tls) {
            (Some(before), _) => before.tls.clone(),
            (None, Some(tls)) => Some(self.server_tls(name, tls, settings.protocol)?),
            (None, None) => None,
        };
        let table = settings.table();
        let routes: Vec<Route> = table
            .iter()
            .enumerate()
            .map(|(place, route)| self.route(name, place, route, before, parts))
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
            faults: parts.faults.standing(Leg::Client, &scope),
            lanes: self.metrics.listener(name),
            no_route: self.metrics.route(name, "", "", &[]),
            settings: settings.clone(),
            sockets,
        })
    }

    fn server_tls(
        &self,
        listener: &str,
        tls: &config::Tls,
        protocol: config::Protocol,
    ) -> Result<ServerTls, Obstacle> {
        let alpn = match protocol {
            config::Protocol::Http | config::Protocol::Tcp => vec![Alpn::Http2, Alpn::Http1],
            config::Protocol::Postgres => vec![Alpn::Postgres],
            config::Protocol::Mysql | config::Protocol::Redis => vec![],
        };
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
            alpn,
        };
        files.load().map_err(|bad| Obstacle {
            path: Path::of(["listeners", listener, "tls"]),
            what: bad.to_string(),
            error: None,
        })
    }

    fn route(
        &self,
        listener: &str,
        place: usize,
        settings: &RouteSettings,
        before: Option<&Arc<Listener>>,
        parts: &Parts<'_>,
    ) -> Route {
        let (clusters, faults) = (parts.clusters, parts.faults);
        let name = settings
            .name
            .clone()
            .unwrap_or_else(|| format!("{listener}/{place}"));
        let cluster = parts.places.get(&*settings.cluster).copied();
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
                .map(|b| faults.standing(Leg::Upstream, &scope(b.name())))
                .collect()
        });
        let backends = cluster
            .map(|cluster| clusters[cluster].cluster.backends())
            .unwrap_or_default();
        let names: Vec<&str> = backends.iter().map(|backend| backend.name()).collect();
        Route {
            metrics: self.metrics.route(listener, &name, &settings.cluster, &names),
            faults: faults.standing(Leg::Client, &scope),
            name: name.into(),
            settings: settings.clone(),
            retry,
            cluster,
            upstream,
        }
    }
}
