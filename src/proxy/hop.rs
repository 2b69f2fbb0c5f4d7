//! Upstream connections: taken from the worker's pool or dialled, with TLS and PROXY protocol where the cluster asks for
//! them, and the faults of the upstream leg in between. HTTP/1.1 and HTTP/2 behind one call: head and body in, head and
//! body out.

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    error::Error,
    rc::{Rc, Weak},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode, request};
use hyper::client::conn::http2;
use tokio::{io::AsyncWriteExt, time::Instant};

use super::{
    body::{Source, Upload},
    client::Client,
    error::{Failure, Reason},
    headers,
    rt::Local,
    together::Together,
    worker::Worker,
};
use crate::{
    faults::{Cut, Dial, Fault, Handshake, Plan},
    net::{DialError, Dialer, Handle, Stream, pool, proxy_protocol, resolve},
    snapshot::Target,
    upstream::{
        Connected,
        settings::{Protocol, ProxyProtocol},
    },
    wire::http1::{self, Connection},
};

/// HTTP/2 streams that one upstream connection carries before another is opened; what backends commonly allow.
const STREAMS: u32 = 100;

/// A worker's connections to backends.
pub struct Hops {
    h1: Rc<pool::Pool<BackendId, Connection<Stream>>>,
    h2: RefCell<HashMap<BackendId, Vec<Rc<Shared>>>>,
    /// HTTP/2 connections that are being dialled, for all who wait for one.
    dialled: Together<BackendId, Result<Rc<Shared>, Failure>>,
    /// Every connection that carries HTTP, idle or not, so that a fault can cut it.
    standing: RefCell<HashMap<BackendId, Vec<Handle>>>,
    /// The last time that a fault cut connections to a backend, and which one.
    cuts: RefCell<HashMap<BackendId, (Instant, Arc<Fault>)>>,
    worker: Weak<Worker>,
}

/// Which backend a connection leads to; unique while the process lives.
pub type BackendId = u64;

/// An HTTP/2 connection, shared by the requests that it carries.
struct Shared {
    sender: http2::SendRequest<Upload>,
    open: Cell<u32>,
    since: Cell<Instant>,
}

impl Shared {
    fn has_room(&self) -> bool {
        !self.sender.is_closed() && self.open.get() < STREAMS
    }
}

/// A place on an HTTP/2 connection.
pub struct Stretch(Rc<Shared>);

impl Drop for Stretch {
    fn drop(&mut self) {
        self.0.open.set(self.0.open.get() - 1);
        self.0.since.set(Instant::now());
    }
}

/// What a backend answered.
pub enum Answered {
    /// A response; the stretch is held while its body comes.
    Response(Response<Source>, Option<Stretch>),
    /// The connection is no longer HTTP; these bytes came after the head.
    Tunnel(Response<()>, Box<Stream>, Bytes),
}

impl Answered {
    /// Its status.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Response(response, _) => response.status(),
            Self::Tunnel(response, ..) => response.status(),
        }
    }

    /// How long the backend asks to be left alone (RFC 9110 section 10.2.3), where it says so in seconds.
    pub fn retry_after(&self) -> Option<Duration> {
        let Self::Response(response, _) = self else {
            return None;
        };
        let value = response.headers().get(http::header::RETRY_AFTER)?;
        value.to_str().ok()?.parse().ok().map(Duration::from_secs)
    }
}

/// A request that got no answer.
pub struct Refused {
    /// Why.
    pub failure: Failure,
    /// Whether anything of it was sent.
    pub sent: bool,
    /// Whether it went out on a connection that had been used before and died without a byte: the backend's idle limit,
    /// most likely.
    pub stale: bool,
    /// The body, if none of it was read.
    pub body: Option<Upload>,
}

/// A cluster's backend as the upstream leg needs it.
pub struct Way<'a> {
    /// The cluster.
    pub target: &'a Target,
    /// The backend's place in it.
    pub index: usize,
    /// For whom, where the backend is told by PROXY protocol.
    pub client: &'a Client,
}

