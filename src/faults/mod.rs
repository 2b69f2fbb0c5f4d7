//! What can go wrong, by decision only: the catalogue of fault kinds, and what an exchange will suffer.
//!
//! A [`Fault`] is an [`Entry`] compiled. An exchange rolls a [`Plan`] from the faults in its scope and asks it at three
//! hooks: `open` and `reply` give a [`Verdict`], `flow` a [`Chain`] of shapers. Kinds hold no socket, task or clock.
//!
//! To add a kind: write `<kind>.rs` with its settings, its `DOC` and what it `Acts`; then add it to the list of files, to
//! [`Do`], to [`Do::compile`] and to [`catalogue`].

mod abort;
mod answer;
mod chain;
mod cutting;
mod doc;
mod entry;
mod fault;
mod hook;
mod latency;
mod plan;
mod reading;
mod reset;
mod threads;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use self::hook::Acts;
pub use self::{
    abort::Abort,
    answer::{Answer, Fields, Grpc, Status},
    chain::{Chain, MOST_HELD, Piece},
    doc::Doc,
    entry::{Entry, Sticky, Where},
    fault::{Fault, Scope},
    hook::{Cut, Dial, Flow, Guard, Handshake, Hold, Hook, Leg, Release, Told, Verdict},
    latency::Latency,
    plan::{Plan, effective_shares, told},
    reset::Reset,
    threads::Queue,
};

/// What a fault does: one kind with its settings. A kind whose settings may all be left out may be written as its bare
/// name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", remote = "Self")]
pub enum Do {
    /// Adds time.
    Latency(Latency),
    /// Answers in the backend's place.
    Abort(Abort),
    /// Ends connections with RST.
    Reset(Reset),
}

impl Do {
    fn compile(&self, _now: Instant) -> Box<dyn Acts> {
        match self {
            Self::Latency(latency) => Box::new(latency.clone()),
            Self::Abort(abort) => Box::new(abort.compile()),
            Self::Reset(reset) => Box::new(reset.clone()),
        }
    }
}

/// The page of every kind.
pub fn catalogue() -> &'static [&'static Doc] {
    &[&latency::DOC, &abort::DOC, &reset::DOC]
}
