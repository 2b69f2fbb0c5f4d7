//! `/api/v1/panic`: the emergency button.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a panic did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Panicked {
    /// How many faults were lifted.
    pub lifted: usize,
    /// How many held exchanges were let go.
    pub held: usize,
    /// How long that took, in microseconds.
    pub took_us: u64,
}

/// A panic that is in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Blocked {
    /// Who pressed the button.
    pub by: String,
    /// When.
    pub at: String,
}

/// What a reset did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Reset {
    /// Whether there was a panic.
    pub was_in_force: bool,
}
