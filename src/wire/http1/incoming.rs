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
    from: From,
}

/// Where the bytes are.
#[derive(Default)]
enum From {
    /// Here.
    Whole(Bytes),
    /// In the client connection, which stays with the one who serves it.
    Client(Rc<dyn Asking>, u32),
    /// In the upstream connection, which the body holds until it is read.
    Upstream(Box<dyn Answering>),
    #[default]
    Nowhere,
}

/// A client connection in the middle of an exchange. Tickets tell exchanges apart.
pub(super) trait Asking {
    fn poll_frame(&self, ticket: u32, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>>;
    fn size_hint(&self, ticket: u32) -> SizeHint;
    fn interim(&self, ticket: u32, status: StatusCode, headers: &HeaderMap) -> bool;
}

/// An upstream connection in the middle of an exchange.
pub(super) trait Answering {
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
            From::Whole(bytes) => Some(bytes.clone()),
            From::Nowhere => Some(Bytes::new()),
            _ => None,
        }
    }

    pub(super) fn from_client(asking: Rc<dyn Asking>, ticket: u32) -> Self {
        Self {
            from: From::Client(asking, ticket),
        }
    }

    pub(super) fn from_upstream(answering: Box<dyn Answering>) -> Self {
        Self {
            from: From::Upstream(answering),
        }
    }
}

impl std::convert::From<Bytes> for Incoming {
    fn from(whole: Bytes) -> Self {
        Self {
            from: From::Whole(whole),
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
            From::Nowhere => Poll::Ready(None),
            From::Whole(bytes) => {
                let bytes = mem::take(bytes);
                this.from = From::Nowhere;
                Poll::Ready((!bytes.is_empty()).then(|| Ok(Frame::data(bytes))))
            }
            From::Client(asking, ticket) => asking.poll_frame(*ticket, cx),
            From::Upstream(answering) => {
                let frame = ready!(answering.poll_frame(cx));
                if !matches!(frame, Some(Ok(_))) || answering.is_done() {
                    this.let_go();
                }
                Poll::Ready(frame)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.from {
            From::Nowhere => true,
            From::Whole(bytes) => bytes.is_empty(),
            From::Client(asking, ticket) => asking.size_hint(*ticket).exact() == Some(0),
            From::Upstream(answering) => answering.is_done(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.from {
            From::Nowhere => SizeHint::with_exact(0),
            From::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            From::Client(asking, ticket) => asking.size_hint(*ticket),
            From::Upstream(answering) => answering.size_hint(),
        }
    }
}

impl Incoming {
    /// Parts with the upstream connection at the end of the body, or after a failure.
    fn let_go(&mut self) {
        match mem::take(&mut self.from) {
            From::Upstream(answering) if answering.is_done() => answering.finish(),
            _ => {}
        }
    }
}
