//! Listening: ports bound so that every worker has a queue of its own, and an accept loop that survives shortage.

mod acceptor;
mod crew;
mod permits;

use std::{
    io,
    net::{SocketAddr, TcpListener as StdListener},
    time::Duration,
};

use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};

pub(super) use self::{acceptor::is_shortage, crew::Crew};
pub use self::{
    acceptor::{Acceptor, Admitted, Pause, Post},
    permits::Permits,
};

/// Connections that the kernel keeps for us until a worker accepts them; `net.core.somaxconn` may lower it.
pub const BACKLOG: i32 = 4096;

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

#[cfg(test)]
mod tests;
