//! The original's curves as one, weighed by the mix of this run, so that both are measured by the same rules.

use std::{collections::BTreeMap, time::Duration};

use crate::drill::profile::Yardstick;

/// The original at the mix of this run.
#[derive(Clone, Debug)]
pub struct Original<'a> {
    yardstick: &'a Yardstick,
    mix: BTreeMap<String, f64>,
}

/// The grain at which a curve is looked at.
const GRAIN: Duration = Duration::from_secs(1);

impl<'a> Original<'a> {
    /// Weighs the curves; nothing where the yardstick has none for what this run saw.
    pub fn new(yardstick: &'a Yardstick, mix: BTreeMap<String, f64>) -> Option<Self> {
        let known = mix
            .keys()
            .all(|class| yardstick.ok_at(class, Duration::ZERO).is_some());
        (known && !mix.is_empty()).then_some(Self { yardstick, mix })
    }

    /// The share that succeeded at a moment.
    pub fn ok_at(&self, story: Duration) -> f64 {
        let weighed = self.mix.iter().map(|(class, weight)| {
            let ok = self.yardstick.ok_at(class, story).unwrap_or(1.0);
            weight * ok
        });
        weighed.sum()
    }

    /// When service first fell below a target.
    pub fn damage(&self, target: f64) -> Option<Duration> {
        self.moments().find(|moment| self.ok_at(*moment) < target)
    }

    /// When service was at a target again, for good.
    pub fn restored(&self, target: f64) -> Option<Duration> {
        let bad = self
            .moments()
            .filter(|moment| self.ok_at(*moment) < target)
            .last()?;
        Some(bad + GRAIN)
    }

    /// The integral of failure over story time, in minutes.
    pub fn bad_minutes(&self) -> f64 {
        let middle = |moment: Duration| moment + GRAIN / 2;
        let seconds: f64 = self
            .moments()
            .map(|moment| 1.0 - self.ok_at(middle(moment)))
            .sum();
        seconds * GRAIN.as_secs_f64() / 60.0
    }

    fn moments(&self) -> impl Iterator<Item = Duration> + use<> {
        let end = self.yardstick.end().as_secs();
        (0..end).map(Duration::from_secs)
    }
}
