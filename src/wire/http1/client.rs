//! The side that asks: one upstream connection, one request at a time.

use std::fmt;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Waker};

use bytes::Bytes;
use http::{HeaderMap, StatusCode, request};
use http_body::Body;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;

use super::Error;
use super::answer::{Answer, SendError, Stage};
use super::line::{Asking, Line};
use super::sending::Sending;

/// Takes a connection back when its exchange has ended well and it can be used again. Hold the pool weakly in it.
pub type GiveBack<IO> = Rc<dyn Fn(Connection<IO>)>;

/// An upstream connection between two exchanges.
pub struct Connection<IO> {
    line: Box<Line<IO>>,
}

impl<IO> fmt::Debug for Connection<IO> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("uses", &self.line.uses)
            .finish_non_exhaustive()
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin + 'static> Connection<IO> {
    /// A connection that has just been made. `give_back` gets it whenever an exchange has ended and it can be used again.
    pub fn new(io: IO, how: &Asking, give_back: GiveBack<IO>) -> Self {
        let give_back = Rc::new(move |line| give_back(Self { line }));
        Self {
            line: Box::new(Line::new(io, how, give_back)),
        }
    }

    /// How many exchanges it has begun: a failure after the first may be just the backend's idle limit.
    pub fn uses(&self) -> u64 {
        self.line.uses
    }

    /// Gives the stream below up.
    pub fn into_io(self) -> Option<IO> {
        self.line.link.borrow_mut().take_io().map(|(io, _)| io)
    }

    /// Whether the backend has neither closed it nor sent a byte unasked, as far as is known without waiting. Look when
    /// taking it out of a pool.
    pub fn is_alive(&self) -> bool {
        let mut cx = Context::from_waker(Waker::noop());
        self.line.link.borrow_mut().poll_fill(&mut cx, 0).is_pending()
    }

    /// Sends a request and waits for the head of its answer. The head stays the caller's, so that it can be sent again; without
    /// `Host` its URI's authority is used. Framing is the codec's, as in [`super::Reply::Response`]. `interim` is told every 1xx.
    ///
    /// Head and first piece of the body go out together. The answer is awaited while the body is still being sent; if it comes
    /// first, polling the answer's body sends the rest. Dropping the future closes the connection.
    pub async fn send<B>(
        mut self,
        head: &request::Parts,
        body: B,
        interim: impl FnMut(StatusCode, &HeaderMap),
    ) -> Result<Answer<IO>, SendError<B>>
    where
        B: Body<Data = Bytes> + Unpin + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        if !self.line.is_clean() {
            // What is here already would be taken for the answer.
            return Err(SendError {
                stage: Stage::Unsent,
                cause: Error::Eof,
                body: Some(body),
            });
        }
        let patience = self.line.how.patience;
        let mut sending = Sending::begin(self.line, head, body, interim);
        if sending.holds() {
            let asked = timeout(patience, poll_fn(|cx| sending.poll(cx)));
            match asked.await {
                Ok(answered) => return sending.end(answered),
                Err(_) => sending.go_on(),
            }
        }
        let answered = poll_fn(|cx| sending.poll(cx)).await;
        sending.end(answered)
    }
}
