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

/// What the faults before one leave it, times its odds: those that meet all that it meets, and those that may meet some of it, in
/// groups of which an exchange meets one at most.
pub fn effective<'a>(
    entry: &Entry,
    before: impl IntoIterator<Item = &'a Entry>,
    maybe: &[Vec<&Entry>],
) -> Effective {
    let share = if entry.nth.is_some() {
        entry.odds.get()
    } else {
        entry.share()
    };
    let left = |earlier: &Entry| 1.0 - earlier.takes();
    let max = before
        .into_iter()
        .fold(share, |share, earlier| share * left(earlier));
    let least = |group: &Vec<&Entry>| group.iter().map(|earlier| left(earlier)).fold(1.0, f64::min);
    Effective {
        min: maybe.iter().map(least).fold(max, |share, left| share * left),
        max,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::faults::trial::entry;

    #[test]
    fn what_is_left_depends_on_the_faults_before() {
        let check = |before: &[&str], maybe: &[&[&str]], text: &str, min: f64, max: f64| {
            let read = |texts: &[&str]| texts.iter().map(|text| entry(text)).collect::<Vec<_>>();
            let (before, maybe) = (read(before), maybe.iter().map(|group| read(group)));
            let maybe: Vec<_> = maybe.collect();
            let maybe: Vec<Vec<&Entry>> = maybe.iter().map(|group| group.iter().collect()).collect();
            let told = effective(&entry(text), &before, &maybe);
            assert_eq!(told, Effective { min, max }, "{text} behind {before:?} {maybe:?}");
        };
        let half = "{odds: 50%, do: reset}";
        check(&[], &[], half, 0.5, 0.5);
        check(&[half], &[], half, 0.25, 0.25);
        check(&[], &[&[half]], half, 0.25, 0.5);
        check(&[half], &[&[half]], "{do: hang}", 0.25, 0.5);
        check(&[], &[&[half, "{odds: 25%, do: hang}"]], half, 0.25, 0.5);
        check(&[], &[&[half], &[half]], half, 0.125, 0.5);
        check(&["{do: {latency: {add: 1s}}}"], &[], half, 0.5, 0.5);
        check(&["{every: 4, do: reset}"], &[], "{do: hang}", 0.75, 0.75);
        check(&["{first: 9, do: reset}"], &[], "{do: hang}", 1.0, 1.0);
        check(&[], &[], "{nth: 4, every: 4, do: hang}", 1.0, 1.0);
        check(&[], &[], "{first: 4, every: 4, do: hang}", 0.25, 0.25);
    }
}
