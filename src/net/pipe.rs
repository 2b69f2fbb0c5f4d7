//! Moving bytes one way between two connections, for as little as they allow.
//!
//! A direction begins by copying through a buffer that it holds only while bytes move. One that proves bulky goes on in
//! the kernel (`splice.rs`): half the cost for bulk, a fifth more for small messages, so it comes back when
//! the pieces get small again.

use std::{
    cell::RefCell,
    future::{Future, poll_fn},
    io,
    ops::{Deref, DerefMut},
    pin::{Pin, pin},
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{Reader, Writer};

/// The size of a copy. 64 KiB cost half as much per byte as 8 KiB, and larger ones leave the cache.
pub const BUFFER: usize = 64 * 1024;

/// A direction is bulky once so many reads in a row have filled half of the buffer: a sender that is only just faster
/// seldom fills it to the last byte.
pub const BULKY_AFTER: u32 = 4;

/// Bytes after which a busy direction lets the other tasks of its worker run.
pub const TURN: usize = 256 * 1024;

/// Buffers that a worker keeps for the next direction that moves.
const SPARE_BUFFERS: usize = 32;

/// How a pump ended, and what it moved.
#[derive(Debug)]
pub struct PumpEnd {
    /// Bytes that were read and written.
    pub bytes: u64,
    /// Why it ended.
    pub how: Ended,
}

/// Why a pump ended.
#[derive(Debug)]
pub enum Ended {
    /// The reader's peer finished, and the writer was shut down: a half-close passed on.
    Finished,
    /// The interrupt fired. Whatever was read but not written is back in the reader.
    Interrupted,
    /// Reading failed.
    Read(io::Error),
    /// Writing failed.
    Write(io::Error),
}

/// Moves bytes from `reader` to `writer` until either ends or `interrupt` resolves, or is due although it has not resolved yet: that
/// is asked of bytes that were just read, so that nothing slips through which came after its cause.
///
/// The interrupt lets the caller take the direction over, for example when a fault begins to look at the bytes; no byte is
/// lost by it. Dropping the future instead may lose what is in flight.
pub async fn pump(
    reader: &mut Reader,
    writer: &mut Writer,
    interrupt: impl Future<Output = ()>,
    is_due: &dyn Fn() -> bool,
) -> PumpEnd {
    let interrupt = pin!(interrupt);
    let mut pump = Pump {
        reader,
        writer,
        interrupt,
        is_due,
        bytes: 0,
        turn: 0,
        splices: cfg!(target_os = "linux"),
    };
    let how = match pump.run().await {
        Ok(()) => pump.finish().await,
        Err(ended) => ended,
    };
    PumpEnd {
        bytes: pump.bytes,
        how,
    }
}

/// One direction at work. Its steps return `Err` to end it early.
pub(super) struct Pump<'a, I> {
    pub(super) reader: &'a mut Reader,
    pub(super) writer: &'a mut Writer,
    interrupt: Pin<&'a mut I>,
    is_due: &'a dyn Fn() -> bool,
    bytes: u64,
    /// Bytes since other tasks could run.
    turn: usize,
    /// False once the kernel has refused to splice.
    pub(super) splices: bool,
}

/// Why a phase of a pump is over.
pub(super) enum Phase {
    /// The other way to move bytes suits better now.
    Switch,
    /// The reader has ended.
    End,
}

