//! What a drill is measured by, as written: checks, objectives, limits and stop rules.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::units::{Probability, Span};

/// The two kinds of checks. A red fidelity check voids what the team reached.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Checks {
    /// Did we reproduce the incident?
    pub fidelity: Vec<Check>,
    /// Did they recover?
    pub team: Vec<Check>,
}

/// Something that must hold while a phase lasts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Check {
    /// The phase.
    #[serde(rename = "in")]
    pub phase: String,
    /// What is measured, and the bounds.
    pub that: Target,
    /// Asked only of a run that enters the phase, because people may avoid it or never bring it about. A repetition of the original
    /// is asked all the same where the original went through it.
    #[serde(default)]
    pub if_entered: bool,
    /// Why it matters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// What a check measures.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// The share of requests that users saw succeed.
    Ok {
        /// The class, or all traffic.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        class: Option<String>,
        /// The least share.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        min: Option<Probability>,
        /// The greatest share.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        max: Option<Probability>,
        /// Of which requests.
        #[serde(default, skip_serializing_if = "Of::is_all")]
        of: Of,
    },
    /// The share of requests that were answered with one of these statuses.
    Status {
        /// The statuses, 400 or above.
        of: Vec<u16>,
        /// The least share.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        min: Option<Probability>,
        /// The greatest share.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        max: Option<Probability>,
    },
    /// This fault touched at least one exchange.
    Hits(String),
}

/// Of which requests a share is taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Of {
    /// All that came.
    #[default]
    All,
    /// Those that people let in.
    Admitted,
}

impl Of {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
    const fn is_all(&self) -> bool {
        matches!(self, Self::All)
    }
}

/// Service that is good for a while.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Steady {
    /// The class, or all traffic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,
    /// The least share that succeeds.
    pub min: Probability,
    /// For how long, in story time.
    #[serde(rename = "for")]
    pub lasts: Span,
}

/// What the responders set out to reach. It is rated in words and never decides the verdict.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Objective {
    /// One moment follows another in time.
    Time(Interval),
    /// An act is never tried.
    Never(String),
    /// A phase is never entered, whatever leads to it.
    Avoid(String),
}

/// A stretch of story time between two moments.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Interval {
    /// Where it begins.
    pub from: Moment,
    /// Where it ends.
    pub to: Moment,
    /// What the responders aim at.
    pub target: Span,
    /// What the original took.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub original: Option<Span>,
}

/// A moment of a run that can be told from its journal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Moment {
    /// A phase was entered for the first time.
    Phase(String),
    /// An act was first tried.
    Tried(String),
    /// An act was first refused.
    Refused(String),
    /// An act was first done.
    Done(String),
    /// A signal such as `page` first came in.
    Signal(String),
    /// Service was good again for a while: the moment at which that while began.
    Ok(Steady),
}

/// How far a drill may go.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// The greatest share of requests that may carry an injected answer.
    pub share: Probability,
    /// How long the drill may last on the wall.
    pub max_wall: Span,
    /// How long its faults live, on the wall, when nobody renews their lease.
    pub lease_wall: Span,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            share: Probability::ALWAYS,
            max_wall: Span::secs(2 * 60 * 60),
            lease_wall: Span::secs(10),
        }
    }
}

/// Real trouble that ends the drill and lifts its faults.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StopRule {
    /// Requests fail that no fault and no phase accounts for.
    UnexplainedErrors {
        /// The share of all requests that is too much.
        above: Probability,
        /// For so long on the wall.
        for_wall: Span,
    },
    /// The real health check of a backend fails so many times in a row, whatever a fault tells the balancer.
    HealthFails {
        /// How many times.
        times: u32,
    },
    /// So many exchanges are held at once.
    Held {
        /// How many are too many.
        above: u64,
    },
}
