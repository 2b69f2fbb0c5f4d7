//! The original as a yardstick: success over story time, and the moments that its report names.

use std::{collections::BTreeMap, time::Duration};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ALL;
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

#[cfg(test)]
mod tests {
    use super::*;

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
