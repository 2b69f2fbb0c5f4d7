//! How each backend stood over the story, and what share of its exchanges failed; and what people admitted.

use std::collections::BTreeSet;

use maud::{Markup, html};

use super::frame::{AXIS, CHARACTER, Frame, SIZES, Size, area, n, width};
use crate::drill::{
    event::{Sample, Stamp},
    facts::Stand,
    ledger::Ledger,
};

/// The height of a lane, with the gap below it.
const LANE: f64 = 30.0;
const GAP: f64 = 6.0;
/// The room for a name above its lane, where names are too long to stand beside.
const WORDS: f64 = 14.0;
/// As many lanes as fit on a page.
const MOST: usize = 24;

/// The chart; nothing where no sample knows a backend.
pub fn servers(ledger: &Ledger) -> Option<Markup> {
    let names: BTreeSet<&str> = ledger
        .samples
        .iter()
        .flat_map(|(_, sample)| sample.backends.keys().map(String::as_str))
        .collect();
    let admitted: BTreeSet<&str> = ledger
        .samples
        .iter()
        .flat_map(|(_, sample)| sample.admitted.keys().map(String::as_str))
        .collect();
    if names.is_empty() || ledger.samples.len() < 2 {
        return None;
    }
    Some(html! {
        figure class="chart" {
            ul class="legend" {
                @for (class, name) in LEGEND {
                    li { svg class="swatch narrow" viewBox="0 0 12 12" aria-hidden="true" { rect class=(class) width="12" height="12" {} } (name) }
                }
            }
            @for size in SIZES { (drawing(ledger, &names, &admitted, size)) }
        }
    })
}

fn drawing(ledger: &Ledger, names: &BTreeSet<&str>, admitted: &BTreeSet<&str>, size: Size) -> Markup {
    let lanes = (names.len() + admitted.len()).min(MOST);
    let admitted: Vec<_> = admitted
        .iter()
        .map(|cluster| (*cluster, admits(cluster)))
        .collect();
    let words = names
        .iter()
        .copied()
        .chain(admitted.iter().map(|(_, word)| &**word));
    let longest = words.map(width).fold(60.0, f64::max) + 12.0;
    let is_beside = longest <= size.width / 3.0;
    let (left, above) = if is_beside { (longest, 0.0) } else { (12.0, WORDS) };
    #[expect(clippy::cast_precision_loss, reason = "a few lanes")]
    let frame = Frame::new(ledger, size, left, (LANE + above) * lanes as f64);
    let samples = frame.samples(ledger);
    let height = frame.bottom() + AXIS;
    #[expect(clippy::cast_precision_loss, reason = "a few lanes")]
    let top = |i: usize| Frame::top() + (LANE + above) * i as f64 + GAP / 2.0 + above;
    let word = |text: &str, top: f64| {
        let y = if is_beside {
            top + (LANE - GAP) / 2.0 + 4.0
        } else {
            top - 3.0
        };
        html! { text x="0" y=(n(y)) { (end_of(text, frame.width())) title { (text) } } }
    };
    html! {
        svg class=(size.name) viewBox={ "0 0 " (n(size.width)) " " (n(height)) } role="img" aria-label=(told(ledger, names)) {
            (frame.bands(ledger))
            @for (i, name) in names.iter().take(MOST).enumerate() {
                (word(name, top(i)))
                (lane(&frame, &samples, name, top(i)))
            }
            @for (i, (cluster, told)) in admitted.iter().take(MOST - names.len().min(MOST)).enumerate() {
                (word(told, top(names.len() + i)))
                (admission(&frame, &samples, cluster, top(names.len() + i)))
            }
            (frame.axis())
        }
    }
}

fn admits(cluster: &str) -> String {
    format!("{cluster}: admitted")
}

/// As much of a name as there is room for. Names of servers differ at their end.
fn end_of(text: &str, room: f64) -> String {
    let mut cuts = text.char_indices().map(|(at, _)| at);
    let fits = |at: &usize| width(&text[*at..]) + CHARACTER <= room;
    match cuts.find(fits) {
        Some(0) | None => text.to_owned(),
        Some(at) => format!("…{}", &text[at..]),
    }
}

