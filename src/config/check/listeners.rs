//! Listeners and their routes.

use std::collections::HashMap;

use super::Finding;
use crate::{
    config::{
        document::Document,
        limit::Limit,
        listener::{Bind, ClientCertificate, Listener, Protocol, Timeouts},
        path::Path,
    },
    route::{Match, RouteSettings},
    units::Span,
};

pub(super) fn check(document: &Document, found: &mut Vec<Finding>) {
    let listeners = Path::of(["listeners"]);
    if document.listeners.is_empty() {
        let mend = "add one: `listeners: {public: {bind: \"0.0.0.0:8080\", cluster: app}}`";
        found.push(Finding::new(
            listeners.clone(),
            "the document has no listeners",
            mend,
        ));
    }
    for (name, listener) in document.listeners.iter() {
        let path = listeners.key(name);
        settings(&path, listener, found);
        routes(document, name, listener, &path, found);
    }
    addresses(document, found);
}

/// Each address is listened on once, and the admin port is not for everybody.
fn addresses(document: &Document, found: &mut Vec<Finding>) {
    let admin = (
        Path::of(["admin", "bind"]),
        "the admin port".to_owned(),
        document.admin.bind,
    );
    let listener = |(name, l): (&str, &Listener)| {
        (
            Path::of(["listeners", name, "bind"]),
            format!("listener `{name}`"),
            l.bind,
        )
    };
    let mut taken: HashMap<Bind, String> = HashMap::new();
    for (path, who, bind) in std::iter::once(admin).chain(document.listeners.iter().map(listener)) {
        // Port 0 is a free port each time.
        match taken.get(&bind).filter(|_| bind.0.port() != 0) {
            Some(first) => {
                let what = format!("{who} and {first} listen on the same address, `{bind}`");
                found.push(Finding::new(
                    path,
                    what,
                    "give each an address or a port of its own",
                ));
            }
            None => drop(taken.insert(bind, who)),
        }
    }
    if !document.admin.bind.0.ip().is_loopback() && document.admin.tokens_file.is_none() {
        let what = format!(
            "whoever reaches `{}` could break the traffic: there is no tokens file",
            document.admin.bind
        );
        let mend = "set `tokens_file`, or bind to `127.0.0.1`";
        found.push(Finding::new(Path::of(["admin", "bind"]), what, mend));
    }
}

fn settings(path: &Path, listener: &Listener, found: &mut Vec<Finding>) {
    if let Some(tls) = &listener.tls
        && tls.client_ca.is_none()
        && tls.client_certificate != ClientCertificate::default()
    {
        let path = path.key("tls").key("client_certificate");
        let what = "clients are asked for no certificate without `client_ca`";
        found.push(Finding::new(path, what, "set `client_ca`, or remove this"));
    }
    if listener.protocol == Protocol::Tcp && listener.headers != Default::default() {
        let what = "bytes have no headers: this says nothing on a `tcp` listener";
        found.push(Finding::new(
            path.key("headers"),
            what,
            "remove it, or set `protocol: http`",
        ));
    }
    let Timeouts {
        handshake,
        client_header,
        client_body_idle,
        keep_alive_idle,
        request,
    } = listener.timeouts;
    let timeouts = [
        ("handshake", handshake),
        ("client_header", client_header),
        ("client_body_idle", client_body_idle),
        ("keep_alive_idle", keep_alive_idle),
        ("request", request),
    ];
    for (name, _) in timeouts
        .into_iter()
        .filter(|(_, limit)| *limit == Limit::at(Span::ZERO))
    {
        let what = "nobody can do anything within no time";
        found.push(Finding::new(
            path.key("timeouts").key(name),
            what,
            "write `none` for no limit",
        ));
    }
}

