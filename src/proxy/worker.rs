//! One worker: a thread with a runtime of its own, its own sockets and its own pool of upstream connections. A request is
//! accepted, sent and answered here, with no lock, no channel and no hand-over on the way.

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    net::{IpAddr, Ipv4Addr},
    rc::{Rc, Weak},
    sync::Arc,
    time::Duration,
};

use tokio::{
    sync::watch,
    time::{Instant, MissedTickBehavior, interval},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    client::{Client, added, cut_of_standing},
    deadline::Deadlines,
    hop::Hops,
    listener,
};
use crate::{
    net::{Permits, tls::Impostor},
    route::Facts,
    snapshot::{Listener, Snapshot},
    telemetry::{Level, Metrics, access::Pen, events::Events},
    units::{Dice, Stream},
};

/// How often connections are looked at for having stood still, and idle upstream connections for having died.
const LOOK: Duration = Duration::from_millis(250);

/// How many exchanges a worker can number before its numbers would meet those of the next one.
const NUMBERS: u64 = 1 << 48;

/// An upstream connection serves many clients, so a fault that asks for one does not end it.
const NOBODY: Facts<'static> = Facts {
    client: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
    tls_name: None,
    head: None,
};

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
    truth: RefCell<watch::Receiver<Arc<Snapshot>>>,
    current: RefCell<View>,
    number: Cell<u64>,
    turns: RefCell<Vec<u64>>,
    random: Cell<Stream>,
    clients: RefCell<Vec<Weak<Client>>>,
}

impl Worker {
    fn new(index: usize, shared: Shared, pen: Option<Pen>) -> Rc<Self> {
        let snapshot = shared.truth.borrow().clone();
        Rc::new_cyclic(|this: &Weak<Self>| Self {
            index,
            deadlines: Rc::default(),
            hops: Hops::new(this.clone()),
            pen,
            tasks: TaskTracker::new(),
            random: Cell::new(snapshot.dice.stream(u64::MAX, index as u64)),
            truth: RefCell::new(shared.truth.clone()),
            current: RefCell::new(Rc::new(snapshot)),
            number: Cell::new(index as u64 * NUMBERS),
            turns: RefCell::default(),
            clients: RefCell::default(),
            shared,
        })
    }

    /// The truth as of now: one comparison where nothing has changed.
    pub fn view(&self) -> View {
        let mut truth = self.truth.borrow_mut();
        if truth.has_changed().unwrap_or(false) {
            *self.current.borrow_mut() = Rc::new(truth.borrow_and_update().clone());
        }
        self.current.borrow().clone()
    }

    /// The next exchange's number, unique over all workers.
    pub fn number(&self) -> u64 {
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

    /// Keeps an eye on a client connection.
    pub fn watch_over(&self, client: &Rc<Client>) {
        self.clients.borrow_mut().push(Rc::downgrade(client));
    }

    /// Every client connection that stands.
    pub fn clients(&self) -> Vec<Rc<Client>> {
        self.clients.borrow().iter().filter_map(Weak::upgrade).collect()
    }

    /// Looks at every connection now and then; the ones that stand still beyond their limits are ended.
    async fn look_after(self: Rc<Self>) {
        let mut looks = interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let now = looks.tick().await;
            self.clients
                .borrow_mut()
                .retain(|client| client.strong_count() > 0);
            for client in self.clients() {
                client.look(now);
            }
            self.hops.sweep(now);
        }
    }

    /// Serves the listeners of the snapshot in force, and follows its changes.
    async fn follow(self: Rc<Self>) {
        let mut truth = self.shared.truth.clone();
        let mut serving: HashMap<Arc<str>, Serving> = HashMap::new();
        let mut before = self.view();
        loop {
            let view = self.view();
            // Those that are gone, or have moved to another port, stop accepting; their connections end by themselves.
            serving.retain(|name, serving| {
                view.listeners
                    .get(&**name)
                    .is_some_and(|listener| Arc::ptr_eq(&listener.sockets, &serving.sockets))
            });
            for (name, listener) in &view.listeners {
                if let Some(now) = serving.get(&**name) {
                    now.permits
                        .resize(listener.settings.limits.connections.get() as usize);
                } else if let Some(socket) = listener.sockets.take(self.index) {
                    serving.insert(listener.name.clone(), self.serve(&view, listener, socket));
                }
            }
            for client in self.clients() {
                client.follow(&view);
            }
            self.cut_standing(&before, &view);
            self.shared.metrics.follow(self.index, view.generation);
            before = view;
            tokio::select! {
                changed = truth.changed() => if changed.is_err() { return },
                () = self.shared.drain.cancelled() => return,
            }
        }
    }

