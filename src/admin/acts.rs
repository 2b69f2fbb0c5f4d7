//! `/api/v1/acts`: what the responders do, declared.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An act of the drill.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ActStatus {
    /// Its name.
    pub name: String,
    /// What it is, in a few words.
    pub say: String,
    /// Where it stands: `open`, `under way`, `done`.
    pub state: String,
}

/// An act to be declared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Declare {
    /// The act.
    pub name: String,
    /// What the journal should say with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

/// An act that was let through.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Declared {
    /// The act.
    pub name: String,
    /// Where it stands: `done`, or `under way until +82m`.
    pub state: String,
}
