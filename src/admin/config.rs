//! `/api/v1/config`: the document in force, its history, a change and the way back.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A document that is or was in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Shown {
    /// Its revision.
    pub revision: u64,
    /// When it came into force.
    pub at: String,
    /// Who put it there.
    pub who: String,
    /// By what way: `start`, `file`, `signal`, `api`, `rollback`.
    pub via: String,
    /// The file that it came from.
    pub file: String,
    /// The text as it was written.
    pub text: String,
}

/// A revision without its text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Entry {
    /// Its number.
    pub revision: u64,
    /// When it came into force.
    pub at: String,
    /// Who put it there.
    pub who: String,
    /// By what way: `start`, `file`, `signal`, `api`, `rollback`.
    pub via: String,
    /// The file that it came from.
    pub file: String,
    /// Lines that it added to the revision before.
    pub added: usize,
    /// Lines that it removed from the revision before.
    pub removed: usize,
    /// Whether it is in force.
    pub in_force: bool,
}

/// A change that was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Changed {
    /// The revision that is now in force.
    pub revision: u64,
    /// What changed, as a unified diff; empty where nothing did.
    pub diff: String,
}

/// Where to go back to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rollback {
    /// The revision; left out: the one before the one in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<u64>,
}
