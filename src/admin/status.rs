//! `/api/v1/status`: everything that stands, at a glance.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{clusters::ClusterStatus, drill::DrillStatus, faults::FaultStatus, panic::Blocked};
use crate::units::Span;

/// What the proxy is doing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Status {
    /// The proxy's version.
    pub version: String,
    /// How long it has run.
    pub up: Span,
    /// Whether it can forward.
    pub ready: bool,
    /// The revision of the document in force.
    pub revision: u64,
    /// The seed of the dice, which repeats a run.
    pub seed: u64,
    /// Where clients connect.
    pub listeners: Vec<ListenerStatus>,
    /// Where traffic goes.
    pub clusters: Vec<ClusterStatus>,
    /// What is broken on purpose, in the order tried.
    pub faults: Vec<FaultStatus>,
    /// The panic that is in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub panic: Option<Blocked>,
    /// The drill that runs, or the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drill: Option<DrillStatus>,
}

/// A listener now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ListenerStatus {
    /// Its name.
    pub name: String,
    /// The address it is bound to.
    pub address: String,
    /// What clients speak.
    pub protocol: String,
    /// Whether TLS ends here.
    pub tls: bool,
    /// How many connections it serves.
    pub connections: usize,
    /// How many it may serve.
    pub connections_at_most: usize,
}
