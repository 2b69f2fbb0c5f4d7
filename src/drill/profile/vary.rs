//! What may differ from one blind drill to the next, as written.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::units::Probability;

/// What a profile permits to differ between blind drills, besides how long waits last.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Vary {
    /// Pairs of roles of which either may be the other. Only where no optional role is bound: those belong to a certain server.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub swap: Vec<(String, String)>,
    /// The least and the greatest odds of faults, by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub odds: BTreeMap<String, (Probability, Probability)>,
}

impl Vary {
    /// Whether nothing is permitted.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}
