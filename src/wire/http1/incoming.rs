//! A body on its way in.

use std::fmt;
use std::mem;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use http_body::{Body, Frame, SizeHint};

use super::Error;

/// A message body, read from its connection by whoever polls it.
#[derive(Default)]
pub struct Incoming {
    from: Source,
}

/// Where the bytes are.
#[derive(Default)]
enum Source {
    /// Here.
    Whole(Bytes),
    /// In the client connection, which stays with the one who serves it.
    Client(Rc<dyn Downstream>, u32),
    /// In the upstream connection, which the body holds until it is read.
    Upstream(Box<dyn Upstream>),
    /// There are none, and never were any.
    #[default]
    Nowhere,
    /// All of them were read.
    Spent,
}

/// A client connection in the middle of an exchange. Tickets tell exchanges apart.
pub(super) trait Downstream {
    fn poll_frame(&self, ticket: u32, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>>;
    fn size_hint(&self, ticket: u32) -> SizeHint;
    fn interim(&self, ticket: u32, status: StatusCode, headers: &HeaderMap) -> bool;
}

/// An upstream connection in the middle of an exchange.
pub(super) trait Upstream {
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>>;
    fn size_hint(&self) -> SizeHint;
    fn is_done(&self) -> bool;
    /// The body is read: the connection goes home, if it can be used again.
    fn finish(self: Box<Self>);
}

impl Incoming {
    /// No body at all.
    pub fn empty() -> Self {
        Self::default()
    }

    /// The whole body, when all of it is here already and none of it was read: such a request can be sent again.
    pub fn buffered(&self) -> Option<Bytes> {
        match &self.from {
            Source::Whole(bytes) => Some(bytes.clone()),
            Source::Nowhere => Some(Bytes::new()),
            _ => None,
        }
    }

    /// Whether the whole body is here already, read or not.
    pub fn is_here(&self) -> bool {
        matches!(self.from, Source::Whole(_) | Source::Nowhere | Source::Spent)
    }

    pub(super) fn from_client(client: Rc<dyn Downstream>, ticket: u32) -> Self {
        Self {
            from: Source::Client(client, ticket),
        }
    }

    pub(super) fn from_upstream(backend: Box<dyn Upstream>) -> Self {
        Self {
            from: Source::Upstream(backend),
        }
    }
}

impl From<Bytes> for Incoming {
    fn from(whole: Bytes) -> Self {
        Self {
            from: Source::Whole(whole),
        }
    }
}

impl fmt::Debug for Incoming {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Incoming")
            .field("size", &self.size_hint())
            .finish_non_exhaustive()
    }
}

impl Body for Incoming {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let this = self.get_mut();
        match &mut this.from {
            Source::Nowhere | Source::Spent => Poll::Ready(None),
            Source::Whole(bytes) => {
                let bytes = mem::take(bytes);
                this.from = Source::Spent;
                Poll::Ready((!bytes.is_empty()).then(|| Ok(Frame::data(bytes))))
            }
            Source::Client(client, ticket) => client.poll_frame(*ticket, cx),
            Source::Upstream(backend) => {
                let frame = ready!(backend.poll_frame(cx));
                if !matches!(frame, Some(Ok(_))) || backend.is_done() {
                    this.let_go();
                }
                Poll::Ready(frame)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.from {
            Source::Nowhere | Source::Spent => true,
            Source::Whole(bytes) => bytes.is_empty(),
            Source::Client(client, ticket) => client.size_hint(*ticket).exact() == Some(0),
            Source::Upstream(backend) => backend.is_done(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.from {
            Source::Nowhere | Source::Spent => SizeHint::with_exact(0),
            Source::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Source::Client(client, ticket) => client.size_hint(*ticket),
            Source::Upstream(backend) => backend.size_hint(),
        }
    }
}

impl Incoming {
    /// Parts with the upstream connection at the end of the body, or after a failure.
    fn let_go(&mut self) {
        match mem::replace(&mut self.from, Source::Spent) {
            Source::Upstream(backend) if backend.is_done() => backend.finish(),
            _ => {}
        }
    }
}
