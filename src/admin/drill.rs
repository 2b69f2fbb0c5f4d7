//! `/api/v1/drill`: the drill that runs.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A drill now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DrillStatus {
    /// Its name.
    pub drill: String,
    /// The profile.
    pub profile: String,
    /// The phase it is in.
    pub phase: String,
    /// The story's clock.
    pub story: String,
    /// Whether it is over.
    pub over: bool,
}
