//! When a connection is cut: what `refuse`, `reset` and `close` have in common.

use tokio::time::Instant;

use super::{
    chain::{Line, Piece, Shape},
    hook::{Cut, Flow, Verdict},
};
use crate::units::{ByteSize, Span};

/// How and when a connection ends.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    /// How.
    pub(super) cut: Cut,
    /// Once so many bytes have passed.
    pub(super) after_bytes: Option<ByteSize>,
    /// Once so much time has passed.
    pub(super) after: Option<Span>,
    /// Where bytes are counted.
    pub(super) flow: Flow,
}

impl Moment {
    /// Whether it is before a byte has passed.
    pub(super) const fn is_at_start(&self) -> bool {
        self.after_bytes.is_none() && self.after.is_none()
    }

    /// What an exchange does that begins.
    pub(super) const fn open(&self) -> Verdict {
        if self.is_at_start() {
            Verdict::Cut(self.cut)
        } else {
            Verdict::Pass
        }
    }

    /// What ends a flow, also one that stands already: that one at once if the moment was the start.
    pub(super) fn shaper(&self, now: Instant, direction: Flow) -> Option<Box<dyn Shape>> {
        if self.flow != direction {
            return None;
        }
        let after = if self.is_at_start() {
            Some(Span::ZERO)
        } else {
            self.after
        };
        Some(Box::new(Cutter {
            cut: self.cut,
            left: self.after_bytes.map(|bytes| bytes.0),
            at: after.map(|after| now + after.0),
        }))
    }
}

#[derive(Debug)]
struct Cutter {
    cut: Cut,
    left: Option<u64>,
    at: Option<Instant>,
}

impl Shape for Cutter {
    fn shape(&mut self, at: Instant, piece: Piece, line: &mut Line) {
        match (piece, &mut self.left) {
            (Piece::Data(mut bytes), Some(left)) => {
                let passed = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len());
                *left -= passed as u64;
                line.pass(at, Piece::Data(bytes.split_to(passed)));
                if *left == 0 {
                    line.pass(at, Piece::Cut(self.cut));
                }
            }
            (piece, _) => line.pass(at, piece),
        }
    }

    fn alarm(&self) -> Option<Instant> {
        self.at
    }

    fn ring(&mut self, at: Instant, line: &mut Line) {
        self.at = None;
        line.pass(at, Piece::Cut(self.cut));
    }
}
