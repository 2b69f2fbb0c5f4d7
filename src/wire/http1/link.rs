//! A byte stream with what has come and what must go.

use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};

use super::inbox::Inbox;
use super::outbox::Outbox;

/// One connection's stream and its bytes in flight.
#[derive(Debug)]
pub(super) struct Link<IO> {
    /// Gone once the owner has it back.
    io: Option<IO>,
    pub(super) inbox: Inbox,
    pub(super) outbox: Outbox,
    pub(super) read: u64,
    pub(super) written: u64,
    /// Whether the peer has closed its sending side.
    pub(super) eof: bool,
    /// Whether the stream may still hold bytes that it took (TLS does).
    unflushed: bool,
}

impl<IO> Link<IO> {
    pub(super) fn new(io: IO) -> Self {
        Self {
            io: Some(io),
            inbox: Inbox::default(),
            outbox: Outbox::default(),
            read: 0,
            written: 0,
            eof: false,
            unflushed: false,
        }
    }

    /// Parts with the stream, and with what came that nobody has read.
    pub(super) fn take_io(&mut self) -> Option<(IO, Bytes)> {
        let rest = self.inbox.take(self.inbox.len());
        self.io.take().map(|io| (io, rest))
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> Link<IO> {
    /// Reads more: 0 at the end of the stream. `left` says how much is known to come. A buffer is held only if bytes came.
    pub(super) fn poll_fill(&mut self, cx: &mut Context<'_>, left: u64) -> Poll<io::Result<usize>> {
        let io = self.io.as_mut().ok_or(io::ErrorKind::NotConnected)?;
        if self.inbox.is_at_rest() {
            // Most reads are tried in vain. With no room the stream says whether one is worth it, and no buffer is lent.
            ready!(Pin::new(&mut *io).poll_read(cx, &mut ReadBuf::new(&mut [])))?;
        }
        let read = pin!(io.read_buf(self.inbox.make_room(left))).poll(cx);
        match &read {
            Poll::Ready(Ok(n @ 1..)) => {
                self.read += *n as u64;
                self.inbox.learn(*n);
            }
            Poll::Ready(Ok(0)) => {
                self.eof = true;
                self.inbox.rest();
            }
            _ => self.inbox.rest(),
        }
        read
    }

    /// Writes until nothing waits.
    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let io = self.io.as_mut().ok_or(io::ErrorKind::NotConnected)?;
        if self.outbox.is_empty() && !self.unflushed {
            return Poll::Ready(Ok(()));
        }
        self.unflushed = true;
        while !self.outbox.is_empty() {
            let n = ready!(poll_write(Pin::new(&mut *io), cx, &self.outbox))?;
            if n == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.written += n as u64;
            self.outbox.advance(n);
        }
        ready!(Pin::new(io).poll_flush(cx))?;
        self.unflushed = false;
        Poll::Ready(Ok(()))
    }

    /// Closes the sending side.
    pub(super) fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let io = self.io.as_mut().ok_or(io::ErrorKind::NotConnected)?;
        Pin::new(io).poll_shutdown(cx)
    }
}

fn poll_write<IO: AsyncWrite>(
    io: Pin<&mut IO>,
    cx: &mut Context<'_>,
    outbox: &Outbox,
) -> Poll<io::Result<usize>> {
    if let Some(bytes) = outbox.single() {
        return io.poll_write(cx, bytes);
    }
    let mut slices = Outbox::room();
    let count = outbox.slices(&mut slices);
    io.poll_write_vectored(cx, &slices[..count])
}