impl<I: Future<Output = ()>> Pump<'_, I> {
    async fn run(&mut self) -> Result<(), Ended> {
        loop {
            if let Phase::End = self.copy().await? {
                return Ok(());
            }
            #[cfg(target_os = "linux")]
            if let Phase::End = self.splice().await? {
                return Ok(());
            }
        }
    }

    /// Copies until the reader ends or the direction proves bulky.
    async fn copy(&mut self) -> Result<Phase, Ended> {
        let mut bulky = 0_u32;
        while bulky < BULKY_AFTER || !self.can_splice() {
            let (buffer, n) = self.read().await?;
            if n == 0 {
                return Ok(Phase::End);
            }
            if (self.is_due)() {
                self.reader.unread(Bytes::copy_from_slice(&buffer[..n]));
                return Err(Ended::Interrupted);
            }
            bulky = if n >= BUFFER / 2 {
                bulky.saturating_add(1)
            } else {
                0
            };
            self.write(&buffer[..n]).await?;
            drop(buffer);
            self.moved(n).await?;
        }
        Ok(Phase::Switch)
    }

    /// Between plain sockets only, and after what was read too early has gone.
    fn can_splice(&self) -> bool {
        self.splices && self.reader.bare().is_some() && self.writer.bare().is_some()
    }

    /// One read. The buffer is taken when there is something to read, not while waiting for it.
    async fn read(&mut self) -> Result<(Buffer, usize), Ended> {
        self.wait(|cx, reader, _| poll_read(cx, reader))
            .await?
            .map_err(Ended::Read)
    }

    /// Writes all of it; what an interrupt keeps from being written goes back to the reader.
    async fn write(&mut self, bytes: &[u8]) -> Result<(), Ended> {
        let mut left = bytes;
        let written = self
            .wait(|cx, _, writer| poll_write_all(cx, writer, &mut left))
            .await;
        if let Err(interrupted) = written {
            self.count(bytes.len() - left.len());
            self.reader.unread(Bytes::copy_from_slice(left));
            return Err(interrupted);
        }
        written?.map_err(Ended::Write)
    }

    pub(super) fn count(&mut self, n: usize) {
        self.bytes += n as u64;
    }

    /// Counts, and gives way to other tasks once a turn is used up.
    pub(super) async fn moved(&mut self, n: usize) -> Result<(), Ended> {
        self.count(n);
        self.turn += n;
        if self.turn < TURN {
            return Ok(());
        }
        self.turn = 0;
        tokio::task::yield_now().await;
        // A direction that never waits must still hear the interrupt.
        let interrupt = &mut self.interrupt;
        let heard = poll_fn(|cx| Poll::Ready(interrupt.as_mut().poll(cx).is_ready())).await;
        if heard { Err(Ended::Interrupted) } else { Ok(()) }
    }

    async fn finish(&mut self) -> Ended {
        match self
            .wait(|cx, _, writer| Pin::new(writer).poll_shutdown(cx))
            .await
        {
            Ok(Ok(())) => Ended::Finished,
            Ok(Err(error)) => Ended::Write(error),
            Err(interrupted) => interrupted,
        }
    }

    /// Waits for `io` and, only as long as that waits, for the interrupt.
    pub(super) async fn wait<T>(
        &mut self,
        mut io: impl FnMut(&mut Context<'_>, &mut Reader, &mut Writer) -> Poll<T>,
    ) -> Result<T, Ended> {
        poll_fn(|cx| match io(cx, self.reader, self.writer) {
            Poll::Ready(done) => Poll::Ready(Ok(done)),
            Poll::Pending => self.interrupt.as_mut().poll(cx).map(|()| Err(Ended::Interrupted)),
        })
        .await
    }
}

fn poll_read(cx: &mut Context<'_>, reader: &mut Reader) -> Poll<io::Result<(Buffer, usize)>> {
    ready!(reader.poll_readable(cx))?;
    let mut buffer = Buffer::take();
    let mut room = ReadBuf::new(&mut buffer);
    ready!(Pin::new(reader).poll_read(cx, &mut room))?;
    let n = room.filled().len();
    Poll::Ready(Ok((buffer, n)))
}

/// Writes and flushes, shortening `left` as it goes: TLS may hold back what the socket does not take.
fn poll_write_all(cx: &mut Context<'_>, writer: &mut Writer, left: &mut &[u8]) -> Poll<io::Result<()>> {
    while !left.is_empty() {
        let n = ready!(Pin::new(&mut *writer).poll_write(cx, left))?;
        if n == 0 {
            return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
        }
        *left = &left[n..];
    }
    Pin::new(writer).poll_flush(cx)
}

thread_local! {
    static SPARE: RefCell<Vec<Box<[u8]>>> = const { RefCell::new(Vec::new()) };
}

/// A buffer of the worker's, given back when dropped.
struct Buffer(Box<[u8]>);

impl Buffer {
    fn take() -> Self {
        let spare = SPARE.with_borrow_mut(Vec::pop);
        Self(spare.unwrap_or_else(|| vec![0; BUFFER].into()))
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        SPARE.with_borrow_mut(|spare| {
            if spare.len() < SPARE_BUFFERS {
                spare.push(std::mem::take(&mut self.0));
            }
        });
    }
}

impl Deref for Buffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }
}

#[cfg(test)]
mod tests;
