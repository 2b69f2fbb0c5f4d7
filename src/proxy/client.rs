//! A client connection as its worker sees it: who it is, what it may, and how it is ended.

use std::{
    cell::{Cell, OnceCell, RefCell},
    net::SocketAddr,
    rc::{Rc, Weak},
    sync::Arc,
    time::Duration,
};

use http::HeaderValue;
use tokio::{sync::Notify, time::Instant};

use super::{
    meter::Meter,
    worker::{View, Worker},
};
use crate::{
    faults::{Cut, Fault, Plan},
    net::{Handle, TlsFacts},
    route::{Facts, Session},
    snapshot::Listener,
    wire::http1::{self, Phase},
};

/// A client that has its answer and only has to close takes no longer than this (RFC 9112 section 9.6 asks to wait).
const CLOSING: Duration = Duration::from_secs(2);

/// How long an idle connection that is to end stays open for a request that is on its way already.
const LEAVE: Duration = Duration::from_millis(500);

/// Bytes before a cut that the client has not taken by then are lost with it.
const FLUSHING: Duration = Duration::from_millis(500);

/// A client connection.
pub struct Client {
    /// The worker that serves it.
    pub worker: Rc<Worker>,
    /// Who it is.
    pub peer: SocketAddr,
    /// Its address as the text of a header.
    pub text: HeaderValue,
    /// What its TLS handshake established.
    pub tls: Option<Arc<TlsFacts>>,
    /// The connection as HTTP/1.1 sees it.
    pub h1: Rc<http1::Handle>,
    /// The connection as HTTP/2 sees it.
    pub h2: Http2,
    meter: OnceCell<Meter>,
    socket: Handle,
    local: Option<SocketAddr>,
    /// The truth as this connection sees it, and its listener in it.
    seen: RefCell<(View, Arc<Listener>)>,
    life: Option<u64>,
    leaving: Cell<bool>,
    look: Cell<Look<State>>,
    kind: Cell<Kind>,
    wanted: Cell<Option<Cut>>,
    session: RefCell<Option<Rc<Session>>>,
}

/// What a client connection speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// HTTP/1.1.
    Http1,
    /// HTTP/2.
    Http2,
    /// Bytes: a TCP listener, or a tunnel after an upgrade.
    Bytes,
}

/// How an HTTP/2 connection is steered from outside.
#[derive(Default)]
pub struct Http2 {
    /// Streams that are open.
    pub open: Cell<u32>,
    /// Streams that were ever opened.
    pub begun: Cell<u64>,
    /// Told when the connection is to say GOAWAY and end.
    pub end: Notify,
}

/// What is compared between two looks.
#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    Http1(Phase, u64),
    /// Bytes wait for the client, and none has moved.
    Stuck(u64),
    Http2(u32, u64),
    Bytes,
}

impl Client {
    /// A connection that has just been accepted on a listener.
    pub fn new(
        worker: &Rc<Worker>,
        listener: &Arc<Listener>,
        view: &View,
        stream: &crate::net::Stream,
    ) -> Rc<Self> {
        let peer = stream.peer();
        Rc::new(Self {
            worker: worker.clone(),
            peer,
            text: HeaderValue::try_from(peer.ip().to_string()).unwrap_or(HeaderValue::from_static("unknown")),
            tls: stream.tls().cloned(),
            h1: Rc::new(http1::Handle::new()),
            h2: Http2::default(),
            meter: OnceCell::new(),
            socket: stream.handle(),
            local: stream.local(),
            seen: RefCell::new((view.clone(), listener.clone())),
            life: listener.settings.life,
            leaving: Cell::new(false),
            look: Cell::new(Look::new(State::Bytes, Instant::now())),
            kind: Cell::new(Kind::Http1),
            wanted: Cell::new(None),
            session: RefCell::default(),
        })
    }

