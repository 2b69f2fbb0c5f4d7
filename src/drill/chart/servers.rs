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
    let longest = names.iter().map(|name| width(name)).fold(60.0, f64::max);
    #[expect(clippy::cast_precision_loss, reason = "a few lanes")]
    let frame = Frame::new(
        ledger,
        size,
        (longest + 12.0).min(size.width / 3.0),
        LANE * lanes as f64,
    );
    let samples = frame.samples(ledger);
    let height = frame.bottom() + AXIS;
    #[expect(clippy::cast_precision_loss, reason = "a few lanes")]
    let top = |i: usize| Frame::top() + LANE * i as f64 + GAP / 2.0;
    html! {
        svg class=(size.name) viewBox={ "0 0 " (n(size.width)) " " (n(height)) } role="img" aria-label=(told(ledger, names)) {
            (frame.bands(ledger))
            @for (i, name) in names.iter().take(MOST).enumerate() {
                (lane(&frame, &samples, name, top(i)))
            }
            @for (i, cluster) in admitted.iter().take(MOST - names.len().min(MOST)).enumerate() {
                (admission(&frame, &samples, cluster, top(names.len() + i)))
            }
            (frame.axis())
        }
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
        text x="0" y=(n(top + height / 2.0 + 4.0)) { (name) }
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
        text x="0" y=(n(top + height / 2.0 + 4.0)) { (cluster) ": admitted" }
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
