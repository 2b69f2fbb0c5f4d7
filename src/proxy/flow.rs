//! Bytes under faults, carried out: the one performer of chains, for sockets and for HTTP bodies alike.
//!
//! A chain is pure; this file gives it the time, waits for what is due, stops reading while the chain holds enough, and
//! lets go what a lifted fault held.

use std::{
    cell::Cell,
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
    faults::{Chain, Cut, MOST_HELD, MOST_ON_THE_WAY, Piece},
    net::{Reader, Writer},
};

/// How much is read at once from a shaped flow.
const READ_SIZE: usize = 16 * 1024;

/// How many bytes all flows of a worker may hold together before each of them may hold no more than [`MOST_HELD`], on their way or not.
const MOST_TOGETHER: usize = 256 << 20;

thread_local! {
    /// How many bytes the flows of this worker hold.
    static TOGETHER: Cell<usize> = const { Cell::new(0) };
}

/// One direction of one exchange under a chain of faults.
pub struct Shaping {
    chain: Chain,
    /// How many bytes of the worker's count are its own.
    counted: usize,
    ready: VecDeque<Piece>,
    timer: Pin<Box<Sleep>>,
    lifted: Pin<Box<dyn Future<Output = ()>>>,
    /// Why there is no more to read, where that is a failure.
    broken: Option<io::Error>,
}

impl Shaping {
    /// Begins to shape.
    pub fn new(chain: Chain) -> Self {
        let lifted = Box::pin(chain.lifting());
        Self {
            chain,
            counted: 0,
            ready: VecDeque::new(),
            timer: Box::pin(sleep_until(Instant::now())),
            lifted,
            broken: None,
        }
    }

    /// Takes a piece that was read.
    pub fn push(&mut self, piece: Piece) {
        self.chain.push(Instant::now(), piece, &mut self.ready);
        self.count();
    }

    /// What waits for its time, and what waits for its reader, is memory alike.
    fn count(&mut self) {
        self.count_as(self.chain.held() + self.ready.iter().map(Piece::len).sum::<usize>());
    }

    fn count_as(&mut self, held: usize) {
        TOGETHER.set(TOGETHER.get() + held - self.counted);
        self.counted = held;
    }

    /// The peer's connection has failed. What it had sent by then comes first.
    fn break_off(&mut self, error: io::Error) {
        self.broken = Some(error);
        self.push(Piece::Broken);
    }

    /// Appends more faults.
    pub fn extend(&mut self, more: Chain) {
        self.chain.extend(more);
        self.lifted = Box::pin(self.chain.lifting());
    }

    /// Takes in the faults that have come while the flow stands, some of them in the place of others.
    pub fn follow(&mut self, more: Chain) {
        self.chain.follow(more, Instant::now());
        self.lifted = Box::pin(self.chain.lifting());
    }

    /// Whether more may be read: the chain holds less than its limits, and its end has not come.
    pub fn wants_more(&self) -> bool {
        let most = match TOGETHER.get() < MOST_TOGETHER {
            true => MOST_ON_THE_WAY,
            false => MOST_HELD,
        };
        self.chain.held_back() < MOST_HELD && self.chain.held() < most && !self.chain.is_over()
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
                self.count_as(self.counted - piece.len());
                return Poll::Ready(piece);
            }
            if self.lifted.as_mut().poll(cx).is_ready() {
                self.chain.lift(Instant::now(), &mut self.ready);
                self.count();
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
            self.count();
        }
    }

    /// The next piece, once it is due; `None` if something else is due by then: faults that have changed are looked at before those that
    /// they replace let go. Cancel-safe.
    async fn next(&mut self, is_due: &dyn Fn() -> bool) -> Option<Piece> {
        poll_fn(|cx| match is_due() {
            true => Poll::Ready(None),
            false => self.poll_next(cx).map(Some),
        })
        .await
    }
}

