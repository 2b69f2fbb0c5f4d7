//! Passive health: a backend whose answers to traffic are errors is taken out for a while. This file is the rule, without
//! atomics or clocks; [`super::Cluster`] applies it.

use std::{fmt, num::NonZeroU32, time::Duration};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::outcome::Outcome;
use crate::{
    route::{OneOrMany, Statuses},
    units::{Probability, Span},
};

/// Takes out a backend after errors in a row. The last usable backend of a cluster is never taken out.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct OutlierSettings {
    /// Errors in a row that take a backend out: failures to reach it and the `statuses`. Default: 5.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub consecutive_errors: Option<NonZeroU32>,
    /// As `consecutive_errors`, but for failures without an answer (connect, refused, reset, timeout, garbage) alone.
    /// Default: the same number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub consecutive_local_errors: Option<NonZeroU32>,
    /// The statuses that count as errors. Default: `"502-504"`.
    #[serde(skip_serializing_if = "OneOrMany::is_empty")]
    pub statuses: OneOrMany<Statuses>,
    /// How long it is out the first time; each further time doubles it, each such span without one halves it again.
    /// Default: 30s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub eject_for: Option<Span>,
    /// How long it is out at most. Default: 5m.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_eject_for: Option<Span>,
    /// The share of backends that may be out at a time; one may always be, unless this is `0%`. Default: 50%.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at_most: Option<Probability>,
}

/// The settings with their defaults.
#[derive(Clone, Debug, PartialEq)]
pub struct Outlier {
    errors: u32,
    local_errors: u32,
    statuses: OneOrMany<Statuses>,
    eject_for: Duration,
    max_eject_for: Duration,
    at_most: f64,
}

/// Errors in a row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Streak {
    /// Of both kinds.
    pub errors: u32,
    /// Without an answer.
    pub local: u32,
}

/// The cluster at the moment of judging.
#[derive(Clone, Copy, Debug)]
pub struct Crowd {
    /// Backends that the operator has in service.
    pub hosts: usize,
    /// Those of them that are out.
    pub out: usize,
    /// Others that could take the traffic.
    pub others_usable: usize,
}

/// What was judged when a streak reached its limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Out for so long; it was the so-manieth time lately.
    Ejected {
        /// For how long.
        time: Duration,
        /// How often lately, this time included.
        times: u32,
    },
    /// It stays in, and why.
    Spared(Spared),
}

/// Why a backend was not taken out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spared {
    /// No other backend could take its traffic.
    LastUsable,
    /// As many as allowed are out already.
    AtMost,
}

impl Outlier {
    /// Puts in the defaults.
    pub fn compile(settings: &OutlierSettings) -> Self {
        let errors = settings.consecutive_errors.map_or(5, NonZeroU32::get);
        let statuses = if settings.statuses.is_empty() {
            vec![Statuses::range(502, 504)].into()
        } else {
            settings.statuses.clone()
        };
        let eject_for = settings.eject_for.map_or(Duration::from_secs(30), Into::into);
        let max_eject_for: Duration = settings
            .max_eject_for
            .map_or(Duration::from_secs(300), Into::into);
        Self {
            errors,
            local_errors: settings.consecutive_local_errors.map_or(errors, NonZeroU32::get),
            statuses,
            eject_for,
            max_eject_for: max_eject_for.max(eject_for),
            at_most: settings.at_most.map_or(0.5, Probability::get),
        }
    }

    /// The streak after one more outcome. Reaching the backend ends a streak of local errors, whatever it answered.
    pub fn count(&self, streak: Streak, outcome: Outcome) -> Streak {
        match outcome {
            Outcome::Ok => Streak::default(),
            Outcome::Status(status) if self.statuses.iter().any(|s| s.contains(status)) => Streak {
                errors: streak.errors.saturating_add(1),
                local: 0,
            },
            Outcome::Status(_) => Streak::default(),
            Outcome::Connect | Outcome::Refused | Outcome::Reset | Outcome::Timeout | Outcome::Garbage => {
                Streak {
                    errors: streak.errors.saturating_add(1),
                    local: streak.local.saturating_add(1),
                }
            }
        }
    }

    /// Whether a streak that has just grown is to be judged: at the limit, and at every multiple of it, so that a backend
    /// that was spared is judged again.
    pub fn is_due(&self, streak: Streak) -> bool {
        let reached = |n: u32, limit: u32| n > 0 && n.is_multiple_of(limit);
        reached(streak.errors, self.errors) || reached(streak.local, self.local_errors)
    }

    /// Whether a backend whose streak is due goes out, and for how long. `before` is how often it was taken out lately.
    pub fn judge(&self, crowd: Crowd, before: u32) -> Verdict {
        let most = self.at_most * crowd.hosts as f64;
        if crowd.others_usable == 0 {
            Verdict::Spared(Spared::LastUsable)
        } else if self.at_most <= 0.0 || (crowd.out > 0 && (crowd.out + 1) as f64 > most) {
            Verdict::Spared(Spared::AtMost)
        } else {
            let doubled = self.eject_for.saturating_mul(1 << before.min(16));
            Verdict::Ejected {
                time: doubled.min(self.max_eject_for),
                times: before + 1,
            }
        }
    }

