//! What every test needs: the proxy's real binary, real nginx servers, small origins, clients that count, and patience.

pub mod certificate;
pub mod drill;
pub mod http;
pub mod load;
pub mod nginx;
pub mod origin;
pub mod proxy;

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener},
    ops::Range,
    sync::atomic::{AtomicU32, Ordering::Relaxed},
    time::{Duration, Instant},
};

/// Nothing that is waited for takes longer than this, on a machine that has other work too.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// How often it is looked whether something has come true.
const LOOK: Duration = Duration::from_millis(10);

/// Waits until something is there.
pub async fn eventually<T, F: Future<Output = Option<T>>>(what: &str, mut look: impl FnMut() -> F) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(begun.elapsed() < PATIENCE, "waited {PATIENCE:?} for: {what}");
        tokio::time::sleep(LOOK).await;
    }
}

/// Below the ports that the system gives to outgoing connections, of which visitors open thousands: one of them would take a
/// port before the process that it is meant for does.
const PORTS: Range<u32> = 15_000..32_000;

/// An address of this machine that nobody listens on, another one each time.
pub fn free() -> SocketAddr {
    static TAKEN: AtomicU32 = AtomicU32::new(0);
    // Another run of the tests beside this one begins elsewhere.
    let first = std::process::id().wrapping_mul(101);
    loop {
        let number = first.wrapping_add(TAKEN.fetch_add(1, Relaxed)) % (PORTS.end - PORTS.start);
        let port = u16::try_from(PORTS.start + number).unwrap();
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        if TcpListener::bind(address).is_ok() {
            return address;
        }
    }
}
