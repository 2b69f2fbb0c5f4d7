//! Toxiproxy's own metrics, for whoever has a dashboard of them; unlike Toxiproxy's they move while connections stand.

use std::fmt::Write as _;

use super::books::{Books, Listening, Way};
use crate::snapshot::{Snapshot, Target};

/// The media type of the format.
pub const MEDIA: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The families of counters, in the order of [`super::books::Bytes`]: name and meaning.
const FAMILIES: [(&str, &str); 2] = [
    (
        "toxiproxy_proxy_received_bytes_total",
        "Bytes received by a proxy: from clients upstream, from its upstream downstream",
    ),
    (
        "toxiproxy_proxy_sent_bytes_total",
        "Bytes sent by a proxy: to its upstream upstream, to clients downstream",
    ),
];

/// The proxies that listen, with what is counted for them. One that leads nowhere passes nothing.
pub(super) fn listening(snapshot: &Snapshot) -> impl Iterator<Item = Listening> {
    let proxies = snapshot.listeners.values();
    let proxies = proxies.filter(|listener| listener.settings.life.is_some());
    proxies.filter_map(|listener| {
        let target = snapshot.cluster(&listener.name)?;
        let way = Way {
            proxy: listener.name.to_string(),
            upstream: target.settings.backends[0].name(),
        };
        Some(listening_at(listener.sockets.bound().to_string(), way, target))
    })
}

fn listening_at(listener: String, way: Way, target: &Target) -> Listening {
    let lanes = target.backend_lanes[0].clone();
    let count = move || {
        [
            lanes.sum(|lane| lane.from_clients.get()),
            lanes.sum(|lane| lane.received.get()),
            lanes.sum(|lane| lane.sent.get()),
            lanes.sum(|lane| lane.to_clients.get()),
        ]
    };
    Listening {
        way,
        listener,
        count: Box::new(count),
    }
}

/// The books in Prometheus's format.
pub(super) fn text(books: &Books) -> String {
    let mut text = String::new();
    for (family, (name, help)) in FAMILIES.into_iter().enumerate() {
        // Writing into a string cannot fail.
        let _ = write!(text, "# HELP {name} {help}\n# TYPE {name} counter\n");
        for (way, listener, bytes) in books.entries() {
            for (direction, bytes) in ["upstream", "downstream"].into_iter().zip(&bytes[2 * family..]) {
                let _ = writeln!(
                    text,
                    "{name}{{direction=\"{direction}\",listener=\"{listener}\",proxy=\"{}\",upstream=\"{}\"}} {bytes}",
                    escaped(&way.proxy),
                    escaped(&way.upstream),
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
