//! Settings for HTTP where something else is spoken: nothing goes by them there.

use super::Finding;
use crate::{
    config::{
        document::Document,
        listener::{Limits, Listener, Protocol, Timeouts},
        path::Path,
    },
    route::RouteSettings,
    upstream::{
        ClusterSettings,
        settings::{Balance, HashOn},
    },
};

/// Finds settings of a listener and its routes that are about requests of HTTP alone.
pub(super) fn listener(path: &Path, listener: &Listener, found: &mut Vec<Finding>) {
    let protocol = listener.protocol;
    if protocol == Protocol::Http {
        return;
    }
    let mut vain = |path: Path| {
        let what = format!(
            "this is about requests of HTTP alone, and a `{}` listener takes none",
            protocol.as_str()
        );
        let mend = match protocol {
            Protocol::Tcp => "remove it, or set `protocol: http`",
            _ => "remove it",
        };
        found.push(Finding::new(path, what, mend));
    };
    let (limits, usual) = (&listener.limits, Limits::default());
    let of_limits = [
        ("header_size", limits.header_size != usual.header_size),
        ("headers", limits.headers != usual.headers),
        ("body", limits.body != usual.body),
        ("streams", limits.streams != usual.streams),
    ];
    let (times, usual) = (&listener.timeouts, Timeouts::default());
    let of_timeouts = [
        ("client_header", times.client_header != usual.client_header),
        (
            "client_body_idle",
            times.client_body_idle != usual.client_body_idle,
        ),
        ("keep_alive_idle", times.keep_alive_idle != usual.keep_alive_idle),
        ("request", times.request != usual.request),
    ];
    written(&path.key("limits"), &of_limits).for_each(&mut vain);
    written(&path.key("timeouts"), &of_timeouts).for_each(&mut vain);
    for (i, route) in listener.routes.iter().enumerate() {
        written(&path.key("routes").item(i), &of_route(route)).for_each(&mut vain);
    }
}

/// What of a route is about requests of HTTP, and whether it is written.
fn of_route(route: &RouteSettings) -> [(&'static str, bool); 7] {
    [
        ("timeout", route.timeout.is_some()),
        ("answer_timeout", route.answer_timeout.is_some()),
        ("idle_timeout", route.idle_timeout.is_some()),
        ("retry", route.retry.is_some()),
        ("rewrite", route.rewrite.is_some()),
        ("request_headers", !route.request_headers.is_empty()),
        ("answer_headers", !route.answer_headers.is_empty()),
    ]
}

/// Finds settings of a cluster that are about requests of HTTP alone, where listeners lead there, and none of HTTP.
pub(super) fn cluster(
    document: &Document,
    (name, cluster): (&str, &ClusterSettings),
    path: &Path,
    found: &mut Vec<Finding>,
) {
    let leads = |(from, listener): &(&str, &Listener)| listener.ways(from).any(|(_, to)| to == name);
    let mut leading = document
        .listeners
        .iter()
        .filter(leads)
        .map(|(_, listener)| listener.protocol);
    let Some(first) = leading.next() else { return };
    if first == Protocol::Http || leading.any(|protocol| protocol == Protocol::Http) {
        return;
    }
    let what = "this is about requests of HTTP alone, and no `http` listener leads here";
    if let Some(Balance::Hash {
        on: HashOn::Header(_) | HashOn::Cookie(_),
    }) = cluster.balance
    {
        let mend = "write `hash: {on: client}`, or choose in another way";
        found.push(Finding::new(
            path.key("balance").key("hash").key("on"),
            what,
            mend,
        ));
    }
    if cluster
        .outlier
        .as_ref()
        .is_some_and(|outlier| !outlier.statuses.is_empty())
    {
        found.push(Finding::new(
            path.key("outlier").key("statuses"),
            what,
            "remove it",
        ));
    }
    let keys = [
        ("host", cluster.host.is_some()),
        ("answer_timeout", cluster.answer_timeout.is_some()),
        ("keep_alive", cluster.keep_alive != Default::default()),
    ];
    found.extend(written(path, &keys).map(|path| Finding::new(path, what, "remove it")));
}

/// The places of what is written.
fn written(path: &Path, keys: &[(&'static str, bool)]) -> impl Iterator<Item = Path> {
    let keys = keys.iter().filter(|(_, is_written)| *is_written);
    keys.map(|(key, _)| path.key(key))
}