impl Way<'_> {
    fn id(&self) -> BackendId {
        self.target.backend_id(self.index)
    }

    /// A connection of a client's own cannot be shared, as PROXY protocol names one client; nor can one that a fault leads
    /// astray, which must not serve anybody who is spared.
    fn may_share(&self, plan: &Plan) -> bool {
        self.target.settings.proxy_protocol.is_none() && !plan.leads_astray()
    }
}

impl Hops {
    /// No connections yet.
    pub fn new(worker: Weak<Worker>) -> Self {
        Self {
            h1: pool::Pool::new(),
            h2: RefCell::default(),
            dialled: Together::default(),
            standing: RefCell::default(),
            cuts: RefCell::default(),
            worker,
        }
    }

    /// Sends a request on a connection to a backend.
    pub async fn send(
        &self,
        way: &Way<'_>,
        plan: &mut Plan,
        head: &request::Parts,
        body: Upload,
        interim: impl FnMut(StatusCode, &HeaderMap),
        fresh: bool,
    ) -> Result<Answered, Refused> {
        match way.target.settings.protocol.unwrap_or_default() {
            Protocol::Http1 => self.send_h1(way, plan, head, body, interim, fresh).await,
            Protocol::Http2 => Box::pin(self.send_h2(way, plan, head, body)).await,
        }
    }

    async fn send_h1(
        &self,
        way: &Way<'_>,
        plan: &mut Plan,
        head: &request::Parts,
        body: Upload,
        interim: impl FnMut(StatusCode, &HeaderMap),
        fresh: bool,
    ) -> Result<Answered, Refused> {
        let (limits, begun) = (way.target.pool, way.client.worker.deadlines.now());
        let idle = if !fresh && way.may_share(plan) {
            self.h1.take(&way.id(), begun, &limits, |idle| idle.is_alive())
        } else {
            None
        };
        let reused = idle.is_some();
        let connection = match idle {
            Some(pooled) => pooled.connection,
            // In a box: dialling with TLS and PROXY protocol is large, and most requests find a connection.
            None => match Box::pin(self.open(way, plan)).await {
                Ok(stream) => Connection::new(stream, &way.target.asking, self.give_back(way, plan)),
                Err(failure) => {
                    return Err(Refused {
                        failure,
                        sent: false,
                        stale: false,
                        body: Some(body),
                    });
                }
            },
        };
        match connection.send(head, body, interim).await {
            Ok(http1::Answer::Response(response)) => Ok(Answered::Response(response.map(Source::H1), None)),
            Ok(http1::Answer::Tunnel(response, stream, early)) => {
                Ok(Answered::Tunnel(response, Box::new(stream), early))
            }
            Err(error) => Err(Refused {
                stale: reused && error.stage == http1::Stage::Unanswered,
                sent: error.stage > http1::Stage::Unsent,
                failure: self.blamed(way.id(), begun, failure_of(&error.cause)),
                body: error.body,
            }),
        }
    }

    /// Gives a connection back to the pool, if it is still there and the connection may be used again.
    fn give_back(&self, way: &Way<'_>, plan: &Plan) -> http1::GiveBack<Stream> {
        let (pool, id, limits) = (Rc::downgrade(&self.h1), way.id(), way.target.pool);
        let (opened, uses, shareable) = (Instant::now(), way.target.uses, way.may_share(plan));
        let limited = way.target.settings.limits.connections.is_some();
        let cluster = limited.then(|| way.target.cluster.clone());
        let clock = way.client.worker.deadlines.clone();
        Rc::new(move |connection| {
            if let Some(pool) = pool.upgrade()
                && shareable
                && !cluster
                    .as_ref()
                    .is_some_and(|cluster| cluster.wants_connections())
                && uses.is_none_or(|most| connection.uses() < most)
            {
                pool.put(&id, clock.now(), &limits, connection, opened);
            }
        })
    }

