//! The serving threads of an application server: each request takes one and asks the auth service from it.
//!
//! As in most servers, somebody stands before the threads and loses patience: a visitor then gets an answer, but the thread
//! goes on with what it does. When the call that it makes never comes back, neither does the thread.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, oneshot},
    time,
};

use crate::demo::{
    auth::{Library, Unasked},
    tasks::Tasks,
};

/// Serving threads of one server.
const THREADS: usize = 64;

/// How long a visitor is kept waiting: less than his own patience, so that he gets an answer.
const PATIENCE: Duration = Duration::from_secs(1);

/// How many may wait for a thread. The incident's queue had no end; this one has, where the memory would.
const MOST_WAITING: usize = 10_000;

/// The serving threads of one server.
#[derive(Clone, Debug)]
pub(super) struct Crew {
    threads: Arc<Semaphore>,
    waiting: Arc<AtomicUsize>,
    library: Library,
    tasks: Tasks,
}

/// A serving thread, while a request has it.
#[derive(Debug)]
pub(super) struct Thread(#[expect(dead_code, reason = "held for its drop")] OwnedSemaphorePermit);

/// Why a request was not served.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unserved {
    /// No thread came, or the one that came hangs.
    #[error("no answer from a serving thread in time")]
    Late,
    /// The auth service said no.
    #[error("this visitor may not pass")]
    Barred,
    /// The auth service could not be asked.
    #[error(transparent)]
    Unasked(#[from] Unasked),
}

impl Crew {
    /// A crew that asks this auth service.
    pub(super) fn new(library: Library, tasks: &Tasks) -> Self {
        Self {
            threads: Arc::new(Semaphore::new(THREADS)),
            waiting: Arc::default(),
            library,
            tasks: tasks.clone(),
        }
    }

    /// Waits for a thread from which the auth service has let the visitor pass, as long as patience lasts.
    pub(super) async fn take(&self) -> Result<Thread, Unserved> {
        if self.waiting.load(Relaxed) >= MOST_WAITING {
            return Err(Unserved::Late);
        }
        let (tell, told) = oneshot::channel();
        let crew = self.clone();
        self.tasks.spawn(async move {
            let outcome = crew.work(&tell).await;
            // A visitor who has lost patience hears no more; the thread is free again all the same.
            let _ = tell.send(outcome);
        });
        let Ok(Ok(outcome)) = time::timeout(PATIENCE, told).await else {
            return Err(Unserved::Late);
        };
        outcome
    }

    async fn work(&self, tell: &oneshot::Sender<Result<Thread, Unserved>>) -> Result<Thread, Unserved> {
        let place = Place::enter(&self.waiting);
        let threads = Arc::clone(&self.threads);
        let thread = Thread(threads.acquire_owned().await.expect("threads are never closed"));
        drop(place);
        if tell.is_closed() {
            return Err(Unserved::Late);
        }
        match self.library.may_pass().await? {
            true => Ok(thread),
            false => Err(Unserved::Barred),
        }
    }
}

/// A place in the queue.
struct Place<'a>(&'a AtomicUsize);

impl<'a> Place<'a> {
    fn enter(waiting: &'a AtomicUsize) -> Self {
        waiting.fetch_add(1, Relaxed);
        Self(waiting)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}
