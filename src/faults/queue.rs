//! A wait for one of a backend's threads, and the thread while an exchange holds it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use super::{answer::Answer, line::Cut};

/// A wait for a serving thread.
#[derive(Debug)]
pub struct Queue {
    pub(super) place: Place,
    pub(super) hangs: bool,
    /// The edge's patience: after so long the client gets this answer.
    pub limit: Option<(Duration, Arc<Answer>)>,
}

impl Queue {
    /// Waits for a thread, in order of arrival; keep the guard until the exchange is over. An error: the backend was
    /// restarted, and the connection ends so. Does not come back once the thread hangs, so wait beside it for the limit and
    /// for the lifting of the fault: dropped then, a hung thread stays taken, and a mere place in the queue is given up.
    pub async fn thread(self) -> Result<Guard, Cut> {
        let pool = &self.place.0;
        let served = async {
            match Arc::clone(&pool.threads).acquire_owned().await {
                Ok(thread) if !self.hangs => return Guard(thread),
                Ok(thread) => pool.keep(thread),
                // Nobody closes the pool; a restart makes another.
                Err(_closed) => {}
            }
            std::future::pending().await
        };
        tokio::select! {
            biased;
            () = pool.restarted.cancelled() => Err(Cut::Reset),
            guard = served => Ok(guard),
        }
    }
}

/// A place in the queue, given up when dropped.
#[derive(Debug)]
pub(super) struct Place(pub(super) Arc<Pool>);

impl Place {
    pub(super) fn take(pool: Arc<Pool>) -> Self {
        pool.waiting.fetch_add(1, Ordering::Relaxed);
        Self(pool)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Something that must be given back when the exchange is over; dropping it does.
#[derive(Debug)]
pub struct Guard(#[expect(dead_code, reason = "held for its drop")] OwnedSemaphorePermit);

/// The threads between two restarts.
#[derive(Debug)]
pub(super) struct Pool {
    pub(super) threads: Arc<Semaphore>,
    /// Threads that hang, and are not given back.
    taken: AtomicUsize,
    pub(super) waiting: AtomicUsize,
    pub(super) restarted: CancellationToken,
}

impl Pool {
    pub(super) fn new(size: usize) -> Arc<Self> {
        Arc::new(Self {
            threads: Arc::new(Semaphore::new(size)),
            taken: AtomicUsize::new(0),
            waiting: AtomicUsize::new(0),
            restarted: CancellationToken::new(),
        })
    }

    /// Lets threads hang until so many do; those that serve somebody are left alone for now.
    pub(super) fn leak(&self, wanted: usize) {
        while self.taken.load(Ordering::Relaxed) < wanted {
            let Ok(thread) = Arc::clone(&self.threads).try_acquire_owned() else {
                return;
            };
            self.keep(thread);
        }
    }

    fn keep(&self, thread: OwnedSemaphorePermit) {
        self.taken.fetch_add(1, Ordering::Relaxed);
        thread.forget();
    }
}
