//! When a flow is cut: what `refuse`, `reset`, `close`, `truncate` and `limit_data` have in common.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::{
    hook::{Flow, Verdict},
    line::{Cut, Legacy, Line, Piece, Shape},
};
use crate::units::{ByteSize, Span};

/// From when a time counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Since {
    /// From when bytes could begin to flow, or from when the fault came.
    Start,
    /// From data, or the end, in the direction that is looked at.
    Data,
}

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

    /// How it ends, and when, where nothing comes: at once, where the start is over already.
    pub(super) fn ends_silence(&self) -> Option<(Cut, Span)> {
        Some((self.cut, self.time()?))
    }

    fn time(&self) -> Option<Span> {
        if self.is_at_start() {
            Some(Span::ZERO)
        } else {
            self.after
        }
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
    pub(super) fn shaper(&self, since: Instant, direction: Flow) -> Option<Box<dyn Shape>> {
        if self.flow != direction {
            return None;
        }
        Some(Box::new(Cutter {
            end: Piece::Cut(self.cut),
            passed: 0,
            left: self.after_bytes.map(|bytes| bytes.0),
            at: self.time().map(|after| since + after.0),
        }))
    }
}

/// Takes the first piece and all that follows, and cuts a while after the first.
#[derive(Debug)]
pub(super) struct Trap {
    cut: Cut,
    after: Span,
    at: Option<Instant>,
}

impl Trap {
    /// Cuts so long after the first piece has come.
    pub(super) const fn new(cut: Cut, after: Span) -> Self {
        Self { cut, after, at: None }
    }
}

impl Shape for Trap {
    fn shape(&mut self, at: Instant, _: Piece, line: &mut Line) {
        let due = *self.at.get_or_insert(at + self.after.0);
        if due <= at {
            line.pass(at, Piece::Cut(self.cut));
        }
    }

    fn alarm(&self) -> Option<Instant> {
        self.at
    }

    fn ring(&mut self, at: Instant, line: &mut Line) {
        self.at = None;
        line.pass(at, Piece::Cut(self.cut));
    }

    fn release(&mut self, line: &mut Line) {
        // What was taken is lost, and nobody could make sense of the rest; a good end would hide that.
        if self.at.is_some() {
            line.hold(Piece::Cut(self.cut));
        }
    }

    fn legacy(&self) -> Legacy {
        Legacy {
            lost: self.at.is_some(),
            ..Legacy::default()
        }
    }

    fn inherit(&mut self, legacy: Legacy, now: Instant) -> bool {
        self.at = legacy.lost.then(|| now + self.after.0);
        true
    }
}

/// Lets bytes pass up to a number or a time; then comes the end.
#[derive(Debug)]
pub(super) struct Cutter {
    end: Piece,
    passed: u64,
    left: Option<u64>,
    at: Option<Instant>,
}

impl Cutter {
    /// Ends the flow with this piece once exactly so many bytes have passed.
    pub(super) const fn after_bytes(bytes: ByteSize, end: Piece) -> Self {
        Self {
            end,
            passed: 0,
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
                self.passed += passed as u64;
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

    fn legacy(&self) -> Legacy {
        Legacy {
            passed: self.passed,
            ..Legacy::default()
        }
    }

    fn inherit(&mut self, legacy: Legacy, _: Instant) -> bool {
        self.passed = legacy.passed;
        self.left = self.left.map(|left| left.saturating_sub(legacy.passed));
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::faults::trial::{advance, chain, drain, fault, ms, open, push, text};

    #[test]
    fn what_begins_is_cut_at_the_start_unless_the_moment_is_later() {
        let now = Instant::now();
        let check = |kind: &str, cut: Option<Cut>| {
            let told = match open(&fault(kind, now), 1, now) {
                Verdict::Cut(cut) => Some(cut),
                _ => None,
            };
            assert_eq!(told, cut, "{kind}");
        };
        check("refuse", Some(Cut::Refuse));
        check("reset", Some(Cut::Reset));
        check("close", Some(Cut::Close));
        check("{reset: {after_bytes: 1B}}", None);
        check("{close: {after: 1s}}", None);
    }

    #[test]
    fn what_stands_already_is_cut_at_once() {
        let now = Instant::now();
        let check = |kind: &str, cut: Cut| {
            let (_, mut standing) = chain(&[kind], now);
            assert_eq!(standing.next_wakeup(), Some(now));
            assert_eq!(advance(&mut standing, now), [Piece::Cut(cut)], "{kind}");
        };
        check("reset", Cut::Reset);
        check("close", Cut::Close);
        check("{refuse: {standing: reset}}", Cut::Reset);
        check("{refuse: {standing: close}}", Cut::Close);
    }

    #[test]
    fn a_reset_since_data_waits_for_some_and_takes_it() {
        let now = Instant::now();
        let check = |kind: &str, first: Piece, at: u64| {
            let (_, mut chain) = chain(&[kind], now);
            assert_eq!(chain.next_wakeup(), None);
            let mut out = push(&mut chain, now + ms(100), first);
            out.extend(drain(&mut chain, now).into_iter().map(|(due, piece)| {
                assert_eq!(due, ms(at));
                piece
            }));
            assert_eq!(out, [Piece::Cut(Cut::Reset)], "{kind}");
        };
        check("{reset: {since: data}}", text("abc"), 100);
        check("{reset: {after: 2s, since: data}}", text("abc"), 2100);
        check("{reset: {after: 2s, since: data}}", Piece::End, 2100);
        let (faults, mut chain) = chain(&["{reset: {after: 2s, since: data}}"], now);
        push(&mut chain, now, text("abc"));
        faults[0].lift();
        assert_eq!(
            crate::faults::trial::lift(&mut chain, now),
            [Piece::Cut(Cut::Reset)],
            "what was taken is lost"
        );
    }

    #[test]
    fn exactly_so_many_bytes_pass() {
        let now = Instant::now();
        let check = |kind: &str, end: Piece| {
            let (_, mut chain) = chain(&[kind], now);
            assert_eq!(push(&mut chain, now, text("abc")), [text("abc")], "{kind}");
            assert_eq!(push(&mut chain, now, text("def")), [text("de"), end], "{kind}");
            assert_eq!(push(&mut chain, now, text("ghi")), [], "{kind}");
        };
        check("{reset: {after_bytes: 5B}}", Piece::Cut(Cut::Reset));
        check("{close: {after_bytes: 5B}}", Piece::Cut(Cut::Close));
        check("{limit_data: {bytes: 5B}}", Piece::Cut(Cut::Close));
        check("{truncate: {after_bytes: 5B}}", Piece::End);
    }

    #[test]
    fn a_limit_that_is_hit_exactly_ends_the_flow_too() {
        let now = Instant::now();
        let (_, mut chain) = chain(&["{limit_data: {bytes: 3B}}"], now);
        assert_eq!(
            push(&mut chain, now, text("abc")),
            [text("abc"), Piece::Cut(Cut::Close)]
        );
    }

    #[test]
    fn after_a_time_the_flow_is_cut_though_nothing_comes() {
        let now = Instant::now();
        let (_, mut chain) = chain(&["{reset: {after: 2s}}"], now);
        assert_eq!(push(&mut chain, now, text("abc")), [text("abc")]);
        assert_eq!(drain(&mut chain, now), [(ms(2000), Piece::Cut(Cut::Reset))]);
    }
}
