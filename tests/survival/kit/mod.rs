//! What every test needs: the proxy's real binary, real nginx servers, small origins, clients that count, and patience.

pub mod certificate;
pub mod drill;
pub mod http;
pub mod load;
pub mod nginx;
pub mod origin;
#[path = "../../kit/ports.rs"]
mod ports;
pub mod proxy;

use std::{
    net::SocketAddr,
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

/// An address of this machine that nobody listens on, another one each time.
pub fn free() -> SocketAddr {
    ports::take().0
}
