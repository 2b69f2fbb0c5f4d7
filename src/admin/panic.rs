//! `/api/v1/panic`: the emergency button.

use axum::Json;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Desk, ask::Ask, refusal::Refusal, tokens::Caller};
use crate::control::{self, Author};

/// What a panic did. It is in force until it is reset.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Panicked {
    /// How many faults were lifted.
    pub lifted: usize,
    /// How many leases ended with them.
    pub leases: usize,
    /// From the order to the moment at which traffic was told, in milliseconds.
    pub took_ms: f64,
}

impl From<control::Panicked> for Panicked {
    fn from(panicked: control::Panicked) -> Self {
        let control::Panicked { lifted, leases, took } = panicked;
        Self {
            lifted,
            leases,
            took_ms: took.as_secs_f64() * 1e3,
        }
    }
}

/// Whether a panic is in force.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct InForce {
    /// What it did; nothing where none is in force.
    pub panic: Option<Panicked>,
}

/// What a reset did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Reset {
    /// Whether there was a panic.
    pub was_in_force: bool,
}

/// Tells whether a panic is in force.
pub(super) fn show(desk: &Desk, _: &Ask) -> Result<Json<InForce>, Refusal> {
    Ok(Json(InForce {
        panic: desk.control.panicked().map(Panicked::from),
    }))
}

/// Lifts every fault and lets none in. The drill that runs is told, so that it is over, not broken.
pub(super) fn pull(desk: &Desk, ask: &Ask) -> Result<Json<Panicked>, Refusal> {
    let panicked = desk.control.panic(&author(&ask.caller));
    if let Ok(drill) = desk.drill() {
        // A drill that is over has nothing left to end.
        let _ = drill.remote.panic(&ask.caller.name);
    }
    Ok(Json(panicked.into()))
}

/// Lets faults in again.
pub(super) fn reset(desk: &Desk, ask: &Ask) -> Result<Json<Reset>, Refusal> {
    Ok(Json(Reset {
        was_in_force: desk.control.panic_reset(&author(&ask.caller)),
    }))
}

/// A caller as the author of a change.
pub(super) fn author(caller: &Caller) -> Author {
    Author::new(&caller.name, "api")
}