    async fn send_h2(
        &self,
        way: &Way<'_>,
        plan: &mut Plan,
        head: &request::Parts,
        body: Upload,
    ) -> Result<Answered, Refused> {
        let unsent = |failure, body| Refused {
            failure,
            sent: false,
            stale: false,
            body: Some(body),
        };
        let begun = Instant::now();
        let shared = match self.shared(way, plan).await {
            Ok(shared) => shared,
            Err(failure) => return Err(unsent(failure, body)),
        };
        shared.open.set(shared.open.get() + 1);
        let stretch = Stretch(shared.clone());
        let mut sender = shared.sender.clone();
        if let Err(error) = sender.ready().await {
            return Err(unsent(Failure::real(Reason::UpstreamReset, error), body));
        }
        let mut head = head.clone();
        headers::to_absolute_form(&mut head, way.target.tls.is_some());
        let request = http::Request::from_parts(head, body);
        match sender.try_send_request(request).await {
            Ok(response) => Ok(Answered::Response(response.map(Source::H2), Some(stretch))),
            Err(mut error) => {
                let request = error.take_message();
                let reason = if error.error().is_parse() {
                    Reason::UpstreamGarbage
                } else {
                    Reason::UpstreamReset
                };
                // REFUSED_STREAM says that nothing was done (RFC 9113 section 8.7).
                let refused = refused_stream(error.error());
                Err(Refused {
                    failure: self.blamed(way.id(), begun, Failure::real(reason, error.error())),
                    sent: request.is_none() && !refused,
                    stale: false,
                    body: request.map(http::Request::into_body),
                })
            }
        }
    }

    /// An HTTP/2 connection with room for one more stream.
    async fn shared(&self, way: &Way<'_>, plan: &mut Plan) -> Result<Rc<Shared>, Failure> {
        if !way.may_share(plan) {
            return self.connect_h2(way, plan).await;
        }
        let id = way.id();
        loop {
            let known = self
                .h2
                .borrow()
                .get(&id)
                .and_then(|all| all.iter().find(|one| one.has_room()).cloned());
            if let Some(shared) = known {
                return Ok(shared);
            }
            let dial = async {
                let shared = self.connect_h2(way, plan).await?;
                self.h2.borrow_mut().entry(id).or_default().push(shared.clone());
                Ok(shared)
            };
            let shared: Rc<Shared> = self.dialled.make(id, dial).await?;
            if shared.has_room() {
                return Ok(shared);
            }
        }
    }

    async fn connect_h2(&self, way: &Way<'_>, plan: &mut Plan) -> Result<Rc<Shared>, Failure> {
        let stream = Box::pin(self.open(way, plan)).await?;
        let (sender, connection) = http2::Builder::new(Local)
            .timer(hyper_util::rt::TokioTimer::new())
            .keep_alive_interval(KEEP_ALIVE)
            .handshake(stream)
            .await
            .map_err(|error| Failure::real(Reason::UpstreamGarbage, error))?;
        tokio::task::spawn_local(connection);
        Ok(Rc::new(Shared {
            sender,
            open: Cell::new(0),
            since: Cell::new(Instant::now()),
        }))
    }

    /// Dials a backend for HTTP: the connection stands from here on, and faults can cut it.
    async fn open(&self, way: &Way<'_>, plan: &mut Plan) -> Result<Stream, Failure> {
        let stream = self.dial(way, plan).await?;
        let mut standing = self.standing.borrow_mut();
        standing.entry(way.id()).or_default().push(stream.handle());
        Ok(stream)
    }

