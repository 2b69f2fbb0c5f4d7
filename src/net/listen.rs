//! Listening: ports bound so that every worker has a queue of its own, and an accept loop that survives shortage.

use std::{
    io,
    net::{SocketAddr, TcpListener as StdListener},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Notify,
    time,
};

use super::Stream;

/// Connections that the kernel keeps for us until a worker accepts them; `net.core.somaxconn` may lower it.
pub const BACKLOG: i32 = 4096;

/// How long nothing is accepted after the system ran out of descriptors or memory: long enough that the loop does not
/// spin, short enough that nobody notices once a descriptor is free.
pub const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A peer that vanished without a word is noticed after this much silence and a few probes.
pub const KEEPALIVE_AFTER: Duration = Duration::from_secs(60);

/// The probes of a silent connection: their interval and how many may go unanswered.
const KEEPALIVE_EVERY: Duration = Duration::from_secs(15);
const KEEPALIVE_TRIES: u32 = 4;

/// Why an address cannot be listened on, with what to do about it.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}: {}", advice(.error))]
pub struct BindError {
    /// The address as asked for.
    pub address: SocketAddr,
    /// What the system said.
    #[source]
    pub error: io::Error,
}

/// Binds `address` once for each of `workers`, so that the kernel spreads connections over them.
///
/// With port 0 all of them share the port that the system picks. Another process on the port is an error, although
/// the sharing of ports would let a process of the same user join in silently: the first socket is bound without
/// sharing, which the kernel refuses while anybody else listens, and is opened to sharing only afterwards.
pub fn bind_all(address: SocketAddr, workers: usize) -> Result<Vec<StdListener>, BindError> {
    let fail = |error| BindError { address, error };
    let first = open(address).map_err(fail)?;
    let bound = first.local_addr().map_err(fail)?;
    let mut all = vec![first];
    for _ in 1..workers {
        all.push(open_shared(bound).map_err(fail)?);
    }
    Ok(all)
}

/// Every address of this machine: IPv6 and IPv4, or IPv4 alone where the system has no other.
pub fn everywhere(port: u16) -> SocketAddr {
    let v6 = Socket::new(Domain::IPV6, Type::STREAM, Some(Protocol::TCP));
    match v6 {
        Ok(_) => (std::net::Ipv6Addr::UNSPECIFIED, port).into(),
        Err(_) => (std::net::Ipv4Addr::UNSPECIFIED, port).into(),
    }
}

fn open(address: SocketAddr) -> io::Result<StdListener> {
    let socket = prepare(address)?;
    socket.bind(&address.into())?;
    share(&socket)?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

fn open_shared(address: SocketAddr) -> io::Result<StdListener> {
    let socket = prepare(address)?;
    share(&socket)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Accepted sockets inherit these options, which saves the system calls per connection.
fn prepare(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        // `[::]` means every address of the machine, whatever the system's default is.
        socket.set_only_v6(!address.ip().is_unspecified())?;
    }
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.set_tcp_nodelay(true)?;
    keep_alive(&SockRef::from(&socket))?;
    Ok(socket)
}

fn share(socket: &Socket) -> io::Result<()> {
    socket.set_reuse_port(true)
}

/// Lets the kernel find out about peers that vanished.
pub(super) fn keep_alive(socket: &SockRef<'_>) -> io::Result<()> {
    let keepalive = TcpKeepalive::new()
        .with_time(KEEPALIVE_AFTER)
        .with_interval(KEEPALIVE_EVERY)
        .with_retries(KEEPALIVE_TRIES);
    socket.set_tcp_keepalive(&keepalive)
}

fn advice(error: &io::Error) -> String {
    use io::ErrorKind::{AddrInUse, AddrNotAvailable, PermissionDenied};
    match error.kind() {
        AddrInUse => "address in use: another process listens there; choose another port or stop it".into(),
        AddrNotAvailable => "this machine has no such address; use one of its own, or 0.0.0.0 for all".into(),
        PermissionDenied => {
            "permission denied: a port below 1024 needs CAP_NET_BIND_SERVICE; choose a higher one".into()
        }
        _ => error.to_string(),
    }
}

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
    fn take_over_limit(&self) -> Permit {
        self.0.taken.fetch_add(1, Ordering::SeqCst);
        Permit(Arc::clone(&self.0))
    }

    /// True for the first of several workers that find the listener full, so that it is said once.
    fn becomes_full(&self) -> bool {
        !self.0.full.swap(true, Ordering::Relaxed)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let taken = self.0.taken.fetch_sub(1, Ordering::SeqCst) - 1;
        // Said again only after it eased, not at every connection of a busy listener.
        if taken * 10 < self.0.limit.load(Ordering::Relaxed) * 9 {
            self.0.full.store(false, Ordering::Relaxed);
        }
        self.0.freed.notify_one();
    }
}

