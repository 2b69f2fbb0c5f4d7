//! Faults, set through the admin API while the proxy runs: each kind does on the wire what its page in the catalogue says.

mod bodies;
mod connections;
mod gone;
mod http;
mod rules;
mod servers;
mod silence;
mod standing;

use crate::kit::{Doc, Origin, Proxy};

/// A shop with one server, and a proxy before it.
async fn shop() -> (Origin, Proxy) {
    let origin = Origin::named("a");
    let proxy = Proxy::start(&Doc::http(&[origin.address])).await;
    (origin, proxy)
}
