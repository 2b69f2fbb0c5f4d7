//! `threads`: the backend has so many serving threads, and each exchange holds one.

use std::sync::Arc;

use tokio::sync::Semaphore;

use super::{
    answer::Answer,
    hook::{Cut, Guard},
};
use std::time::Duration;

/// A wait for a serving thread.
#[derive(Debug)]
pub struct Queue {
    pool: Arc<Semaphore>,
    /// The edge's patience: after so long the client gets this answer, and the thread may still be held.
    pub limit: Option<(Duration, Arc<Answer>)>,
}

impl Queue {
    /// Waits for a thread, in order of arrival; keep the guard until the exchange is over. An error: the backend was
    /// restarted, and the connection ends so. Cancel-safe, but a cancelled wait loses its place. Does not come back while
    /// the thread hangs, so wait for the limit and for the lifting of the fault beside it.
    pub async fn place(&self) -> Result<Guard, Cut> {
        Arc::clone(&self.pool)
            .acquire_owned()
            .await
            .map(Guard)
            .map_err(|_| Cut::Reset)
    }
}