impl Drop for Shaping {
    fn drop(&mut self) {
        self.count_as(0);
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

/// Why a direction of a connection has failed.
#[derive(Debug)]
pub enum Failed {
    /// It could not be read, for its peer's connection has.
    Read(io::Error),
    /// Nobody takes what would have to be written.
    Write(io::Error),
}

impl Failed {
    /// What was said.
    pub fn into_error(self) -> io::Error {
        let (Self::Read(error) | Self::Write(error)) = self;
        error
    }
}

/// Moves one direction of a connection through its chain until it ends, is free, or `until` comes, or is due although it has not
/// come yet: that is asked of bytes that were just read.
///
/// # Errors
/// What reading said, after all that was read before it, or writing, at once.
pub async fn shape(
    shaping: &mut Shaping,
    ended: &mut bool,
    reader: &mut Reader,
    writer: &mut Writer,
    until: impl Future<Output = ()>,
    is_due: &dyn Fn() -> bool,
) -> Result<Shaped, Failed> {
    let mut until = std::pin::pin!(until);
    let mut buffer = BytesMut::new();
    loop {
        // Every branch is cancel-safe: `read_buf` loses nothing, `next` keeps its pieces.
        tokio::select! {
            biased;
            piece = shaping.next(is_due) => match piece {
                None => return Ok(Shaped::Interrupted),
                Some(Piece::Data(bytes)) => writer.write_all(&bytes).await.map_err(Failed::Write)?,
                Some(Piece::Trailers(_)) => {}
                Some(Piece::End) => {
                    writer.shutdown().await.map_err(Failed::Write)?;
                    return Ok(Shaped::Ended);
                }
                Some(Piece::Cut(cut)) => return Ok(Shaped::Cut(cut)),
                Some(Piece::Broken) => {
                    let error = shaping.broken.take();
                    return Err(Failed::Read(error.unwrap_or_else(|| io::ErrorKind::ConnectionReset.into())));
                }
            },
            () = &mut until => return Ok(Shaped::Interrupted),
            read = read_some(reader, &mut buffer), if !*ended && shaping.wants_more() => {
                *ended = !matches!(read, Ok(1..));
                if !*ended && is_due() {
                    reader.unread(buffer.split().freeze());
                    return Ok(Shaped::Interrupted);
                }
                match read {
                    Ok(0) => shaping.push(Piece::End),
                    Ok(_) => shaping.push(Piece::Data(buffer.split().freeze())),
                    Err(error) => shaping.break_off(error),
                }
            }
        }
        if shaping.is_done() && !*ended {
            return Ok(Shaped::Free);
        }
    }
}

/// Reads and drops what still comes, until it ends.
pub async fn drop_rest(reader: &mut Reader) {
    let mut buffer = BytesMut::new();
    while matches!(read_some(reader, &mut buffer).await, Ok(1..)) {
        buffer.clear();
    }
}

async fn read_some(reader: &mut Reader, buffer: &mut BytesMut) -> io::Result<usize> {
    buffer.reserve(READ_SIZE);
    reader.read_buf(buffer).await
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::faults::trial::chain;

    /// What all flows share costs a test one mebibyte of memory, however often it is counted.
    fn push(shaping: &mut Shaping, mebibytes: usize) {
        let mebibyte = Bytes::from(vec![0; 1 << 20]);
        for _ in 0..mebibytes {
            shaping.push(Piece::Data(mebibyte.clone()));
        }
    }

    fn late() -> Shaping {
        Shaping::new(chain(&["{latency: {add: 1h, at: chunk}}"], Instant::now()).1)
    }

    #[tokio::test]
    async fn flows_hold_little_each_once_they_hold_much_together() {
        let mut one = late();
        push(&mut one, 31);
        assert!(one.wants_more());
        push(&mut one, 1);
        assert!(!one.wants_more(), "it holds what one may");
        let mut others: Vec<_> = (0..7).map(|_| late()).collect();
        others.iter_mut().for_each(|flow| push(flow, 31));
        push(&mut others[0], 6);
        assert!(
            others[1].wants_more(),
            "249 MiB + 6 MiB are less than all may hold"
        );
        push(&mut others[1], 1);
        assert!(!others[2].wants_more(), "all of them hold what all may");
        let mut another = late();
        assert!(another.wants_more(), "who holds less than 1 MiB goes on");
        push(&mut another, 1);
        assert!(!another.wants_more());
        drop(one);
        assert!(
            others[2].wants_more() && another.wants_more(),
            "what is dropped is held no more"
        );
        drop((others, another));
        assert_eq!(TOGETHER.get(), 0);
    }

    #[tokio::test]
    async fn what_waits_for_its_reader_is_held_too() {
        let (faults, chain) = chain(&["{latency: {add: 1h, at: chunk}}"], Instant::now());
        let mut flow = Shaping::new(chain);
        push(&mut flow, 3);
        faults[0].lift();
        let mut cx = Context::from_waker(std::task::Waker::noop());
        for left in [2, 1, 0] {
            assert!(matches!(flow.poll_next(&mut cx), Poll::Ready(Piece::Data(_))));
            assert_eq!(TOGETHER.get(), left << 20);
        }
        assert!(flow.poll_next(&mut cx).is_pending() && flow.is_done());
    }
}
