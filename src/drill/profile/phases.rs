//! A phase as written: all active faults, and every way out.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Steady;
use crate::{
    drill::offset::Offset,
    units::{Probability, Span},
};

/// A station of the story. Entering it replaces the faults of the one before.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Phase {
    /// Its name.
    pub name: String,
    /// Whether people wait or think while it lasts.
    pub kind: Kind,
    /// When the original entered it; a phase that the original never saw has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Offset>,
    /// *All* faults that are active, in the order in which they are tried.
    #[serde(default)]
    pub faults: Vec<String>,
    /// The share of each class that may fail without an injected answer, because a fault makes the application itself
    /// fail; what fails beyond it is real trouble.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub may_fail: BTreeMap<String, Probability>,
    /// The ways out, tried in the order written.
    pub leave: Vec<Leave>,
    /// Its deadline in story time: the drill ends here if none of the ways out was found by then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_most: Option<Span>,
}

/// What people do while a phase lasts, which says how fast story time runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Nothing but wait: compressed.
    Wait,
    /// Search, decide and act: never compressed while people do it.
    Think,
}

/// A way out of a phase.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Leave {
    /// What must come true.
    pub when: When,
    /// The phase that follows, or `end`.
    pub to: String,
}

/// What opens a way out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum When {
    /// The phase has lasted so long in story time.
    After(Span),
    /// This act was done while the phase lasted.
    Done(String),
    /// Service was good for a while.
    Ok(Steady),
    /// People admitted more than a share of the traffic for a while.
    Admitted(Over),
}

/// More traffic than servers can take.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Over {
    /// Whose traffic.
    pub role: String,
    /// The share that is just borne.
    pub above: Probability,
    /// For how long, in story time.
    #[serde(rename = "for")]
    pub lasts: Span,
}
