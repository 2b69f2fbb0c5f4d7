//! A connection, plain or TLS: what traffic reads and writes, and the halves a pump works on.

use std::{
    fmt, io,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::{Bytes, BytesMut};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf, ReadHalf, WriteHalf},
    net::TcpStream,
};
use tokio_rustls::TlsStream;

use super::{
    socket::{Handle, Plain, Socket, take_early},
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
    Tls(Box<Secured<TlsStream<Plain>>>),
}

/// Bytes that were read too early lie above the encryption.
#[derive(Debug)]
struct Secured<S> {
    stream: S,
    early: Bytes,
}

/// The half of a connection that is read.
#[derive(Debug)]
pub struct Reader(ReadSide);

#[derive(Debug)]
enum ReadSide {
    Plain(Plain),
    Tls(Secured<ReadHalf<TlsStream<Plain>>>),
}

/// The half of a connection that is written. Dropping it does not end the direction; shutting it down does.
#[derive(Debug)]
pub struct Writer(WriteSide);

#[derive(Debug)]
enum WriteSide {
    Plain(Arc<Socket>),
    Tls(WriteHalf<TlsStream<Plain>>),
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
            let address = self.plain().socket.tcp.local_addr().ok()?;
            Some(SocketAddr::new(address.ip().to_canonical(), address.port()))
        })
    }

    /// What the TLS handshake established; `None` for a plain connection.
    pub fn tls(&self) -> Option<&Arc<TlsFacts>> {
        self.tls.as_ref()
    }

    /// A handle with which another task can cut this connection.
    pub fn handle(&self) -> Handle {
        self.plain().handle()
    }

    /// Cuts the connection with a RST.
    pub fn reset(self) {
        self.handle().reset();
    }

    /// Puts bytes back in front of what is still to be read.
    pub fn unread(&mut self, bytes: Bytes) {
        let early = self.early_mut();
        *early = if early.is_empty() {
            bytes
        } else {
            [bytes, early.clone()].concat().into()
        };
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
            if let Err(error) = self.readable().await {
                break Err(error);
            }
            seen.reserve(SNIFF_ROOM);
            match self.read_buf(&mut seen).await {
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
            Io::Plain(plain) => {
                let socket = Arc::clone(&plain.socket);
                (Reader(ReadSide::Plain(plain)), Writer(WriteSide::Plain(socket)))
            }
            Io::Tls(secured) => {
                let Secured { stream, early } = *secured;
                let (read, write) = tokio::io::split(stream);
                (
                    Reader(ReadSide::Tls(Secured { stream: read, early })),
                    Writer(WriteSide::Tls(write)),
                )
            }
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
            stream,
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

    /// Waits for bytes, where that can be told without reading them.
    async fn readable(&self) -> io::Result<()> {
        match &self.io {
            Io::Plain(plain) => plain.socket.tcp.readable().await,
            Io::Tls(_) => Ok(()),
        }
    }

    fn plain(&self) -> &Plain {
        match &self.io {
            Io::Plain(plain) => plain,
            Io::Tls(secured) => secured.stream.get_ref().0,
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

impl Reader {
    /// Puts bytes back in front of what is still to be read.
    pub fn unread(&mut self, bytes: Bytes) {
        let early = match &mut self.0 {
            ReadSide::Plain(plain) => &mut plain.early,
            ReadSide::Tls(secured) => &mut secured.early,
        };
        *early = if early.is_empty() {
            bytes
        } else {
            [bytes, early.clone()].concat().into()
        };
    }

    /// The bare socket, when the kernel may move its bytes for us: plain, and nothing read too early.
    pub(super) fn bare(&self) -> Option<&Arc<Socket>> {
        match &self.0 {
            ReadSide::Plain(plain) if plain.early.is_empty() => Some(&plain.socket),
            _ => None,
        }
    }

    /// Whether something can be read, so that nobody holds a buffer while waiting; a TLS half is always worth a try.
    pub(super) fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.bare() {
            Some(socket) => socket.tcp.poll_read_ready(cx),
            None => Poll::Ready(Ok(())),
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

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stream")
            .field("peer", &self.peer)
            .field("tls", &self.tls)
            .finish_non_exhaustive()
    }
}

impl<S: AsyncRead + Unpin> Secured<S> {
    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if take_early(&mut self.early, buffer) {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut self.get_mut().io {
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
