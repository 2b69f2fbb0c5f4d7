//! The original as a yardstick: success over story time, and the moments that its report names.

use std::{collections::BTreeMap, time::Duration};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ALL, Profile};
use crate::{drill::offset::Offset, units::Probability};

/// What the original looked like from outside.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Yardstick {
    /// Success of each class over story time; `all` where the report does not tell classes apart.
    pub ok: BTreeMap<String, Curve>,
    /// The moments that the report names.
    pub marks: BTreeMap<String, Offset>,
}

/// Points joined by straight lines; two points at one moment are a step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Curve(pub Vec<(Offset, Probability)>);

impl Curve {
    /// The value at a moment; before the first point it is the first, after the last it is the last.
    pub fn at(&self, story: Duration) -> f64 {
        let later = self.0.partition_point(|(offset, _)| offset.0 <= story);
        match (self.0[..later].last(), self.0.get(later)) {
            (Some((from, a)), Some((to, b))) => {
                let along = (story - from.0).div_duration_f64(to.0 - from.0);
                a.get() + (b.get() - a.get()) * along
            }
            (Some((_, value)), None) | (None, Some((_, value))) => value.get(),
            (None, None) => 1.0,
        }
    }
}

impl Yardstick {
    /// What share of a class succeeded in the original at a moment, where the report says.
    pub fn ok_at(&self, class: &str, story: Duration) -> Option<f64> {
        let curve = self.ok.get(class).or_else(|| self.ok.get(ALL))?;
        Some(curve.at(story))
    }

    /// The last moment that it knows.
    pub fn end(&self) -> Duration {
        let points = self.ok.values().filter_map(|curve| curve.0.last());
        points.map(|(offset, _)| offset.0).max().unwrap_or_default()
    }
}

impl Profile {
    /// From when to when the original was in a phase; nothing where it never was. Its last phase ends with its curves, and
    /// what comes after that, with nothing broken, is how they end.
    pub fn original_stay(&self, phase: &str) -> Option<(Duration, Duration)> {
        let end = self.yardstick.end();
        let place = self.phases.iter().position(|known| known.name == phase)?;
        let rest = &self.phases[place..];
        let Some(from) = rest[0].at.map(|at| at.0) else {
            let is_after = self.tells_phases() && rest.iter().all(|later| later.at.is_none());
            return (is_after && rest[0].faults.is_empty()).then_some((end, end));
        };
        let later = self.phases.iter().filter_map(|known| known.at);
        let next = later.map(|at| at.0).filter(|at| *at > from).min();
        Some((from, next.unwrap_or_else(|| end.max(from))))
    }

    /// The moment of the original that is like this one of a run: as long after its phase began, and in that phase. People
    /// who are faster or slower than the original team would else be compared with another phase. Nothing where the original
    /// never was in it.
    ///
    /// Where a profile does not say when the original was in which phase, it is the same moment of the story.
    pub fn like_now(&self, phase: &str, since: Duration, story: Duration) -> Option<Duration> {
        if !self.tells_phases() {
            return Some(story);
        }
        let (from, to) = self.original_stay(phase)?;
        // What comes at a border belongs to the phase that begins there.
        let last = to.saturating_sub(BEFORE_THE_BORDER).max(from);
        Some((from + story.saturating_sub(since)).min(last))
    }

    /// Whether it says when the original was in which phase.
    pub fn tells_phases(&self) -> bool {
        self.phases.iter().any(|phase| phase.at.is_some())
    }
}

/// A curve that steps at a border has its old value so long before it.
const BEFORE_THE_BORDER: Duration = Duration::from_millis(1);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drill::profiles;

    #[test]
    fn people_are_compared_with_the_phase_that_they_are_in() {
        let profile = profiles::load("orm-break").unwrap();
        let like = |phase: &str, since: u64, story: u64| {
            let [since, story] = [since, story].map(|minute| Offset::mins(minute).0);
            let at = profile.like_now(phase, since, story)?;
            profile.yardstick.ok_at("read", at)
        };
        let check = |phase: &str, since, story, ok: Option<f64>| {
            let got = like(phase, since, story);
            let close = got.zip(ok).map_or(got == ok, |(a, b)| (a - b).abs() < 1e-4);
            assert!(close, "{phase} since +{since}m at +{story}m: {got:?}");
        };
        check("latent", 0, 3, Some(1.0));
        check("outage", 4, 10, Some(0.5));
        // Whoever is slower is still where the original was, when that had long gone on.
        check("outage", 4, 110, Some(0.5));
        // And whoever is faster has its cold start before it had.
        check("tail", 15, 15, Some(0.5));
        check("tail", 15, 38, Some(0.75));
        check("clear", 61, 62, Some(1.0));
        check("reads-saved", 6, 7, None);
        // After all that the original's report tells it was well again.
        let other = profiles::load("hung-auth").unwrap();
        let end = other.yardstick.end();
        assert_eq!(other.original_stay("clear"), Some((end, end)));
        assert_eq!(other.original_stay("collapse"), None);
    }

    #[test]
    fn a_profile_that_tells_no_phases_is_compared_moment_by_moment() {
        let mut profile = profiles::load("orm-break").unwrap();
        for phase in &mut profile.phases {
            phase.at = None;
        }
        let story = Offset::mins(50).0;
        assert_eq!(profile.like_now("tail", story, story), Some(story));
        assert_eq!(profile.original_stay("tail"), None);
    }

    #[test]
    fn a_curve_joins_its_points_and_steps_where_two_share_a_moment() {
        let share = |x| Probability::new(x).unwrap();
        let curve = Curve(vec![
            (Offset::mins(0), share(1.0)),
            (Offset::mins(4), share(1.0)),
            (Offset::mins(4), share(0.5)),
            (Offset::mins(90), share(0.5)),
            (Offset::mins(100), share(1.0)),
        ]);
        let check = |minutes, value: f64| {
            let got = curve.at(Offset::mins(minutes).0);
            assert!((got - value).abs() < 1e-9, "+{minutes}m: {got}");
        };
        check(0, 1.0);
        check(3, 1.0);
        check(4, 0.5);
        check(50, 0.5);
        check(95, 0.75);
        check(100, 1.0);
        check(500, 1.0);
    }
}
