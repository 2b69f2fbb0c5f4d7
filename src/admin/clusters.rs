//! `/api/v1/clusters` and `/api/v1/backends`: where traffic goes, and the responder's balancer.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::units::Probability;

/// A cluster now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ClusterStatus {
    /// Its name.
    pub name: String,
    /// How it chooses between its backends.
    pub balance: String,
    /// The share of exchanges that it takes; the rest is turned away.
    pub admitted: Probability,
    /// Its backends.
    pub backends: Vec<BackendStatus>,
}

/// A backend now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct BackendStatus {
    /// Its cluster.
    pub cluster: String,
    /// Its name, or its address where it has none.
    pub name: String,
    /// Its address as written.
    pub address: String,
    /// How many tiers must be down before it is used.
    pub tier: u32,
    /// Its weight.
    pub weight: u32,
    /// Whether somebody took it out of service.
    pub drained: bool,
    /// Its health.
    pub health: Health,
    /// Why its health is what it is.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub why: String,
    /// Exchanges that run.
    pub active: u64,
    /// Exchanges that it was sent.
    pub exchanges: u64,
    /// Those among them that failed.
    pub failed: u64,
}

/// The health of a backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Health {
    /// Its checks pass, or it has none.
    Up,
    /// Its checks fail.
    Down,
    /// It was put out for errors in traffic, for a while.
    Ejected,
    /// It was not checked yet.
    Unknown,
}

/// A new weight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Weight {
    /// The weight; 0 sends it nothing.
    pub weight: u32,
}

/// How much a cluster takes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Admit {
    /// The share of exchanges: `25%`.
    pub share: Probability,
}
