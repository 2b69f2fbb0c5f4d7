//! What was read of one direction and has not gone on yet.

use std::{
    cell::Cell,
    future::poll_fn,
    io,
    ops::Deref,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use tokio::io::{AsyncRead, ReadBuf};

/// How much is read at once. Large enough for many rows, and held only while bytes are there.
const READ_SIZE: usize = 32 * 1024;

/// So much of what a client says is kept while its command is held.
const MOST_AHEAD: usize = 256 * 1024;

thread_local! {
    /// The buffer of whoever reads next on this worker, or none.
    static SPARE: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Bytes that were read, in the order in which they came. Without any it holds no buffer.
///
/// Its buffer is whole from the start, of whatever value: the kernel reads into it as it is (`net/socket.rs`).
#[derive(Debug, Default)]
pub(super) struct Input {
    buffer: Vec<u8>,
    from: usize,
    to: usize,
}

impl Input {
    /// Reads some; 0 is the end. Cancel-safe.
    pub(super) fn poll_read(
        &mut self,
        reader: &mut (impl AsyncRead + Unpin),
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        self.make_room();
        let mut room = ReadBuf::new(&mut self.buffer[self.to..]);
        let read = Pin::new(reader).poll_read(cx, &mut room);
        let n = room.filled().len();
        self.to += n;
        self.give_back();
        ready!(read)?;
        Poll::Ready(Ok(n))
    }

    /// As [`Self::poll_read`].
    pub(super) async fn read(&mut self, reader: &mut (impl AsyncRead + Unpin)) -> io::Result<usize> {
        poll_fn(|cx| self.poll_read(reader, cx)).await
    }

    /// Lets go of the front: it has gone on, or is to be forgotten.
    pub(super) fn advance(&mut self, n: usize) {
        debug_assert!(n <= self.len(), "no more than was read");
        self.from += n;
        self.give_back();
    }

    /// Takes the front.
    pub(super) fn take(&mut self, n: usize) -> Bytes {
        let front = Bytes::copy_from_slice(&self[..n]);
        self.advance(n);
        front
    }

    fn make_room(&mut self) {
        if self.buffer.is_empty() {
            self.buffer = SPARE.take();
        }
        if self.to < self.buffer.len() {
            return;
        }
        if self.from > 0 {
            self.buffer.copy_within(self.from..self.to, 0);
            (self.from, self.to) = (0, self.to - self.from);
        }
        self.buffer.resize(self.to + READ_SIZE, 0);
    }

    /// An empty buffer is lent to the next, unless it has grown.
    fn give_back(&mut self) {
        if self.from < self.to {
            return;
        }
        let buffer = std::mem::take(self).buffer;
        if buffer.len() == READ_SIZE {
            SPARE.set(buffer);
        }
    }
}

impl Deref for Input {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.buffer[self.from..self.to]
    }
}

/// Reads and drops what still comes, until the peer finishes: bytes that are left unread would turn the end into a RST,
/// which can destroy what was said before it.
pub(super) async fn drain(reader: &mut (impl AsyncRead + Unpin)) {
    let mut input = Input::default();
    while matches!(input.read(reader).await, Ok(n) if n > 0) {
        input.advance(input.len());
    }
}

/// Comes when the peer has gone. What it says meanwhile is read on, up to a limit; beyond it nobody looks.
pub(super) async fn gone(reader: &mut (impl AsyncRead + Unpin), input: &mut Input) {
    while input.len() < MOST_AHEAD {
        if matches!(input.read(reader).await, Ok(0) | Err(_)) {
            return;
        }
    }
    std::future::pending::<()>().await;
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt;

    use super::*;

    #[tokio::test]
    async fn what_is_read_comes_out_in_order_however_it_is_taken() {
        let (mut writer, mut reader) = tokio::io::duplex(4 * READ_SIZE);
        let said: Vec<u8> = (0..5 * READ_SIZE).map(|n| (n % 251) as u8).collect();
        let writing = async {
            writer.write_all(&said).await.unwrap();
            drop(writer);
        };
        let reading = async {
            let (mut input, mut heard, mut taken) = (Input::default(), Vec::new(), 1);
            while input.read(&mut reader).await.unwrap() > 0 {
                // Less and more than there is, so that some is left before the next read.
                taken = taken * 7 % 50_021;
                let n = input.len().min(taken);
                heard.extend_from_slice(&input.take(n));
            }
            heard.extend_from_slice(&input);
            heard
        };
        let ((), heard) = tokio::join!(writing, reading);
        assert!(heard == said);
    }

    #[tokio::test]
    async fn an_empty_one_holds_no_buffer_and_readers_share_one() {
        let mut input = Input::default();
        assert_eq!(input.read(&mut &b"select"[..]).await.unwrap(), 6);
        let address = input.buffer.as_ptr();
        assert_eq!(&*input.take(6), b"select");
        assert_eq!(input.buffer.capacity(), 0);
        let mut other = Input::default();
        other.read(&mut &b"insert"[..]).await.unwrap();
        assert_eq!(other.buffer.as_ptr(), address);
        other.advance(2);
        assert_eq!(&*other, b"sert");
    }

    #[tokio::test]
    async fn one_that_has_grown_is_not_kept() {
        SPARE.take();
        let mut input = Input::default();
        let long = vec![7; READ_SIZE + 1];
        let mut reader = &long[..];
        while input.read(&mut reader).await.unwrap() > 0 {}
        assert_eq!(input.len(), long.len());
        input.advance(long.len());
        assert!(SPARE.take().is_empty());
    }
}
