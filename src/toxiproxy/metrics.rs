//! Toxiproxy's own metrics, for whoever has a dashboard of them; unlike Toxiproxy's they move while connections stand.

use std::fmt::Write as _;

use crate::snapshot::{Listener, Snapshot, Target};

/// The media type of the format.
pub const MEDIA: &str = "text/plain; version=0.0.4; charset=utf-8";

/// One family of counters.
struct Family {
    name: &'static str,
    help: &'static str,
    /// Towards the upstream, and from it.
    of: fn(&Listener, Option<&Target>) -> [u64; 2],
}

const FAMILIES: [Family; 2] = [
    Family {
        name: "toxiproxy_proxy_received_bytes_total",
        help: "Bytes received by a proxy: from clients upstream, from its upstream downstream",
        of: |listener, target| {
            let from_backend = |target: &Target| target.backend_lanes[0].sum(|lane| lane.received.get());
            [
                listener.lanes.sum(|lane| lane.received.get()),
                target.map_or(0, from_backend),
            ]
        },
    },
    Family {
        name: "toxiproxy_proxy_sent_bytes_total",
        help: "Bytes sent by a proxy: to its upstream upstream, to clients downstream",
        of: |listener, target| {
            let to_backend = |target: &Target| target.backend_lanes[0].sum(|lane| lane.sent.get());
            [
                target.map_or(0, to_backend),
                listener.lanes.sum(|lane| lane.sent.get()),
            ]
        },
    },
];

/// Writes the numbers of all proxies that listen.
pub fn metrics(snapshot: &Snapshot) -> String {
    let mut text = String::new();
    for Family { name, help, of } in FAMILIES {
        // Writing into a string cannot fail.
        let _ = write!(text, "# HELP {name} {help}\n# TYPE {name} counter\n");
        let proxies = snapshot.listeners.values();
        for listener in proxies.filter(|listener| listener.settings.life.is_some()) {
            let target = snapshot.cluster(&listener.name).map(|target| &**target);
            let upstream = target.map_or_else(String::new, |target| target.settings.backends[0].name());
            for (direction, bytes) in ["upstream", "downstream"].into_iter().zip(of(listener, target)) {
                let _ = writeln!(
                    text,
                    "{name}{{direction=\"{direction}\",listener=\"{}\",proxy=\"{}\",upstream=\"{}\"}} {bytes}",
                    listener.sockets.bound(),
                    escaped(&listener.name),
                    escaped(&upstream),
                );
            }
        }
    }
    text
}

fn escaped(label: &str) -> String {
    label
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}
