//! The frame of a chart: story time from left to right, phases as bands, and as much of a drill as can be drawn.

use std::{fmt::Write as _, time::Duration};

use maud::{Markup, html};

use crate::drill::{
    event::{Sample, Stamp},
    ledger::Ledger,
    offset::Offset,
};

/// How a chart is drawn: words do not grow when a picture shrinks, so there is one for a page and one for a phone.
#[derive(Clone, Copy, Debug)]
pub(super) struct Size {
    /// What it is called in the style.
    pub(super) name: &'static str,
    /// How wide it is, in its own units.
    pub(super) width: f64,
    /// As many steps as its axis has room for.
    ticks: u64,
}

/// The sizes in which each chart is drawn, the first that of a page.
pub(super) const SIZES: [Size; 2] = [
    Size {
        name: "broad",
        width: 960.0,
        ticks: 12,
    },
    Size {
        name: "slim",
        width: 360.0,
        ticks: 5,
    },
];

/// The room to the right of the last moment.
const RIGHT: f64 = 22.0;
/// The room above the plot: names of phases.
const TOP: f64 = 18.0;
/// The room below the plot: the axis.
pub(super) const AXIS: f64 = 22.0;
/// About how wide a character is.
pub(super) const CHARACTER: f64 = 6.2;
/// As many steps as can be told apart.
const STEPS: u32 = 300;

/// Where moments and shares are drawn.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame {
    size: Size,
    left: f64,
    height: f64,
    end: Duration,
}

impl Frame {
    /// A frame with so much room for words at its left, over a plot of so much height, for the whole of a drill and of its
    /// original.
    pub(super) fn new(ledger: &Ledger, size: Size, left: f64, height: f64) -> Self {
        let original = ledger
            .started
            .as_ref()
            .map(|started| started.profile.yardstick.end());
        let end = ledger.end().story.max(original.unwrap_or_default());
        Self {
            size,
            left,
            height,
            end: end.max(Duration::from_secs(1)),
        }
    }

    /// The last moment.
    pub(super) const fn end(&self) -> Duration {
        self.end
    }

    /// Where a moment is.
    pub(super) fn x(&self, story: Duration) -> f64 {
        self.left + (self.right() - self.left) * story.min(self.end).div_duration_f64(self.end)
    }

    /// How wide it is.
    pub(super) const fn width(&self) -> f64 {
        self.size.width
    }

    /// The right edge of the plot.
    const fn right(&self) -> f64 {
        self.size.width - RIGHT
    }

    /// Where a share is: all of it is at the top.
    pub(super) fn y(&self, share: f64) -> f64 {
        TOP + self.height * (1.0 - share.clamp(0.0, 1.0))
    }

    /// The lower edge of the plot.
    pub(super) const fn bottom(&self) -> f64 {
        TOP + self.height
    }

    /// The upper edge of the plot.
    pub(super) const fn top() -> f64 {
        TOP
    }

    /// The phases, as bands with their names where there is room.
    pub(super) fn bands(&self, ledger: &Ledger) -> Markup {
        html! {
            @for (i, visit) in ledger.visits.iter().enumerate() {
                @let (from, to) = (self.x(visit.from.story), self.x(visit.to.story));
                g {
                    title {
                        "Phase " (visit.phase) ", " (visit.from.offset().rounded()) " to " (visit.to.offset().rounded())
                    }
                    rect class=(if i % 2 == 0 { "band" } else { "band odd" }) x=(n(from)) y=(n(TOP))
                        width=(n(to - from)) height=(n(self.height)) {}
                    @if to - from > width(&visit.phase) {
                        text class="phase" x=(n(f64::midpoint(from, to))) y=(n(TOP - 5.0)) text-anchor="middle" { (visit.phase) }
                    }
                }
            }
        }
    }

    /// The axis of story time.
    pub(super) fn axis(&self) -> Markup {
        let step = step(self.end, self.size.ticks);
        let ticks = (0..).map(|i| step * i).take_while(|tick| *tick <= self.end);
        let (bottom, y) = (self.bottom(), self.bottom() + 15.0);
        html! {
            line class="axis" x1=(n(self.left)) x2=(n(self.right())) y1=(n(bottom)) y2=(n(bottom)) {}
            @for tick in ticks {
                @let x = self.x(tick);
                line class="axis" x1=(n(x)) x2=(n(x)) y1=(n(bottom)) y2=(n(bottom + 4.0)) {}
                text x=(n(x)) y=(n(y)) text-anchor="middle" { (Offset(tick)) }
            }
        }
    }

