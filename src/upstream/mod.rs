//! Clusters, backends and the choice between them; no sockets.
//!
//! [`Cluster`] is where to begin: it picks a [`Backend`], counts what is in flight and learns how it ended.

mod backend;
mod balance;
mod budget;
mod cluster;
mod connection;
mod field;
mod gate;
pub mod health;
mod outcome;
pub mod outlier;
pub mod probe;
mod replication;
pub mod retry;
mod set;
pub mod settings;
mod tally;
mod weight;

pub use backend::{Active, Backend};
pub use cluster::{Cluster, Standing};
pub use field::{Choice, NoBackend};
pub use gate::{Connected, Entered, Full};
pub use health::Condition;
pub use outcome::{Outcome, OutcomeKind};
pub use replication::Replication;
pub use retry::Retry;
pub use settings::{BackendSettings, ClusterSettings, HostPolicy, Protocol, ProxyProtocol};
pub use weight::Weight;