    /// A place for one more connection. Where none is free, what this worker keeps idle makes room first.
    async fn place(&self, way: &Way<'_>) -> Result<Connected, Failure> {
        let cluster = &way.target.cluster;
        if cluster.is_full() {
            drop(self.shed(way.target));
        }
        let backend = &cluster.backends()[way.index];
        let placed = cluster.connect(backend).await;
        placed.map_err(|full| Failure::real(Reason::ClusterFull, full))
    }

    /// Takes one idle connection to a cluster out of the pool.
    fn shed(&self, target: &Target) -> Option<Connection<Stream>> {
        let backends = 0..target.addresses.len();
        backends
            .map(|index| target.backend_id(index))
            .find_map(|id| self.h1.shed(&id))
    }

    /// Dials a backend, or wherever a fault misleads the call to.
    pub async fn dial(&self, way: &Way<'_>, plan: &mut Plan) -> Result<Stream, Failure> {
        let place = self.place(way).await?;
        let limit = way.target.settings.connect_timeout();
        let begun = Instant::now();
        let dialler = Dialer { limit };
        let turn = usize::try_from(self.worker.upgrade().map_or(0, |w| w.number())).unwrap_or(0);
        let addresses = &way.target.addresses[way.index];
        let (dial, fault) = plan.dial();
        let injected = fault.is_some();
        let dialled = match (dial, fault) {
            (Dial::Hang, Some(fault)) => {
                let waited = tokio::time::timeout(limit, fault.lifted()).await;
                if waited.is_err() {
                    return Err(Failure::injected(Reason::Resolve, fault.name()));
                }
                dialler.dial(addresses, turn).await
            }
            (Dial::To(address), _) => match address.parse::<resolve::Address>() {
                Ok(wrong) => {
                    let directory = &way.target.directory;
                    dialler.dial(&directory.follow(&wrong), turn).await
                }
                Err(_) => return Err(Failure::real(Reason::Resolve, address)),
            },
            _ => dialler.dial(addresses, turn).await,
        };
        let mut stream = dialled.map_err(|error| Failure {
            injected,
            ..dial_failure(&error)
        })?;
        stream.keep(place);
        let lost = |error: std::io::Error| Failure::real(Reason::UpstreamReset, error);
        if let Some(version) = way.target.settings.proxy_protocol {
            let version = match version {
                ProxyProtocol::V1 => proxy_protocol::Version::V1,
                ProxyProtocol::V2 => proxy_protocol::Version::V2,
            };
            let pair = way.client.local().map(|local| (way.client.peer, local));
            stream
                .write_all(&proxy_protocol::encode(version, pair))
                .await
                .map_err(lost)?;
        }
        let Some(tls) = &way.target.tls else {
            return Ok(stream);
        };
        let left = limit
            .saturating_sub(begun.elapsed())
            .max(Duration::from_millis(1));
        if let (shown, Some(fault)) = plan.handshake() {
            let settings = way.target.settings.tls.as_ref();
            let verifies = settings.is_none_or(|tls| tls.verify != Some(false));
            suffer(shown, &fault, verifies, left).await?;
        }
        let host = host_of(addresses);
        tls.connect(stream, &host, left)
            .await
            .map_err(|error| Failure::real(Reason::TlsHandshake, error))
    }

    /// Ends what stands to a backend, idle or not, where `falls` says so; it is asked once for each connection.
    pub fn cut(&self, backend: BackendId, mut falls: impl FnMut() -> Option<(Cut, Arc<Fault>)>) {
        let standing = self.standing.borrow();
        let open = standing
            .get(&backend)
            .into_iter()
            .flatten()
            .filter(|one| one.is_open());
        for connection in open {
            let Some((cut, fault)) = falls() else { continue };
            self.cuts.borrow_mut().insert(backend, (Instant::now(), fault));
            match cut {
                Cut::Reset | Cut::Refuse => connection.reset(),
                Cut::Close => connection.close(),
            }
        }
    }