    /// The scale at the left, with lines across the plot.
    pub(super) fn scale(&self, shares: &[(f64, String)]) -> Markup {
        html! {
            @for (share, name) in shares {
                @let y = self.y(*share);
                line class="grid" x1=(n(self.left)) x2=(n(self.right())) y1=(n(y)) y2=(n(y)) {}
                text x=(n(self.left - 6.0)) y=(n(y + 4.0)) text-anchor="end" { (name) }
            }
        }
    }

    /// The samples that can be told apart, the last one included.
    pub(super) fn samples<'a>(&self, ledger: &'a Ledger) -> Vec<&'a (Stamp, Sample)> {
        let grain = self.end / STEPS;
        let mut picked: Vec<&(Stamp, Sample)> = Vec::new();
        for sample in &ledger.samples {
            match picked.last() {
                Some(last) if sample.0.story <= last.0.story + grain => {}
                _ => picked.push(sample),
            }
        }
        let last = ledger.samples.last();
        let is_new =
            |last: &&(Stamp, Sample)| picked.last().is_some_and(|known| known.0.story < last.0.story);
        picked.extend(last.filter(is_new));
        picked
    }
}

/// A step for the axis that people can count in, so many in all at most.
fn step(end: Duration, most: u64) -> Duration {
    /// In seconds.
    const STEPS: [u64; 16] = [
        1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14_400, 28_800,
    ];
    let fits = |step: &u64| end.as_secs() / step <= most;
    let step = STEPS.into_iter().find(fits);
    step.map_or(end, Duration::from_secs)
}

/// How wide a text is.
#[expect(clippy::cast_precision_loss, reason = "a few dozen characters")]
pub(super) fn width(text: &str) -> f64 {
    text.chars().count() as f64 * CHARACTER
}

/// A number as it is written into a chart.
pub(super) fn n(x: f64) -> String {
    let text = format!("{x:.1}");
    text.strip_suffix(".0").map(str::to_owned).unwrap_or(text)
}

/// A line through stretches with a level, as steps. It is broken where nothing is known, and whatever touches is joined.
pub(super) fn steps(stretches: impl IntoIterator<Item = (f64, f64, Option<f64>)>) -> String {
    let mut path = String::new();
    let mut at: Option<(f64, f64)> = None;
    for (from, to, level) in stretches {
        let Some(level) = level else {
            at = None;
            continue;
        };
        // Writing to a `String` does not fail.
        let _ = match at {
            Some((x, y)) if x >= from && (y - level).abs() < 0.05 => write!(path, "H{}", n(to)),
            Some((x, _)) if x >= from => write!(path, "V{}H{}", n(level), n(to)),
            _ => write!(path, "M{} {}H{}", n(from), n(level), n(to)),
        };
        at = Some((to, level));
    }
    path
}

/// The area below a level, down to a base.
pub(super) fn area(stretches: impl IntoIterator<Item = (f64, f64, Option<f64>)>, base: f64) -> String {
    let mut path = String::new();
    for (from, to, level) in stretches {
        if let Some(level) = level.filter(|level| base - level > 0.05) {
            let (from, to, base, level) = (n(from), n(to), n(base), n(level));
            let _ = write!(path, "M{from} {base}V{level}H{to}V{base}Z");
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_axis_has_a_handful_of_round_ticks() {
        let check = |secs: u64, step_secs: u64| {
            assert_eq!(
                step(Duration::from_secs(secs), 12),
                Duration::from_secs(step_secs),
                "{secs}"
            );
        };
        check(1, 1);
        check(11, 1);
        check(40, 5);
        check(8460, 1200);
        check(60 * 60, 300);
        for minutes in 1..600 {
            let end = Duration::from_secs(60 * minutes);
            let ticks = end.div_duration_f64(step(end, 12));
            assert!((2.0..13.1).contains(&ticks), "{minutes}: {ticks}");
        }
    }

    #[test]
    fn a_line_is_broken_where_nothing_is_known() {
        let stretches = [
            (0.0, 1.0, Some(5.0)),
            (1.0, 2.0, Some(5.0)),
            (2.0, 3.0, None),
            (3.0, 4.0, Some(7.0)),
            (4.0, 5.0, Some(5.5)),
        ];
        assert_eq!(steps(stretches), "M0 5H1H2M3 7H4V5.5H5");
        assert_eq!(area(stretches[2..].to_vec(), 7.0), "M4 7V5.5H5V7Z");
    }
}
