//! `throttle`: bytes pass at a rate, evenly.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::{
    doc::{Doc, Hook},
    entry::is_default,
    hook::{Acts, Ask, Flow},
    line::{Line, Piece, Shape},
};
use crate::units::ByteRate;

/// Lets bytes pass at a rate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Throttle {
    /// How many bytes pass, for each flow by itself: `64KiB/s`.
    pub rate: ByteRate,
    /// Whether all flows share the rate, over all clients and workers, as on one line that all of them take. Default: false.
    #[serde(default, skip_serializing_if = "is_default")]
    pub shared: bool,
    /// The direction. Default: `reply`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub flow: Flow,
}

/// The page of `throttle`.
pub(super) const DOC: Doc = Doc {
    kind: "throttle",
    does: "Lets the bytes of each flow, or of all together, pass at a rate, evenly and without a first burst",
    acts_at: &[Hook::Flow],
    settings: &[
        ("rate", "how many bytes pass, for each flow by itself"),
        (
            "shared",
            "whether all flows share the rate, over all clients and workers (false)",
        ),
        ("flow", "the direction: request or reply (reply)"),
    ],
    examples: &[
        r#"{do: {throttle: {rate: 64KiB/s}}}"#,
        r#"{do: {throttle: {rate: 1MB/s, flow: request}}}"#,
        r#"{do: {throttle: {rate: 10MB/s, shared: true}}}"#,
    ],
};

/// What passes at once is at most what a fiftieth of a second carries: even, and no more than 50 wake-ups a second.
const SMOOTHNESS: u64 = 50;

impl Throttle {
    pub(super) fn compile(&self, now: Instant) -> Compiled {
        Compiled {
            shared: self.shared.then(|| Arc::new(Books::new(self.rate, now))),
            rate: self.rate,
            flow: self.flow,
        }
    }
}

/// A rate, with the books that all flows share where they share it.
#[derive(Debug)]
pub(super) struct Compiled {
    rate: ByteRate,
    flow: Flow,
    shared: Option<Arc<Books>>,
}

impl Acts for Compiled {
    fn doc(&self) -> &'static Doc {
        &DOC
    }

    fn flow(&self, ask: &mut Ask, direction: Flow) -> Option<Box<dyn Shape>> {
        if self.flow != direction {
            return None;
        }
        let own = || Arc::new(Books::new(self.rate, ask.now));
        let books = self.shared.clone().unwrap_or_else(own);
        Some(Box::new(Pipe::new(books)))
    }
}

/// Says when bytes have gone through: each portion comes behind the one that was booked before it.
#[derive(Debug)]
struct Books {
    rate: ByteRate,
    free: Mutex<Instant>,
}

impl Books {
    const fn new(rate: ByteRate, now: Instant) -> Self {
        Self {
            rate,
            free: Mutex::new(now),
        }
    }

    /// When so many bytes that come now will have gone through.
    fn book(&self, now: Instant, bytes: usize) -> Instant {
        let nanos = bytes as u128 * 1_000_000_000 / u128::from(self.rate.get());
        let takes = Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX / 2));
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        *free = (*free).max(now) + takes;
        *free
    }

    /// How many of so many bytes pass at once.
    fn portion(&self, bytes: usize) -> usize {
        let most = usize::try_from(self.rate.get() / SMOOTHNESS).unwrap_or(usize::MAX);
        bytes.min(most.max(1))
    }
}

/// A narrow pipe: what waits before it, and when the first portion will be through.
#[derive(Debug)]
struct Pipe {
    books: Arc<Books>,
    waiting: VecDeque<Piece>,
    bytes: usize,
    due: Option<Instant>,
}

impl Pipe {
    const fn new(books: Arc<Books>) -> Self {
        Self {
            books,
            waiting: VecDeque::new(),
            bytes: 0,
            due: None,
        }
    }

    /// Books what stands first. Only that: so flows that share a rate take turns.
    fn book(&mut self, now: Instant) {
        self.due = self.waiting.front().map(|piece| match piece.len() {
            0 => now,
            bytes => self.books.book(now, self.books.portion(bytes)),
        });
    }
}

impl Shape for Pipe {
    fn shape(&mut self, at: Instant, piece: Piece, line: &mut Line) {
        if self.waiting.is_empty() && piece.is_empty() {
            return line.pass(at, piece);
        }
        self.bytes += piece.len();
        self.waiting.push_back(piece);
        if self.due.is_none() {
            self.book(at);
        }
    }

    fn alarm(&self) -> Option<Instant> {
        self.due
    }

