//! An encrypted connection, shared by its halves. Whoever cuts it with a FIN says the end first, as TLS wants it (RFC 8446 section
//! 6.1): to its peer a FIN that comes without is a connection that somebody has cut.

use std::{
    io::{self, Write},
    pin::Pin,
    sync::{Arc, Mutex, PoisonError, Weak},
    task::{Context, Poll},
};

use bytes::Bytes;
use rustls::ConnectionCommon;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::TlsStream;

use super::socket::{Plain, SaysEnd, Socket, take_early};

/// An encrypted connection, or a half of one. Nobody waits for its lock: both halves are served by one thread, which cuts it, too.
#[derive(Clone, Debug)]
pub(super) struct Encrypted {
    shared: Arc<Mutex<TlsStream<Plain>>>,
    socket: Arc<Socket>,
}

impl Encrypted {
    pub(super) fn new(stream: TlsStream<Plain>) -> Self {
        let socket = Arc::clone(&stream.get_ref().0.socket);
        let shared = Arc::new(Mutex::new(stream));
        let weak = Arc::downgrade(&shared);
        let weak: Weak<dyn SaysEnd> = weak;
        socket.is_encrypted(weak);
        Self { shared, socket }
    }

    /// The socket beneath.
    pub(super) fn socket(&self) -> &Arc<Socket> {
        &self.socket
    }

    fn with<T>(&self, act: impl FnOnce(Pin<&mut TlsStream<Plain>>) -> T) -> T {
        let mut stream = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        act(Pin::new(&mut stream))
    }
}

/// One that is read: bytes that were read too early lie above the encryption.
#[derive(Debug)]
pub(super) struct Secured {
    pub(super) stream: Encrypted,
    pub(super) early: Bytes,
}

impl Secured {
    pub(super) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if take_early(&mut self.early, buffer) {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl SaysEnd for Mutex<TlsStream<Plain>> {
    fn say_end(&self) {
        // One that is being read or written now, by another thread, has no time for it.
        let Ok(mut stream) = self.try_lock() else {
            return;
        };
        match &mut *stream {
            TlsStream::Client(stream) => {
                let (plain, connection) = stream.get_mut();
                end(connection, &plain.socket);
            }
            TlsStream::Server(stream) => {
                let (plain, connection) = stream.get_mut();
                end(connection, &plain.socket);
            }
        }
    }
}

/// Says the end. What does not go out at once finds the peer's window full, and would not be read in time either.
fn end<D>(connection: &mut ConnectionCommon<D>, socket: &Socket) {
    connection.send_close_notify();
    let mut socket = AtOnce(socket);
    while connection.wants_write() && connection.write_tls(&mut socket).is_ok_and(|sent| sent > 0) {}
}

/// Writes what the socket takes now.
struct AtOnce<'a>(&'a Socket);

impl Write for AtOnce<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write_now(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl AsyncRead for Encrypted {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.with(|stream| stream.poll_read(cx, buffer))
    }
}

impl AsyncWrite for Encrypted {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.with(|stream| stream.poll_write(cx, bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.with(|stream| stream.poll_write_vectored(cx, parts))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.with(|stream| stream.poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.with(|stream| stream.poll_shutdown(cx))
    }
}
