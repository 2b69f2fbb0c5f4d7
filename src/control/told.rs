//! What people are told of the truth: why a change was refused, which faults stand, what a panic did.

use std::{sync::Arc, time::Duration};

use super::lease::{LeaseId, Owner};
use crate::{config::Problems, faults::Fault, snapshot::Obstacle};

/// Why a change was refused. Nothing of it is in force.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// The text is wrong.
    #[error("{0}")]
    Problems(Problems),
    /// The document is right in itself, but something stands in its way.
    #[error("{}", obstacles(.0))]
    Obstacles(Vec<Obstacle>),
    /// There is no such thing.
    #[error("there is no {what} `{name}`{}", known_list(.known))]
    NotFound {
        /// What kind of thing.
        what: &'static str,
        /// What it was called.
        name: String,
        /// What there is.
        known: Vec<String>,
    },
    /// No other document was in force before that of this revision.
    #[error("there is nothing to go back to: revision {0} is in force, and no other document was before it")]
    NothingBefore(u64),
    /// A panic is in force.
    #[error("a panic is in force and nothing new may start; `chaosproxy panic reset` ends it")]
    Panicked,
    /// It may not be done.
    #[error("{0}")]
    Refused(String),
    /// A drill refuses it for now, in the words of the incident that it re-enacts.
    #[error("{0}")]
    Obstructed(String),
}

impl ChangeError {
    /// It in one line, for the log.
    pub(super) fn brief(&self) -> String {
        match self {
            Self::Problems(problems) => problems.brief(),
            Self::Obstacles(all) => all.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "),
            other => other.to_string(),
        }
    }
}

fn obstacles(all: &[Obstacle]) -> String {
    all.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

fn known_list(known: &[String]) -> String {
    if known.is_empty() {
        "; there are none".into()
    } else {
        format!("; there are: {}", known.join(", "))
    }
}

/// A fault that stands.
#[derive(Clone, Debug)]
pub struct FaultStatus {
    /// The fault.
    pub fault: Arc<Fault>,
    /// Who holds its lease; `None` for one of the document.
    pub owner: Option<Owner>,
    /// Its lease.
    pub lease: Option<LeaseId>,
    /// How long it still lives unless its lease is renewed.
    pub ends_in: Option<Duration>,
}

/// What a panic did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Panicked {
    /// How many faults were lifted.
    pub lifted: usize,
    /// How many leases ended.
    pub leases: usize,
    /// From the order to the moment at which traffic was told.
    #[serde(serialize_with = "as_millis")]
    pub took: Duration,
}

fn as_millis<S: serde::Serializer>(took: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(took.as_secs_f64() * 1e3)
}