    fn ring(&mut self, at: Instant, line: &mut Line) {
        match self.waiting.pop_front() {
            Some(Piece::Data(mut bytes)) => {
                let portion = self.books.portion(bytes.len());
                line.pass(at, Piece::Data(bytes.split_to(portion)));
                self.bytes -= portion;
                if !bytes.is_empty() {
                    self.waiting.push_front(Piece::Data(bytes));
                }
            }
            Some(end) => line.pass(at, end),
            None => {}
        }
        self.book(at);
    }

    fn release(&mut self, line: &mut Line) {
        self.waiting.drain(..).for_each(|piece| line.hold(piece));
    }

    fn kept(&self) -> usize {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::faults::trial::{chain, data, drain, joined, lift, ms, push, text};

    const RATE: usize = 100_000;

    /// How many bytes have come after so long when pieces of one size are pushed as fast as the sender can.
    fn passed_after(seconds: u64, piece: usize) -> usize {
        let start = Instant::now();
        let (_, mut chain) = chain(&["{throttle: {rate: 100kB/s}}"], start);
        (0..(RATE * 6).div_ceil(piece))
            .for_each(|_| assert_eq!(push(&mut chain, start, data(vec![1; piece])), []));
        let out = drain(&mut chain, start);
        let in_time = out.iter().filter(|(at, _)| *at <= Duration::from_secs(seconds));
        in_time.map(|(_, piece)| piece.len()).sum()
    }

    #[test]
    fn the_rate_is_honest_within_two_percent_over_five_seconds() {
        for piece in [1, 7, 100, 1000, 1999, 2000, 2001, 16_384, 65_536, 600_000] {
            let passed = passed_after(5, piece);
            assert!(passed.abs_diff(5 * RATE) <= 5 * RATE / 50, "{piece}: {passed}");
        }
    }

    #[test]
    fn bytes_pass_evenly() {
        let start = Instant::now();
        let (_, mut chain) = chain(&["{throttle: {rate: 100kB/s}}"], start);
        push(&mut chain, start, data(vec![1; 65_536]));
        let out = drain(&mut chain, start);
        assert!(out.iter().all(|(_, piece)| piece.len() <= 2000));
        assert!(out.windows(2).all(|pair| pair[1].0 - pair[0].0 <= ms(20)));
    }

    #[test]
    fn a_slow_sender_is_not_delayed_by_what_he_did_not_use_nor_given_credit_for_it() {
        let start = Instant::now();
        let (_, mut chain) = chain(&["{throttle: {rate: 1kB/s}}"], start);
        push(&mut chain, start + ms(60_000), data(vec![1; 20]));
        assert_eq!(drain(&mut chain, start), [(ms(60_020), data(vec![1; 20]))]);
    }

    #[test]
    fn flows_that_share_a_rate_take_turns_and_get_no_more_together() {
        let start = Instant::now();
        let throttle = Throttle {
            rate: "100kB/s".parse().unwrap(),
            shared: true,
            flow: Flow::Reply,
        };
        let compiled = throttle.compile(start);
        let books = compiled.shared.unwrap();
        let mut pipes = [(); 4].map(|()| Pipe::new(books.clone()));
        let mut line = Line::default();
        for pipe in &mut pipes {
            pipe.shape(start, data(vec![1; 1_000_000]), &mut line);
        }
        let end = start + Duration::from_secs(5);
        loop {
            let next = pipes.iter_mut().min_by_key(|pipe| pipe.due).unwrap();
            let due = next.alarm().unwrap();
            if due > end {
                break;
            }
            next.ring(due, &mut line);
        }
        let passed = pipes.each_ref().map(|pipe| 1_000_000 - pipe.kept());
        assert_eq!(passed.iter().sum::<usize>(), 5 * RATE, "{passed:?}");
        assert!(
            passed.iter().all(|passed| passed.abs_diff(5 * RATE / 4) <= 2000),
            "{passed:?}"
        );
    }

    #[test]
    fn the_end_waits_its_turn() {
        let start = Instant::now();
        let (_, mut chain) = chain(&["{throttle: {rate: 50B/s}}"], start);
        push(&mut chain, start, text("ab"));
        push(&mut chain, start, Piece::End);
        let out = drain(&mut chain, start);
        assert_eq!(
            out,
            [(ms(20), text("a")), (ms(40), text("b")), (ms(40), Piece::End)]
        );
    }

    #[test]
    fn what_waits_comes_at_once_and_in_order_when_the_fault_is_lifted() {
        let start = Instant::now();
        let (faults, mut chain) = chain(&["{throttle: {rate: 1B/s}}"], start);
        push(&mut chain, start, text("hello "));
        push(&mut chain, start, text("world"));
        assert_eq!(chain.held(), 11);
        faults[0].lift();
        assert_eq!(joined(&lift(&mut chain, start + ms(10))), b"hello world");
        assert!(chain.is_empty() && chain.held() == 0);
    }
}
