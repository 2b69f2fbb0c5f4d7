//! The halves of a connection, for two tasks: one reads, the other writes. Those of a plain connection share no lock.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{
    encrypted::{Encrypted, Secured},
    socket::{Plain, Socket, put_back},
};

/// The half of a connection that is read.
#[derive(Debug)]
pub struct Reader(ReadSide);

#[derive(Debug)]
enum ReadSide {
    Plain(Plain),
    Tls(Secured),
}

/// The half of a connection that is written. Dropping it does not end the direction; shutting it down does.
#[derive(Debug)]
pub struct Writer(WriteSide);

#[derive(Debug)]
enum WriteSide {
    Plain(Arc<Socket>),
    Tls(Encrypted),
}

/// Splits a plain connection.
pub(super) fn split_plain(plain: Plain) -> (Reader, Writer) {
    let socket = Arc::clone(&plain.socket);
    (Reader(ReadSide::Plain(plain)), Writer(WriteSide::Plain(socket)))
}

/// Splits an encrypted one. Its halves share what the encryption needs to know of both directions.
pub(super) fn split_tls(secured: Secured) -> (Reader, Writer) {
    let write = secured.stream.clone();
    (Reader(ReadSide::Tls(secured)), Writer(WriteSide::Tls(write)))
}

impl Reader {
    /// Puts bytes back in front of what is still to be read.
    pub fn unread(&mut self, bytes: Bytes) {
        let early = match &mut self.0 {
            ReadSide::Plain(plain) => &mut plain.early,
            ReadSide::Tls(secured) => &mut secured.early,
        };
        put_back(early, bytes);
    }

    /// The bare socket, when the kernel may move its bytes for us: plain, and nothing read too early.
    pub(super) fn bare(&self) -> Option<&Arc<Socket>> {
        match &self.0 {
            ReadSide::Plain(plain) if plain.early.is_empty() => Some(&plain.socket),
            _ => None,
        }
    }

    /// Whether something can be read, so that nobody holds a buffer while waiting; a TLS half is always worth a try. The read that
    /// follows does not ask again.
    pub fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.0 {
            ReadSide::Plain(plain) => plain.poll_worth(cx),
            ReadSide::Tls(_) => Poll::Ready(Ok(())),
        }
    }
}

impl Writer {
    /// The bare socket, when the kernel may move bytes to it for us.
    pub(super) fn bare(&self) -> Option<&Arc<Socket>> {
        match &self.0 {
            WriteSide::Plain(socket) => Some(socket),
            WriteSide::Tls(_) => None,
        }
    }
}

impl AsyncRead for Reader {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut self.get_mut().0 {
            ReadSide::Plain(plain) => Pin::new(plain).poll_read(cx, buffer),
            ReadSide::Tls(secured) => secured.poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Writer {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.get_mut().0 {
            WriteSide::Plain(socket) => socket.poll_write(cx, bytes),
            WriteSide::Tls(half) => Pin::new(half).poll_write(cx, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut self.get_mut().0 {
            WriteSide::Plain(socket) => socket.poll_write_vectored(cx, parts),
            WriteSide::Tls(half) => Pin::new(half).poll_write_vectored(cx, parts),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().0 {
            WriteSide::Plain(_) => Poll::Ready(Ok(())),
            WriteSide::Tls(half) => Pin::new(half).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().0 {
            WriteSide::Plain(socket) => socket.poll_shutdown(),
            WriteSide::Tls(half) => Pin::new(half).poll_shutdown(cx),
        }
    }
}
