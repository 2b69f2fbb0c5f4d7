//! Success over story time as a line of text: eight heights, one column for each slice of the story.

use std::time::Duration;

use crate::drill::{ledger::Ledger, measure::buckets, profile::Yardstick};

/// How many columns a line has at most.
pub(super) const WIDTH: u32 = 72;

/// From nothing to all. Nothing is a baseline and not a gap: a gap is where nobody asked.
const HEIGHTS: [char; 9] = ['_', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// This run, a column for each slice of a story of this length.
pub(super) fn run(ledger: &Ledger, class: &str, length: Duration) -> String {
    let buckets = buckets(ledger, Some(class));
    let column = |from: Duration, to: Duration| {
        let inside = buckets
            .iter()
            .filter(|bucket| bucket.from.story < to && bucket.to.story > from);
        let shares: Vec<_> = inside.filter_map(|bucket| bucket.counts.ok_share()).collect();
        #[expect(clippy::cast_precision_loss, reason = "a handful of buckets")]
        let mean = shares.iter().sum::<f64>() / shares.len() as f64;
        (!shares.is_empty()).then_some(mean)
    };
    line(length, column)
}

/// The original, over the same story.
pub(super) fn original(yardstick: &Yardstick, class: &str, length: Duration) -> String {
    line(length, |from, to| yardstick.ok_at(class, from + (to - from) / 2))
}

fn line(length: Duration, column: impl Fn(Duration, Duration) -> Option<f64>) -> String {
    let edge = |i: u32| length * i / WIDTH;
    (0..WIDTH)
        .map(|i| column(edge(i), edge(i + 1)).map_or(' ', height))
        .collect()
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a share of eight steps"
)]
fn height(share: f64) -> char {
    // Neither full nor empty unless it is so.
    let step = match share {
        x if x <= 0.0 => 0,
        x if x >= 1.0 => 8,
        x => ((x * 8.0).round() as usize).clamp(1, 7),
    };
    HEIGHTS[step]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heights_say_all_and_none_only_when_it_is_so() {
        let check = |share: f64, c: char| assert_eq!(height(share), c, "{share}");
        check(0.0, '_');
        check(0.001, '▁');
        check(0.5, '▄');
        check(0.999, '▇');
        check(1.0, '█');
    }
}
