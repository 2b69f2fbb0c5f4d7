//! HTTP/1.1 over any byte stream, both sides: strict in what it reads, two system calls a message, nothing held while idle.
//!
//! It is no framework: no timer, no task, no channel, no `Date`. [`serve`] answers the requests of one client connection,
//! [`Connection`] asks one backend. Both live on one thread; bodies ([`Incoming`]) are read from the connection by whoever
//! forwards them. Time limits belong to the owner, who looks at a connection's [`Handle`].
//!
//! Reading is strict where two parsers could disagree (RFC 9112 sections 2.2, 5, 6.3 and 7.1): every line ends with CRLF, no folded
//! lines, one `Content-Length` at most, never together with `Transfer-Encoding`, whose only value is `chunked`, one `Host`.

mod client;
mod flaw;
mod handle;
mod incoming;
mod server;

pub use client::{Answer, Asking, Connection, GiveBack, SendError, Stage};
pub use flaw::{Error, Flaw};
pub use handle::{Handle, Phase};
pub use incoming::Incoming;
pub use server::{End, Interim, Reply, Served, Serving, serve};

use http::HeaderMap;

/// How much a peer may send before it is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a head: first line and fields (431, or garbage from a backend). Also of the trailers.
    pub head: usize,
    /// Fields of a head (431), and of the trailers.
    pub fields: usize,
    /// Bytes of a request's first line (414).
    pub target: usize,
    /// Bytes of a body (413).
    pub body: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            head: 64 * 1024,
            fields: 128,
            target: 16 * 1024,
            body: u64::MAX,
        }
    }
}

/// Takes a spent header map, so that the next message needs no new one.
pub fn recycle(headers: HeaderMap) {
    drop(headers);
}
