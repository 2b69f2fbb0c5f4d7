//! What there is to see of a drill at one moment: for a terminal, `status` and the live page.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::Timeline;
use crate::{
    drill::{
        clock::Mode,
        event::{Ending, Stamp},
        facts::{Counts, share},
        profile::{ALL, END},
        script::When,
    },
    units::Span,
};

/// A drill at one moment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct View {
    /// The profile.
    pub profile: String,
    /// Who drives.
    pub mode: Mode,
    /// The phase.
    pub phase: String,
    /// The names of the active faults.
    pub faults: Vec<String>,
    /// The moment, by both clocks.
    #[serde(flatten)]
    pub at: Stamp,
    /// Whether the facilitator lets the story stand still.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub held: bool,
    /// Hints that the profile offers by now, by their level.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hints: Vec<usize>,
    /// What comes next by itself.
    pub next: Option<Next>,
    /// Success by class, just now.
    pub gauges: Vec<Gauge>,
    /// Requests since the drill began; left out where they are not for whoever asks to know.
    #[serde(default, skip_serializing_if = "Counts::is_empty")]
    pub total: Counts,
    /// The share of requests that people turn away just now, by admitting less; left out where they let all in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub turned_away: Option<f64>,
    /// How it ended, once it has.
    pub ended: Option<Ending>,
}

/// What comes next by itself, and in how long on the wall.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Next {
    /// What.
    pub what: String,
    /// In how long, on the wall.
    pub within: Span,
}

/// Success of a class just now, with the original's as long after the same phase began.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Gauge {
    /// The class.
    pub class: String,
    /// The share that succeeded lately; nothing where nothing was asked.
    pub ok: Option<f64>,
    /// The share that succeeded in the original as long after it came to this phase, where it did and its report says.
    pub original: Option<f64>,
}

/// "Just now" is this long: short enough to see a change, long enough to be more than noise.
const LATELY: Duration = Duration::from_secs(2);

impl Timeline {
    /// What there is to see at this moment.
    pub fn view(&self, now: Instant) -> View {
        let at = self.stamp(now);
        let recent = self.history.lately(now, LATELY);
        let profile = &self.script.profile;
        let like = profile.like_now(&self.station().name, self.since.story, at.story);
        let gauge = |class: &str| Gauge {
            class: class.to_owned(),
            ok: recent.of(Some(class)).ok_share(),
            original: like.and_then(|moment| profile.yardstick.ok_at(class, moment)),
        };
        let classes = profile.traffic.names();
        let mut gauges: Vec<_> = classes.map(gauge).collect();
        if gauges.is_empty() {
            gauges.push(gauge(ALL));
        }
        View {
            profile: profile.name.clone(),
            mode: self.script.mode(),
            phase: self.station().name.clone(),
            faults: self
                .station()
                .faults
                .iter()
                .map(|(name, _)| name.clone())
                .collect(),
            at,
            held: self.clock.is_held(),
            hints: (1..=profile.hints.len())
                .filter(|level| self.hint_due(*level).is_some_and(|due| due <= at.story))
                .collect(),
            next: self.next(now),
            gauges,
            turned_away: {
                let all = recent.of(None);
                share(all.turned_away, all.requests()).filter(|share| *share > 0.0)
            },
            total: self.history.latest().since(&self.before).of(None),
            ended: self.ended.clone(),
        }
    }

    /// The next act of the original, or the end of a wait, whichever comes first.
    fn next(&self, now: Instant) -> Option<Next> {
        if self.clock.is_held() {
            return None;
        }
        let act = self.autopilot.next_act();
        let act = act.map(|(moment, act)| (moment, self.script.acts[act].name.clone()));
        let ways = self.station().ways.iter().filter_map(|way| match way.when {
            When::After(lasts) => {
                let to = way.to.map_or(END, |to| self.script.stations[to].name.as_str());
                Some((self.since.story + lasts + self.more, to.to_owned()))
            }
            When::Done(_) | When::Ok(_) | When::Admitted(_) => None,
        });
        let (moment, what) = ways.chain(act).min()?;
        let within = self.clock.wall(moment).saturating_duration_since(now);
        Some(Next {
            what,
            within: Span(Duration::from_millis(millis(within))),
        })
    }
}

/// Whole milliseconds: a countdown needs no more.
fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
