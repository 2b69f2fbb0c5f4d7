//! Bytes that wait to be written: small ones in one buffer, large pieces between them where they lie.

use std::collections::VecDeque;
use std::io::IoSlice;
use std::mem;

use bytes::{Buf, Bytes};

use super::pool;

/// Pieces up to this size are copied behind the head: one buffer is cheaper to write than two.
const COPIED: usize = 2048;
/// Bytes that may wait before more are asked for.
const FULL: usize = 64 * 1024;
/// Buffers of one write.
const SLICES: usize = 16;

/// What waits to be written, in order. Empty, it holds next to no memory.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    flat: Vec<u8>,
    /// Bytes of `flat` that are written.
    written: usize,
    large: VecDeque<Large>,
    waiting: usize,
}

/// A piece that is written from where it lies.
#[derive(Debug)]
struct Large {
    /// How many bytes of `flat` come before it.
    at: usize,
    bytes: Bytes,
}

impl Outbox {
    pub(super) fn is_empty(&self) -> bool {
        self.waiting == 0
    }

    pub(super) fn is_full(&self) -> bool {
        self.waiting >= FULL
    }

    /// Appends what `write` puts behind the bytes it is given.
    pub(super) fn write<T>(&mut self, write: impl FnOnce(&mut Vec<u8>) -> T) -> T {
        if self.flat.capacity() == 0 {
            self.flat = pool::lend_write();
        }
        let before = self.flat.len();
        let written = write(&mut self.flat);
        self.waiting += self.flat.len() - before;
        written
    }

    /// Appends a piece of a body.
    pub(super) fn push(&mut self, bytes: Bytes) {
        if bytes.len() <= COPIED {
            return self.write(|out| out.extend_from_slice(&bytes));
        }
        self.waiting += bytes.len();
        self.large.push_back(Large {
            at: self.flat.len(),
            bytes,
        });
    }

    /// The next bytes in as many slices as it takes; says how many.
    pub(super) fn slices<'a>(&'a self, slices: &mut [IoSlice<'a>; SLICES]) -> usize {
        let (mut count, mut from) = (0, self.written);
        for Large { at, bytes } in &self.large {
            for part in [&self.flat[from..*at], bytes] {
                if count == SLICES {
                    return count;
                }
                if !part.is_empty() {
                    slices[count] = IoSlice::new(part);
                    count += 1;
                }
            }
            from = *at;
        }
        if count < SLICES && from < self.flat.len() {
            slices[count] = IoSlice::new(&self.flat[from..]);
            count += 1;
        }
        count
    }

    /// The waiting bytes where all of them lie together.
    pub(super) fn single(&self) -> Option<&[u8]> {
        self.large.is_empty().then(|| &self.flat[self.written..])
    }

    /// Takes note that the next `n` bytes are written.
    pub(super) fn advance(&mut self, mut n: usize) {
        self.waiting -= n;
        while let Some(first) = self.large.front_mut() {
            let flat = n.min(first.at - self.written);
            self.written += flat;
            let large = (n - flat).min(first.bytes.len());
            if self.written < first.at || large < first.bytes.len() {
                first.bytes.advance(large);
                return;
            }
            n -= flat + large;
            self.large.pop_front();
        }
        self.written += n;
        if self.waiting == 0 {
            self.rest();
        }
    }

    /// A fresh array for [`Outbox::slices`].
    pub(super) fn room<'a>() -> [IoSlice<'a>; SLICES] {
        [IoSlice::new(&[]); SLICES]
    }

    fn rest(&mut self) {
        self.written = 0;
        pool::keep_write(mem::take(&mut self.flat));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn bytes_leave_in_order_however_few_at_a_time(
            pieces in prop::collection::vec((any::<u8>(), 0..6000_usize), 0..40),
            steps in prop::collection::vec(1..9000_usize, 1..50),
        ) {
            let mut outbox = Outbox::default();
            let mut expected = Vec::new();
            for (byte, size) in pieces {
                expected.extend(vec![byte; size]);
                outbox.push(Bytes::from(vec![byte; size]));
            }
            let (mut got, mut steps) = (Vec::new(), steps.into_iter().cycle());
            while !outbox.is_empty() {
                let mut slices = Outbox::room();
                let count = outbox.slices(&mut slices);
                let here: Vec<u8> = slices[..count].iter().flat_map(|slice| slice.iter().copied()).collect();
                let n = here.len().min(steps.next().unwrap_or(1));
                got.extend_from_slice(&here[..n]);
                outbox.advance(n);
            }
            prop_assert_eq!(got, expected);
            prop_assert_eq!(outbox.flat.capacity(), 0);
        }
    }
}
