//! What the proxy sees people do by itself, as written.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::units::Probability;

/// Something that the proxy sees by itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Sight {
    /// The backend of this role was drained on this proxy.
    Drained(String),
    /// The backend of this role went away and came back.
    Restarted(String),
    /// A sound document took the place of the broken one that a `bad_reload` had put live: `config rollback`, or a reload. The
    /// gates of the act stand before the real rollback too, and a replay really performs it.
    RolledBack,
    /// At least half of the servers of this role, and more than one, came back within a minute.
    RestartedAtOnce(String),
    /// Every server of this role came back, and no two within a minute.
    RestartedInTurn(String),
    /// People admit this share of the traffic of a role, or less than it; nothing counts as nothing, and all as all.
    Admitted(Admission),
    /// Monitoring (`monitors`) asks no more, or less than a tenth as often as it did.
    MonitorsFell,
    /// The servers of a role say in a header of their answers that they run something else than before.
    Header(Header),
    /// A signal of this name came in, such as one that the deploy tool's webhook is mapped to.
    Signal(String),
}

impl Sight {
    /// What was seen, in words for the report.
    pub fn words(&self) -> String {
        match self {
            Self::Drained(_) => "drained on this proxy".into(),
            Self::Restarted(_) => "its health checks failed and pass again".into(),
            Self::RolledBack => "a sound document is in force".into(),
            Self::RestartedAtOnce(_) => "servers came back within a minute".into(),
            Self::RestartedInTurn(_) => "every server came back, one after the other".into(),
            Self::Admitted(admission) => format!("admitted up to {}", admission.share),
            Self::MonitorsFell => "monitoring asks no more".into(),
            Self::Header(header) => match &header.is {
                Some(value) => format!("header `{}: {value}`", header.name),
                None => format!("header `{}`", header.name),
            },
            Self::Signal(name) => format!("signal `{name}`"),
        }
    }
}

/// A share of the traffic to a role.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Admission {
    /// The role.
    pub role: String,
    /// The share.
    pub share: Probability,
}

/// A header by which servers say what they run.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// The role.
    pub role: String,
    /// The name of the header, such as `x-config-version`.
    pub name: String,
    /// What it must say; left out: anything but what it said first in this drill.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub is: Option<String>,
}
