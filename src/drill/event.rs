//! What happened in a drill: the words of its journal, and with it of the live feed and of the report.

mod led;

use std::{collections::BTreeMap, time::Duration};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    clock::Mode,
    facts::{Counts, Server, Traffic},
    offset::Offset,
    profile::{Audience, Kind, Outcome, Profile},
    signal::Signal,
    vary::Variation,
    verdict::Judgement,
};
use crate::faults::Effect;

pub use self::led::{Assessed, Extended, Hand, Hinted, Noted, Overruled};

/// When something happened, by both clocks of the drill.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Stamp {
    /// Since T0 of the story.
    #[serde(rename = "storyms", with = "millis")]
    #[schemars(with = "u64")]
    pub story: Duration,
    /// Since the drill began, on the wall.
    #[serde(rename = "wallms", with = "millis")]
    #[schemars(with = "u64")]
    pub wall: Duration,
}

impl Stamp {
    /// A moment in whole milliseconds, as the journal keeps it: what is remembered and what is read back are the same.
    pub fn new(story: Duration, wall: Duration) -> Self {
        let whole = |span: Duration| span - Duration::from_nanos(u64::from(span.subsec_nanos() % 1_000_000));
        Self {
            story: whole(story),
            wall: whole(wall),
        }
    }

    /// The moment of the story.
    pub const fn offset(&self) -> Offset {
        Offset(self.story)
    }
}

/// Milliseconds as a number: exact in every reader of JSON.
mod millis {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(span: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        u64::try_from(span.as_millis())
            .unwrap_or(u64::MAX)
            .serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        u64::deserialize(deserializer).map(Duration::from_millis)
    }
}

/// An event and its moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Stamped {
    /// When.
    pub at: Stamp,
    /// What.
    pub event: Event,
}

/// One thing that happened. The tag is the type of its CloudEvents envelope.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", content = "data")]
pub enum Event {
    /// The drill began.
    #[serde(rename = "chaosproxy.drill.started.v1")]
    DrillStarted(Box<Started>),
    /// A phase began, and with it ended the one before.
    #[serde(rename = "chaosproxy.phase.started.v1")]
    PhaseStarted(PhaseStarted),
    /// An act was declared that needs more people than have declared it so far.
    #[serde(rename = "chaosproxy.act.proposed.v1")]
    ActProposed(ActStarted),
    /// An act was begun that takes time.
    #[serde(rename = "chaosproxy.act.started.v1")]
    ActStarted(ActStarted),
    /// An act was done or refused.
    #[serde(rename = "chaosproxy.act.ended.v1")]
    ActEnded(ActEnded),
    /// News reached people.
    #[serde(rename = "chaosproxy.inject.said.v1")]
    Said(Said),
    /// The story passed a moment that the original's report names.
    #[serde(rename = "chaosproxy.mark.passed.v1")]
    MarkPassed(Mark),
    /// A signal came in, such as an alert.
    #[serde(rename = "chaosproxy.signal.received.v1")]
    Signalled(Signal),
    /// The facilitator let the story stand still.
    #[serde(rename = "chaosproxy.drill.held.v1")]
    Held(Hand),
    /// The facilitator let it go on.
    #[serde(rename = "chaosproxy.drill.resumed.v1")]
    Resumed(Hand),
    /// The phase was given more time.
    #[serde(rename = "chaosproxy.phase.extended.v1")]
    Extended(Extended),
    /// A hint was given.
    #[serde(rename = "chaosproxy.hint.given.v1")]
    Hinted(Hinted),
    /// The facilitator overruled the gates of an act.
    #[serde(rename = "chaosproxy.gate.overruled.v1")]
    Overruled(Overruled),
    /// Somebody wrote something down.
    #[serde(rename = "chaosproxy.note.taken.v1")]
    Noted(Noted),
    /// Somebody said how an objective was performed.
    #[serde(rename = "chaosproxy.objective.rated.v1")]
    Assessed(Assessed),
    /// What users had seen by then, in total.
    #[serde(rename = "chaosproxy.traffic.sampled.v1")]
    Sampled(Sample),
    /// The story is over, one way or the other.
    #[serde(rename = "chaosproxy.drill.ended.v1")]
    DrillEnded(Ended),
    /// All faults were lifted, and what traffic said afterwards.
    #[serde(rename = "chaosproxy.faults.lifted.v1")]
    Lifted(Lifted),
    /// The verdict.
    #[serde(rename = "chaosproxy.drill.judged.v1")]
    Judged(Box<Judgement>),
}

/// Everything that a report must know of a drill from the start: the journal alone is enough to make one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Started {
    /// The profile, in its long form.
    pub profile: Profile,
    /// SHA-256 of the profile in its long form, as JSON.
    pub hash: String,
    /// Who drives.
    pub mode: Mode,
    /// Story minutes to a minute on the wall while the story is compressed.
    pub compression: u32,
    /// The seed of the dice.
    pub seed: u64,
    /// The version of chaosproxy.
    pub version: String,
    /// Whether the application really fails or the proxy says so for it.
    pub form: Form,
    /// The roles that encrypted sessions reached unread: only faults of connections and of bytes could meet them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unread: Vec<String>,
    /// Whether those who took part were not to know what it was about.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub blind: bool,
    /// What was varied in it, for that reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variation: Option<Variation>,
    /// What each role was bound to.
    pub roles: BTreeMap<String, String>,
    /// Faults whose role is not bound, and what was used in their place.
    pub replaced: BTreeMap<String, String>,
}

