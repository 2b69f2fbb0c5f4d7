//! What the proxy tells about itself: numbers ([`Metrics`]), events ([`events`]), the log ([`log`]), the access log
//! ([`access`]), and the screen that people read some of it on ([`screen`]), with its [`keyboard`].
//!
//! Traffic writes, people read; nothing here ever makes traffic wait. Labels come from names in the document; of
//! clients there are but the addresses of the few that connect most.

pub mod access;
mod clients;
pub mod events;
pub mod keyboard;
mod labels;
mod last_value;
pub mod log;
mod metrics;
mod refusals;
mod scrape;
pub mod screen;
mod shard;
mod usual;

pub use clients::{CLIENTS_SHOWN, ClientTable};
pub use labels::{Attempt, Class, Origin};
pub use last_value::LastValue;
pub use metrics::{
    BackendLane, ClusterLane, FaultLane, ListenerLane, METHODS, MethodLane, Metrics, RequestLane,
    RouteMetrics, method_place,
};
pub use scrape::{CONTENT_TYPE, Extent, Gauge};
pub use shard::{Counter, Histogram, Level, Sharded};
pub use usual::Usual;
