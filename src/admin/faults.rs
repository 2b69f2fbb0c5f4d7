//! `/api/v1/faults` and `/api/v1/leases`: what is broken on purpose, and for how long.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::reach::Reach;
use crate::{config::Named, faults::Entry, units::Span};

/// A fault now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FaultStatus {
    /// Its name.
    pub name: String,
    /// Who holds it: `document`, `drill NAME`, or a person.
    pub owner: String,
    /// Whether somebody set it by hand, so that it can be removed by hand.
    pub by_hand: bool,
    /// The lease that keeps it alive; a fault of the document has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease: Option<u64>,
    /// When its lease ends unless it is renewed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends_in: Option<Span>,
    /// How many exchanges it has touched.
    pub hits: u64,
    /// What it stands in the way of.
    pub reach: Reach,
    /// What was written.
    pub fault: Entry,
}

/// Faults to be set: they come together or not at all.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Add {
    /// The faults by name, in the grammar of the document. Each needs a `for`, unless `lease` is set.
    pub faults: Named<Entry>,
    /// Keeps them only as long as the lease is renewed (`PUT /api/v1/leases/{lease}`), at least every 10 s.
    #[serde(default)]
    pub lease: bool,
}

/// Faults that were set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Added {
    /// The leases that keep them alive.
    pub leases: Vec<u64>,
    /// The faults.
    pub faults: Vec<FaultStatus>,
}