/// Whether the application really fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// A fault takes away what the application needs, and the application fails by itself.
    Causal,
    /// The proxy answers in place of an application that would fail.
    Simulated,
    /// The faults stand before what users themselves ask, and nothing stands in for another.
    Direct,
}

/// A phase began.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PhaseStarted {
    /// Which.
    pub phase: String,
    /// Whether people wait or think in it.
    pub kind: Kind,
    /// The complete set of active faults.
    pub faults: Vec<String>,
    /// What led here.
    pub because: String,
}

/// Who the journal says performed the acts of a replay; a runbook's acts have its own name.
pub(super) const ORIGINAL: &str = "the original team";

/// How an act came to be known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Known {
    /// The proxy saw it.
    Observed,
    /// Somebody said so.
    Declared,
    /// The autopilot did what the original team did.
    Replayed,
    /// The facilitator let it through, whatever its gates said.
    Ruled,
}

/// An act was begun.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ActStarted {
    /// Which.
    pub act: String,
    /// Who did it.
    pub by: String,
    /// How it is known.
    pub known: Known,
}

/// An act was done or refused.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ActEnded {
    /// Which.
    pub act: String,
    /// Who did it.
    pub by: String,
    /// How it is known.
    pub known: Known,
    /// By what the proxy saw it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen: Option<String>,
    /// What came of it.
    pub result: Outcome,
    /// What the gate said when it refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// When it will count, where the proxy saw it and a gate refused it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// What the person added.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

/// News reached people.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Said {
    /// Who was told.
    pub to: Audience,
    /// What they were told.
    pub text: String,
    /// Who told them, where it was not the profile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
}

/// A moment with a name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Mark {
    /// The name.
    pub name: String,
}

/// Totals since the drill began.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// What users saw, by class.
    pub traffic: Traffic,
    /// What monitoring saw, which is no user.
    #[serde(default, skip_serializing_if = "Counts::is_empty")]
    pub monitors: Counts,
    /// How many exchanges each fault touched.
    pub hits: BTreeMap<String, u64>,
    /// What came of each fault otherwise, where anything did.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub effects: BTreeMap<String, Effect>,
    /// How many requests were answered with each status of 400 or above.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub statuses: BTreeMap<String, u64>,
    /// How each backend stood, by `cluster/backend`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub backends: BTreeMap<String, Server>,
    /// The share that people admitted, of the clusters where it was not all.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub admitted: BTreeMap<String, f64>,
}

/// The story is over.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ended {
    /// How.
    pub how: Ending,
    /// The phase in which it ended.
    pub phase: String,
}

/// How a drill ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// The story came to its end.
    Complete,
    /// A deadline closed it.
    Overdue(String),
    /// A stop rule closed it.
    Stopped(String),
    /// Somebody pressed the emergency button.
    Panicked(String),
    /// Somebody broke it off.
    Interrupted(String),
}

/// All faults were lifted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lifted {
    /// How long that took, in microseconds.
    pub took_us: u64,
    /// Requests that were then seen while the drill looked.
    pub requests: u64,
    /// Those among them that still carried an injected answer.
    pub injected: u64,
    /// Those among them that failed for another reason.
    pub failed: u64,
    /// Exchanges that faults had held to the end, and that then went on.
    #[serde(default, skip_serializing_if = "is_none")]
    pub released: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
const fn is_none(count: &u64) -> bool {
    *count == 0
}

impl Event {
    /// What the event is about: a phase, an act, a class; the subject of its envelope.
    pub fn subject(&self) -> Option<&str> {
        match self {
            Self::DrillStarted(started) => Some(&started.profile.name),
            Self::PhaseStarted(phase) => Some(&phase.phase),
            Self::ActStarted(act) | Self::ActProposed(act) => Some(&act.act),
            Self::Extended(extended) => Some(&extended.phase),
            Self::Overruled(overruled) => Some(&overruled.act),
            Self::Assessed(assessed) => Some(&assessed.objective),
            Self::ActEnded(act) => Some(&act.act),
            Self::MarkPassed(mark) => Some(&mark.name),
            Self::Signalled(signal) => Some(&signal.name),
            Self::DrillEnded(ended) => Some(&ended.phase),
            Self::Said(_)
            | Self::Sampled(_)
            | Self::Lifted(_)
            | Self::Judged(_)
            | Self::Held(_)
            | Self::Resumed(_)
            | Self::Hinted(_)
            | Self::Noted(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_survives_being_written_and_read() {
        let sample = Sample {
            hits: [("db-cut".to_owned(), 7)].into(),
            statuses: [("404".to_owned(), 3), ("500".to_owned(), 9)].into(),
            ..Sample::default()
        };
        let event = Event::Sampled(sample);
        let written = serde_json::to_string(&event).unwrap();
        assert_eq!(serde_json::from_str::<Event>(&written).unwrap(), event);
    }
}
