//! `slice`: bytes arrive in small slices.

use std::collections::VecDeque;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::{
    doc::{Doc, Hook},
    entry::is_default,
    hook::{Acts, Ask, Flow},
    line::{Line, Piece, Shape},
    reading::some_bytes,
};
use crate::units::{ByteSize, Span, Stream};

/// Cuts bytes into small slices; none is lost.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Slice {
    /// The size of a slice, at least 1B.
    #[serde(deserialize_with = "some_bytes")]
    pub size: ByteSize,
    /// How far sizes vary: evenly from `size - vary` to `size + vary`. Default: 0B.
    #[serde(default, skip_serializing_if = "is_default")]
    pub vary: ByteSize,
    /// The pause after each slice. Default: 0s.
    #[serde(default, skip_serializing_if = "is_default")]
    pub pause: Span,
    /// The direction. Default: `reply`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub flow: Flow,
}

/// The page of `slice`.
pub(super) const DOC: Doc = Doc {
    kind: "slice",
    does: "Cuts bytes into small slices, with a pause after each if wanted; none is lost",
    acts_at: &[Hook::Flow],
    settings: &[
        ("size", "the size of a slice"),
        ("vary", "how far sizes vary, evenly to both sides (0B)"),
        ("pause", "the pause after each slice (0s)"),
        ("flow", "the direction: request or reply (reply)"),
    ],
    examples: &[
        r#"{do: {slice: {size: 64B, vary: 32B, pause: 1ms}}}"#,
        r#"{do: {slice: {size: 1B, flow: request}}}"#,
    ],
};

impl Acts for Slice {
    fn doc(&self) -> &'static Doc {
        &DOC
    }

    fn flow(&self, ask: &mut Ask, direction: Flow) -> Option<Box<dyn Shape>> {
        (self.flow == direction).then(|| {
            Box::new(Slicer {
                slice: self.clone(),
                dice: ask.dice,
                waiting: VecDeque::new(),
                bytes: 0,
                next: ask.now,
            }) as _
        })
    }
}

/// Slices when they are due and not before, so that a large piece stays one piece while it waits.
#[derive(Debug)]
struct Slicer {
    slice: Slice,
    dice: Stream,
    waiting: VecDeque<Piece>,
    bytes: usize,
    next: Instant,
}

impl Slicer {
    fn size(&mut self) -> usize {
        let (size, vary) = (self.slice.size.0, self.slice.vary.0);
        let least = size.saturating_sub(vary).max(1);
        let most = size.saturating_add(vary).max(least);
        let span = usize::try_from(most - least).unwrap_or(usize::MAX - 1);
        usize::try_from(least)
            .unwrap_or(usize::MAX)
            .saturating_add(self.dice.below(span + 1))
    }
}

impl Shape for Slicer {
    fn shape(&mut self, at: Instant, piece: Piece, line: &mut Line) {
        if self.waiting.is_empty() {
            self.next = self.next.max(at);
        }
        if self.waiting.is_empty() && piece.is_empty() {
            return line.pass(at, piece);
        }
        self.bytes += piece.len();
        self.waiting.push_back(piece);
    }

    fn alarm(&self) -> Option<Instant> {
        self.waiting.front().map(|_| self.next)
    }

    fn ring(&mut self, at: Instant, line: &mut Line) {
        let size = self.size();
        match self.waiting.pop_front() {
            Some(Piece::Data(mut bytes)) => {
                let portion = size.min(bytes.len());
                line.pass(at, Piece::Data(bytes.split_to(portion)));
                self.bytes -= portion;
                self.next = at + self.slice.pause.0;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::faults::trial::{chain, data, drain, joined, lift, ms, push, text};

    #[test]
    fn bytes_come_in_slices_with_a_pause_after_each() {
        let now = Instant::now();
        let (_, mut chain) = chain(&["{slice: {size: 2B, pause: 10ms}}"], now);
        assert_eq!(push(&mut chain, now, text("abcde")), [text("ab")]);
        push(&mut chain, now, Piece::End);
        let out = drain(&mut chain, now);
        assert_eq!(
            out,
            [(ms(10), text("cd")), (ms(20), text("e")), (ms(30), Piece::End)]
        );
    }

    #[test]
    fn sizes_vary_evenly_to_both_sides() {
        let now = Instant::now();
        let (_, mut chain) = chain(&["{slice: {size: 100B, vary: 50B}}"], now);
        let mut out = push(&mut chain, now, data(vec![0; 100_000]));
        out.pop();
        let sizes: Vec<usize> = out.iter().map(Piece::len).collect();
        assert!(sizes.iter().all(|size| (50..=150).contains(size)));
        assert!(sizes.iter().any(|size| *size < 60) && sizes.iter().any(|size| *size > 140));
        assert!((95..105).contains(&(sizes.iter().sum::<usize>() / sizes.len())));
    }

    #[test]
    fn a_variation_beyond_the_size_is_harmless() {
        let now = Instant::now();
        let (_, mut chain) = chain(&["{slice: {size: 1B, vary: 8000000GB}}"], now);
        assert_eq!(joined(&push(&mut chain, now, text("hello"))), b"hello");
    }

    #[test]
    fn the_rest_comes_at_once_when_the_fault_is_lifted() {
        let now = Instant::now();
        let (faults, mut chain) = chain(&["{slice: {size: 1B, pause: 1h}}"], now);
        push(&mut chain, now, text("abc"));
        faults[0].lift();
        assert_eq!(lift(&mut chain, now), [text("bc")]);
    }
}
