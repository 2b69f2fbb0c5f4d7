//! A TCP socket that its owner reads and writes without a lock, and that any other task can cut.
//!
//! [`Plain`] is the owner's side, [`Handle`] everybody else's. The handle keeps the socket only weakly, so a
//! connection closes when its owner lets go, however many handles are about.

use std::{
    any::Any,
    io,
    pin::Pin,
    sync::{
        Arc, OnceLock, Weak,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::{Buf, Bytes};
use rustix::net::{RecvFlags, SendFlags};
use socket2::SockRef;
use tokio::{
    io::{AsyncRead, AsyncWrite, Interest, ReadBuf},
    net::TcpStream,
    time,
};

use super::{gather, sent};

/// The socket and what it counts.
#[derive(Debug)]
pub(super) struct Socket {
    pub(super) tcp: TcpStream,
    traffic: Arc<Traffic>,
    /// What is above it, where that is encrypted.
    encrypted: OnceLock<Weak<dyn SaysEnd>>,
    /// Dropped with the socket: after the descriptor, since fields go in order.
    kept: OnceLock<Box<dyn Any + Send + Sync>>,
}

/// What says the end of a connection in words of its own before the socket does.
pub(super) trait SaysEnd: Send + Sync + std::fmt::Debug {
    /// Says it, as far as it goes out at once.
    fn say_end(&self);
}

/// What went through a socket. Written by its owner only, hence a load and a store instead of an atomic addition.
#[derive(Debug, Default)]
struct Traffic {
    received: AtomicU64,
    sent: AtomicU64,
    cut: AtomicBool,
}

/// A cheap handle with which any task or thread can cut a connection that another one serves.
#[derive(Clone, Debug)]
pub struct Handle {
    socket: Weak<Socket>,
    traffic: Arc<Traffic>,
}

/// The owner's side of a socket: bytes read too early come first, then the socket's own.
#[derive(Debug)]
pub(super) struct Plain {
    pub(super) socket: Arc<Socket>,
    pub(super) early: Bytes,
    /// Whether the socket was found ready and not read since.
    ready: bool,
}

impl Handle {
    /// Cuts the connection with a RST, at once, also when its owner waits for bytes; the owner's next read or write fails.
    pub fn reset(&self) {
        self.cut(Socket::reset);
    }

    /// Ends the connection with a FIN after what was already written, and after the end that TLS says; the owner reads the end of
    /// the stream.
    pub fn close(&self) {
        self.cut(|socket| {
            if let Some(encrypted) = socket.encrypted.get().and_then(Weak::upgrade) {
                encrypted.say_end();
            }
            SockRef::from(&socket.tcp).shutdown(std::net::Shutdown::Both)
        });
    }

    /// Comes once what was written has been sent, or after `limit`: until then [`reset`](Self::reset) would take it back.
    pub async fn all_sent(&self, limit: Duration) {
        if let Some(socket) = self.socket.upgrade() {
            sent::sent(&socket.tcp, limit).await;
        }
    }

    /// True once [`reset`](Self::reset) or [`close`](Self::close) was called: the end of the connection is our doing.
    pub fn is_cut(&self) -> bool {
        self.traffic.cut.load(Relaxed)
    }

    /// True while the owner still has the connection.
    pub fn is_open(&self) -> bool {
        self.socket.strong_count() > 0
    }

    /// Bytes received on the wire so far; still readable after the connection is gone.
    pub fn received(&self) -> u64 {
        self.traffic.received.load(Relaxed)
    }

    /// Bytes sent on the wire so far; still readable after the connection is gone.
    pub fn sent(&self) -> u64 {
        self.traffic.sent.load(Relaxed)
    }

    /// Resolves once no byte has moved in either direction for `limit`, at most an eighth of it late.
    ///
    /// It looks at the counters now and then instead of setting a timer at each read, so traffic pays nothing for it.
    pub async fn idle(&self, limit: Duration) {
        let mut seen = self.received() + self.sent();
        let mut quiet = 0;
        while quiet < IDLE_LOOKS {
            time::sleep(limit / IDLE_LOOKS).await;
            let moved = self.received() + self.sent();
            quiet = if moved == seen { quiet + 1 } else { 0 };
            seen = moved;
        }
    }

    /// A connection that its owner has just closed needs no cutting.
    fn cut(&self, how: impl FnOnce(&Socket) -> io::Result<()>) {
        if let Some(socket) = self.socket.upgrade() {
            self.traffic.cut.store(true, Relaxed);
            // Fails only when the peer was faster, and then the connection is down as asked.
            let _ = how(&socket);
        }
    }
}

/// How often an idle limit looks at the counters.
const IDLE_LOOKS: u32 = 8;

impl Socket {
    /// Sends a RST for a standing connection and wakes whoever waits on it.
    ///
    /// Connecting to "unspecified" is Linux's way to say so without closing the descriptor, which another task owns.
    #[cfg(target_os = "linux")]
    fn reset(&self) -> io::Result<()> {
        Ok(rustix::net::connect_unspec(&self.tcp)?)
    }

    /// Elsewhere the RST goes out when the owner, woken by the end of the stream, closes.
    #[cfg(not(target_os = "linux"))]
    fn reset(&self) -> io::Result<()> {
        let socket = SockRef::from(&self.tcp);
        socket.set_linger(Some(Duration::ZERO))?;
        socket.shutdown(std::net::Shutdown::Read)
    }

    /// Ends our direction; a peer that is already gone is no error.
    fn finish(&self) -> io::Result<()> {
        match SockRef::from(&self.tcp).shutdown(std::net::Shutdown::Write) {
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(()),
            done => done,
        }
    }

    /// Keeps something until the socket is closed, the first time it is asked to.
    pub(super) fn keep(&self, guard: impl Any + Send + Sync) {
        // A second guard would have no place; nobody has one.
        let _ = self.kept.set(Box::new(guard));
    }

    /// Says what is above it from here on.
    pub(super) fn is_encrypted(&self, by: Weak<dyn SaysEnd>) {
        // TLS within TLS is refused: nobody is second.
        let _ = self.encrypted.set(by);
    }

    /// Writes what goes out without waiting.
    pub(super) fn write_now(&self, bytes: &[u8]) -> io::Result<usize> {
        let sent = rustix::net::send(&self.tcp, bytes, SendFlags::NOSIGNAL)?;
        self.count_sent(sent);
        Ok(sent)
    }

    pub(super) fn handle(self: &Arc<Self>) -> Handle {
        Handle {
            socket: Arc::downgrade(self),
            traffic: Arc::clone(&self.traffic),
        }
    }

    pub(super) fn count_received(&self, bytes: usize) {
        gather::found();
        add(&self.traffic.received, bytes);
    }

    pub(super) fn count_sent(&self, bytes: usize) {
        add(&self.traffic.sent, bytes);
    }

    pub(super) fn poll_write(&self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_io(cx, bytes.len(), || {
            Ok(rustix::net::send(&self.tcp, bytes, SendFlags::NOSIGNAL)?)
        })
    }

    pub(super) fn poll_write_vectored(
        &self,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let asked = parts.iter().map(|part| part.len()).sum();
        self.poll_io(cx, asked, || Ok(rustix::io::writev(&self.tcp, parts)?))
    }

    /// A write that takes less than `asked` has filled the socket's buffer; see [`Plain::poll_socket`].
    fn poll_io(
        &self,
        cx: &mut Context<'_>,
        asked: usize,
        mut write: impl FnMut() -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        loop {
            // Tried first: a socket is nearly always ready to be written to, and its readiness is looked at there too.
            if let Some(wrote) = try_drain(&self.tcp, Interest::WRITABLE, asked, &mut write)? {
                self.count_sent(wrote);
                return Poll::Ready(Ok(wrote));
            }
            ready!(self.tcp.poll_write_ready(cx))?;
        }
    }

    pub(super) fn poll_shutdown(&self) -> Poll<io::Result<()>> {
        Poll::Ready(self.finish())
    }
}

/// Reads into a buffer. One that holds bytes already, of whatever value, is cheaper: it can be given to the kernel as it is.
///
/// Here and where bytes are sent the C library is passed by: it lets a thread be cancelled in the middle of a call, which nobody
/// asks for, and takes about 4 % of a small command for it.
fn receive(tcp: &TcpStream, buffer: &mut ReadBuf<'_>) -> io::Result<usize> {
    if buffer.initialized().len() < buffer.capacity() {
        return tcp.try_read_buf(buffer);
    }
    let (n, _) = rustix::net::recv(tcp, buffer.initialize_unfilled(), RecvFlags::empty())?;
    buffer.advance(n);
    Ok(n)
}

/// Runs one system call and remembers that the socket is drained (or full) when it did less than asked.
///
/// A short read says what another call would only repeat with "would block": answering so on its behalf clears the
/// readiness and saves that call, as Tokio's own `poll_read` does, which needs the socket for itself.
/// `None` means not ready after all.
fn try_drain(
    tcp: &TcpStream,
    interest: Interest,
    asked: usize,
    call: &mut impl FnMut() -> io::Result<usize>,
) -> io::Result<Option<usize>> {
    let mut moved = None;
    let outcome = tcp.try_io(interest, || {
        let n = call()?;
        moved = Some(n);
        if 0 < n && n < asked {
            Err(io::ErrorKind::WouldBlock.into())
        } else {
            Ok(())
        }
    });
    match outcome {
        _ if moved.is_some() => Ok(moved),
        Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(error),
        _ => Ok(None),
    }
}

fn add(counter: &AtomicU64, n: usize) {
    counter.store(counter.load(Relaxed) + n as u64, Relaxed);
}

impl Plain {
    pub(super) fn new(tcp: TcpStream) -> Self {
        Self {
            socket: Arc::new(Socket {
                tcp,
                traffic: Arc::default(),
                encrypted: OnceLock::new(),
                kept: OnceLock::new(),
            }),
            early: Bytes::new(),
            ready: false,
        }
    }

    /// Bytes that were read too early count as readable.
    pub(super) fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.early.is_empty() {
            self.socket.tcp.poll_read_ready(cx)
        } else {
            Poll::Ready(Ok(()))
        }
    }

    /// As [`Self::poll_readable`], and remembers it for the read that follows.
    pub(super) fn poll_worth(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let readable = self.poll_readable(cx);
        self.ready = readable.is_ready();
        readable
    }

    fn poll_socket(&mut self, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let tcp = &self.socket.tcp;
        loop {
            if !std::mem::take(&mut self.ready) {
                ready!(tcp.poll_read_ready(cx))?;
            }
            let room = buffer.remaining();
            if let Some(n) = try_drain(tcp, Interest::READABLE, room, &mut || receive(tcp, buffer))? {
                self.socket.count_received(n);
                return Poll::Ready(Ok(()));
            }
        }
    }
}

/// Hands out bytes that were read too early; false when there were none.
pub(super) fn take_early(early: &mut Bytes, buffer: &mut ReadBuf<'_>) -> bool {
    if early.is_empty() {
        return false;
    }
    let n = early.len().min(buffer.remaining());
    buffer.put_slice(&early[..n]);
    early.advance(n);
    if early.is_empty() {
        *early = Bytes::new(); // lets the memory go: the connection may live for days
    }
    true
}

/// Puts bytes in front of those that were read too early.
pub(super) fn put_back(early: &mut Bytes, bytes: Bytes) {
    *early = if early.is_empty() {
        bytes
    } else {
        [bytes, std::mem::take(early)].concat().into()
    };
}

impl AsyncRead for Plain {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if take_early(&mut self.early, buffer) {
            return Poll::Ready(Ok(()));
        }
        self.poll_socket(cx, buffer)
    }
}

impl AsyncWrite for Plain {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.socket.poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.socket.poll_write_vectored(cx, parts)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.socket.poll_shutdown()
    }
}
