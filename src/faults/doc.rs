//! A kind's page in the catalogue, and the hooks that it may act at.

use serde::Serialize;

/// What `chaosproxy faults kinds` says of a kind.
#[derive(Debug, Serialize)]
pub struct Doc {
    /// Its name in `do`.
    pub kind: &'static str,
    /// What it does, in one sentence.
    pub does: &'static str,
    /// The hooks that it acts at.
    pub acts_at: &'static [Hook],
    /// Its settings, each with what it means and what it is when left out.
    pub settings: &'static [(&'static str, &'static str)],
    /// Faults that can be written into a document as they are; a test reads and runs each.
    pub examples: &'static [&'static str],
}

impl Doc {
    /// Whether the kind has to do with connections or their bytes, and not only with what is asked over them.
    pub fn is_of_connections(&self) -> bool {
        let is_one = |hook: &Hook| matches!(hook, Hook::Flow | Hook::Connection | Hook::Dial);
        self.acts_at.iter().any(is_one)
    }
}

/// A hook: a moment at which kinds are asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Hook {
    /// Before anything is sent on the leg.
    Open,
    /// When the head of the answer is there.
    Reply,
    /// For each piece of a byte stream.
    Flow,
    /// When the backend is dialled.
    Dial,
    /// When a health check asks.
    Probe,
    /// In the TLS handshake.
    Connection,
    /// On the control side, when the fault comes and goes.
    Control,
}
