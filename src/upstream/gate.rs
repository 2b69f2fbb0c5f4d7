//! How much a cluster is given at a time: requests in flight with a queue before them, and connections.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering::Relaxed},
};

use tokio::{
    sync::{Notify, OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

use super::{backend::Backend, settings::LimitSettings};

/// The limits of a cluster and what is used of them. Carried over between snapshots while the limits are equal.
#[derive(Debug)]
pub(super) struct Gate {
    limits: LimitSettings,
    requests: Option<Arc<Semaphore>>,
    waiting: AtomicU32,
    connections: AtomicU32,
    /// How many wait for a connection to be closed.
    wanted: AtomicU32,
    closed: Notify,
}

/// The right to have a request in flight, until it is dropped.
#[derive(Debug)]
#[must_use = "the request counts against the cluster's limit until this is dropped"]
pub struct Entered {
    /// `None` where there is no limit.
    _place: Option<OwnedSemaphorePermit>,
}

/// An open connection to a backend, until it is dropped.
#[derive(Debug)]
#[must_use = "the connection counts against the cluster's limit until this is dropped"]
pub struct Connected {
    gate: Arc<Gate>,
    backend: Arc<Backend>,
}

/// Which limit of a cluster is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Full {
    /// As many wait as may.
    #[error("as many requests wait as `limits.waiting` allows")]
    Waiting,
    /// It waited as long as it may.
    #[error("no request ended within `limits.waiting_timeout`")]
    TimedOut,
    /// As many connections are open as may be.
    #[error("as many connections are open as `limits.connections` allows")]
    Connections,
}

impl Gate {
    pub(super) fn new(limits: &LimitSettings) -> Self {
        let places = |most: std::num::NonZeroU32| Arc::new(Semaphore::new(most.get() as usize));
        Self {
            limits: limits.clone(),
            requests: limits.requests.map(places),
            waiting: AtomicU32::new(0),
            connections: AtomicU32::new(0),
            wanted: AtomicU32::new(0),
            closed: Notify::new(),
        }
    }

    pub(super) fn limits(&self) -> &LimitSettings {
        &self.limits
    }

    /// Waits for a place, first come, first served, no longer and in no longer a queue than the limits allow.
    pub(super) async fn enter(&self) -> Result<Entered, Full> {
        let Some(places) = &self.requests else {
            return Ok(Entered { _place: None });
        };
        if let Ok(place) = Arc::clone(places).try_acquire_owned() {
            return Ok(Entered { _place: Some(place) });
        }
        let _queued = Queued::join(&self.waiting, self.limits.waiting())?;
        match timeout(self.limits.waiting_timeout(), Arc::clone(places).acquire_owned()).await {
            Ok(place) => Ok(Entered { _place: place.ok() }),
            Err(_) => Err(Full::TimedOut),
        }
    }

    /// How many wait for a place.
    pub(super) fn waiting(&self) -> u32 {
        self.waiting.load(Relaxed)
    }

    /// Takes a place for a connection, or waits for one in the same queue, and no longer, as a request does. While somebody
    /// waits, whoever keeps idle connections closes them.
    pub(super) async fn connect(self: &Arc<Self>, backend: &Arc<Backend>) -> Result<Connected, Full> {
        if let Some(connected) = self.try_connect(backend) {
            return Ok(connected);
        }
        let _queued = Queued::join(&self.waiting, self.limits.waiting()).map_err(|_| Full::Connections)?;
        self.wanted.fetch_add(1, Relaxed);
        let _wanted = Queued(&self.wanted);
        let place = async {
            loop {
                let closed = self.closed.notified();
                tokio::pin!(closed);
                // Listening begins before the look, so that a place given back in between is not missed.
                closed.as_mut().enable();
                if let Some(connected) = self.try_connect(backend) {
                    return connected;
                }
                closed.await;
            }
        };
        timeout(self.limits.waiting_timeout(), place)
            .await
            .map_err(|_| Full::Connections)
    }

    fn try_connect(self: &Arc<Self>, backend: &Arc<Backend>) -> Option<Connected> {
        let most = self
            .limits
            .connections
            .map_or(u32::MAX, std::num::NonZeroU32::get);
        take_one(&self.connections, most)?;
        backend.connection_opened();
        Some(Connected {
            gate: Arc::clone(self),
            backend: Arc::clone(backend),
        })
    }

    /// Whether no more connection may be opened.
    pub(super) fn is_full(&self) -> bool {
        let open = self.connections.load(Relaxed);
        self.limits.connections.is_some_and(|most| open >= most.get())
    }

    /// Whether somebody waits for a connection to be closed.
    pub(super) fn wants_connections(&self) -> bool {
        self.wanted.load(Relaxed) > 0
    }
}

/// A place in the queue; given back however the wait ends, also when the one who waits goes away.
struct Queued<'a>(&'a AtomicU32);

impl<'a> Queued<'a> {
    fn join(waiting: &'a AtomicU32, most: u32) -> Result<Self, Full> {
        take_one(waiting, most)
            .map(|()| Self(waiting))
            .ok_or(Full::Waiting)
    }
}

fn take_one(taken: &AtomicU32, most: u32) -> Option<()> {
    let one_more = |taken| (taken < most).then_some(taken + 1);
    taken.fetch_update(Relaxed, Relaxed, one_more).ok().map(|_| ())
}

impl Drop for Queued<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

impl Drop for Connected {
    fn drop(&mut self) {
        self.gate.connections.fetch_sub(1, Relaxed);
        self.backend.connection_closed();
        self.gate.closed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn gate(limits: serde_json::Value) -> Arc<Gate> {
        Arc::new(Gate::new(&serde_json::from_value(limits).unwrap()))
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_limit_everything_enters() {
        let gate = gate(json!({}));
        let mut inside = Vec::new();
        for _ in 0..10_000 {
            inside.push(gate.enter().await.unwrap());
        }
        assert_eq!(gate.waiting(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn who_finds_no_place_waits_in_order_and_the_queue_has_an_end() {
        let gate = gate(json!({"requests": 1, "waiting": 2}));
        let first = gate.enter().await.unwrap();
        let (mut second, mut third) = (Box::pin(gate.enter()), Box::pin(gate.enter()));
        tokio::select! {
            biased;
            _ = &mut second => panic!("it must wait"),
            _ = &mut third => panic!("it must wait"),
            () = std::future::ready(()) => {}
        }
        assert_eq!(gate.waiting(), 2);
        assert_eq!(gate.enter().await.unwrap_err(), Full::Waiting);
        drop(first);
        let second = tokio::select! {
            biased;
            _ = &mut third => panic!("the second comes first"),
            entered = &mut second => entered.unwrap(),
        };
        drop(second);
        drop(third.await.unwrap());
        assert_eq!(gate.waiting(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_longer_than_the_limit() {
        let gate = gate(json!({"requests": 1, "waiting_timeout": "2s"}));
        let _first = gate.enter().await.unwrap();
        let before = tokio::time::Instant::now();
        assert_eq!(gate.enter().await.unwrap_err(), Full::TimedOut);
        assert_eq!((before.elapsed().as_secs(), gate.waiting()), (2, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn who_goes_away_leaves_the_queue() {
        let gate = gate(json!({"requests": 1, "waiting": 1}));
        let first = gate.enter().await.unwrap();
        let gone = timeout(std::time::Duration::from_millis(1), gate.enter()).await;
        assert!(gone.is_err());
        assert_eq!(gate.waiting(), 0);
        drop(first);
        assert!(gate.enter().await.is_ok());
    }
}
