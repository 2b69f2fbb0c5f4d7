//! What odds come to where faults overlap: those that are tried later get what the earlier ones leave.

use serde::Serialize;
use tokio::time::Instant;

use super::entry::Entry;

/// How much of what a fault meets an earlier one meets, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overlap {
    /// Nothing.
    None,
    /// Nobody knows: it depends on what comes.
    Unknown,
    /// All of it.
    Whole,
}

/// The share that a fault really gets of the exchanges that come to it and match.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Effective {
    /// Where the earlier faults meet as much of them as they may.
    pub min: f64,
    /// Where they meet as little as they may.
    pub max: f64,
}

impl Entry {
    /// The share of the exchanges that match which it keeps from the faults after it, in the long run: the few that `first` and
    /// `nth` name are no share.
    pub fn takes(&self) -> f64 {
        let ends = || self.r#do.compile(Instant::now()).ends();
        match (self.first, self.nth) {
            (None, None) if ends() => self.share(),
            _ => 0.0,
        }
    }

    /// Its odds, where it is its turn with every so manieth alone.
    fn share(&self) -> f64 {
        // Rounding begins beyond 2^53, where nobody counts.
        self.odds.get() / self.every.map_or(1.0, |every| every.get() as f64)
    }
}

/// What the faults before one leave it, times its odds.
pub fn effective<'a>(entry: &Entry, before: impl IntoIterator<Item = (&'a Entry, Overlap)>) -> Effective {
    let share = if entry.nth.is_some() {
        entry.odds.get()
    } else {
        entry.share()
    };
    let mut effective = Effective {
        min: share,
        max: share,
    };
    for (earlier, overlap) in before {
        let left = 1.0 - earlier.takes();
        effective.min *= if overlap == Overlap::None { 1.0 } else { left };
        effective.max *= if overlap == Overlap::Whole { left } else { 1.0 };
    }
    effective
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::faults::trial::entry;

    #[test]
    fn what_is_left_depends_on_the_faults_before() {
        let check = |before: &[(&str, Overlap)], text: &str, min: f64, max: f64| {
            let before: Vec<_> = before.iter().map(|(text, of)| (entry(text), *of)).collect();
            let told = effective(&entry(text), before.iter().map(|(entry, of)| (entry, *of)));
            assert_eq!(told, Effective { min, max }, "{text} behind {before:?}");
        };
        let half = "{odds: 50%, do: reset}";
        check(&[], half, 0.5, 0.5);
        check(&[(half, Overlap::Whole)], half, 0.25, 0.25);
        check(&[(half, Overlap::None)], half, 0.5, 0.5);
        check(&[(half, Overlap::Unknown)], half, 0.25, 0.5);
        check(
            &[(half, Overlap::Unknown), (half, Overlap::Whole)],
            "{do: hang}",
            0.25,
            0.5,
        );
        check(&[("{do: {latency: {add: 1s}}}", Overlap::Whole)], half, 0.5, 0.5);
        check(
            &[("{every: 4, do: reset}", Overlap::Whole)],
            "{do: hang}",
            0.75,
            0.75,
        );
        check(
            &[("{first: 9, do: reset}", Overlap::Whole)],
            "{do: hang}",
            1.0,
            1.0,
        );
        check(&[], "{nth: 4, every: 4, do: hang}", 1.0, 1.0);
        check(&[], "{first: 4, every: 4, do: hang}", 0.25, 0.25);
    }
}