    /// What is known of the connection before there is a request.
    pub fn facts(&self) -> Facts<'_> {
        Facts {
            client: self.peer.ip(),
            tls_name: self.tls.as_ref().and_then(|tls| tls.server_name.as_deref()),
            head: None,
            session: None,
            command: None,
        }
    }

    /// The same, with the database session that the connection carries: [`Self::session`].
    pub fn facts_of<'a>(&'a self, session: Option<&'a Session>) -> Facts<'a> {
        Facts {
            session,
            ..self.facts()
        }
    }

    /// The truth as of now, and the listener in it. A listener that is gone serves its connections to their end by the
    /// truth in which it last was.
    pub fn seen(&self) -> (View, Arc<Listener>) {
        let view = self.worker.view();
        let mut seen = self.seen.borrow_mut();
        if seen.0.generation != view.generation {
            let newer = view.listeners.get(&seen.1.name).cloned();
            if let Some(newer) = newer {
                *seen = (view, newer);
            }
        }
        seen.clone()
    }

    /// Says which database session it carries from here on.
    pub fn carries(&self, session: Session) {
        self.session.replace(Some(Rc::new(session)));
    }

    /// The database session that it carries, as it is now.
    pub fn session(&self) -> Option<Rc<Session>> {
        self.session.borrow().clone()
    }

    /// Whether the connection ends with the life of its listener, and that is over.
    pub fn is_over(&self) -> bool {
        let name = || self.seen.borrow().1.name.clone();
        let is_over = || {
            let now = self
                .worker
                .view()
                .listeners
                .get(&name())
                .map(|now| now.settings.life);
            now != Some(self.life)
        };
        self.life.is_some() && is_over()
    }

    /// Comes as soon as [`Self::is_over`].
    pub async fn over(&self) {
        if self.life.is_none() {
            return std::future::pending().await;
        }
        let mut changes = self.worker.changes.wait();
        while !self.is_over() {
            changes.rung().await;
        }
    }

    /// Says what the connection speaks.
    pub fn speaks(&self, kind: Kind) {
        self.kind.set(kind);
    }

    /// What the connection speaks.
    pub fn kind(&self) -> Kind {
        self.kind.get()
    }

    /// What counts its bytes while it stands; from the first call on they are counted.
    pub fn meter(&self) -> &Meter {
        self.meter.get_or_init(|| {
            let listener = self.seen.borrow().1.lanes.clone();
            Meter::new(self.worker.index, listener, self.socket.clone())
        })
    }

    /// Ends the connection in the way a fault wants it.
    pub fn cut(&self, cut: Cut) {
        match cut {
            Cut::Reset | Cut::Refuse => self.socket.reset(),
            Cut::Close => self.socket.close(),
        }
    }

    /// Ends what carries one exchange in the way a fault wants it: the connection, or with HTTP/2 the stream alone, which its
    /// body's error does.
    pub fn cut_exchange(&self, cut: Cut) {
        if self.kind.get() != Kind::Http2 {
            self.cut(cut);
        }
    }

    /// The same once what has passed is out: a fault that cuts after so many bytes lets exactly so many pass. A client that
    /// does not take them is cut all the same.
    pub fn cut_after_answer(self: &Rc<Self>, cut: Cut) {
        self.wanted.set(Some(cut));
        let client = Rc::downgrade(self);
        tokio::task::spawn_local(async move {
            tokio::time::sleep(FLUSHING).await;
            if let Some(client) = client.upgrade() {
                client.cut_exchange(cut);
            }
        });
    }

    /// How a fault wants the connection to end after its answer.
    pub fn wanted_cut(&self) -> Option<Cut> {
        self.wanted.get()
    }

    /// Who it is, and the address that it connected to.
    pub fn ends(&self) -> (SocketAddr, Option<SocketAddr>) {
        (self.peer, self.local)
    }

    /// Bytes received and sent so far, on the wire.
    pub fn bytes(&self) -> (u64, u64) {
        (self.socket.received(), self.socket.sent())
    }

    /// Whether the connection was ended by [`Client::cut`].
    pub fn is_cut(&self) -> bool {
        self.socket.is_cut()
    }

    /// Ends the connection after what it is doing. One that is idle is given [`LEAVE`]: its client may be about to ask.
    /// Whoever moves bytes ends when they do, or when the drain limit does.
    pub fn drain(&self) {
        self.leaving.set(true);
        self.h1.retire();
        self.h2.end.notify_one();
    }

    /// Follows a change: a listener that is gone ends its connections gently, and faults that end standing connections do
    /// so for this one. (A TCP connection follows by itself, in its pumps.)
    pub fn follow(&self, view: &View) {
        if self.kind.get() == Kind::Bytes {
            // Whoever has the answer to its change counts on what passed before.
            if let Some(meter) = self.meter.get().filter(|_| self.is_over()) {
                meter.count();
            }
            return;
        }
        let before = self.seen.borrow().1.clone();
        if !view.listeners.contains_key(&*before.name) {
            return self.drain();
        }
        let (_, listener) = self.seen();
        let added = added(&before.faults, &listener.faults);
        let session = self.session();
        let facts = self.facts_of(session.as_deref());
        let (dice, number, now) = (self.worker.dice(), self.worker.number(), Instant::now());
        if let Some((cut, fault)) = Plan::cut_of_standing(&added, dice, number, &facts, now) {
            view.count_hit(fault.name(), self.worker.index);
            self.cut(cut);
        }
    }

    /// Looks whether the connection stands still beyond its listener's limits.
    pub fn look(&self, now: Instant) {
        if let Some(meter) = self.meter.get() {
            meter.count();
        }
        let limits = self.seen.borrow().1.settings.timeouts;
        let mut look = self.look.get();
        let (state, limit) = match self.kind.get() {
            Kind::Bytes => (State::Bytes, None),
            Kind::Http2 => {
                let idle = limits.keep_alive_idle.0.filter(|_| self.h2.open.get() == 0);
                (
                    State::Http2(self.h2.open.get(), self.h2.begun.get()),
                    idle.map(Duration::from),
                )
            }
            Kind::Http1 => match self.h1.phase() {
                // A client that has connected and says nothing is as slow with its head as one that dribbles.
                Phase::Idle if self.h1.exchanges() == 0 => (
                    State::Http1(Phase::Head, 0),
                    limits.client_header.0.map(Duration::from),
                ),
                Phase::Exchange if self.h1.is_stuck() => (
                    State::Stuck(self.h1.moved()),
                    limits.client_body_idle.0.map(Duration::from),
                ),
                phase => {
                    let limit = match phase {
                        Phase::Idle => limits.keep_alive_idle.0.map(Duration::from),
                        Phase::Head => limits.client_header.0.map(Duration::from),
                        Phase::Exchange => None,
                        Phase::Closing => Some(CLOSING),
                    };
                    (State::Http1(phase, self.h1.exchanges()), limit)
                }
            },
        };
        let stood = look.again(state, now);
        self.look.set(look);
        let is_idle = self.kind.get() == Kind::Http1 && self.h1.phase() == Phase::Idle;
        if self.leaving.get() && is_idle && stood >= LEAVE {
            match self.h1.exchanges() {
                // It may not even be known yet which version of HTTP it speaks.
                0 => self.socket.close(),
                _ => self.h1.drain(),
            }
        }
        if limit.is_some_and(|limit| stood >= limit) {
            match self.kind.get() {
                Kind::Http2 => self.h2.end.notify_one(),
                _ => self.h1.expire(),
            }
        }
    }
}

