//! What the proxy tells about itself: numbers ([`Metrics`]), events ([`events`]), the log ([`log`]) and the access log
//! ([`access`]).
//!
//! Traffic writes, people read; nothing here ever makes traffic wait. Labels come from names in the document, never from
//! clients.

pub mod access;
pub mod events;
pub mod log;
mod metrics;
mod scrape;
mod shard;

pub use metrics::{
    Attempt, BackendLane, Class, ClusterLane, FaultLane, ListenerLane, Metrics, Origin, RequestLane,
    RouteMetrics,
};
pub use scrape::{CONTENT_TYPE, Gauge};
pub use shard::{Counter, Histogram, Level, Sharded};
