//! What the facilitator and the observers did, as it stands in the journal.

use serde::{Deserialize, Serialize};

use crate::{
    config::Named,
    drill::{lead::Performance, profile::Objective},
    units::Span,
};

/// Somebody let the story stand still, or go on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Hand {
    /// Who.
    pub by: String,
}

/// A phase was given more time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Extended {
    /// Which.
    pub phase: String,
    /// How much, in story time.
    pub more: Span,
    /// Who gave it.
    pub by: String,
}

/// A hint was given.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Hinted {
    /// Its level, from 1, the mildest.
    pub level: usize,
    /// What it says.
    pub text: String,
    /// What it costs: the best rating that is left to the objectives that are still open.
    pub costs: Performance,
    /// Whether it was given before the profile would have offered it.
    pub early: bool,
    /// Who gave it.
    pub by: String,
}

/// The facilitator overruled the gates of an act.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Overruled {
    /// The act.
    pub act: String,
    /// Whether it is let through; otherwise it is refused until it is.
    pub accepted: bool,
    /// What whoever tries it is told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// Who overruled.
    pub by: String,
}

/// Somebody wrote something down.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Noted {
    /// What.
    pub text: String,
    /// Who.
    pub by: String,
}

/// Somebody said how an objective was performed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Assessed {
    /// The objective.
    pub objective: String,
    /// How it was performed.
    pub rating: Performance,
    /// Why they think so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// Who said so. Who says it again replaces what they said before.
    pub by: String,
}

impl Assessed {
    /// Itself, where it is of one of these objectives; what to say where it is not.
    pub fn of(self, objectives: &Named<Objective>) -> Result<Self, String> {
        if objectives.has(&self.objective) {
            return Ok(self);
        }
        let known: Vec<_> = objectives.names().collect();
        if known.is_empty() {
            return Err("the profile has no objectives; write it down: `chaosproxy drill note TEXT`".into());
        }
        Err(format!(
            "there is no objective `{}`; there are {}",
            self.objective,
            known.join(", ")
        ))
    }
}
