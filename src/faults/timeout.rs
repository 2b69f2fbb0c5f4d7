//! `timeout`: data vanishes, and after a time without data the connection closes (Toxiproxy's toxic of that name).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::{
    doc::{Doc, Hook},
    entry::is_default,
    hook::{Acts, Ask, Flow},
    line::{Cut, Line, Piece, Shape},
};
use crate::units::Span;

/// Lets no data pass, and closes the connection after a time without data. What was lost stays lost: once lifted, flows that
/// lost bytes are closed, for nobody could make sense of the rest.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Timeout {
    /// After how long without data the connection closes. Default: 0s, not before the fault is lifted.
    #[serde(default, skip_serializing_if = "is_default")]
    pub after: Span,
    /// The direction. Default: `reply`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub flow: Flow,
}

/// The page of `timeout`.
pub(super) const DOC: Doc = Doc {
    kind: "timeout",
    does: "Lets no data pass and closes the connection after a time without any; what came is lost",
    acts_at: &[Hook::Flow],
    settings: &[
        (
            "after",
            "after how long without data it closes (0s: when the fault is lifted)",
        ),
        ("flow", "the direction: request or reply (reply)"),
    ],
    examples: &[r#"{do: {timeout: {after: 5s}}}"#, r#"{do: timeout}"#],
};

impl Acts for Timeout {
    fn doc(&self) -> &'static Doc {
        &DOC
    }

    fn flow(&self, ask: &mut Ask, direction: Flow) -> Option<Box<dyn Shape>> {
        let hole = || Hole {
            after: self.after,
            closes: self.closes_at(ask.now),
            lost: false,
        };
        (self.flow == direction).then(|| Box::new(hole()) as _)
    }
}

impl Timeout {
    fn closes_at(&self, now: Instant) -> Option<Instant> {
        (self.after != Span::ZERO).then(|| now + self.after.0)
    }
}

#[derive(Debug)]
struct Hole {
    after: Span,
    closes: Option<Instant>,
    lost: bool,
}

impl Shape for Hole {
    fn shape(&mut self, at: Instant, piece: Piece, line: &mut Line) {
        if piece.is_last() {
            return line.pass(at, Piece::Cut(Cut::Close));
        }
        self.lost = true;
        self.closes = self.closes.map(|_| at + self.after.0);
    }

    fn alarm(&self) -> Option<Instant> {
        self.closes
    }

    fn ring(&mut self, at: Instant, line: &mut Line) {
        self.closes = None;
        line.pass(at, Piece::Cut(Cut::Close));
    }

    fn release(&mut self, line: &mut Line) {
        if self.lost {
            line.hold(Piece::Cut(Cut::Close));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::faults::trial::{chain, drain, lift, ms, push, text};

    const CLOSED: Piece = Piece::Cut(Cut::Close);

    #[test]
    fn the_connection_closes_after_a_time_without_data_and_the_data_is_lost() {
        let now = Instant::now();
        let (_, mut chain) = chain(&["{timeout: {after: 500ms}}"], now);
        assert_eq!(push(&mut chain, now + ms(300), text("a")), []);
        assert_eq!(push(&mut chain, now + ms(600), text("b")), []);
        assert_eq!(drain(&mut chain, now), [(ms(1100), CLOSED)]);
    }

    #[test]
    fn without_a_time_it_closes_when_the_fault_is_lifted_if_anything_was_lost() {
        let now = Instant::now();
        let check = |sent: Option<Piece>, expected: &[Piece]| {
            let (faults, mut chain) = chain(&["timeout"], now);
            sent.into_iter()
                .for_each(|piece| assert_eq!(push(&mut chain, now, piece), []));
            assert_eq!(chain.next_wakeup(), None);
            faults[0].lift();
            assert_eq!(lift(&mut chain, now), expected);
        };
        check(Some(text("a")), &[CLOSED]);
        check(None, &[]);
    }
}
