//! Clusters, backends and the choice between them; no sockets.

pub mod address;
pub mod health;
mod outcome;
pub mod outlier;
pub mod probe;
pub mod settings;
mod weight;

pub use address::Address;
pub use outcome::{Outcome, OutcomeKind};
pub use settings::ClusterSettings;
pub use weight::Weight;
