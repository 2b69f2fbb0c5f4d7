//! A worker's thread: it takes its sockets of the listeners, accepts on them, follows changes of the truth, looks after what
//! stands, and ends when it is drained.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv4Addr},
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::{
    client::{Client, Clients, added},
    listener,
    standing::BackendId,
    worker::{Shared, View, Worker},
};
use crate::{
    faults::Plan,
    net::{Post, Sockets},
    route::Facts,
    snapshot::{Listener, Target},
    telemetry::access::Pen,
};

/// How often connections are looked at for having stood still, and idle upstream connections for having died.
const LOOK: Duration = Duration::from_millis(250);

/// An upstream connection serves many clients, so a fault that asks for one does not end it.
const NOBODY: Facts<'static> = Facts {
    client: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
    tls_name: None,
    head: None,
    session: None,
    command: None,
};

/// Runs a worker until it is drained: until its last connection has ended, or the limit is reached. Returns how many
/// connections were still open then.
pub async fn run(index: usize, shared: Shared, pen: Option<Pen>, drain_limit: Duration) -> usize {
    let worker = Worker::new(index, shared, pen);
    let thread = Rc::new(Thread {
        worker: worker.clone(),
        clients: Rc::default(),
    });
    let mut deadlines = tokio::task::spawn_local(worker.deadlines.clone().run());
    let mut looks = tokio::task::spawn_local(thread.clone().look_after());
    let mut changes = tokio::task::spawn_local(worker.clone().announce());
    let mut following = tokio::task::spawn_local(thread.clone().follow());
    // A connection's panic ends its own task and no more. One of these ends the worker: it finishes what runs.
    let panicked = tokio::select! {
        followed = &mut following => followed.is_err(),
        _ = &mut deadlines => true,
        _ = &mut looks => true,
        _ = &mut changes => true,
    };
    if panicked {
        worker.shared.failed.cancel();
        worker.shared.drain.cancelled().await;
    }
    thread.clients.each(Client::drain);
    worker.tasks.close();
    let ended = tokio::time::timeout(drain_limit, worker.tasks.wait()).await;
    deadlines.abort();
    looks.abort();
    changes.abort();
    if let Some(pen) = &worker.pen {
        pen.flush();
    }
    if ended.is_ok() { 0 } else { worker.tasks.len() }
}

/// A worker, and the connections that it serves.
struct Thread {
    worker: Rc<Worker>,
    clients: Rc<Clients>,
}

impl Thread {
    /// Looks at every connection now and then; the ones that stand still beyond their limits are ended.
    async fn look_after(self: Rc<Self>) {
        let mut looks = interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut turned = Vec::new();
        loop {
            let now = looks.tick().await;
            let view = self.worker.view();
            self.clients.forget_ended();
            self.clients.each(|client| client.look(now));
            self.worker.hops.sweep(now, &view);
            if std::mem::replace(&mut turned, turned_backends(&view)) != turned {
                self.worker.changes.ring();
            }
        }
    }

    /// Serves the listeners of the snapshot in force, and follows its changes.
    async fn follow(self: Rc<Self>) {
        let mut truth = self.worker.shared.truth.clone();
        let mut serving: HashMap<Arc<str>, Serving> = HashMap::new();
        let mut before = self.worker.view();
        loop {
            let view = self.worker.view();
            rename(&mut serving, &view);
            for (name, listener) in &view.listeners {
                if serving.contains_key(name) {
                    listener
                        .permits
                        .resize(listener.settings.limits.connections.get() as usize);
                } else if let Some(post) = listener.sockets.take(self.worker.index) {
                    serving.insert(listener.name.clone(), self.serve(&view, listener, post));
                }
            }
            self.clients.each(|client| client.follow(&view));
            self.cut_standing(&before, &view);
            if !view.faults_changed(&before).0.is_empty() {
                self.worker.deadlines.wake_all();
            }
            self.worker
                .shared
                .metrics
                .follow(self.worker.index, view.generation);
            before = view;
            tokio::select! {
                changed = truth.changed() => if changed.is_err() { return },
                () = self.worker.shared.drain.cancelled() => return,
            }
        }
    }

    /// Ends connections to backends, idle or not, where a fault was added that ends what stands.
    fn cut_standing(&self, before: &View, view: &View) {
        let now = Instant::now();
        for target in &view.clusters {
            let old = before.cluster(&target.name);
            for (index, faults) in target.faults.iter().enumerate() {
                let id = target.backend_id(index);
                let known = old.and_then(|old| Some(&old.faults[old.place_of(id)?][..]));
                let added = added(known.unwrap_or_default(), faults);
                if !added.is_empty() {
                    self.worker.hops.standing.cut(id, || {
                        let number = self.worker.number();
                        Plan::cut_of_standing(&added, view.dice, number, &NOBODY, now).inspect(
                            |(_, fault)| {
                                view.count_hit(fault.name(), self.worker.index);
                            },
                        )
                    });
                }
            }
        }
    }

    fn serve(&self, view: &View, listener: &Arc<Listener>, post: Post) -> Serving {
        let stop = self.worker.shared.drain.child_token();
        // Waited for as a connection is: what it finds in its queue at the end is still served.
        self.worker.tasks.spawn_local(listener::accept(
            self.worker.clone(),
            self.clients.clone(),
            view.clone(),
            listener.clone(),
            post,
            stop.clone(),
        ));
        Serving {
            sockets: listener.sockets.clone(),
            stop,
        }
    }
}

/// Lets what is served go by the names of a view. Listeners that are gone, or have moved to another port, stop accepting; their
/// connections end by themselves.
fn rename(serving: &mut HashMap<Arc<str>, Serving>, view: &View) {
    let has_moved = |name: &Arc<str>, serving: &mut Serving| {
        let now = view.listeners.get(name);
        !now.is_some_and(|now| Arc::ptr_eq(&now.sockets, &serving.sockets))
    };
    let moved: Vec<_> = serving.extract_if(has_moved).collect();
    for (name, moved) in moved {
        if let Some(now) = view.listener_at(&name, &moved.sockets) {
            serving.insert(now.name.clone(), moved);
        }
    }
}

/// The backends that are known to have another copy of the data than their clusters ask for.
fn turned_backends(view: &View) -> Vec<BackendId> {
    let turned = |target: &Arc<Target>| {
        let all = 0..target.cluster.backends().len();
        let turned = all.filter(|index| target.cluster.has_turned(*index));
        turned.map(|index| target.backend_id(index)).collect::<Vec<_>>()
    };
    view.clusters.iter().flat_map(turned).collect()
}

/// A listener that this worker accepts on; dropped, it accepts no more.
struct Serving {
    sockets: Arc<Sockets>,
    stop: CancellationToken,
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

#[cfg(test)]
mod tests {
    use tokio_util::task::TaskTracker;

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
