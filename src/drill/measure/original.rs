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

    /// When service was first at a target again for those who were let in; the shares that people admitted are given with
    /// the moments from which on they did.
    pub fn mitigated(&self, target: f64, admitted: &[(Duration, f64)]) -> Option<Duration> {
        let broke = self.damage(target)?;
        let let_in = |story: Duration| {
            let last = admitted.iter().rev().find(|(from, _)| *from <= story);
            last.map_or(1.0, |(_, share)| *share)
        };
        let good = |story: &Duration| {
            let share = let_in(*story);
            *story > broke && share > 0.0 && self.ok_at(*story) >= target * share
        };
        self.moments().find(good).or_else(|| self.restored(target))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drill::profiles;

    /// What the originals cost: minutes of outage, bad minutes, and the share of 99.9% over 30 days. Where traffic was let in
    /// again in steps, a quarter first, the steps count; a straight line through them would make it 88.1 and 73.1.
    const COST: [(&str, f64, f64, f64); 5] = [
        ("standby-overload", 67.0, 58.0, 1.34),
        ("hung-auth-quiet", 97.0, 94.75, 2.19),
        ("bad-reload", 26.0, 26.0, 0.60),
        ("orm-break", 132.0, 65.4, 1.51),
        ("hung-auth", 83.0, 80.5, 1.86),
    ];

    #[test]
    fn who_was_let_in_was_served_before_all_were() {
        let check = |name: &str, admitted: &[(u64, f64)], minute: u64| {
            let profile = profiles::load(name).unwrap_or_else(|problems| panic!("{problems}"));
            let original = Original::new(&profile.yardstick, [("all".to_owned(), 1.0)].into()).unwrap();
            let admitted: Vec<_> = admitted
                .iter()
                .map(|(from, share)| (Duration::from_secs(from * 60), *share))
                .collect();
            let mitigated = original.mitigated(0.999, &admitted).unwrap();
            assert_eq!((mitigated.as_secs() + 30) / 60, minute, "{name}");
        };
        check("hung-auth", &[(60, 0.0), (89, 0.25), (99, 1.0)], 89);
        check("hung-auth", &[], 99);
    }

    #[test]
    fn the_yardsticks_cost_what_the_originals_did() {
        for shipped in profiles::SHIPPED {
            let (name, outage, bad_minutes, budget) = COST
                .into_iter()
                .find(|(name, ..)| *name == shipped.name)
                .unwrap_or_else(|| panic!("what did {} cost?", shipped.name));
            let profile = profiles::load(name).unwrap_or_else(|problems| panic!("{problems}"));
            // Eight reads to two writes, where the report tells them apart.
            let mix = [("read".to_owned(), 0.8), ("write".to_owned(), 0.2)];
            let original = Original::new(&profile.yardstick, mix.into()).unwrap();
            let close = |what: &str, is: f64, said: f64, by: f64| {
                assert!((is - said).abs() <= by, "{name}: {what} is {is}, not {said}");
            };
            let (broke, mended) = (original.damage(0.999).unwrap(), original.restored(0.999).unwrap());
            close("outage", (mended - broke).as_secs_f64() / 60.0, outage, 0.2);
            close("bad minutes", original.bad_minutes(), bad_minutes, 0.1);
            close(
                "budget",
                original.bad_minutes() / (30.0 * 24.0 * 60.0 * 0.001),
                budget,
                0.01,
            );
        }
    }
}