const LEGEND: [(&str, &str); 5] = [
    ("up", "up, as the balancer saw it"),
    ("down", "down"),
    ("ejected", "ejected"),
    ("drained", "drained by people"),
    ("failed", "share that failed"),
];

const fn class(stand: Stand) -> &'static str {
    match stand {
        Stand::Up => "up",
        Stand::Down => "down",
        Stand::Ejected => "ejected",
        Stand::Drained => "drained",
    }
}

/// Stretches in which a backend stood the same.
fn stands(samples: &[&(Stamp, Sample)], name: &str) -> Vec<(Stamp, Stamp, Stand)> {
    let mut stands: Vec<(Stamp, Stamp, Stand)> = Vec::new();
    for pair in samples.windows(2) {
        let Some(server) = pair[1].1.backends.get(name) else {
            continue;
        };
        match stands.last_mut() {
            Some((_, to, stand)) if *stand == server.stand && *to == pair[0].0 => *to = pair[1].0,
            _ => stands.push((pair[0].0, pair[1].0, server.stand)),
        }
    }
    stands
}

fn lane(frame: &Frame, samples: &[&(Stamp, Sample)], name: &str, top: f64) -> Markup {
    let height = LANE - GAP;
    let failed = samples.windows(2).map(|pair| {
        let (before, after) = (pair[0].1.backends.get(name), pair[1].1.backends.get(name));
        let share = before.zip(after).and_then(|(before, after)| {
            let asked = after.attempts.saturating_sub(before.attempts);
            crate::drill::facts::share(after.failed.saturating_sub(before.failed), asked)
        });
        (
            frame.x(pair[0].0.story),
            frame.x(pair[1].0.story),
            share.map(|share| top + height * (1.0 - share.min(1.0))),
        )
    });
    html! {
        @for (from, to, stand) in stands(samples, name) {
            @let (x, end) = (frame.x(from.story), frame.x(to.story));
            g {
                title { (name) " " (class(stand)) ", " (from.offset().rounded()) " to " (to.offset().rounded()) }
                rect class=(class(stand)) x=(n(x)) y=(n(top)) width=(n(end - x)) height=(n(height)) {}
            }
        }
        path class="failed" d=(area(failed, top + height)) {}
        @for (from, to, stand) in stands(samples, name) {
            @let (x, end) = (frame.x(from.story), frame.x(to.story));
            // The word as well as the colour: not everybody sees both.
            @if stand != Stand::Up && end - x > CHARACTER * 8.0 {
                text class="word" x=(n(x + 4.0)) y=(n(top + height / 2.0 + 4.0)) { (class(stand)) }
            }
        }
    }
}

fn admission(frame: &Frame, samples: &[&(Stamp, Sample)], cluster: &str, top: f64) -> Markup {
    let height = LANE - GAP;
    let share = |sample: &Sample| sample.admitted.get(cluster).copied().unwrap_or(1.0);
    let level = samples.windows(2).map(|pair| {
        let y = top + height * (1.0 - share(&pair[1].1).clamp(0.0, 1.0));
        (frame.x(pair[0].0.story), frame.x(pair[1].0.story), Some(y))
    });
    html! {
        path class="admitted" d=(area(level, top + height)) {}
    }
}

/// The chart in words.
fn told(ledger: &Ledger, names: &BTreeSet<&str>) -> String {
    let samples: Vec<_> = ledger.samples.iter().collect();
    let all = names.iter().map(|name| {
        let stretches: Vec<_> = stands(&samples, name)
            .into_iter()
            .map(|(from, _, stand)| format!("{} from {}", class(stand), from.offset().rounded()))
            .collect();
        format!("{name}: {}.", stretches.join(", "))
    });
    format!("Backends over the story. {}", all.collect::<Vec<_>>().join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_long_name_the_end_is_shown() {
        let check =
            |room: f64, shown: &str| assert_eq!(end_of("app/server-in-the-west", room), shown, "{room}");
        check(360.0, "app/server-in-the-west");
        check(60.0, "…the-west");
    }
}