    /// The fault that has cut connections to a backend since then.
    pub fn cut_since(&self, backend: BackendId, begun: Instant) -> Option<Arc<Fault>> {
        let cuts = self.cuts.borrow();
        let (_, fault) = cuts.get(&backend).filter(|(at, _)| *at >= begun)?;
        Some(fault.clone())
    }

    /// A failure of an exchange that began then: a fault's where one has cut its connection.
    fn blamed(&self, backend: BackendId, begun: Instant, failure: Failure) -> Failure {
        match self.cut_since(backend, begun) {
            Some(fault) => Failure::injected(failure.reason, fault.name()),
            None => failure,
        }
    }

    /// Closes what has been idle for too long, has died, or leads to a backend that is gone.
    pub fn sweep(&self, now: Instant) {
        let Some(worker) = self.worker.upgrade() else {
            return;
        };
        let view = worker.view();
        let limits = |id: &BackendId| {
            view.clusters
                .iter()
                .find(|target| target.has_backend(*id))
                .map(|target| target.pool)
        };
        self.h1.sweep(now, limits, |idle| idle.is_alive());
        // Another worker may wait for what this one keeps.
        for target in view.clusters.iter().filter(|t| t.cluster.wants_connections()) {
            drop(self.shed(target));
        }
        self.cuts.borrow_mut().retain(|id, _| limits(id).is_some());
        self.standing.borrow_mut().retain(|_, all| {
            all.retain(Handle::is_open);
            !all.is_empty()
        });
        self.h2.borrow_mut().retain(|id, all| {
            let Some(limits) = limits(id) else { return false };
            all.retain(|one| {
                let idle =
                    one.open.get() == 0 && now.saturating_duration_since(one.since.get()) >= limits.idle_for;
                !one.sender.is_closed() && !idle
            });
            !all.is_empty()
        });
    }
}

/// A handshake under a fault: what the backend shows is no good, or it shows nothing.
async fn suffer(shown: Handshake, fault: &Fault, verifies: bool, limit: Duration) -> Result<(), Failure> {
    let wrong = |reason| Err(Failure::injected(reason, fault.name()));
    match shown {
        Handshake::Hang => match tokio::time::timeout(limit, fault.lifted()).await {
            Ok(()) => Ok(()),
            Err(_) => wrong(Reason::ConnectTimeout),
        },
        Handshake::Sound => Ok(()),
        // Who does not look at certificates does not mind a bad one.
        _ if !verifies => Ok(()),
        _ => wrong(Reason::TlsHandshake),
    }
}

/// A backend that vanished under an HTTP/2 connection is noticed by a ping this often.
const KEEP_ALIVE: Duration = Duration::from_secs(20);

/// The host of a backend's address, without its port.
pub fn host_of(addresses: &crate::net::Addresses) -> String {
    match &addresses.address().host {
        resolve::Host::Ip(ip) => ip.to_string(),
        resolve::Host::Name(name) => name.to_string(),
    }
}

fn refused_stream(error: &hyper::Error) -> bool {
    let mut cause: Option<&dyn Error> = error.source();
    while let Some(error) = cause {
        if let Some(h2) = error.downcast_ref::<h2::Error>() {
            return h2.reason() == Some(h2::Reason::REFUSED_STREAM);
        }
        cause = error.source();
    }
    false
}

fn failure_of(error: &http1::Error) -> Failure {
    let reason = match error {
        http1::Error::Garbage(_) => Reason::UpstreamGarbage,
        _ => Reason::UpstreamReset,
    };
    Failure::real(reason, error)
}

fn dial_failure(error: &DialError) -> Failure {
    let reason = match error {
        DialError::Refused(_) => Reason::ConnectRefused,
        DialError::Timeout { .. } => Reason::ConnectTimeout,
        DialError::Resolve(_) => Reason::Resolve,
        DialError::Tls(_) => Reason::TlsHandshake,
        DialError::Exhausted(_) => Reason::Exhausted,
        _ => Reason::Unreachable,
    };
    Failure::real(reason, error)
}
