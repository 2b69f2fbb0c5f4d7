//! `/api/v1/panic`: the emergency button.

use std::time::Duration;

use axum::Json;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, timeout};

use super::{Desk, ask::Ask, refusal::Refusal, tokens::Caller};
use crate::control::{self, Author};

/// What a panic did. It is in force until it is reset.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Panicked {
    /// How many faults were lifted.
    pub lifted: usize,
    /// How many leases ended with them.
    pub leases: usize,
    /// From the order to the moment at which traffic was clean, in milliseconds; where it is not, to the moment at which it was
    /// told.
    pub took_ms: f64,
    /// Whether traffic itself says that it is clean: every worker goes by a truth without faults, and nothing is held.
    pub clean: bool,
}

impl Panicked {
    fn new(panicked: control::Panicked, took: Duration, clean: bool) -> Self {
        let control::Panicked { lifted, leases, .. } = panicked;
        Self {
            lifted,
            leases,
            took_ms: took.as_secs_f64() * 1e3,
            clean,
        }
    }
}

/// How long traffic is waited for to say that it is clean; it has 100 ms.
pub(super) const CLEAN_WITHIN: Duration = Duration::from_secs(1);

/// How often it is asked.
const LOOK: Duration = Duration::from_millis(1);

/// Whether traffic goes by the truth in force, and holds nothing.
pub(super) fn is_clean(desk: &Desk) -> bool {
    desk.metrics.has_settled(desk.control.snapshot().generation)
}

/// Waits until it does.
pub(super) async fn becomes_clean(desk: &Desk) {
    while !is_clean(desk) {
        tokio::time::sleep(LOOK).await;
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

/// The panic that is in force.
pub(super) fn in_force(desk: &Desk) -> Option<Panicked> {
    let panicked = desk.control.panicked()?;
    Some(Panicked::new(panicked, panicked.took, is_clean(desk)))
}

/// Tells whether a panic is in force.
pub(super) fn show(desk: &Desk, _: &Ask) -> Result<Json<InForce>, Refusal> {
    Ok(Json(InForce {
        panic: in_force(desk),
    }))
}

/// Lifts every fault and lets none in. The drill that runs is told, so that it is over, not broken.
pub(super) async fn pull(desk: Desk, ask: Ask) -> Result<Json<Panicked>, Refusal> {
    let begun = Instant::now();
    let panicked = desk.control.panic(&author(&ask.caller));
    if let Ok(drill) = desk.drill() {
        // A drill that is over has nothing left to end.
        let _ = drill.remote.panic(&ask.caller.name);
    }
    let clean = timeout(CLEAN_WITHIN, becomes_clean(&desk)).await.is_ok();
    let took = if clean { begun.elapsed() } else { panicked.took };
    Ok(Json(Panicked::new(panicked, took, clean)))
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
