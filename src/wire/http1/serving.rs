//! How a client connection is served, and why it ends.

use std::io;

use bytes::Bytes;
use http::Response;

use super::{Flaw, Limits, Phase};

/// How a client connection is served.
#[derive(Clone, Copy, Debug)]
pub struct Serving {
    /// How much a client may send.
    pub limits: Limits,
    /// Bytes of a request body that nobody read which are thrown away to keep the connection; with more to come it is closed.
    pub unread: u64,
    /// Whether `CONNECT` reaches the service (else 501).
    pub connect: bool,
    /// Whether a client that closed its sending side still waits for its answer; if not, the exchange is given up.
    pub half_close: bool,
    /// The answer to a flawed request; [`Serving::plain`] by default.
    pub refuse: fn(Flaw) -> Response<Bytes>,
}

impl Serving {
    /// Answers with the flaw's status and its words as plain text.
    pub fn plain(flaw: Flaw) -> Response<Bytes> {
        let mut response = Response::new(Bytes::from(format!("{flaw}\n")));
        *response.status_mut() = flaw.status();
        response.headers_mut().insert(
            http::header::CONTENT_TYPE,
            http::HeaderValue::from_static("text/plain"),
        );
        response
    }
}

impl Default for Serving {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            unread: 256 * 1024,
            connect: false,
            half_close: false,
            refuse: Self::plain,
        }
    }
}

/// Why a connection is no longer served.
#[derive(Debug)]
pub enum End<T> {
    /// As it should be: the client closed between requests, or the last answer is out.
    Closed,
    /// The client went away, or failed, in this phase; `None` when it just closed.
    Gone(Phase, Option<io::Error>),
    /// The request was flawed; the answer is out.
    Refused(Flaw),
    /// The owner's time limit struck in this phase.
    Expired(Phase),
    /// The response body failed or had not the length announced. What came before is out; close or reset, but do not go on.
    Cut,
    /// The head of [`super::Reply::Tunnel`] is out; these bytes of the client came after its request.
    Tunnel(T, Bytes),
    /// [`super::Reply::Abort`].
    Abort(T),
}
