//! Bytes that have come and are not yet understood.

use std::mem;

use bytes::{Buf, Bytes, BytesMut};

use super::pool;

/// Up to here bytes are copied out, so that a held head pins its own few bytes and not a read buffer.
const COPIED: usize = 2048;
/// A read into less room than this is not worth its system call.
const WORTH: usize = 4096;
/// Small reads after which the size shrinks: not one, for the last read of a large message is small too.
const PATIENCE: u8 = 8;

/// The bytes of a connection from the first not yet understood. Empty, it holds no memory.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    buffer: BytesMut,
    /// Which size of read the last ones called for.
    level: usize,
    /// How many reads in a row would have fitted the size below.
    small_reads: u8,
}

impl Inbox {
    pub(super) fn bytes(&self) -> &[u8] {
        &self.buffer
    }

    pub(super) fn len(&self) -> usize {
        self.buffer.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.buffer.is_empty()
    }

    /// The next `n` bytes: a few are copied, many are handed over with the buffer that they came in.
    pub(super) fn take(&mut self, n: usize) -> Bytes {
        if n > COPIED {
            return self.buffer.split_to(n).freeze();
        }
        let taken = Bytes::copy_from_slice(&self.buffer[..n]);
        self.skip(n);
        taken
    }

    /// Throws the next `n` bytes away.
    pub(super) fn skip(&mut self, n: usize) {
        if n == self.buffer.len() {
            // Emptied, and not moved on: so the buffer goes back as it came.
            self.buffer.clear();
        } else {
            self.buffer.advance(n);
        }
        self.rest();
    }

    /// Whether it holds no memory.
    pub(super) fn is_at_rest(&self) -> bool {
        self.buffer.capacity() == 0
    }

    /// Makes room for a read of a message of which `left` bytes are to come, as far as is known.
    pub(super) fn make_room(&mut self, left: u64) -> &mut BytesMut {
        let known = pool::SIZES
            .iter()
            .take(2)
            .filter(|&&size| left > size as u64)
            .count();
        let level = known.max(self.level);
        let size = pool::SIZES[level];
        if self.buffer.is_empty() {
            if self.buffer.capacity() == 0 {
                self.buffer = pool::lend_read(level);
            } else if !self.buffer.try_reclaim(size) {
                pool::keep_read(mem::replace(&mut self.buffer, pool::lend_read(level)));
            }
        } else if self.buffer.capacity() - self.buffer.len() < WORTH {
            self.buffer.reserve(size);
        }
        &mut self.buffer
    }

    /// Learns from a read of `n` bytes how large the next should be.
    pub(super) fn learn(&mut self, n: usize) {
        if self.buffer.len() == self.buffer.capacity() {
            self.level = pool::SIZES.len().min(self.level + 2) - 1;
            self.small_reads = 0;
        } else if self.level > 0 && n < pool::SIZES[self.level - 1] / 2 {
            self.small_reads += 1;
        } else {
            self.small_reads = 0;
        }
        if self.small_reads == PATIENCE {
            self.level -= 1;
            self.small_reads = 0;
        }
    }

    /// Gives the buffer back while there is nothing in it.
    pub(super) fn rest(&mut self) {
        if self.buffer.is_empty() && self.buffer.capacity() > 0 {
            pool::keep_read(mem::take(&mut self.buffer));
        }
    }

    /// Adds bytes as if they had been read.
    #[cfg(test)]
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }
}

impl From<&[u8]> for Inbox {
    fn from(bytes: &[u8]) -> Self {
        Self {
            buffer: BytesMut::from(bytes),
            ..Self::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads so many bytes into the room that the inbox makes.
    fn fill(inbox: &mut Inbox, n: usize) {
        let room = inbox.make_room(0);
        let n = n.min(room.capacity() - room.len());
        room.extend_from_slice(&vec![b'x'; n]);
        inbox.learn(n);
    }

    #[test]
    fn an_empty_inbox_holds_no_memory() {
        let mut inbox = Inbox::default();
        inbox.make_room(0);
        inbox.rest();
        assert_eq!(inbox.buffer.capacity(), 0, "after a read in vain");
        fill(&mut inbox, 500);
        let head = inbox.take(500);
        assert_eq!(
            (inbox.buffer.capacity(), head.len()),
            (0, 500),
            "after a small message"
        );
        fill(&mut inbox, 10_000);
        let piece = inbox.take(10_000);
        inbox.rest();
        assert_eq!(
            (inbox.buffer.capacity(), piece.len()),
            (0, 10_000),
            "after a large piece"
        );
    }

    #[test]
    fn reads_grow_with_bulk_and_shrink_without() {
        let mut inbox = Inbox::default();
        let check = |inbox: &mut Inbox, n: usize, level: usize| {
            fill(inbox, n);
            inbox.take(inbox.len());
            assert_eq!(inbox.level, level);
        };
        for (n, level) in [(100, 0), (usize::MAX, 1), (100, 1), (usize::MAX, 2), (100_000, 2)] {
            check(&mut inbox, n, level);
        }
        for level in [1, 0] {
            (1..PATIENCE).for_each(|_| fill(&mut inbox, 0));
            check(&mut inbox, 100, level);
        }
    }

    #[test]
    fn a_buffer_is_used_again_once_its_pieces_are_gone() {
        let mut inbox = Inbox::default();
        fill(&mut inbox, 10_000);
        let at = inbox.bytes().as_ptr();
        drop(inbox.take(10_000));
        fill(&mut inbox, 10_000);
        assert_eq!(inbox.bytes().as_ptr(), at);
    }
}
