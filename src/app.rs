//! The composition root: binds, spawns and drains.

mod plan;

pub use plan::{Incident, Plan, Written};

