//! An accept loop that survives shortage, and shares what it accepts evenly with the other workers.

use std::{
    io,
    net::{SocketAddr, TcpListener as StdListener},
    sync::Arc,
    time::Duration,
};

use tokio::{
    net::{TcpListener, TcpStream},
    time,
};
use tokio_util::task::task_tracker::TaskTrackerToken;

use super::{
    crew::{Crew, Handed, Inbox, Place},
    permits::{Permit, Permits},
};
use crate::net::{
    Stream,
    descriptors::{Use, for_traffic},
};

/// How long nothing is accepted after the system ran out of descriptors or memory: long enough that the loop does not
/// spin, short enough that nobody notices once a descriptor is free.
pub(super) const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Why a listener stopped accepting for a while.
#[derive(Debug)]
pub enum Pause {
    /// The listener serves as many connections as it may; the next ones wait in the kernel's queue.
    Full,
    /// The system is out of descriptors or memory.
    Exhausted(io::Error),
}

/// What a worker needs to accept on a listener.
#[derive(Debug)]
pub struct Post {
    pub(in crate::net) socket: StdListener,
    pub(in crate::net) worker: usize,
    pub(in crate::net) crew: Arc<Crew>,
    pub(in crate::net) inbox: Inbox,
    /// Says that the socket is still open.
    pub(in crate::net) held: TaskTrackerToken,
}

/// The right to serve one connection, and its place among those that the worker serves; both until it is dropped.
#[derive(Debug)]
pub struct Admitted {
    _permit: Permit,
    _place: Place,
}

/// Accepts the connections of one worker on one listener.
pub struct Acceptor {
    queue: Queue,
    permits: Permits,
    on_pause: Box<dyn Fn(&Pause)>,
    worker: usize,
    crew: Arc<Crew>,
    inbox: Inbox,
    /// Dropped after the socket.
    held: TaskTrackerToken,
}

impl Acceptor {
    /// Takes a worker's post, on its runtime. `on_pause` is told once each time that accepting has to stop for a while.
    ///
    /// # Errors
    /// The runtime cannot wait for the socket.
    pub fn new(post: Post, permits: Permits, on_pause: impl Fn(&Pause) + 'static) -> io::Result<Self> {
        Ok(Self {
            queue: Queue {
                listener: TcpListener::from_std(post.socket)?,
                exhausted: false,
                in_hand: None,
            },
            permits,
            on_pause: Box::new(on_pause),
            worker: post.worker,
            crew: post.crew,
            inbox: post.inbox,
            held: post.held,
        })
    }

    /// The next connection that this worker serves, with the permit to do so: accepted here, or handed over by a worker that
    /// has more. Shortage is waited out, never reported as an error.
    ///
    /// A listener at its limit holds at most one connection per worker in hand, and the others in the kernel's queue.
    /// Cancelling it loses no connection.
    pub async fn accept(&mut self) -> (Stream, Admitted) {
        loop {
            let (tcp, peer, permit) = tokio::select! {
                Some(handed) = self.inbox.recv() => match arrive(handed) {
                    Ok(arrived) => return arrived,
                    Err(error) => {
                        self.queue.wait_out(error, &self.on_pause).await;
                        continue;
                    }
                },
                accepted = self.queue.next(&self.permits, &self.on_pause) => accepted,
            };
            if let Some(kept) = self.share(tcp, peer, permit) {
                return kept;
            }
        }
    }

    /// Keeps a connection, or hands it to the worker that has clearly fewer.
    fn share(&self, tcp: TcpStream, peer: SocketAddr, permit: Permit) -> Option<(Stream, Admitted)> {
        let worker = self.crew.choose(self.worker);
        let place = self.crew.place(worker);
        if worker == self.worker {
            return Some((Stream::new(tcp, peer), admitted(permit, place)));
        }
        let tcp = tcp.into_std().ok()?;
        let handed = Handed {
            tcp,
            peer,
            permit,
            place,
        };
        let mut back = self.crew.hand(handed).err()?;
        back.place = self.crew.place(self.worker);
        arrive(back).ok()
    }

