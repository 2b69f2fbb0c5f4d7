//! Bytes that have come and are not yet understood.

use std::mem;

use bytes::{Buf, Bytes, BytesMut};

use super::pool;

/// Up to here bytes are copied out, so that a held head pins its own few bytes and not a read buffer.
const COPIED: usize = 2048;
/// A read into less room than this is not worth its system call.
const WORTH: usize = 4096;

/// The bytes of a connection from the first not yet understood. Empty, it holds no memory.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    buffer: BytesMut,
    /// Which size of read the last ones called for.
    level: usize,
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
        self.buffer.advance(n);
        self.rest();
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
            if !self.buffer.try_reclaim(size) {
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
        } else if self.level > 0 && n < pool::SIZES[self.level - 1] / 2 {
            self.level -= 1;
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
            level: 0,
        }
    }
}
