//! How many connections a listener may serve.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use tokio::sync::Notify;

/// How many connections a listener serves at once, over all workers.
#[derive(Clone, Debug)]
pub struct Permits(Arc<Room>);

#[derive(Debug)]
struct Room {
    limit: AtomicUsize,
    taken: AtomicUsize,
    freed: Notify,
    full: AtomicBool,
}

/// The right to serve one connection; dropping it lets the next one in.
#[derive(Debug)]
pub struct Permit(Arc<Room>);

impl Permits {
    /// Room for `limit` connections.
    pub fn new(limit: usize) -> Self {
        Self(Arc::new(Room {
            limit: limit.into(),
            taken: 0.into(),
            freed: Notify::new(),
            full: false.into(),
        }))
    }

    /// Changes the limit; connections above a lower one are served to their end.
    pub fn resize(&self, limit: usize) {
        self.0.limit.store(limit, Ordering::SeqCst);
        self.0.freed.notify_waiters();
    }

    /// Connections that are served now.
    pub fn taken(&self) -> usize {
        self.0.taken.load(Ordering::Relaxed)
    }

    /// Takes a permit unless the limit is reached.
    pub fn try_take(&self) -> Option<Permit> {
        let room = &self.0;
        let limit = room.limit.load(Ordering::SeqCst);
        room.taken
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |taken| {
                (taken < limit).then_some(taken + 1)
            })
            .ok()
            .map(|_| Permit(Arc::clone(room)))
    }

    /// Waits for a permit.
    pub async fn take(&self) -> Permit {
        loop {
            let freed = self.0.freed.notified();
            tokio::pin!(freed);
            // Listening begins before the look, so that a permit given back in between is not missed.
            freed.as_mut().enable();
            if let Some(permit) = self.try_take() {
                return permit;
            }
            freed.await;
        }
    }

    /// Takes a permit in any case, for a connection that has to be served.
    pub(super) fn take_over_limit(&self) -> Permit {
        self.0.taken.fetch_add(1, Ordering::SeqCst);
        Permit(Arc::clone(&self.0))
    }

    /// True for the first of several workers that find the listener full, so that it is said once.
    pub(super) fn becomes_full(&self) -> bool {
        !self.0.full.swap(true, Ordering::Relaxed)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let room = &self.0;
        let taken = room.taken.fetch_sub(1, Ordering::SeqCst) - 1;
        // Said again only after it eased, not at every connection of a busy listener.
        if taken * 10 < room.limit.load(Ordering::Relaxed) * 9 {
            room.full.store(false, Ordering::Relaxed);
        }
        room.freed.notify_one();
    }
}
