//! The words of a verdict: what came of each check, and what a drill comes to.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The verdict with what it rests on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Judgement {
    /// The verdict.
    pub verdict: Verdict,
    /// The exit status that goes with it.
    pub exit: u8,
    /// Every check, with what was measured.
    pub checks: Vec<Checked>,
}

/// What a drill comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Every check held.
    Held,
    /// A check failed, or the story did not come to its end in time.
    Failed,
    /// A stop rule ended it.
    Stopped,
    /// Somebody pressed the emergency button.
    Panicked,
    /// Nothing, or not everything, was evaluated.
    Incomplete,
}

impl Verdict {
    /// The exit status: 2 is kept for bad usage and bad profiles.
    pub const fn exit(self) -> u8 {
        match self {
            Self::Held => 0,
            Self::Failed => 1,
            Self::Stopped => 3,
            Self::Panicked => 4,
            Self::Incomplete => 5,
        }
    }
}

/// A check and what was measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Checked {
    /// Which of the two kinds it is.
    pub kind: CheckKind,
    /// The phase that it looks at.
    pub phase: String,
    /// What it measures, in words.
    pub what: String,
    /// What it wants, in words.
    pub wanted: String,
    /// What was measured: a share, or a count of exchanges.
    pub measured: Option<f64>,
    /// What that is a number of.
    pub unit: Unit,
    /// How many requests that rests on.
    pub requests: u64,
    /// What came of it.
    pub result: CheckResult,
    /// Why it matters, as the profile says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// Why it could not be evaluated, where it could not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hindrance: Option<Hindrance>,
}

/// What kept a check from being evaluated.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Hindrance {
    /// What it was.
    pub why: String,
    /// What to do about it next time, where it does not go without saying.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

impl Hindrance {
    /// Both in one line.
    pub fn words(&self) -> String {
        match &self.next {
            Some(next) => format!("{}; next: {next}", self.why),
            None => self.why.clone(),
        }
    }
}

/// What a measure is a number of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// A share of requests.
    Share,
    /// Exchanges.
    Exchanges,
}

impl Checked {
    /// What was measured, as it is shown: shares with a decimal, because bounds are exact.
    pub fn measured_words(&self) -> Option<String> {
        self.measured.map(|measured| match self.unit {
            Unit::Share => format!("{:.1}%", measured * 100.0),
            Unit::Exchanges => format!("{measured:.0}"),
        })
    }
}

/// The two kinds of checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CheckKind {
    /// Did we reproduce the incident?
    Fidelity,
    /// Did they recover?
    Team,
}

/// What came of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CheckResult {
    /// It held.
    Held,
    /// It did not.
    Failed,
    /// It could not be evaluated, which is never a pass.
    NotEvaluated,
    /// The profile does not ask it of a run that never entered the phase.
    NotAsked,
    /// The incident was not reproduced: what the team reached says nothing.
    Void,
}