    /// Ends connections to backends, idle or not, where a fault was added that ends what stands.
    fn cut_standing(&self, before: &View, view: &View) {
        for target in &view.clusters {
            let old = before.cluster(&target.name);
            for (index, faults) in target.faults.iter().enumerate() {
                let id = target.backend_id(index);
                let known = old.and_then(|old| Some(&old.faults[old.place_of(id)?][..]));
                let added = added(known.unwrap_or_default(), faults);
                if !added.is_empty() {
                    self.hops
                        .cut(id, || cut_of_standing(&added, view.dice, self.number(), &NOBODY));
                }
            }
        }
    }

    /// Whether what comes in on a listener is to end after what it is doing.
    pub fn is_leaving(&self, listener: &str) -> bool {
        self.shared.drain.is_cancelled() || !self.view().listeners.contains_key(listener)
    }

    fn serve(
        self: &Rc<Self>,
        view: &View,
        listener: &Arc<Listener>,
        socket: std::net::TcpListener,
    ) -> Serving {
        let stop = self.shared.drain.child_token();
        // Waited for as a connection is: what it finds in its queue at the end is still served.
        self.tasks.spawn_local(listener::accept(
            self.clone(),
            view.clone(),
            listener.clone(),
            socket,
            stop.clone(),
        ));
        Serving {
            sockets: listener.sockets.clone(),
            permits: listener.permits.clone(),
            stop,
        }
    }

    /// Tells every connection to end after what it is doing.
    fn drain(&self) {
        for client in self.clients() {
            client.drain();
        }
    }
}

/// A listener that this worker accepts on; dropped, it accepts no more.
struct Serving {
    sockets: Arc<crate::net::Sockets>,
    permits: Permits,
    stop: CancellationToken,
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// Runs a worker until it is drained: until its last connection has ended, or the limit is reached. Returns how many
/// connections were still open then.
pub async fn run(index: usize, shared: Shared, pen: Option<Pen>, drain_limit: Duration) -> usize {
    let worker = Worker::new(index, shared, pen);
    let mut deadlines = tokio::task::spawn_local(worker.deadlines.clone().run());
    let mut looks = tokio::task::spawn_local(worker.clone().look_after());
    let mut following = tokio::task::spawn_local(worker.clone().follow());
    // A connection's panic ends its own task and no more. One of these ends the worker: it finishes what runs.
    let panicked = tokio::select! {
        followed = &mut following => followed.is_err(),
        _ = &mut deadlines => true,
        _ = &mut looks => true,
    };
    if panicked {
        worker.shared.failed.cancel();
        worker.shared.drain.cancelled().await;
    }
    worker.drain();
    worker.tasks.close();
    let ended = tokio::time::timeout(drain_limit, worker.tasks.wait()).await;
    deadlines.abort();
    looks.abort();
    if let Some(pen) = &worker.pen {
        pen.flush();
    }
    if ended.is_ok() { 0 } else { worker.tasks.len() }
}

/// Whether a client connection has stood in one state for too long.
#[derive(Clone, Copy, Debug)]
pub struct Look<S> {
    state: S,
    since: Instant,
}

impl<S: PartialEq + Copy> Look<S> {
    /// The first look.
    pub fn new(state: S, now: Instant) -> Self {
        Self { state, since: now }
    }

    /// Looks again, and says how long the state has been the same.
    pub fn again(&mut self, state: S, now: Instant) -> Duration {
        if state != self.state {
            *self = Self { state, since: now };
        }
        now.saturating_duration_since(self.since)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Connections are tasks of a tracker, as these are: the runtime catches a panic where the task ends.
    #[tokio::test]
    async fn a_connection_that_panics_ends_no_other() {
        let (local, tasks) = (tokio::task::LocalSet::new(), TaskTracker::new());
        local
            .run_until(async {
                let panics = tasks.spawn_local(async { panic!("a bug in one connection") });
                let serves = tasks.spawn_local(async {
                    tokio::task::yield_now().await;
                    "served"
                });
                assert!(panics.await.unwrap_err().is_panic());
                assert_eq!(serves.await.unwrap(), "served");
                tasks.close();
                tasks.wait().await;
            })
            .await;
    }
}
