//! The bytes of a connection that only passes bytes, counted while it stands: one that lasts for days is seen to work.

use std::{
    cell::{Cell, OnceCell},
    sync::Arc,
};

use crate::{
    net::Handle,
    telemetry::{BackendLane, ListenerLane, Sharded},
};

/// What has passed on a connection and has been counted.
pub struct Meter {
    worker: usize,
    listener: Arc<Sharded<ListenerLane>>,
    client: Handle,
    counted: Cell<Passed>,
    backend: OnceCell<Backend>,
}

/// The other side.
struct Backend {
    lanes: Arc<Sharded<BackendLane>>,
    connection: Handle,
    counted: Cell<Passed>,
    /// What has been counted for it of the client's.
    of_client: Cell<Passed>,
}

/// Bytes received and sent.
#[derive(Clone, Copy, Default)]
struct Passed {
    received: u64,
    sent: u64,
}

impl Meter {
    /// Begins to count for a listener.
    pub fn new(worker: usize, listener: Arc<Sharded<ListenerLane>>, client: Handle) -> Self {
        Self {
            worker,
            listener,
            client,
            counted: Cell::default(),
            backend: OnceCell::new(),
        }
    }

    /// Begins to count for a backend too.
    pub fn joins(&self, lanes: Arc<Sharded<BackendLane>>, connection: Handle) {
        let backend = Backend {
            lanes,
            connection,
            counted: Cell::default(),
            of_client: Cell::default(),
        };
        // A connection is joined once.
        let _ = self.backend.set(backend);
    }

    /// Counts what has passed since the last time.
    pub fn count(&self) {
        let more = since(&self.counted, &self.client);
        let lane = self.listener.lane(self.worker);
        lane.received.add(more.received);
        lane.sent.add(more.sent);
        if let Some(backend) = self.backend.get() {
            let more = since(&backend.counted, &backend.connection);
            let lane = backend.lanes.lane(self.worker);
            lane.received.add(more.received);
            lane.sent.add(more.sent);
            let more = since(&backend.of_client, &self.client);
            lane.from_clients.add(more.received);
            lane.to_clients.add(more.sent);
        }
    }
}

fn since(counted: &Cell<Passed>, connection: &Handle) -> Passed {
    let now = Passed {
        received: connection.received(),
        sent: connection.sent(),
    };
    let before = counted.replace(now);
    Passed {
        received: now.received - before.received,
        sent: now.sent - before.sent,
    }
}
