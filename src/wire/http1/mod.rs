//! HTTP/1.1 over any byte stream, both sides: strict in what it reads, two system calls a message, nothing held while idle.
//!
//! It is no framework: no timer, no task, no channel, no `Date`. [`serve`] answers the requests of one client connection,
//! [`Connection`] asks one backend. Both live on one thread; bodies ([`Incoming`]) are read from the connection by whoever
//! forwards them. Time limits belong to the owner, who looks at a connection's [`Handle`].
//!
//! Reading is strict where two parsers could disagree (RFC 9112 sections 2.2, 5, 6.3 and 7.1): every line ends with CRLF, no folded
//! lines, one `Content-Length` at most, never together with `Transfer-Encoding`, whose only value is `chunked`, one `Host`.
//!
//! ```
//! use std::rc::Rc;
//!
//! use chaosproxy::wire::http1::{Handle, Incoming, Interim, Reply, Serving, serve};
//! use http::{Request, Response};
//! use tokio::io::{AsyncReadExt, AsyncWriteExt};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> std::io::Result<()> {
//! let (near, mut far) = tokio::io::duplex(1024);
//! far.write_all(b"POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await?;
//! let echo = async |request: Request<Incoming>, _: Interim| Reply::<_, ()>::Response(Response::new(request.into_body()));
//! let served = serve(near, &Serving::default(), Rc::new(Handle::new()), echo).await;
//! drop(served.io);
//! let mut answer = String::new();
//! far.read_to_string(&mut answer).await?;
//! assert_eq!(answer, "HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
//! # Ok(())
//! # }
//! ```

mod answer;
mod chunked;
mod client;
mod encode;
mod facts;
mod farewell;
mod fields;
mod flaw;
mod fuzz;
mod handle;
mod inbox;
mod incoming;
mod line;
mod link;
mod names;
mod outbox;
mod pool;
mod pump;
mod reader;
mod request;
mod response;
mod seat;
mod sending;
mod server;
mod serving;
#[cfg(test)]
mod tests;

pub use answer::{Answer, SendError, Stage};
pub use client::{Connection, GiveBack};
pub use flaw::{Error, Flaw};
pub use fuzz::fuzz;
pub use handle::{Handle, Phase};
pub use incoming::Incoming;
pub use line::Asking;
pub use pool::{recycle, recycle_head};
pub use response::has_no_body;
pub use server::{Ask, Interim, Reply, Served, serve};
pub use serving::{End, Serving};

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
