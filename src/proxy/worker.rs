//! What one worker has, and its connections share: the truth, its upstream connections, its time limits, its numbers. All
//! of it is one thread's own: no lock, no channel and no hand-over is on the way of a request.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use tokio::sync::watch;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{bell::Bell, database::Cancels, deadline::Deadlines, hop::Hops};
use crate::{
    net::tls::Impostor,
    snapshot::Snapshot,
    telemetry::{Level, Metrics, access::Pen, events::Events},
    units::{Dice, Stream},
};

/// How many exchanges a worker can number before its numbers would meet those of the next one.
const NUMBERS: u64 = 1 << 48;

/// Tells the numbers that are given while faults stand from those of the workers.
const UNDER_FAULTS: u64 = 1 << 63;

/// The snapshot as a worker holds it: counted by the worker alone, so that taking it for a request costs no atomic.
pub type View = Rc<Arc<Snapshot>>;

/// What all workers share.
#[derive(Clone)]
pub struct Shared {
    /// The truth.
    pub truth: watch::Receiver<Arc<Snapshot>>,
    /// Where events go.
    pub events: Events,
    /// Where measurements go.
    pub metrics: Arc<Metrics>,
    /// Shows bad certificates where a fault asks for them; `None` if none could be made.
    pub impostor: Option<Impostor>,
    /// How many exchanges were numbered while faults stood.
    pub under_faults: Arc<AtomicU64>,
    /// Where requests to cancel a database's command go.
    pub cancels: Cancels,
    /// Cancelled when no new connections are to be taken and what runs is to end.
    pub drain: CancellationToken,
    /// Cancelled by a worker that cannot go on: the process is to drain and end.
    pub failed: CancellationToken,
}

/// One worker.
pub struct Worker {
    /// Which one.
    pub index: usize,
    /// What it shares with the others.
    pub shared: Shared,
    /// Its time limits.
    pub deadlines: Rc<Deadlines>,
    /// Its upstream connections.
    pub hops: Hops,
    /// Its lines of the access log, if there is one.
    pub pen: Option<Pen>,
    /// The tasks of its connections.
    pub tasks: TaskTracker,
    /// Rings when the truth has changed, or which copy of the data a backend has, for the connections that stand.
    pub changes: Rc<Bell>,
    truth: RefCell<watch::Receiver<Arc<Snapshot>>>,
    current: RefCell<View>,
    generation: Cell<u64>,
    number: Cell<u64>,
    turns: RefCell<Vec<u64>>,
    random: Cell<Stream>,
}

impl Worker {
    /// One that has no connections yet.
    pub fn new(index: usize, shared: Shared, pen: Option<Pen>) -> Rc<Self> {
        let snapshot = shared.truth.borrow().clone();
        let deadlines = Rc::<Deadlines>::default();
        Rc::new(Self {
            index,
            hops: Hops::new(deadlines.clone()),
            deadlines,
            pen,
            tasks: TaskTracker::new(),
            changes: Rc::default(),
            random: Cell::new(snapshot.dice.stream(u64::MAX, index as u64)),
            truth: RefCell::new(shared.truth.clone()),
            generation: Cell::new(snapshot.generation),
            current: RefCell::new(Rc::new(snapshot)),
            number: Cell::new(index as u64 * NUMBERS),
            turns: RefCell::default(),
            shared,
        })
    }

    /// The truth as of now: one comparison where nothing has changed.
    pub fn view(&self) -> View {
        self.catch_up();
        self.current.borrow().clone()
    }

    fn catch_up(&self) {
        let mut truth = self.truth.borrow_mut();
        if truth.has_changed().unwrap_or(false) {
            let snapshot = truth.borrow_and_update().clone();
            self.generation.set(snapshot.generation);
            *self.current.borrow_mut() = Rc::new(snapshot);
        }
    }

    /// Rings for every change of the truth, and never ends: once nobody is left to change it, what stands goes on.
    pub async fn announce(self: Rc<Self>) {
        let mut truth = self.shared.truth.clone();
        while truth.changed().await.is_ok() {
            self.changes.ring();
        }
        std::future::pending::<()>().await;
    }

    /// The generation of the truth as of now: one comparison where nothing has changed.
    pub fn generation(&self) -> u64 {
        self.catch_up();
        self.generation.get()
    }

    /// The next exchange's number, unique over all workers. While faults stand all workers count in one row: what comes in some order
    /// is numbered in that order, whichever worker gets it, so that a seed repeats who is hit.
    pub fn number(&self) -> u64 {
        self.catch_up();
        if !self.current.borrow().faults.is_empty() {
            return UNDER_FAULTS | self.shared.under_faults.fetch_add(1, Ordering::Relaxed);
        }
        let number = self.number.get();
        self.number.set(number + 1);
        number
    }

    /// The next turn in the cluster at this place of the snapshot; workers begin at different places, so that they do not
    /// move in step.
    pub fn turn(&self, place: usize) -> u64 {
        let mut turns = self.turns.borrow_mut();
        if turns.len() <= place {
            turns.resize(place + 1, self.index as u64);
        }
        turns[place] += 1;
        turns[place]
    }

    /// Numbers for choices that no seed needs to repeat.
    pub fn draw<T>(&self, with: impl FnOnce(&mut Stream) -> T) -> T {
        let mut stream = self.random.get();
        let drawn = with(&mut stream);
        self.random.set(stream);
        drawn
    }

    /// The exchanges of this worker that faults hold.
    pub fn held(&self) -> &Level {
        self.shared.metrics.held.lane(self.index)
    }

    /// The dice of the snapshot in force.
    pub fn dice(&self) -> Dice {
        self.current.borrow().dice
    }

    /// Whether what comes in on a listener is to end after what it is doing.
    pub fn is_leaving(&self, listener: &str) -> bool {
        self.shared.drain.is_cancelled() || !self.view().listeners.contains_key(listener)
    }
}
