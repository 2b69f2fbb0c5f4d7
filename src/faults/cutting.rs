//! When a flow is cut: what `refuse`, `reset`, `close`, `truncate` and `limit_data` have in common.

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
            end: Piece::Cut(self.cut),
            left: self.after_bytes.map(|bytes| bytes.0),
            at: after.map(|after| now + after.0),
        }))
    }
}

/// Lets bytes pass up to a number or a time; then comes the end.
#[derive(Debug)]
pub(super) struct Cutter {
    end: Piece,
    left: Option<u64>,
    at: Option<Instant>,
}

impl Cutter {
    /// Ends the flow with this piece once exactly so many bytes have passed.
    pub(super) const fn after_bytes(bytes: ByteSize, end: Piece) -> Self {
        Self {
            end,
            left: Some(bytes.0),
            at: None,
        }
    }

    /// Takes from what is left to pass what a piece of this length needs.
    pub(super) fn share(left: &mut u64, length: usize) -> usize {
        let passed = usize::try_from(*left).unwrap_or(usize::MAX).min(length);
        *left -= passed as u64;
        passed
    }
}

impl Shape for Cutter {
    fn shape(&mut self, at: Instant, piece: Piece, line: &mut Line) {
        match (piece, &mut self.left) {
            (Piece::Data(mut bytes), Some(left)) => {
                let passed = Self::share(left, bytes.len());
                line.pass(at, Piece::Data(bytes.split_to(passed)));
                if *left == 0 {
                    line.pass(at, self.end.clone());
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
        line.pass(at, self.end.clone());
    }
}
