//! What every test is made of: an origin, the proxy before it, a client, and patience.

pub mod certificates;
pub mod client;
pub mod document;
pub mod load;
pub mod mariadb;
pub mod messages;
pub mod mysql;
pub mod origin;
#[path = "../../kit/ports.rs"]
mod ports;
pub mod postgres;
pub mod proxy;
pub mod raw;
pub mod redis;
pub mod script;
pub mod sql;

use std::time::Duration;

pub use self::{
    client::{Answer, H1, H2, get},
    document::Doc,
    origin::{Origin, Place, text},
    proxy::Proxy,
    raw::Raw,
    script::script,
};

/// How long a test waits for what must come. Far longer than it takes, so that a loaded machine fails nothing.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// How often it is looked again.
const LOOK: Duration = Duration::from_millis(5);

/// What a body is made of on both sides.
pub type Body = http_body_util::combinators::BoxBody<bytes::Bytes, BoxError>;

/// Whatever went wrong.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Waits until something holds; fails the test when it never does.
#[track_caller]
pub fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) -> impl Future<Output = ()> {
    let caller = std::panic::Location::caller();
    async move {
        let looks = async {
            while !holds().await {
                tokio::time::sleep(LOOK).await;
            }
        };
        if tokio::time::timeout(PATIENCE, looks).await.is_err() {
            panic!("{caller}: never came true: {what}");
        }
    }
}

/// Waits for something that must come; fails the test when it does not.
#[track_caller]
pub fn within<F: Future>(what: &str, future: F) -> impl Future<Output = F::Output> {
    let caller = std::panic::Location::caller();
    async move {
        match tokio::time::timeout(PATIENCE, future).await {
            Ok(output) => output,
            Err(_) => panic!("{caller}: waited in vain for {what}"),
        }
    }
}

/// A body of some length in which every position can be told from the others, and no compression or short cut helps.
pub fn noise(length: usize, seed: u64) -> bytes::Bytes {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes.into()
}
