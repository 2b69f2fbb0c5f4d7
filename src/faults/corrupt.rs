//! `corrupt`: single bytes are changed.

use bytes::{Bytes, BytesMut};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::{
    doc::{Doc, Hook},
    entry::is_default,
    hook::{Acts, Ask, Flow},
    line::{Line, Piece, Shape},
    reading::maybe_some_bytes,
};
use crate::units::{ByteSize, Probability, Stream};

/// Changes single bytes; how many there are stays the same.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Corrupt {
    /// The share of pieces in which a byte is changed. Default: 100%.
    #[serde(default, skip_serializing_if = "is_default")]
    pub odds: Probability,
    /// What a piece is: so many bytes, at least 1B. Default: what one read gave.
    #[serde(
        default,
        deserialize_with = "maybe_some_bytes",
        skip_serializing_if = "Option::is_none"
    )]
    pub every: Option<ByteSize>,
    /// The direction. Default: `reply`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub flow: Flow,
}

/// The page of `corrupt`.
pub(super) const DOC: Doc = Doc {
    kind: "corrupt",
    does: "Changes one byte, anywhere, in each piece or in a share of the pieces",
    acts_at: &[Hook::Flow],
    settings: &[
        ("odds", "the share of pieces in which a byte is changed (100%)"),
        ("every", "what a piece is: so many bytes (what one read gave)"),
        ("flow", "the direction: request or reply (reply)"),
    ],
    examples: &[
        r#"{do: {corrupt: {odds: 10%}}}"#,
        r#"{do: {corrupt: {every: 4KiB}}}"#,
    ],
};

impl Acts for Corrupt {
    fn doc(&self) -> &'static Doc {
        &DOC
    }

    fn flow(&self, ask: &mut Ask, direction: Flow) -> Option<Box<dyn Shape>> {
        let shaper = || Corruptor {
            corrupt: self.clone(),
            dice: ask.dice,
            block: 0,
            victim: None,
        };
        (self.flow == direction).then(|| Box::new(shaper()) as _)
    }
}

#[derive(Debug)]
struct Corruptor {
    corrupt: Corrupt,
    dice: Stream,
    /// How many bytes of the block, which may span reads, are still to come.
    block: usize,
    /// Which of them is changed.
    victim: Option<usize>,
}

impl Corruptor {
    fn change(&mut self, bytes: Bytes) -> Bytes {
        let mut changed = BytesMut::from(bytes);
        let mut from = 0;
        while from < changed.len() {
            if self.block == 0 {
                self.begin_block(changed.len());
            }
            let length = self.block.min(changed.len() - from);
            match &mut self.victim {
                Some(victim) if *victim < length => {
                    changed[from + *victim] ^= 1 << self.dice.below(8);
                    self.victim = None;
                }
                Some(victim) => *victim -= length,
                None => {}
            }
            self.block -= length;
            from += length;
        }
        changed.freeze()
    }

    fn begin_block(&mut self, read: usize) {
        let every = self
            .corrupt
            .every
            .map(|size| usize::try_from(size.0).unwrap_or(usize::MAX).max(1));
        self.block = every.unwrap_or(read);
        let hit = self.dice.unit() < self.corrupt.odds.get();
        self.victim = hit.then(|| self.dice.below(self.block));
    }
}

impl Shape for Corruptor {
    fn shape(&mut self, at: Instant, piece: Piece, line: &mut Line) {
        match piece {
            Piece::Data(bytes) => line.pass(at, Piece::Data(self.change(bytes))),
            end => line.pass(at, end),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::faults::trial::{chain, data, joined, push};

    /// How many bytes of so many pieces of so many bytes are changed.
    fn changed(kind: &str, pieces: usize, length: usize) -> usize {
        let now = Instant::now();
        let (_, mut chain) = chain(&[kind], now);
        let out: Vec<Piece> = (0..pieces)
            .flat_map(|_| push(&mut chain, now, data(vec![0; length])))
            .collect();
        let bytes = joined(&out);
        assert_eq!(bytes.len(), pieces * length);
        bytes.iter().filter(|byte| **byte != 0).count()
    }

    #[test]
    fn one_byte_is_changed_in_each_piece_that_is_hit() {
        assert_eq!(changed("corrupt", 100, 50), 100);
        assert_eq!(changed("{corrupt: {odds: 0%}}", 100, 50), 0);
        assert!((150..=250).contains(&changed("{corrupt: {odds: 20%}}", 1000, 50)));
    }

    #[test]
    fn a_piece_may_be_so_many_bytes_however_they_are_read() {
        for length in [1, 7, 100, 1000] {
            assert_eq!(
                changed("{corrupt: {every: 100B}}", 7000 / length, length),
                7000 / length * length / 100
            );
        }
    }
}
