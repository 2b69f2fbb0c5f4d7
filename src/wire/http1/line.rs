//! An upstream connection as its exchanges see it, and the bodies of the answers that come through it.

use std::cell::RefCell;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite};

use super::facts::Framing;
use super::incoming::{Incoming, Upstream};
use super::link::Link;
use super::pump::{Broken, Pump};
use super::reader::Reader;
use super::{Error, Limits};

/// How a backend is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asking {
    /// How much a backend may send.
    pub limits: Limits,
    /// How long the body of a request with `Expect: 100-continue` waits for the backend's word before it is sent all the same.
    pub patience: Duration,
}

impl Default for Asking {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            patience: Duration::from_secs(1),
        }
    }
}

/// Takes a line back that can be used again.
pub(super) type GiveBack<IO> = Rc<dyn Fn(Box<Line<IO>>)>;

/// One upstream connection.
pub(super) struct Line<IO> {
    pub(super) link: RefCell<Link<IO>>,
    pub(super) how: Asking,
    pub(super) uses: u64,
    give_back: GiveBack<IO>,
    /// The body of the answer.
    reader: Reader,
    /// Whether the connection may live on after this exchange.
    pub(super) lives: bool,
}

impl<IO: AsyncRead + AsyncWrite + Unpin + 'static> Line<IO> {
    pub(super) fn new(io: IO, how: &Asking, give_back: GiveBack<IO>) -> Self {
        let reader = Reader::new(Framing::None, &Limits::default());
        Self {
            link: RefCell::new(Link::new(io)),
            how: *how,
            uses: 0,
            give_back,
            reader,
            lives: true,
        }
    }

    /// Whether the backend has neither closed nor sent a byte that is not understood, and nothing waits to be written.
    pub(super) fn is_clean(&mut self) -> bool {
        let link = self.link.get_mut();
        link.inbox.is_empty() && link.outbox.is_empty() && !link.eof
    }

    /// Goes home, unless the backend wants to close, or has sent more than it was asked for.
    fn release(mut self: Box<Self>) {
        if self.lives && self.is_clean() {
            let give_back = Rc::clone(&self.give_back);
            give_back(self);
        }
    }

    /// The body of an answer. A small one that came with its head sets the connection free at once.
    pub(super) fn body<B>(mut self: Box<Self>, framing: Framing, upload: Option<Pump<B>>) -> Incoming
    where
        B: Body<Data = Bytes> + Unpin + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        self.lives &= framing != Framing::Close;
        let Some(upload) = upload else {
            return self.plain_body(framing);
        };
        self.reader = Reader::new(framing, &self.how.limits);
        match framing {
            // The rest of the request has nobody who would drive it: the answer is complete, the connection is not wanted.
            Framing::None => Incoming::empty(),
            _ => Incoming::from_upstream(Box::new(Both {
                line: self,
                upload: Some(upload),
            })),
        }
    }

    fn plain_body(mut self: Box<Self>, framing: Framing) -> Incoming {
        let here = self.link.get_mut().inbox.len() as u64;
        let whole = match framing {
            Framing::None => Bytes::new(),
            Framing::Length(length) if length <= here => self
                .link
                .get_mut()
                .inbox
                .take(usize::try_from(length).unwrap_or(0)),
            _ => {
                self.reader = Reader::new(framing, &self.how.limits);
                return Incoming::from_upstream(self);
            }
        };
        self.release();
        if whole.is_empty() {
            Incoming::empty()
        } else {
            Incoming::from(whole)
        }
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin + 'static> Upstream for Line<IO> {
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        self.reader.poll(self.link.get_mut(), cx)
    }

    fn size_hint(&self) -> SizeHint {
        self.reader.size_hint()
    }

    fn is_done(&self) -> bool {
        self.reader.is_done()
    }

    fn finish(self: Box<Self>) {
        self.release();
    }
}

/// An answer that came before all of its request was sent: polling one sends the other.
struct Both<IO, B: Body> {
    line: Box<Line<IO>>,
    upload: Option<Pump<B>>,
}

impl<IO, B> Upstream for Both<IO, B>
where
    IO: AsyncRead + AsyncWrite + Unpin + 'static,
    B: Body<Data = Bytes> + Unpin + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        if let Some(upload) = &mut self.upload {
            match upload.poll(&self.line.link, cx) {
                Poll::Pending => {}
                Poll::Ready(Ok(())) => self.upload = None,
                // A backend that has answered may stop reading: its answer counts.
                Poll::Ready(Err(Broken::Write(_))) => {
                    self.line.lives = false;
                    self.upload = None;
                }
                Poll::Ready(Err(Broken::Body(error))) => {
                    return Poll::Ready(Some(Err(Error::Body(error.into()))));
                }
                Poll::Ready(Err(Broken::Length)) => return Poll::Ready(Some(Err(Error::Length))),
            }
        }
        self.line.poll_frame(cx)
    }

    fn size_hint(&self) -> SizeHint {
        self.line.size_hint()
    }

    fn is_done(&self) -> bool {
        self.line.is_done()
    }

    fn finish(self: Box<Self>) {
        if self.upload.is_none() {
            self.line.release();
        }
    }
}
