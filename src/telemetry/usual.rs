//! How long answers usually take: a few of the last times, of which one is drawn. What is drawn is spread as they were, which
//! neither their mean nor always the same time would be.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

/// So many times are remembered.
const KEPT: usize = 64;

/// A longer time is remembered as this one: nobody is kept waiting for longer, only to look genuine.
const LONGEST: Duration = Duration::from_secs(5);

/// The last times that answers took, kept by one writer.
#[derive(Debug)]
pub struct Usual {
    micros: [AtomicU64; KEPT],
    noted: AtomicU64,
}

impl Default for Usual {
    fn default() -> Self {
        Self {
            micros: std::array::from_fn(|_| AtomicU64::new(0)),
            noted: AtomicU64::new(0),
        }
    }
}

impl Usual {
    /// Remembers how long an answer took, in place of the oldest, as the only writer.
    pub fn note(&self, took: Duration) {
        let noted = self.noted.load(Relaxed);
        let micros = u64::try_from(took.min(LONGEST).as_micros()).unwrap_or(u64::MAX);
        self.micros[Self::place(noted)].store(micros, Relaxed);
        self.noted.store(noted + 1, Relaxed);
    }

    /// One of the times that are remembered, by an even number; nothing where none is.
    pub fn draw(&self, bits: u64) -> Option<Duration> {
        let known = self.noted.load(Relaxed).min(KEPT as u64);
        let place = bits.checked_rem(known)?;
        Some(Duration::from_micros(
            self.micros[Self::place(place)].load(Relaxed),
        ))
    }

    #[expect(clippy::cast_possible_truncation, reason = "it is below the number of places")]
    const fn place(number: u64) -> usize {
        (number % KEPT as u64) as usize
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn nothing_is_drawn_where_nothing_was_noted() {
        assert_eq!(Usual::default().draw(7), None);
    }

    proptest! {
        #[test]
        fn what_is_drawn_was_noted_lately(times in prop::collection::vec(0_u64..9_000_000, 1..200), bits: u64) {
            let usual = Usual::default();
            for time in &times {
                usual.note(Duration::from_micros(*time));
            }
            let drawn = usual.draw(bits).unwrap();
            let last = times.iter().rev().take(KEPT);
            let mut last = last.map(|time| Duration::from_micros(*time).min(LONGEST));
            prop_assert!(last.any(|time| time == drawn), "{:?}", drawn);
        }
    }

    #[test]
    fn each_time_that_is_remembered_is_drawn_now_and_then() {
        let usual = Usual::default();
        for millis in 1..=4 {
            usual.note(Duration::from_millis(millis));
        }
        let drawn: std::collections::BTreeSet<_> = (0..4).filter_map(|bits| usual.draw(bits)).collect();
        assert_eq!(drawn.len(), 4);
    }
}
