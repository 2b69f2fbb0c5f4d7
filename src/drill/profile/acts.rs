//! What people do and are told, as written: acts with their gates, injects and hints.

use std::{num::NonZeroU8, time::Duration};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Sight;
use crate::{drill::offset::Offset, units::Span};

/// Something the responders may do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Act {
    /// What it is, in a few words.
    pub say: String,
    /// How the proxy sees it by itself, so that nobody has to declare it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub seen_by: Vec<Sight>,
    /// Whether it also counts when it is only declared.
    #[serde(default = "yes")]
    pub declare: bool,
    /// How many people, each under a name of their own, must declare it before it counts.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub people: NonZeroU8,
    /// Whether it leads away from the cure.
    #[serde(default)]
    pub detour: bool,
    /// What doing it wins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credit: Option<String>,
    /// How long it is under way, in story time, before its gates decide.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub takes: Option<Span>,
    /// What stands in its way, tried in the order written.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gates: Vec<Gate>,
    /// When the original team did it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub original: Vec<Attempt>,
}

impl Act {
    /// When the original team began it, and when that was decided.
    pub fn originals(&self) -> impl Iterator<Item = (Offset, Offset, Outcome)> {
        let tried = self.original.iter();
        tried.map(|tried| {
            let takes = tried.takes.or(self.takes).map_or(Duration::ZERO, Duration::from);
            (tried.at, Offset(tried.at.0 + takes), tried.result)
        })
    }
}

const fn yes() -> bool {
    true
}

const fn one() -> NonZeroU8 {
    NonZeroU8::MIN
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
const fn is_one(people: &NonZeroU8) -> bool {
    people.get() == 1
}

/// Refuses an act until other acts are done.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Gate {
    /// The acts that open it.
    pub until: Vec<String>,
    /// What the original's system said when it refused.
    pub refuse: String,
}

/// One time that the original team tried an act.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Attempt {
    /// When it was begun.
    pub at: Offset,
    /// How long it was under way, where that was not what the act takes otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub takes: Option<Span>,
    /// What came of it.
    #[serde(default)]
    pub result: Outcome,
}

/// What came of an act.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It was done.
    #[default]
    Ok,
    /// A gate refused it.
    Refused,
}

/// News from outside.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Inject {
    /// The phase during which it comes.
    #[serde(rename = "in")]
    pub phase: String,
    /// How long after the phase began, in story time.
    pub after: Span,
    /// Who is told.
    #[serde(default)]
    pub to: Audience,
    /// What they are told.
    pub text: String,
}

/// Who is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Audience {
    /// The people in the incident.
    #[default]
    Responders,
    /// The person who runs the drill.
    Facilitator,
    /// The people who watch.
    Observers,
}

/// Help for a room that is stuck.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Hint {
    /// How long after the first damage, in story time, it may be offered.
    pub after: Span,
    /// What it says.
    pub text: String,
}
