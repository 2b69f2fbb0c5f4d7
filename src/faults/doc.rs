//! A kind's page in the catalogue.

use serde::Serialize;

use super::hook::Hook;

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
