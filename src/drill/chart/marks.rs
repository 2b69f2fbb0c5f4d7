//! What people did and were told, as symbols on a lane below a chart.

use std::time::Duration;

use maud::{Markup, html};

use super::frame::{Frame, n, width};
use crate::drill::{
    event::{Event, Known},
    ledger::Ledger,
    offset::Offset,
    profile::{Outcome, Profile},
};

/// What a mark stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Symbol {
    /// A signal came in, such as an alert.
    Signal,
    /// An act was done.
    Done,
    /// An act was refused.
    Refused,
    /// News, or help.
    News,
}

/// Every symbol with its name, for the legend.
pub(super) const SYMBOLS: [(Symbol, &str); 4] = [
    (Symbol::Signal, "alert or other signal"),
    (Symbol::Done, "act done"),
    (Symbol::Refused, "act refused"),
    (Symbol::News, "news or hint"),
];

/// A moment with its symbol.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Mark {
    at: Duration,
    symbol: Symbol,
    /// What stands beside the symbol; nothing where the symbol is enough.
    label: String,
    /// The whole of it.
    told: String,
}

/// What happened in a run.
pub(super) fn of_run(ledger: &Ledger) -> Vec<Mark> {
    let marks = ledger.moments.iter().filter_map(|moment| {
        let (symbol, label, told) = match &moment.event {
            Event::Signalled(signal) => (
                Symbol::Signal,
                signal.name.clone(),
                match signal.about() {
                    Some(about) => format!("signal {} ({about})", signal.name),
                    None => format!("signal {}", signal.name),
                },
            ),
            Event::ActEnded(act) => {
                let by = match act.known {
                    Known::Observed => "seen by the proxy".to_owned(),
                    Known::Declared | Known::Replayed | Known::Ruled => format!("by {}", act.by),
                };
                match act.result {
                    Outcome::Ok => (Symbol::Done, act.act.clone(), format!("{} done, {by}", act.act)),
                    Outcome::Refused => (
                        Symbol::Refused,
                        act.act.clone(),
                        format!("{} refused, {by}", act.act),
                    ),
                }
            }
            Event::Said(said) => (Symbol::News, String::new(), said.text.clone()),
            Event::Hinted(hint) => (
                Symbol::News,
                String::new(),
                format!("hint {}: {}", hint.level, hint.text),
            ),
            _ => return None,
        };
        Some(Mark {
            at: moment.at.story,
            symbol,
            label,
            told,
        })
    });
    marks.collect()
}

/// What happened in the original.
pub(super) fn of_original(profile: &Profile) -> Vec<Mark> {
    let named = profile.yardstick.marks.iter().map(|(name, at)| Mark {
        at: at.0,
        symbol: Symbol::Signal,
        label: name.replace('_', " "),
        told: format!("the original: {}", name.replace('_', " ")),
    });
    let acts = profile.acts.iter().flat_map(|(name, act)| {
        act.originals().map(move |(_, at, result)| Mark {
            at: at.0,
            symbol: match result {
                Outcome::Ok => Symbol::Done,
                Outcome::Refused => Symbol::Refused,
            },
            label: name.to_owned(),
            told: format!("the original: {}", act.say),
        })
    });
    let mut marks: Vec<_> = named.chain(acts).collect();
    marks.sort_by_key(|mark| mark.at);
    marks
}

/// The height of a row.
const ROW: f64 = 15.0;
/// More rows than this nobody reads; further symbols then stand without their words.
const ROWS: usize = 6;
/// Half of a symbol, and the gap to its words.
const HALF: f64 = 5.0;

/// A lane of marks.
pub(super) struct Lane {
    pub(super) markup: Markup,
    /// How high it is.
    pub(super) height: f64,
}

/// Draws marks below a line; each label gets the first row in which it meets no other.
pub(super) fn lane(frame: &Frame, name: &str, marks: &[Mark], top: f64) -> Lane {
    let mut rows: Vec<Vec<(f64, f64)>> = vec![vec![(0.0, width(name))]];
    let placed: Vec<_> = marks.iter().map(|mark| place(frame, mark, &mut rows)).collect();
    #[expect(clippy::cast_precision_loss, reason = "a handful of rows")]
    let middle = |row: usize| top + ROW * (row as f64 + 0.5);
    let height = middle(rows.len()) - top - ROW * 0.5 + 4.0;
    let markup = html! {
        g class="lane" {
            text class="faint" x="0" y=(n(middle(0) + 4.0)) { (name) }
            @for (mark, spot) in marks.iter().zip(&placed) {
                @let y = middle(spot.row);
                g {
                    title { (Offset(mark.at).rounded()) " " (mark.told) }
                    line class="guide" x1=(n(spot.x)) x2=(n(spot.x)) y1=(n(Frame::top())) y2=(n(y - HALF)) {}
                    (symbol(mark.symbol, spot.x, y))
                    @if let Some((x, anchor)) = spot.label {
                        text x=(n(x)) y=(n(y + 4.0)) text-anchor=(anchor) { (mark.label) }
                    }
                }
            }
        }
    };
    Lane { markup, height }
}

/// Where a mark stands.
struct Spot {
    x: f64,
    row: usize,
    label: Option<(f64, &'static str)>,
}

fn place(frame: &Frame, mark: &Mark, rows: &mut Vec<Vec<(f64, f64)>>) -> Spot {
    let x = frame.x(mark.at);
    let wide = if mark.label.is_empty() {
        0.0
    } else {
        width(&mark.label) + HALF
    };
    // To the left of its symbol where it would not fit to the right.
    let is_left = x + HALF + wide > frame.width();
    let (from, to) = if is_left {
        (x - HALF - wide, x + HALF)
    } else {
        (x - HALF, x + HALF + wide)
    };
    let is_free = |row: &Vec<(f64, f64)>| row.iter().all(|(a, b)| to + 4.0 < *a || from - 4.0 > *b);
    let row = rows.iter().position(is_free).unwrap_or(rows.len());
    let fits = row < ROWS;
    let row = row.min(ROWS - 1);
    if row == rows.len() {
        rows.push(Vec::new());
    }
    rows[row].push((from, to));
    let label = match is_left {
        true => (x - HALF - 3.0, "end"),
        false => (x + HALF + 3.0, "start"),
    };
    Spot {
        x,
        row,
        label: (fits && !mark.label.is_empty()).then_some(label),
    }
}

/// A symbol around a point.
pub(super) fn symbol(symbol: Symbol, x: f64, y: f64) -> Markup {
    let at = |dx: f64, dy: f64| format!("{} {}", n(x + dx), n(y + dy));
    match symbol {
        Symbol::Signal => html! {
            path class="signal" d={ "M" (at(0.0, -HALF)) "L" (at(HALF, HALF - 1.0)) "L" (at(-HALF, HALF - 1.0)) "Z" } {}
        },
        Symbol::Done => html! { circle class="done" cx=(n(x)) cy=(n(y)) r="4" {} },
        Symbol::Refused => html! {
            path class="refused" d={ "M" (at(-4.0, -4.0)) "L" (at(4.0, 4.0)) "M" (at(4.0, -4.0)) "L" (at(-4.0, 4.0)) } {}
        },
        Symbol::News => html! {
            rect class="news" x=(n(x - 3.0)) y=(n(y - 3.0)) width="6" height="6" {}
        },
    }
}