/// Why a listener stopped accepting for a while.
#[derive(Debug)]
pub enum Pause {
    /// The listener serves as many connections as it may; the next ones wait in the kernel's queue.
    Full,
    /// The system is out of descriptors or memory.
    Exhausted(io::Error),
}

/// Accepts the connections of one worker on one listener.
pub struct Acceptor {
    listener: TcpListener,
    permits: Permits,
    on_pause: Box<dyn Fn(&Pause)>,
    exhausted: bool,
    /// Accepted, and waiting for a permit.
    in_hand: Option<Stream>,
}

impl Acceptor {
    /// Takes over one of the sockets of [`bind_all`] on this worker's runtime. `on_pause` is told once each time that
    /// accepting has to stop for a while.
    pub fn new(
        listener: StdListener,
        permits: Permits,
        on_pause: impl Fn(&Pause) + 'static,
    ) -> io::Result<Self> {
        let listener = TcpListener::from_std(listener)?;
        Ok(Self {
            listener,
            permits,
            on_pause: Box::new(on_pause),
            exhausted: false,
            in_hand: None,
        })
    }

    /// The address that this listener is bound to.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// The next connection, with the permit to serve it. Shortage is waited out, never reported as an error.
    ///
    /// A listener at its limit holds at most one connection per worker in hand, and the others in the kernel's queue.
    /// Cancelling it loses no connection.
    pub async fn accept(&mut self) -> (Stream, Permit) {
        if self.in_hand.is_none() {
            self.in_hand = Some(self.accept_one().await);
        }
        let permit = match self.permits.try_take() {
            Some(permit) => permit,
            None => self.wait_for_room().await,
        };
        let stream = self
            .in_hand
            .take()
            .expect("it was put there above, and nobody else takes it");
        (stream, permit)
    }

    /// Stops listening. Whoever has connected already is returned, over the limit or not: the kernel would reset them,
    /// although nobody has told them that we are closed.
    pub fn close(self) -> Vec<(Stream, Permit)> {
        let Self {
            listener,
            permits,
            in_hand,
            ..
        } = self;
        let queued = listener.into_std().into_iter().flat_map(accept_queued);
        in_hand
            .into_iter()
            .chain(queued)
            .map(|stream| (stream, permits.take_over_limit()))
            .collect()
    }

    async fn wait_for_room(&self) -> Permit {
        if self.permits.becomes_full() {
            (self.on_pause)(&Pause::Full);
        }
        self.permits.take().await
    }

    async fn accept_one(&mut self) -> Stream {
        loop {
            match self.listener.accept().await {
                Ok((tcp, peer)) => {
                    self.exhausted = false;
                    return Stream::new(tcp, peer);
                }
                Err(error) if is_shortage(&error) => self.wait_out(error).await,
                // This one connection died in the queue; the next may be fine.
                Err(_) => {}
            }
        }
    }

    async fn wait_out(&mut self, error: io::Error) {
        if !self.exhausted {
            self.exhausted = true;
            (self.on_pause)(&Pause::Exhausted(error));
        }
        time::sleep(ACCEPT_PAUSE).await;
    }
}

/// Everything in the queue of a listener, without waiting.
fn accept_queued(listener: StdListener) -> impl Iterator<Item = Stream> {
    std::iter::from_fn(move || {
        let (tcp, peer) = listener.accept().ok()?;
        tcp.set_nonblocking(true).ok()?;
        Some(Stream::new(TcpStream::from_std(tcp).ok()?, peer))
    })
}

/// The whole process or machine lacks something, as opposed to one connection that failed.
pub(super) fn is_shortage(error: &io::Error) -> bool {
    use rustix::io::Errno;
    error.raw_os_error().is_some_and(|code| {
        [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM].contains(&Errno::from_raw_os_error(code))
    })
}

#[cfg(test)]
mod tests;
