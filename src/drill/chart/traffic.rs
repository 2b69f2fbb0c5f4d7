//! What users asked for and what came of it, beside what it cost in attempts.

use maud::{Markup, html};

use super::{
    frame::{AXIS, Frame, SIZES, Size, n, steps},
    success::LEFT,
};
use crate::drill::{facts::Counts, ledger::Ledger};

/// The height of the plot.
const HEIGHT: f64 = 150.0;

/// What came of requests, from the bottom of the stack to its top.
type Part = (&'static str, &'static str, fn(&Counts) -> u64);
const PARTS: [Part; 5] = [
    ("part-ok", "succeeded", |counts| counts.ok),
    ("part-fault", "failed by a fault's answer", |counts| {
        counts.injected
    }),
    ("part-upstream", "failed by the service", |counts| counts.upstream),
    ("part-proxy", "failed by the proxy", |counts| {
        counts.proxy.saturating_sub(counts.turned_away)
    }),
    ("part-turned-away", "turned away by admission", |counts| {
        counts.turned_away
    }),
];

/// The chart; nothing where nobody asked.
pub fn traffic(ledger: &Ledger) -> Option<Markup> {
    let total = ledger.total().of(None);
    let drawings: Option<Vec<Markup>> = SIZES
        .into_iter()
        .map(|size| drawing(ledger, &total, size))
        .collect();
    let drawings = drawings?;
    Some(html! {
        figure class="chart" {
            ul class="legend" {
                @for (_, (class, name, part)) in parts(&total) {
                    li {
                        svg class="swatch narrow" viewBox="0 0 12 12" aria-hidden="true" { rect class=(class) width="12" height="12" {} }
                        (name) " (" (part(&total)) ")"
                    }
                }
                li {
                    svg class="swatch" viewBox="0 0 24 8" aria-hidden="true" { path class="attempts" d="M0 4H24" {} }
                    "attempts, retries included (" (total.attempts) ")"
                }
            }
            @for drawing in &drawings { (drawing) }
        }
    })
}

/// The parts that there are, with their places in the stack.
fn parts(total: &Counts) -> impl Iterator<Item = (usize, &'static Part)> {
    let parts = PARTS.iter().enumerate();
    parts.filter(|(_, (.., part))| part(total) > 0)
}

fn drawing(ledger: &Ledger, total: &Counts, size: Size) -> Option<Markup> {
    let frame = Frame::new(ledger, size, LEFT, HEIGHT);
    let samples = frame.samples(ledger);
    let stretches: Vec<Stretch> = samples
        .windows(2)
        .filter_map(|pair| {
            let seconds = (pair[1].0.wall.saturating_sub(pair[0].0.wall)).as_secs_f64();
            (seconds > 0.0).then(|| Stretch {
                from: frame.x(pair[0].0.story),
                to: frame.x(pair[1].0.story),
                counts: pair[1].1.traffic.of(None).since(&pair[0].1.traffic.of(None)),
                seconds,
            })
        })
        .collect();
    let peak = stretches
        .iter()
        .map(|stretch| stretch.rate(stretch.counts.attempts.max(stretch.counts.requests())))
        .fold(0.0, f64::max);
    if peak <= 0.0 {
        return None;
    }
    let most = round_up(peak);
    let attempts = steps(stretches.iter().map(|stretch| {
        (
            stretch.from,
            stretch.to,
            Some(frame.y(stretch.rate(stretch.counts.attempts) / most)),
        )
    }));
    let scale = [0.0, 0.5, 1.0].map(|share| (share, n(most * share)));
    let height = frame.bottom() + AXIS;
    Some(html! {
        svg class=(size.name) viewBox={ "0 0 " (n(size.width)) " " (n(height)) } role="img" aria-label=(told(total)) {
            (frame.bands(ledger))
            (frame.scale(&scale))
            @for (i, (class, ..)) in parts(total) {
                path class=(class) d=(stack(&frame, &stretches, i, most)) {}
            }
            path class="attempts" d=(attempts) {}
            (frame.axis())
        }
    })
}

/// What was asked between two samples.
struct Stretch {
    from: f64,
    to: f64,
    counts: Counts,
    seconds: f64,
}

impl Stretch {
    /// So many in a second on the wall.
    #[expect(
        clippy::cast_precision_loss,
        reason = "counts of one drill are far below 2^53"
    )]
    fn rate(&self, count: u64) -> f64 {
        count as f64 / self.seconds
    }
}

/// One part of the stack, on top of those before it.
fn stack(frame: &Frame, stretches: &[Stretch], part: usize, most: f64) -> String {
    let mut path = String::new();
    for stretch in stretches {
        let below: u64 = PARTS[..part].iter().map(|(.., part)| part(&stretch.counts)).sum();
        let own = PARTS[part].2(&stretch.counts);
        if own == 0 {
            continue;
        }
        let (low, high) = (
            frame.y(stretch.rate(below) / most),
            frame.y(stretch.rate(below + own) / most),
        );
        let (from, to) = (n(stretch.from), n(stretch.to));
        path += &format!("M{from} {0}V{1}H{to}V{0}Z", n(low), n(high));
    }
    path
}

/// The next number that people count in: 1, 2 or 5 with zeros.
fn round_up(peak: f64) -> f64 {
    let magnitude = 10_f64.powf(peak.log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0].map(|step| step * magnitude);
    steps.into_iter().find(|step| *step >= peak).unwrap_or(peak)
}

/// The chart in words.
fn told(total: &Counts) -> String {
    let parts: Vec<_> = PARTS
        .iter()
        .map(|(_, name, part)| format!("{} {name}", part(total)))
        .collect();
    format!(
        "Requests a second over the story. Of {} requests {}; {} attempts were made for them.",
        total.requests(),
        parts.join(", "),
        total.attempts
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scale_ends_at_a_round_number() {
        let check = |peak: f64, most: f64| assert!((round_up(peak) - most).abs() < 1e-9, "{peak}");
        check(0.7, 1.0);
        check(1.0, 1.0);
        check(33.0, 50.0);
        check(51.0, 100.0);
        check(2500.0, 5000.0);
    }
}
