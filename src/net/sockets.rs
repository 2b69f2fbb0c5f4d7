//! A listener's sockets on their way from the thread that binds them to the workers that accept on them.

use std::{
    io,
    net::{SocketAddr, TcpListener},
    sync::{Mutex, PoisonError},
};

use tokio_util::task::{TaskTracker, task_tracker::TaskTrackerToken};

use super::listen::{BindError, bind_all};

/// The bound sockets of one listener, one per worker; each is taken once. They carry over a reload while the address is
/// the same, so no connection in a queue is lost.
#[derive(Debug)]
pub struct Sockets {
    asked: SocketAddr,
    bound: SocketAddr,
    each: Vec<Mutex<Option<TcpListener>>>,
    taken: TaskTracker,
}

/// Says that a socket is still open, until it is dropped.
pub type Held = TaskTrackerToken;

impl Sockets {
    /// Binds an address for so many workers.
    ///
    /// # Errors
    /// When the address cannot be listened on, with what to do about it.
    pub fn bind(asked: SocketAddr, workers: usize) -> Result<Self, BindError> {
        let sockets = bind_all(asked, workers)?;
        let address = |socket: &TcpListener| socket.local_addr();
        let bound = sockets
            .first()
            .map_or(Err(io::ErrorKind::NotConnected.into()), address);
        let bound = bound.map_err(|error| BindError {
            address: asked,
            error,
        })?;
        Ok(Self {
            asked,
            bound,
            each: sockets.into_iter().map(|s| Mutex::new(Some(s))).collect(),
            taken: TaskTracker::new(),
        })
    }

    /// The address as asked for; its port may be 0.
    pub const fn asked(&self) -> SocketAddr {
        self.asked
    }

    /// The address that clients connect to.
    pub const fn bound(&self) -> SocketAddr {
        self.bound
    }

    /// A worker's socket, the first time it is asked for; what comes with it must be dropped after it.
    pub fn take(&self, worker: usize) -> Option<(TcpListener, Held)> {
        let socket = self
            .each
            .get(worker)?
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()?;
        Some((socket, self.taken.token()))
    }

    /// Waits until no worker has a socket any more and the port is free again. Nobody gets one from here on, so call it
    /// only once traffic has been told that the listener is gone.
    pub async fn released(&self) {
        for socket in &self.each {
            socket.lock().unwrap_or_else(PoisonError::into_inner).take();
        }
        self.taken.close();
        self.taken.wait().await;
    }
}
