//! The bulky phase of a pump on Linux: bytes go from socket to socket inside the kernel, through a pipe (`splice(2)`).
//!
//! A pipe costs two descriptors and up to [`PIPE`] bytes of kernel memory, so a direction has one only while bytes are in
//! it; between pieces it lies with the worker's spare ones.

use std::{
    cell::RefCell,
    future::Future,
    io,
    os::fd::{AsFd, OwnedFd},
    task::{Context, Poll, ready},
};

use rustix::{
    io::Errno,
    pipe::{PipeFlags, SpliceFlags, fcntl_getpipe_size, fcntl_setpipe_size, pipe_with, splice},
};
use tokio::io::Interest;

use super::{
    Reader, Writer,
    pipe::{Ended, Phase, Pump},
    socket::Socket,
};

/// The pipe's size: with the kernel's 64 KiB the gain over copying is lost.
const PIPE: usize = 1024 * 1024;

/// A smaller pipe, such as the kernel gives to a user who has too many, is worse than copying.
const SMALLEST_PIPE: usize = 64 * 1024;

/// Pieces smaller than this are cheaper to copy.
const SMALL: usize = 16 * 1024;

/// So many small pieces in a row end the bulky phase.
const SMALL_AGAIN_AFTER: u32 = 16;

/// Pipes that a worker keeps: each may be filled again without a system call to make it.
const SPARE_PIPES: usize = 8;

impl<I: Future<Output = ()>> Pump<'_, I> {
    /// Splices until the reader ends, the pieces get small, or the kernel will not.
    pub(super) async fn splice(&mut self) -> Result<Phase, Ended> {
        let mut small = 0;
        while small < SMALL_AGAIN_AFTER {
            let filled = self.wait(|cx, reader, _| poll_fill(cx, reader)).await?;
            let pipe = match filled.map_err(Ended::Read)? {
                Fill::Piece(pipe) => pipe,
                Fill::End => return Ok(Phase::End),
                Fill::Refused => {
                    self.splices = false;
                    return Ok(Phase::Switch);
                }
            };
            let n = pipe.held;
            small = if n < SMALL { small + 1 } else { 0 };
            self.drain(pipe).await?;
            self.moved(n).await?;
        }
        Ok(Phase::Switch)
    }

    /// Empties the pipe into the writer; what an interrupt leaves in it goes back to the reader.
    async fn drain(&mut self, mut pipe: Pipe) -> Result<(), Ended> {
        let held = pipe.held;
        let drained = self.wait(|cx, _, writer| poll_drain(cx, writer, &mut pipe)).await;
        match drained {
            Ok(Ok(())) => pipe.give_back(),
            Ok(Err(error)) => return Err(Ended::Write(error)),
            Err(interrupted) => {
                self.count(held - pipe.held);
                self.reader.unread(pipe.take_out().map_err(Ended::Read)?.into());
                return Err(interrupted);
            }
        }
        Ok(())
    }
}

/// What came of an attempt to fill a pipe.
enum Fill {
    Piece(Pipe),
    End,
    /// The kernel cannot splice here, or lets this user have no pipe of a useful size.
    Refused,
}

/// The pipe is taken once there is something to read. It is empty then, so "would block" can only mean the socket.
fn poll_fill(cx: &mut Context<'_>, reader: &Reader) -> Poll<io::Result<Fill>> {
    let Some(socket) = reader.bare() else {
        return Poll::Ready(Ok(Fill::Refused));
    };
    loop {
        ready!(socket.tcp.poll_read_ready(cx))?;
        let Some(mut pipe) = Pipe::take() else {
            return Poll::Ready(Ok(Fill::Refused));
        };
        let filled = pipe.fill(socket);
        let fill = match filled {
            Ok(0) => Fill::End,
            Ok(_) => return Poll::Ready(Ok(Fill::Piece(pipe))),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                pipe.give_back();
                continue;
            }
            Err(error) if error.raw_os_error() == Some(Errno::INVAL.raw_os_error()) => Fill::Refused,
            Err(error) => return Poll::Ready(Err(error)),
        };
        pipe.give_back();
        return Poll::Ready(Ok(fill));
    }
}

fn poll_drain(cx: &mut Context<'_>, writer: &Writer, pipe: &mut Pipe) -> Poll<io::Result<()>> {
    let Some(socket) = writer.bare() else {
        return Poll::Ready(Err(io::ErrorKind::Unsupported.into()));
    };
    while pipe.held > 0 {
        ready!(socket.tcp.poll_write_ready(cx))?;
        match pipe.drain(socket) {
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => return Poll::Ready(Err(error)),
            _ => {}
        }
    }
    Poll::Ready(Ok(()))
}

thread_local! {
    static SPARE: RefCell<Vec<Pipe>> = const { RefCell::new(Vec::new()) };
}

/// Whether a direction of this thread has been spliced.
#[cfg(test)]
pub(super) fn has_worked_here() -> bool {
    SPARE.with_borrow(|spare| !spare.is_empty())
}

/// A pipe and the number of bytes in it.
struct Pipe {
    out: OwnedFd,
    into: OwnedFd,
    size: usize,
    held: usize,
}

impl Pipe {
    /// An empty pipe, or `None` when the system gives no useful one.
    fn take() -> Option<Self> {
        SPARE.with_borrow_mut(Vec::pop).or_else(Self::open)
    }

    fn open() -> Option<Self> {
        let (out, into) = pipe_with(PipeFlags::NONBLOCK | PipeFlags::CLOEXEC).ok()?;
        let size = fcntl_setpipe_size(&into, PIPE)
            .or_else(|_| fcntl_getpipe_size(&into))
            .ok()?;
        (size >= SMALLEST_PIPE).then_some(Self {
            out,
            into,
            size,
            held: 0,
        })
    }

    /// Keeps an empty pipe for the next piece; one with bytes in it must be dropped instead.
    fn give_back(self) {
        debug_assert_eq!(self.held, 0, "the next direction would send another one's bytes");
        SPARE.with_borrow_mut(|spare| {
            if spare.len() < SPARE_PIPES {
                spare.push(self);
            }
        });
    }

    fn fill(&mut self, from: &Socket) -> io::Result<usize> {
        let n = from
            .tcp
            .try_io(Interest::READABLE, || transfer(&from.tcp, &self.into, self.size))?;
        from.count_received(n);
        self.held = n;
        Ok(n)
    }

    fn drain(&mut self, to: &Socket) -> io::Result<usize> {
        let n = to
            .tcp
            .try_io(Interest::WRITABLE, || transfer(&self.out, &to.tcp, self.held))?;
        to.count_sent(n);
        self.held -= n;
        Ok(n)
    }

    /// Reads what is left in it, for somebody who wants to look at the bytes.
    fn take_out(mut self) -> io::Result<Vec<u8>> {
        let mut left = vec![0; self.held];
        while self.held > 0 {
            let done = left.len() - self.held;
            match rustix::io::read(&self.out, &mut left[done..])? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                n => self.held -= n,
            }
        }
        self.give_back();
        Ok(left)
    }
}

fn transfer(from: impl AsFd, to: impl AsFd, most: usize) -> io::Result<usize> {
    Ok(splice(
        from,
        None,
        to,
        None,
        most,
        SpliceFlags::NONBLOCK | SpliceFlags::MOVE,
    )?)
}
