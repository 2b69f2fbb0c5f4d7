//! How far a fault reaches, by the names in the document.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{faults::Leg, units::Probability};

/// What a fault stands in the way of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Reach {
    /// The side of the proxy that it stands on.
    pub leg: Leg,
    /// The listeners whose traffic it may touch.
    pub listeners: Vec<String>,
    /// The backends whose traffic it may touch, as `cluster/backend`.
    pub backends: Vec<String>,
    /// How many backends there are.
    pub of_backends: usize,
    /// The share of the exchanges there that it hits.
    pub odds: Probability,
    /// Whether only exchanges that look a certain way are hit.
    pub narrowed: bool,
}