fn routes(document: &Document, name: &str, listener: &Listener, path: &Path, found: &mut Vec<Finding>) {
    if listener.routes.is_empty() && listener.cluster.is_none() {
        let what = format!("listener `{name}` sends what it takes nowhere");
        found.push(Finding::new(
            path.clone(),
            what,
            "add `cluster: ...`, or `routes` with one each",
        ));
    }
    let clusters = |path: Path, cluster: &str| {
        let home = Path::of(["clusters"]);
        let unknown = !document.clusters.has(cluster);
        unknown.then(|| Finding::unknown(path, "cluster", cluster, &home, document.clusters.names()))
    };
    for (i, route) in listener.routes.iter().enumerate() {
        let path = path.key("routes").item(i);
        found.extend(clusters(path.key("cluster"), &route.cluster));
        found.extend(unreachable(&path, &listener.routes, i));
        found.extend(impossible(&path, listener, &route.r#match));
        self::route(&path, &listener.routes, i, found);
    }
    let Some(cluster) = &listener.cluster else { return };
    found.extend(clusters(path.key("cluster"), cluster));
    if let Some(first) = listener.routes.iter().position(|route| route.r#match.is_empty()) {
        let what = format!("nothing gets here: `routes[{first}]` takes everything");
        found.push(Finding::new(
            path.key("cluster"),
            what,
            "remove it, or that route",
        ));
    }
}

/// A route behind one that takes all that it could take.
fn unreachable(path: &Path, routes: &[RouteSettings], i: usize) -> Option<Finding> {
    let before = |route: &RouteSettings| route.r#match.is_empty() || route.r#match == routes[i].r#match;
    let first = routes[..i].iter().position(before)?;
    let takes = if routes[first].r#match.is_empty() {
        "everything"
    } else {
        "the same"
    };
    let what = format!("nothing gets here: `routes[{first}]` before it takes {takes}");
    Some(Finding::new(
        path.clone(),
        what,
        "put it before that route, or remove one of them",
    ))
}

/// A match that no exchange of this listener can hold.
fn impossible(path: &Path, listener: &Listener, r#match: &Match) -> Option<Finding> {
    let path = path.key("match");
    if listener.protocol == Protocol::Tcp && needs_request(r#match) {
        let what = "a `tcp` listener sees no requests, so this never holds";
        return Some(Finding::new(
            path,
            what,
            "match on `client` or `tls_name`, or set `protocol: http`",
        ));
    }
    let blind = listener.tls.is_none() && !r#match.tls_name.is_empty();
    let what = "a listener without `tls` sees no name, so this never holds";
    blind.then(|| Finding::new(path.key("tls_name"), what, "match on `host`, or set `tls`"))
}

/// Whether a match asks for something that only a request has.
pub(super) fn needs_request(r#match: &Match) -> bool {
    let of_connection = Match {
        client: r#match.client.clone(),
        tls_name: r#match.tls_name.clone(),
        ..Match::default()
    };
    *r#match != of_connection
}

/// A route's own settings.
fn route(path: &Path, routes: &[RouteSettings], i: usize, found: &mut Vec<Finding>) {
    let route = &routes[i];
    let twin = route
        .name
        .as_ref()
        .and_then(|name| routes[..i].iter().position(|r| r.name.as_ref() == Some(name)));
    if let (Some(first), Some(name)) = (twin, &route.name) {
        let what = format!("`routes[{first}]` is called `{name}` too");
        found.push(Finding::new(
            path.key("name"),
            what,
            "give one of them another name",
        ));
    }
    let limits = [
        ("timeout", route.timeout),
        ("answer_timeout", route.answer_timeout),
        ("idle_timeout", route.idle_timeout),
    ];
    for (name, _) in limits.into_iter().filter(|(_, limit)| *limit == Some(Span::ZERO)) {
        let what = "nothing can be answered within no time";
        found.push(Finding::new(path.key(name), what, "leave it out for no limit"));
    }
    let Some(retry) = &route.retry else { return };
    let path = path.key("retry");
    if retry.attempts.is_some_and(|attempts| attempts.get() == 1) {
        let what = "one attempt is the first try: nothing is ever tried again";
        found.push(Finding::new(
            path.key("attempts"),
            what,
            "write `attempts: 2`, or remove `retry`",
        ));
    }
    if let (Some(per_try), Some(timeout)) = (retry.per_try_timeout, route.timeout)
        && per_try > timeout
    {
        let what = format!("one try may take {per_try}, longer than the whole request's {timeout}");
        found.push(Finding::new(
            path.key("per_try_timeout"),
            what,
            "make it shorter than the route's `timeout`",
        ));
    }
    if let (Some(backoff), Some(most)) = (retry.backoff, retry.max_backoff)
        && backoff > most
    {
        let what = format!("the first wait, {backoff}, is longer than the longest, {most}");
        found.push(Finding::new(
            path.key("backoff"),
            what,
            "make it shorter than `max_backoff`",
        ));
    }
}