    /// How many ejections still count after the backend was in service for so long.
    pub fn remembered(&self, times: u32, in_service: Duration) -> u32 {
        let spans = in_service.as_nanos() / self.eject_for.as_nanos().max(1);
        times.saturating_sub(u32::try_from(spans).unwrap_or(u32::MAX))
    }
}

impl Spared {
    /// The reason in words.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::LastUsable => "no other backend could take its traffic",
            Self::AtMost => "as many backends as `at_most` allows are out already",
        }
    }
}

impl fmt::Display for Spared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn outlier(written: Value) -> Outlier {
        Outlier::compile(&serde_json::from_value(written).unwrap())
    }

    #[test]
    fn errors_in_a_row_are_counted_by_kind() {
        use Outcome::{Ok, Refused, Status, Timeout};
        let check = |outcomes: &[Outcome], errors, local| {
            let rule = outlier(json!({}));
            let streak = outcomes
                .iter()
                .fold(Streak::default(), |streak, outcome| rule.count(streak, *outcome));
            assert_eq!(streak, Streak { errors, local }, "{outcomes:?}");
        };
        check(&[Status(503), Status(502)], 2, 0);
        check(&[Refused, Timeout, Status(503)], 3, 0);
        check(&[Status(503), Refused, Timeout], 3, 2);
        check(&[Refused, Ok], 0, 0);
        check(&[Refused, Status(404)], 0, 0);
        check(&[Refused, Status(500)], 0, 0);
    }

    #[test]
    fn a_streak_is_judged_at_its_limit_and_at_every_multiple() {
        let check = |written: Value, errors, local, due| {
            assert_eq!(
                outlier(written.clone()).is_due(Streak { errors, local }),
                due,
                "{written} {errors} {local}"
            );
        };
        check(json!({}), 0, 0, false);
        check(json!({}), 4, 0, false);
        check(json!({}), 5, 0, true);
        check(json!({}), 6, 0, false);
        check(json!({}), 10, 0, true);
        check(json!({"consecutive_local_errors": 2}), 3, 2, true);
        check(json!({"consecutive_local_errors": 2}), 3, 0, false);
        check(json!({"consecutive_errors": 1}), 7, 0, true);
    }

    #[test]
    fn each_time_out_is_twice_as_long_up_to_a_limit() {
        let crowd = Crowd {
            hosts: 4,
            out: 0,
            others_usable: 3,
        };
        let check = |before, secs| {
            let time = Duration::from_secs(secs);
            let times = before + 1;
            assert_eq!(
                outlier(json!({})).judge(crowd, before),
                Verdict::Ejected { time, times }
            );
        };
        check(0, 30);
        check(1, 60);
        check(3, 240);
        check(4, 300);
        check(u32::MAX - 1, 300);
    }

    #[test]
    fn a_backend_is_spared_for_a_reason() {
        let check = |at_most: &str, hosts, out, others_usable, expected| {
            let verdict = outlier(json!({"at_most": at_most})).judge(
                Crowd {
                    hosts,
                    out,
                    others_usable,
                },
                0,
            );
            let spared = match verdict {
                Verdict::Spared(why) => Some(why),
                Verdict::Ejected { .. } => None,
            };
            assert_eq!(spared, expected, "{at_most} of {hosts}, {out} out");
        };
        check("50%", 2, 0, 1, None); // also works for two
        check("50%", 2, 1, 0, Some(Spared::LastUsable));
        check("50%", 1, 0, 0, Some(Spared::LastUsable));
        check("10%", 3, 0, 2, None); // one may always be out
        check("10%", 3, 1, 1, Some(Spared::AtMost));
        check("50%", 4, 1, 2, None);
        check("50%", 4, 2, 1, Some(Spared::AtMost));
        check("0%", 4, 0, 3, Some(Spared::AtMost));
        check("100%", 4, 2, 1, None);
        check("100%", 4, 0, 0, Some(Spared::LastUsable)); // the others are down
    }

    #[test]
    fn time_in_service_is_forgiving() {
        let check = |times, secs, left| {
            assert_eq!(
                outlier(json!({})).remembered(times, Duration::from_secs(secs)),
                left,
                "{times} {secs}s"
            );
        };
        check(3, 0, 3);
        check(3, 29, 3);
        check(3, 30, 2);
        check(3, 1000, 0);
    }

    proptest! {
        #[test]
        fn the_share_out_and_the_last_one_are_kept(hosts in 1..50_usize, at_most in 0..=100_u32, down in 0..50_usize) {
            let rule = outlier(json!({"at_most": format!("{at_most}%")}));
            let down = down.min(hosts);
            let (mut out, mut usable) = (0, hosts - down);
            for _ in 0..hosts {
                let crowd = Crowd { hosts, out, others_usable: usable.saturating_sub(1) };
                if matches!(rule.judge(crowd, 0), Verdict::Ejected { .. }) {
                    out += 1;
                    usable -= 1;
                }
            }
            prop_assert!(out <= 1 || out as f64 <= f64::from(at_most) / 100.0 * hosts as f64 + 1e-9);
            prop_assert!(usable >= 1 || down == hosts);
        }
    }
}
