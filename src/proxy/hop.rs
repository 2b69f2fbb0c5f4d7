//! Upstream connections: taken from the worker's pool or dialled. HTTP/1.1 and HTTP/2 behind one call: head and body in, head
//! and body out.

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    error::Error,
    rc::Rc,
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode, request};
use hyper::client::conn::http2;
use tokio::time::Instant;

use super::{
    body::Source,
    deadline::Deadlines,
    dial::{self, Way},
    error::{Failure, Reason},
    headers,
    rt::Local,
    standing::{BackendId, Standing},
    together::Together,
    upload::Upload,
};
use crate::{
    faults::Plan,
    net::{Stream, pool},
    snapshot::{Snapshot, Target},
    upstream::{Connected, settings::Protocol},
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
    /// What carries HTTP, idle or not.
    pub standing: Standing,
    deadlines: Rc<Deadlines>,
}

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
    /// The headers of its head.
    pub fn headers(&self) -> &HeaderMap {
        match self {
            Self::Response(response, _) => response.headers(),
            Self::Tunnel(response, ..) => response.headers(),
        }
    }

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

impl Hops {
    /// No connections yet.
    pub fn new(deadlines: Rc<Deadlines>) -> Self {
        Self {
            h1: pool::Pool::new(),
            h2: RefCell::default(),
            dialled: Together::default(),
            standing: Standing::default(),
            deadlines,
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
        let (limits, begun) = (way.target.pool, self.deadlines.now());
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
        let clock = self.deadlines.clone();
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
        self.standing.add(way.id(), stream.handle());
        Ok(stream)
    }

    /// Dials a backend, or wherever a fault misleads the call to, for whatever the connection is to carry.
    pub async fn dial(&self, way: &Way<'_>, plan: &mut Plan) -> Result<Stream, Failure> {
        let place = self.place(way).await?;
        dial::dial(way, place, plan).await
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

    /// A failure of an exchange that began then: a fault's where one has cut its connection.
    fn blamed(&self, backend: BackendId, begun: Instant, failure: Failure) -> Failure {
        match self.standing.cut_since(backend, begun) {
            Some(fault) => Failure::injected(failure.reason, fault.name()),
            None => failure,
        }
    }

    /// Closes what has been idle for too long, has died, or leads to a backend that is gone.
    pub fn sweep(&self, now: Instant, view: &Snapshot) {
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
        self.standing.sweep(|id| limits(&id).is_some());
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

/// A backend that vanished under an HTTP/2 connection is noticed by a ping this often.
const KEEP_ALIVE: Duration = Duration::from_secs(20);

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