    /// Connections that are on their way to this worker.
    #[cfg(test)]
    pub(super) fn waiting(&self) -> usize {
        self.inbox.len()
    }

    /// Stops listening. Whoever has connected already is returned, over the limit or not: the kernel would reset them,
    /// although nobody has told them that we are closed.
    pub fn close(self) -> Vec<(Stream, Admitted)> {
        let Self {
            queue,
            permits,
            worker,
            crew,
            mut inbox,
            held,
            ..
        } = self;
        inbox.close();
        let handed = std::iter::from_fn(|| inbox.try_recv().ok()).filter_map(|handed| arrive(handed).ok());
        let queued = queue
            .close()
            .map(|stream| (stream, admitted(permits.take_over_limit(), crew.place(worker))));
        let last = handed.chain(queued).collect();
        drop(held);
        last
    }
}

/// Takes in what another worker has accepted.
fn arrive(handed: Handed) -> io::Result<(Stream, Admitted)> {
    let tcp = TcpStream::from_std(handed.tcp)?;
    Ok((
        Stream::new(tcp, handed.peer),
        admitted(handed.permit, handed.place),
    ))
}

fn admitted(permit: Permit, place: Place) -> Admitted {
    Admitted {
        _permit: permit,
        _place: place,
    }
}

/// A worker's own queue of the listener.
struct Queue {
    listener: TcpListener,
    exhausted: bool,
    /// Accepted, and waiting for a permit.
    in_hand: Option<(TcpStream, SocketAddr)>,
}

impl Queue {
    /// Cancelling it loses no connection.
    async fn next(
        &mut self,
        permits: &Permits,
        on_pause: &dyn Fn(&Pause),
    ) -> (TcpStream, SocketAddr, Permit) {
        loop {
            if self.in_hand.is_none() {
                self.in_hand = Some(self.accept(on_pause).await);
            }
            while let Some(Err(shortage)) = self
                .in_hand
                .as_ref()
                .map(|(tcp, _)| for_traffic(tcp, Use::Accepted))
            {
                self.wait_out(shortage, on_pause).await;
            }
            self.exhausted = false;
            let permit = match permits.try_take() {
                Some(permit) => permit,
                None => {
                    if permits.becomes_full() {
                        on_pause(&Pause::Full);
                    }
                    permits.take().await
                }
            };
            if let Some((tcp, peer)) = self.in_hand.take() {
                return (tcp, peer, permit);
            }
        }
    }

    async fn accept(&mut self, on_pause: &dyn Fn(&Pause)) -> (TcpStream, SocketAddr) {
        loop {
            match self.listener.accept().await {
                Ok(accepted) => return accepted,
                Err(error) if is_shortage(&error) => self.wait_out(error, on_pause).await,
                // This one connection died in the queue; the next may be fine.
                Err(_) => {}
            }
        }
    }

    async fn wait_out(&mut self, error: io::Error, on_pause: &dyn Fn(&Pause)) {
        if !self.exhausted {
            self.exhausted = true;
            on_pause(&Pause::Exhausted(error));
        }
        time::sleep(ACCEPT_PAUSE).await;
    }

    /// Everything that has connected, without waiting.
    fn close(self) -> impl Iterator<Item = Stream> {
        let in_hand = self.in_hand.map(|(tcp, peer)| Stream::new(tcp, peer));
        let queued = self.listener.into_std().into_iter().flat_map(accept_queued);
        in_hand.into_iter().chain(queued)
    }
}

/// Everything in the queue of a listener.
fn accept_queued(listener: StdListener) -> impl Iterator<Item = Stream> {
    std::iter::from_fn(move || {
        let (tcp, peer) = listener.accept().ok()?;
        tcp.set_nonblocking(true).ok()?;
        Some(Stream::new(TcpStream::from_std(tcp).ok()?, peer))
    })
}

/// The whole process or machine lacks something, as opposed to one connection that failed.
pub(in crate::net) fn is_shortage(error: &io::Error) -> bool {
    use rustix::io::Errno;
    error.raw_os_error().is_some_and(|code| {
        [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM].contains(&Errno::from_raw_os_error(code))
    })
}
