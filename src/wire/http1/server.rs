//! The side that is asked: the requests of one client connection, one after the other.

use std::io;
use std::rc::Rc;

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body::Body;
use tokio::io::{AsyncRead, AsyncWrite};

use super::{Flaw, Handle, Incoming, Limits, Phase};

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

/// What becomes of a request. `T` is the owner's: what it needs to go on with the connection itself.
#[derive(Debug)]
pub enum Reply<B, T> {
    /// An answer. Framing is the codec's: a `Content-Length` given is held to, without one an exact size hint or chunks are used,
    /// `Transfer-Encoding` is ignored, `Connection: close` is honoured.
    Response(Response<B>),
    /// A head (101, or 200 to `CONNECT`, sent as it is) after which the connection is no longer HTTP.
    Tunnel(Response<()>, T),
    /// No answer: the connection goes back to the owner as it stands, to be closed, reset or filled with nonsense.
    Abort(T),
}

/// A client connection that is no longer served, and why. The owner closes it, resets it or goes on with it.
#[derive(Debug)]
pub struct Served<IO, T> {
    /// The connection.
    pub io: IO,
    /// Why it is no longer served.
    pub end: End<T>,
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
    /// The head of [`Reply::Tunnel`] is out; these bytes of the client came after its request.
    Tunnel(T, Bytes),
    /// [`Reply::Abort`].
    Abort(T),
}

/// Sends interim answers (1xx) before the final one.
#[derive(Clone, Debug)]
pub struct Interim {}

impl Interim {
    /// Sends a 1xx head to the client, and says whether it could: not after the final head, not to HTTP/1.0, and 100 only to
    /// those who wait for it.
    pub fn send(&self, _status: StatusCode, _headers: &HeaderMap) -> bool {
        false
    }
}

/// Serves one client connection until it ends; dropping the future is always safe.
///
/// While an answer is awaited, a client that goes away ends the exchange: the service's future is dropped. That future lives inside
/// this one: box it if it is large, so that an idle connection does not hold its room.
pub async fn serve<IO, S, F, B, T>(io: IO, _how: &Serving, _handle: Rc<Handle>, _service: S) -> Served<IO, T>
where
    IO: AsyncRead + AsyncWrite + Unpin + 'static,
    S: Fn(Request<Incoming>, Interim) -> F,
    F: Future<Output = Reply<B, T>>,
    B: Body<Data = Bytes> + Unpin,
{
    Served { io, end: End::Closed }
}