/// The client connections of one worker.
#[derive(Default)]
pub struct Clients(RefCell<Vec<Weak<Client>>>);

impl Clients {
    /// Keeps an eye on a connection.
    pub fn add(&self, client: &Rc<Client>) {
        self.0.borrow_mut().push(Rc::downgrade(client));
    }

    /// Does something to every connection that stands.
    pub fn each(&self, act: impl Fn(&Client)) {
        let standing: Vec<Rc<Client>> = self.0.borrow().iter().filter_map(Weak::upgrade).collect();
        standing.iter().for_each(|client| act(client));
    }

    /// Lets go those that have ended.
    pub fn forget_ended(&self) {
        self.0.borrow_mut().retain(|client| client.strong_count() > 0);
    }
}

/// The faults of a new list that were not in the old one.
pub fn added(before: &[Arc<Fault>], now: &[Arc<Fault>]) -> Vec<Arc<Fault>> {
    now.iter()
        .filter(|fault| !before.iter().any(|old| Arc::ptr_eq(old, fault)))
        .cloned()
        .collect()
}

/// Whether a client connection has stood in one state for too long.
#[derive(Clone, Copy, Debug)]
struct Look<S> {
    state: S,
    since: Instant,
}

impl<S: PartialEq + Copy> Look<S> {
    /// The first look.
    fn new(state: S, now: Instant) -> Self {
        Self { state, since: now }
    }

    /// Looks again, and says how long the state has been the same.
    fn again(&mut self, state: S, now: Instant) -> Duration {
        if state != self.state {
            *self = Self { state, since: now };
        }
        now.saturating_duration_since(self.since)
    }
}
