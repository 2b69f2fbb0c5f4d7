//! Ports for servers that tests start, stop and start again. Tests of several kits take theirs here.

use std::{
    net::{Ipv4Addr, SocketAddr},
    ops::Range,
    sync::atomic::{AtomicU32, Ordering::Relaxed},
};

use socket2::{Domain, Protocol, Socket, Type};

/// Below the ports that the system gives to whoever names none. A port of those that is let go for a moment, so that the
/// server that it is meant for can listen there, may be somebody else's by then.
const PORTS: Range<u32> = 15_000..32_000;

/// Takes a port of this machine that nobody has, another one each time. What is returned keeps it from everybody but those who
/// allow the address's reuse, as servers do, and refuses connections until one of them listens.
pub fn take() -> (SocketAddr, Socket) {
    static TAKEN: AtomicU32 = AtomicU32::new(0);
    // Another run of the tests beside this one begins elsewhere.
    let first = std::process::id().wrapping_mul(101);
    loop {
        let number = first.wrapping_add(TAKEN.fetch_add(1, Relaxed)) % (PORTS.end - PORTS.start);
        let port = u16::try_from(PORTS.start + number).unwrap();
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP)).unwrap();
        // Allowed only once it is bound: else a port that another run of the tests keeps would be taken, too.
        if socket.bind(&address.into()).is_ok() {
            socket.set_reuse_address(true).unwrap();
            return (address, socket);
        }
    }
}
