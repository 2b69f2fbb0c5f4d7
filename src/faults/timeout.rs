//! `timeout`: data vanishes, and after a time without data the connection closes (Toxiproxy's toxic of that name).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::{
    cutting::Since,
    doc::{Doc, Hook},
    entry::is_default,
    hook::{Acts, Ask, Flow},
    line::{Cut, Legacy, Line, Piece, Shape},
};
use crate::units::Span;

/// Lets no data pass, and closes the connection after a time. What was lost stays lost: once lifted, flows that
/// lost bytes are closed, for nobody could make sense of the rest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Timeout {
    /// After how long the connection closes. Default: 0s, not before the fault is lifted.
    #[serde(default, skip_serializing_if = "is_default")]
    pub after: Span,
    /// From when `after` counts: the last `data`, or the `start`, whatever comes. Default: `data`.
    #[serde(default = "at_data", skip_serializing_if = "is_at_data")]
    pub since: Since,
    /// The direction. Default: `reply`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub flow: Flow,
}

const fn at_data() -> Since {
    Since::Data
}

fn is_at_data(since: &Since) -> bool {
    *since == Since::Data
}

impl Default for Timeout {
    fn default() -> Self {
        Self {
            after: Span::ZERO,
            since: Since::Data,
            flow: Flow::default(),
        }
    }
}

/// The page of `timeout`.
pub(super) const DOC: Doc = Doc {
    kind: "timeout",
    does: "Lets no data pass and closes the connection after a time; what came is lost",
    acts_at: &[Hook::Flow],
    settings: &[
        (
            "after",
            "after how long it closes (0s: when the fault is lifted); a connection that its other side ends is closed at once",
        ),
        (
            "since",
            "from when `after` counts: the last data, or the start (data)",
        ),
        ("flow", "the direction: request or reply (reply)"),
    ],
    examples: &[
        r#"{do: {timeout: {after: 5s}}}"#,
        r#"{do: {timeout: {after: 5s, since: start}}}"#,
        r#"{do: timeout}"#,
    ],
};

impl Acts for Timeout {
    fn doc(&self) -> &'static Doc {
        &DOC
    }

    fn ends_silence(&self) -> Option<(Cut, Span)> {
        let counts_from_start = self.since == Since::Start || self.flow == Flow::Reply;
        (counts_from_start && self.after != Span::ZERO).then_some((Cut::Close, self.after))
    }

    fn flow(&self, ask: &mut Ask, direction: Flow) -> Option<Box<dyn Shape>> {
        let hole = || Hole {
            after: self.after,
            since: self.since,
            closes: self.closes_at(match self.since {
                Since::Start => ask.since,
                Since::Data => ask.now,
            }),
            of_request: ask.of_request,
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
    since: Since,
    closes: Option<Instant>,
    of_request: bool,
    lost: bool,
}

impl Shape for Hole {
    fn shape(&mut self, at: Instant, piece: Piece, line: &mut Line) {
        // The end of a body is lost as its bytes are; a connection that its other side has ended is over (as Toxiproxy has it).
        if piece.is_last() && !(self.of_request && piece == Piece::End) {
            return line.pass(at, Piece::Cut(Cut::Close));
        }
        self.lost = true;
        if self.since == Since::Data {
            self.closes = self.closes.map(|_| at + self.after.0);
        }
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

    fn legacy(&self) -> Legacy {
        Legacy {
            lost: self.lost,
            ..Legacy::default()
        }
    }

    fn inherit(&mut self, legacy: Legacy, _: Instant) -> bool {
        self.lost = legacy.lost;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        faults::{
            Plan,
            trial::{chain, drain, facts, fault, lift, ms, push, request, text},
        },
        route::Facts,
        units::Dice,
    };

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
    fn since_the_start_data_puts_nothing_off() {
        let now = Instant::now();
        let (_, mut chain) = chain(&["{timeout: {after: 500ms, since: start}}"], now);
        assert_eq!(push(&mut chain, now + ms(300), text("a")), []);
        assert_eq!(drain(&mut chain, now), [(ms(500), CLOSED)]);
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

    #[test]
    fn the_end_of_a_body_is_lost_and_that_of_a_connection_closes() {
        let now = Instant::now();
        let fault = fault("{timeout: {after: 500ms}}", now);
        let flow = |facts: &Facts<'_>| {
            Plan::roll(std::slice::from_ref(&fault), Dice::new(7), 1, facts)
                .flow(Flow::Reply, now)
                .unwrap()
        };
        let mut body = flow(&facts(Some(&request("/"))));
        assert_eq!(push(&mut body, now, text("a")), []);
        assert_eq!(push(&mut body, now + ms(100), Piece::End), []);
        assert_eq!(drain(&mut body, now), [(ms(600), CLOSED)]);
        let mut connection = flow(&facts(None));
        assert_eq!(push(&mut connection, now + ms(100), Piece::End), [CLOSED]);
    }
}
