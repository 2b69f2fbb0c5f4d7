//! What comes of asking a backend.

use bytes::Bytes;
use http::Response;

use super::{Error, Incoming};

/// What a backend answered.
#[derive(Debug)]
pub enum Answer<IO> {
    /// A response. Its body gives the connection back when it has been read to the end; dropped before, it closes the connection.
    Response(Response<Incoming>),
    /// 101, or 2xx to `CONNECT`: the connection is no longer HTTP, and these bytes came after the head.
    Tunnel(Response<()>, IO, Bytes),
}

/// How far a request got that failed: whether it may be tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Not a byte was written: anything may be sent again.
    Unsent,
    /// Something was written, not a byte of an answer came: a reused connection may just have been closed.
    Unanswered,
    /// A part of an answer came.
    Answering,
}

/// A request that got no answer.
#[derive(Debug, thiserror::Error)]
#[error("{cause}")]
pub struct SendError<B> {
    /// How far it got.
    pub stage: Stage,
    /// Why.
    #[source]
    pub cause: Error,
    /// The body, if none of it was read.
    pub body: Option<B>,
}
