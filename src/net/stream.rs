//! A connection, plain or TLS: what traffic reads and writes, with its addresses and what its handshake told.

use std::{
    fmt,
    future::poll_fn,
    io,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::{Bytes, BytesMut};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf},
    net::TcpStream,
};
use tokio_rustls::TlsStream;

pub use super::half::{Reader, Writer};
use super::{
    encrypted::{Encrypted, Secured},
    half,
    socket::{Handle, Plain, Socket, put_back},
    tls::TlsFacts,
};

/// One connection with its addresses, its TLS facts and a [`Handle`] to cut it.
pub struct Stream {
    io: Io,
    peer: SocketAddr,
    local: Option<SocketAddr>,
    tls: Option<Arc<TlsFacts>>,
}

enum Io {
    Plain(Plain),
    Tls(Box<Secured>),
}

impl Stream {
    /// Takes a connected socket; `peer` is whom it is connected to.
    pub fn new(tcp: TcpStream, peer: SocketAddr) -> Self {
        let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
        Self {
            io: Io::Plain(Plain::new(tcp)),
            peer,
            local: None,
            tls: None,
        }
    }

    /// Who is at the other end; after PROXY protocol the client that the balancer in front named.
    pub fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// Our end; after PROXY protocol the address that the client connected to. `None` on a dead connection.
    pub fn local(&self) -> Option<SocketAddr> {
        // Asked of the system only when somebody wants it: most connections never do.
        self.local.or_else(|| {
            let address = self.socket().tcp.local_addr().ok()?;
            Some(SocketAddr::new(address.ip().to_canonical(), address.port()))
        })
    }

    /// What the TLS handshake established; `None` for a plain connection.
    pub fn tls(&self) -> Option<&Arc<TlsFacts>> {
        self.tls.as_ref()
    }

    /// A handle with which another task can cut this connection.
    pub fn handle(&self) -> Handle {
        self.socket().handle()
    }

    /// Keeps something for as long as the connection is open: its place within a limit, given back when it is dropped.
    pub fn keep(&self, guard: impl std::any::Any + Send + Sync) {
        self.socket().keep(guard);
    }

    /// Cuts the connection with a RST.
    pub fn reset(self) {
        self.handle().reset();
    }

    /// Puts bytes back in front of what is still to be read.
    pub fn unread(&mut self, bytes: Bytes) {
        let early = self.early_mut();
        put_back(early, bytes);
    }

    /// Whether something can be read, so that nobody needs a buffer while waiting. Of a TLS connection that cannot be told
    /// without reading: it is always worth a try.
    pub fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &self.io {
            Io::Plain(plain) => plain.poll_readable(cx),
            Io::Tls(_) => Poll::Ready(Ok(())),
        }
    }

    /// Whether the client begins with HTTP/2's preface. Reads no further than needed to tell, and loses no byte.
    ///
    /// It waits for the first byte without holding memory, so an idle connection costs nothing yet.
    pub async fn speaks_http2(&mut self) -> io::Result<bool> {
        let mut seen = BytesMut::from(std::mem::take(self.early_mut()));
        let verdict = loop {
            let n = seen.len().min(PREFACE.len());
            if seen[..n] != PREFACE[..n] {
                break Ok(false);
            }
            if n == PREFACE.len() {
                break Ok(true);
            }
            match self.read_more(&mut seen).await {
                Ok(0) => break Ok(false),
                Ok(_) => {}
                Err(error) => break Err(error),
            }
        };
        *self.early_mut() = seen.freeze();
        verdict
    }

    /// Splits into halves for two pumps; those of a plain connection share no lock.
    pub fn into_split(self) -> (Reader, Writer) {
        match self.io {
            Io::Plain(plain) => half::split_plain(plain),
            Io::Tls(secured) => half::split_tls(*secured),
        }
    }

    /// Replaces the addresses by those that a PROXY protocol header names.
    pub(super) fn rename(&mut self, peer: SocketAddr, local: SocketAddr) {
        self.peer = peer;
        self.local = Some(local);
    }

    /// Puts the handshake's result in place of the plain connection it was made on.
    pub(super) fn secured(
        stream: TlsStream<Plain>,
        facts: TlsFacts,
        peer: SocketAddr,
        local: Option<SocketAddr>,
    ) -> Self {
        let io = Io::Tls(Box::new(Secured {
            stream: Encrypted::new(stream),
            early: Bytes::new(),
        }));
        Self {
            io,
            peer,
            local,
            tls: Some(Arc::new(facts)),
        }
    }

    /// The plain connection to make a handshake on, with the addresses to keep; TLS within TLS is refused.
    pub(super) fn into_plain(self) -> io::Result<(Plain, SocketAddr, Option<SocketAddr>)> {
        match self.io {
            Io::Plain(plain) => Ok((plain, self.peer, self.local)),
            Io::Tls(_) => Err(io::Error::other("the connection already speaks TLS")),
        }
    }

    async fn read_more(&mut self, seen: &mut BytesMut) -> io::Result<usize> {
        poll_fn(|cx| self.poll_readable(cx)).await?;
        seen.reserve(SNIFF_ROOM);
        self.read_buf(seen).await
    }

    fn socket(&self) -> &Arc<Socket> {
        match &self.io {
            Io::Plain(plain) => &plain.socket,
            Io::Tls(secured) => secured.stream.socket(),
        }
    }

    fn early_mut(&mut self) -> &mut Bytes {
        match &mut self.io {
            Io::Plain(plain) => &mut plain.early,
            Io::Tls(secured) => &mut secured.early,
        }
    }
}

/// What every HTTP/2 client sends first (RFC 9113 section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Enough for the head of most requests, so that telling the protocol costs no extra read.
const SNIFF_ROOM: usize = 2048;

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stream")
            .field("peer", &self.peer)
            .field("tls", &self.tls)
            .finish_non_exhaustive()
    }
}

/// With no room in the buffer a read tells whether something can be read, as [`Stream::poll_readable`] does.
impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        match &mut this.io {
            Io::Plain(plain) if buffer.remaining() == 0 => plain.poll_worth(cx),
            // Of a TLS connection that cannot be told.
            Io::Tls(_) if buffer.remaining() == 0 => Poll::Ready(Ok(())),
            Io::Plain(plain) => Pin::new(plain).poll_read(cx, buffer),
            Io::Tls(secured) => secured.poll_read(cx, buffer),
        }
    }
}

/// Calls the same method on whichever kind of connection it is.
macro_rules! each_kind {
    ($self:ident . $method:ident ( $($argument:expr),* )) => {
        match &mut $self.get_mut().io {
            Io::Plain(plain) => Pin::new(plain).$method($($argument),*),
            Io::Tls(secured) => Pin::new(&mut secured.stream).$method($($argument),*),
        }
    };
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        each_kind!(self.poll_write(cx, bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        each_kind!(self.poll_write_vectored(cx, parts))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each_kind!(self.poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each_kind!(self.poll_shutdown(cx))
    }
}

impl hyper::rt::Read for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: hyper::rt::ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        hyper::rt::Read::poll_read(Pin::new(&mut TokioIo::new(self.get_mut())), cx, buffer)
    }
}

impl hyper::rt::Write for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        AsyncWrite::poll_write(self, cx, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        AsyncWrite::poll_write_vectored(self, cx, parts)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        AsyncWrite::poll_flush(self, cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        AsyncWrite::poll_shutdown(self, cx)
    }
}

#[cfg(test)]
mod tests;
