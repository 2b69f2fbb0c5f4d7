//! A client connection as its bodies, its interim answers and the one who serves it share it.

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use http_body::{Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite};

use super::facts::Framing;
use super::handle::{Handle, Order};
use super::incoming::{Downstream, Incoming};
use super::link::Link;
use super::reader::Reader;
use super::request::RequestHead;
use super::serving::Serving;
use super::{Error, Limits, encode};

/// The head that asks a client for the body that it holds back.
const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// One client connection.
#[derive(Debug)]
pub(super) struct Seat<IO> {
    pub(super) link: RefCell<Link<IO>>,
    pub(super) how: Serving,
    pub(super) handle: Rc<Handle>,
    /// The body of the request that is being answered.
    reader: RefCell<Reader>,
    ticket: Cell<u32>,
    /// Whether the client holds its body back until it is told to go on.
    holds: Cell<bool>,
    /// Whether interim answers can still be sent.
    open: Cell<bool>,
}

/// What a look at the client found.
#[derive(Debug)]
pub(super) enum Look {
    /// It is there.
    There,
    /// It closed, or failed.
    Gone(Option<io::Error>),
}

impl<IO: AsyncRead + AsyncWrite + Unpin + 'static> Seat<IO> {
    pub(super) fn new(io: IO, how: &Serving, handle: Rc<Handle>) -> Rc<Self> {
        Rc::new(Self {
            link: RefCell::new(Link::new(io)),
            how: *how,
            handle,
            reader: RefCell::new(Reader::new(Framing::None, &Limits::default())),
            ticket: Cell::new(0),
            holds: Cell::new(false),
            open: Cell::new(false),
        })
    }

    /// Begins an exchange: the body of its request. A small one that has come with its head needs the connection no more.
    pub(super) fn begin(self: &Rc<Self>, head: &RequestHead) -> Incoming {
        self.open.set(!head.is_old());
        let inbox = &mut self.link.borrow_mut().inbox;
        match head.framing {
            Framing::Length(length) if length <= inbox.len() as u64 => {
                *self.reader.borrow_mut() = Reader::new(Framing::None, &self.how.limits);
                return Incoming::from(inbox.take(usize::try_from(length).unwrap_or(0)));
            }
            _ => {}
        }
        self.holds.set(head.facts.expect);
        *self.reader.borrow_mut() = Reader::new(head.framing, &self.how.limits);
        match head.framing {
            Framing::None => Incoming::empty(),
            _ => Incoming::from_client(Rc::<Self>::clone(self), self.ticket.get()),
        }
    }

    /// The final head is about to be written: says whether the connection can live on as far as the request's body goes.
    pub(super) fn close_interim(&self) -> bool {
        self.open.set(false);
        let keeps_back = self.holds.get() && self.is_silent();
        !keeps_back && !self.reader.borrow().has_failed()
    }

    /// What tells this exchange from the others.
    pub(super) fn ticket(&self) -> u32 {
        self.ticket.get()
    }

    /// Ends an exchange: bodies and interim handles of it are dead from now on.
    pub(super) fn end(&self) {
        self.ticket.set(self.ticket.get().wrapping_add(1));
        self.holds.set(false);
        self.open.set(false);
    }

    /// Whether all of the request was read.
    pub(super) fn has_whole_request(&self) -> bool {
        self.reader.borrow().is_done()
    }

    /// Bytes of the request that are known to come.
    pub(super) fn left(&self) -> u64 {
        self.reader.borrow().left()
    }

    /// Reads the next piece of a body that nobody wants.
    pub(super) fn poll_unread(&self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        self.reader.borrow_mut().poll(&mut self.link.borrow_mut(), cx)
    }

    /// Takes note that a wait begins: whom to wake, what moved.
    pub(super) fn pause(&self, cx: &Context<'_>) {
        let link = self.link.borrow();
        self.handle
            .note(link.read + link.written, !link.outbox.is_empty());
        self.handle.attend(cx);
    }

    pub(super) fn is_expired(&self) -> bool {
        self.handle.order() == Order::Expire
    }

    /// Whether the next answer is the last.
    pub(super) fn is_retiring(&self) -> bool {
        self.handle.order() >= Order::Retire
    }

    pub(super) fn is_draining(&self) -> bool {
        self.handle.order() >= Order::Drain
    }

    /// Looks whether the client is still there while its answer is being made, once all of its request has come.
    pub(super) fn watch(&self, cx: &mut Context<'_>) -> Look {
        let mut link = self.link.borrow_mut();
        if self.how.half_close || !link.inbox.is_empty() || !self.has_whole_request() {
            return Look::There;
        }
        match link.poll_fill(cx, 0) {
            Poll::Ready(Ok(0)) => Look::Gone(None),
            Poll::Ready(Err(error)) => Look::Gone(Some(error)),
            _ => Look::There,
        }
    }

    fn is_silent(&self) -> bool {
        self.link.borrow().inbox.is_empty()
    }

    /// Tells a client that holds its body back to send it.
    fn invite(&self, cx: &mut Context<'_>) -> Result<(), Error> {
        if !self.holds.replace(false) || !self.open.get() || !self.is_silent() {
            return Ok(());
        }
        let mut link = self.link.borrow_mut();
        link.outbox.write(|out| out.extend_from_slice(CONTINUE));
        match link.poll_flush(cx) {
            Poll::Ready(Err(error)) => Err(error.into()),
            _ => Ok(()),
        }
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin + 'static> Downstream for Seat<IO> {
    fn poll_frame(&self, ticket: u32, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        if ticket != self.ticket.get() {
            return Poll::Ready(Some(Err(Error::Over)));
        }
        if let Err(error) = self.invite(cx) {
            return Poll::Ready(Some(Err(error)));
        }
        self.poll_unread(cx)
    }

    fn size_hint(&self, ticket: u32) -> SizeHint {
        if ticket == self.ticket.get() {
            self.reader.borrow().size_hint()
        } else {
            SizeHint::new()
        }
    }

    fn interim(&self, ticket: u32, status: StatusCode, headers: &HeaderMap) -> bool {
        if ticket != self.ticket.get() || !self.open.get() || !status.is_informational() {
            return false;
        }
        if status == StatusCode::CONTINUE && !self.holds.replace(false) {
            return false;
        }
        self.link
            .borrow_mut()
            .outbox
            .write(|out| encode::bare_response(out, status, headers));
        self.handle.wake();
        true
    }
}
