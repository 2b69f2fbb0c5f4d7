//! Bytes under faults, carried out: the one performer of chains, for sockets and for HTTP bodies alike.
//!
//! A chain is pure; this file gives it the time, waits for what is due, stops reading while the chain holds enough, and
//! lets go what a lifted fault held.

use std::{
    collections::VecDeque,
    future::{Future, poll_fn},
    io,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::BytesMut;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::{Instant, Sleep, sleep_until},
};

use crate::{
    faults::{Chain, Cut, MOST_HELD, Piece},
    net::{Reader, Writer},
};

/// How much is read at once from a shaped flow.
const READ_SIZE: usize = 16 * 1024;

/// One direction of one exchange under a chain of faults.
pub struct Shaping {
    chain: Chain,
    ready: VecDeque<Piece>,
    timer: Pin<Box<Sleep>>,
    lifted: Pin<Box<dyn Future<Output = ()>>>,
}

impl Shaping {
    /// Begins to shape.
    pub fn new(chain: Chain) -> Self {
        let lifted = Box::pin(chain.lifting());
        Self {
            chain,
            ready: VecDeque::new(),
            timer: Box::pin(sleep_until(Instant::now())),
            lifted,
        }
    }

    /// Takes a piece that was read.
    pub fn push(&mut self, piece: Piece) {
        self.chain.push(Instant::now(), piece, &mut self.ready);
    }

    /// Appends the faults that were added while the flow stands.
    pub fn extend(&mut self, more: Chain) {
        self.chain.extend(more);
        self.lifted = Box::pin(self.chain.lifting());
    }

    /// Whether more may be read: the chain holds less than its limit, and its end has not come.
    pub fn wants_more(&self) -> bool {
        self.chain.held() < MOST_HELD && !self.chain.is_over()
    }

    /// Whether something waits in it.
    pub fn holds(&self) -> bool {
        self.chain.held() > 0 || !self.ready.is_empty()
    }

    /// Whether every fault is lifted and everything held has gone on: bytes may pass beside it.
    pub fn is_done(&self) -> bool {
        self.chain.is_empty() && self.ready.is_empty()
    }

    /// The next piece, once it is due.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Piece> {
        loop {
            if let Some(piece) = self.ready.pop_front() {
                return Poll::Ready(piece);
            }
            if self.lifted.as_mut().poll(cx).is_ready() {
                self.chain.lift(Instant::now(), &mut self.ready);
                self.lifted = Box::pin(self.chain.lifting());
                continue;
            }
            let Some(due) = self.chain.next_wakeup() else {
                return Poll::Pending;
            };
            if self.timer.deadline() != due {
                self.timer.as_mut().reset(due);
            }
            if self.timer.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            self.chain.advance(Instant::now(), &mut self.ready);
        }
    }

    /// The next piece, once it is due. Cancel-safe.
    async fn next(&mut self) -> Piece {
        poll_fn(|cx| self.poll_next(cx)).await
    }
}

/// How a shaped direction of a connection ended, or why it was left.
#[derive(Debug)]
pub enum Shaped {
    /// The end came out and was passed on.
    Ended,
    /// A fault wants the whole connection ended.
    Cut(Cut),
    /// Every fault is lifted; the bytes may pass beside the chain from here on.
    Free,
    /// `until` came first; nothing is lost, the shaping goes on when it is called again.
    Interrupted,
}

/// Moves one direction of a connection through its chain until it ends, is free, or `until` comes, or is due although it has not
/// come yet: that is asked of bytes that were just read.
///
/// # Errors
/// What reading or writing said.
pub async fn shape(
    shaping: &mut Shaping,
    ended: &mut bool,
    reader: &mut Reader,
    writer: &mut Writer,
    until: impl Future<Output = ()>,
    is_due: &dyn Fn() -> bool,
) -> io::Result<Shaped> {
    let mut until = std::pin::pin!(until);
    let mut buffer = BytesMut::new();
    loop {
        // Every branch is cancel-safe: `read_buf` loses nothing, `next` keeps its pieces.
        tokio::select! {
            biased;
            piece = shaping.next() => match piece {
                Piece::Data(bytes) => writer.write_all(&bytes).await?,
                Piece::Trailers(_) => {}
                Piece::End => {
                    writer.shutdown().await?;
                    return Ok(Shaped::Ended);
                }
                Piece::Cut(cut) => return Ok(Shaped::Cut(cut)),
            },
            () = &mut until => return Ok(Shaped::Interrupted),
            read = read_some(reader, &mut buffer), if !*ended && shaping.wants_more() => {
                *ended = read? == 0;
                if !*ended && is_due() {
                    reader.unread(buffer.split().freeze());
                    return Ok(Shaped::Interrupted);
                }
                shaping.push(if *ended { Piece::End } else { Piece::Data(buffer.split().freeze()) });
            }
        }
        if shaping.is_done() && !*ended {
            return Ok(Shaped::Free);
        }
    }
}

async fn read_some(reader: &mut Reader, buffer: &mut BytesMut) -> io::Result<usize> {
    buffer.reserve(READ_SIZE);
    reader.read_buf(buffer).await
}
