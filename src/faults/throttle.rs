//! `throttle`: bytes pass at a rate, evenly.

use std::{collections::VecDeque, time::Duration};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::{
    chain::{Line, Piece, Shape},
    doc::Doc,
    entry::is_default,
    hook::{Acts, Ask, Flow, Hook},
};
use crate::units::ByteRate;

/// Lets bytes pass at a rate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Throttle {
    /// How many bytes pass, for each flow by itself: `64KiB/s`.
    pub rate: ByteRate,
    /// The direction. Default: `reply`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub flow: Flow,
}

/// The page of `throttle`.
pub(super) const DOC: Doc = Doc {
    kind: "throttle",
    does: "Lets the bytes of each flow pass at a rate, evenly and without a first burst",
    acts_at: &[Hook::Flow],
    settings: &[
        ("rate", "how many bytes pass, for each flow by itself"),
        ("flow", "the direction: request or reply (reply)"),
    ],
    examples: &[
        r#"{do: {throttle: {rate: 64KiB/s}}}"#,
        r#"{do: {throttle: {rate: 1MB/s, flow: request}}}"#,
    ],
};

/// What passes at once is at most what a fiftieth of a second carries: even, and no more than 50 wake-ups a second.
const SMOOTHNESS: u64 = 50;

impl Acts for Throttle {
    fn doc(&self) -> &'static Doc {
        &DOC
    }

    fn flow(&self, ask: &mut Ask, direction: Flow) -> Option<Box<dyn Shape>> {
        (self.flow == direction).then(|| Box::new(Pipe::new(self.rate, ask.now)) as _)
    }
}

/// A narrow pipe: what waits before it, and what has passed since it was last idle.
#[derive(Debug)]
struct Pipe {
    rate: ByteRate,
    waiting: VecDeque<Piece>,
    bytes: usize,
    since: Instant,
    passed: u64,
}

impl Pipe {
    const fn new(rate: ByteRate, now: Instant) -> Self {
        Self {
            rate,
            waiting: VecDeque::new(),
            bytes: 0,
            since: now,
            passed: 0,
        }
    }

    /// When so many bytes have gone through; counted from the last idle moment, so that no rounding adds up.
    fn time_of(&self, passed: u64) -> Instant {
        let nanos = u128::from(passed) * 1_000_000_000 / u128::from(self.rate.get());
        self.since + Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX / 2))
    }

    /// How many bytes of what stands first pass at once.
    fn portion(&self) -> usize {
        let most = usize::try_from(self.rate.get() / SMOOTHNESS)
            .unwrap_or(usize::MAX)
            .max(1);
        self.waiting.front().map_or(0, |piece| piece.len().min(most))
    }
}

impl Shape for Pipe {
    fn shape(&mut self, at: Instant, piece: Piece, line: &mut Line) {
        if self.waiting.is_empty() && self.time_of(self.passed) <= at {
            (self.since, self.passed) = (at, 0);
        }
        if self.waiting.is_empty() && piece.is_empty() {
            return line.pass(at, piece);
        }
        self.bytes += piece.len();
        self.waiting.push_back(piece);
    }

    fn alarm(&self) -> Option<Instant> {
        self.waiting
            .front()
            .map(|_| self.time_of(self.passed + self.portion() as u64))
    }

    fn ring(&mut self, at: Instant, line: &mut Line) {
        let portion = self.portion();
        match self.waiting.pop_front() {
            Some(Piece::Data(mut bytes)) => {
                line.pass(at, Piece::Data(bytes.split_to(portion)));
                self.passed += portion as u64;
                self.bytes -= portion;
                if !bytes.is_empty() {
                    self.waiting.push_front(Piece::Data(bytes));
                }
            }
            Some(end) => line.pass(at, end),
            None => {}
        }
    }

    fn release(&mut self, line: &mut Line) {
        self.waiting.drain(..).for_each(|piece| line.hold(piece));
    }

    fn kept(&self) -> usize {
        self.bytes
    }
}
