//! A listener's sockets on their way from the thread that binds them to the workers that accept on them.

use std::{
    io,
    net::{SocketAddr, TcpListener},
    sync::{Arc, Mutex, PoisonError},
};

use tokio_util::task::TaskTracker;

use super::listen::{BindError, Crew, Post, bind_all};

/// The bound sockets of one listener, one per worker; each is taken once. They carry over a reload while the address is
/// the same, so no connection in a queue is lost.
#[derive(Debug)]
pub struct Sockets {
    asked: SocketAddr,
    bound: SocketAddr,
    each: Vec<Mutex<Option<Post>>>,
    taken: TaskTracker,
}

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
        let (crew, inboxes) = Crew::new(workers);
        let taken = TaskTracker::new();
        let post = |(worker, (socket, inbox))| Post {
            socket,
            worker,
            crew: Arc::clone(&crew),
            inbox,
            held: taken.token(),
        };
        let each = sockets.into_iter().zip(inboxes).enumerate();
        Ok(Self {
            asked,
            bound,
            each: each.map(post).map(|post| Mutex::new(Some(post))).collect(),
            taken,
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

    /// A worker's post, the first time it is asked for.
    pub fn take(&self, worker: usize) -> Option<Post> {
        self.each
            .get(worker)?
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
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
