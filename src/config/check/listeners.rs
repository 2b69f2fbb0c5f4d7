//! Listeners: addresses, limits, what each protocol can do.

use std::{
    collections::{BTreeSet, HashMap},
    net::IpAddr,
};

use super::{Finding, plain, routes};
use crate::{
    config::{
        circle::{Hop, way_back},
        document::Document,
        limit::Limit,
        listener::{Bind, ClientCertificate, Encryption, Listener, Protocol, Timeouts},
        path::Path,
    },
    route::{Match, RouteSettings},
    units::{Address, Span},
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
        encryption(document, (name, listener), &path.key("encryption"), found);
        found.extend(unshown(&path, listener));
        routes::check(document, name, listener, &path, found);
        plain::listener(&path, listener, found);
    }
    addresses(document, found);
    circles(document, found);
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
    let mut taken: HashMap<u16, Vec<(Bind, String)>> = HashMap::new();
    for (path, who, bind) in std::iter::once(admin).chain(document.listeners.iter().map(listener)) {
        // Port 0 is a free port each time.
        if bind.0.port() == 0 {
            continue;
        }
        let there = taken.entry(bind.0.port()).or_default();
        let clash = there
            .iter()
            .find_map(|(other, first)| Some((same(bind, *other)?, first)));
        match clash {
            Some((address, first)) => {
                let what = format!("{who} and {first} listen on the same address, {address}");
                found.push(Finding::new(
                    path,
                    what,
                    "give each an address or a port of its own",
                ));
            }
            None => there.push((bind, who)),
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

/// What comes back to a listener goes in circles until nothing is left to send it with. Each circle is told once: of the last of
/// its listeners.
fn circles(document: &Document, found: &mut Vec<Finding>) {
    let mut before: Vec<Hop<'_>> = Vec::new();
    let mut told = BTreeSet::new();
    for (name, listener) in document.listeners.iter() {
        let all: BTreeSet<&str> = clusters(listener, takes_all).collect();
        for cluster in clusters(listener, |_| true).collect::<BTreeSet<_>>() {
            for (i, to) in addresses_of(document, cluster).enumerate() {
                let way = way_back(name, listener.bind, to, &before)
                    .filter(|way| way.len() == 2 || all.contains(cluster));
                if let Some(way) = way
                    && told.insert((cluster, i))
                {
                    let path = Path::of(["clusters", cluster, "backends"]).item(i).key("address");
                    found.push(circle(path, listener.bind, &way));
                }
            }
        }
        before.push(Hop {
            name,
            bind: listener.bind,
            to: all
                .into_iter()
                .flat_map(|cluster| addresses_of(document, cluster).cloned())
                .collect(),
        });
    }
}

fn circle(path: Path, bind: Bind, way: &[&str]) -> Finding {
    let mend = "write the address of the server";
    match way {
        [name, _] => {
            let what = format!("listener `{name}` would send to itself: it listens on `{bind}`");
            Finding::new(path, what, mend)
        }
        _ => {
            let what = format!("what is sent here would go in circles: `{}`", way.join(" -> "));
            Finding::new(
                path,
                what,
                format!("{mend}, here or where another of them leads to"),
            )
        }
    }
}

/// The clusters of those routes that pass requests on as they are: one that changes them may mean that they come back to another
/// route.
fn clusters(listener: &Listener, which: impl Fn(&RouteSettings) -> bool) -> impl Iterator<Item = &str> {
    let is_meant = move |route: &&RouteSettings| {
        route.rewrite.is_none() && route.request_headers.is_empty() && which(route)
    };
    let routes = listener.routes.iter().filter(is_meant);
    routes
        .map(|route| &*route.cluster)
        .chain(listener.cluster.as_deref())
}

/// Whether nothing that came as far as this route goes past it. What a match lets into one listener may find another way at the
/// next, so that only a listener that sends to itself is sure to see it again.
fn takes_all(route: &RouteSettings) -> bool {
    route.r#match == Match::default()
}

fn addresses_of<'d>(document: &'d Document, cluster: &str) -> impl Iterator<Item = &'d Address> {
    let backends = document.clusters.get(cluster).map_or(&[][..], |to| &to.backends);
    backends.iter().map(|backend| &backend.address)
}

/// The address that two of one port have in common, in words; `None` where both can be bound.
fn same(one: Bind, other: Bind) -> Option<String> {
    // `[::]` stands for every address of the machine, `0.0.0.0` for those of IPv4.
    let is_among = |one: IpAddr, all: IpAddr| all.is_unspecified() && (all.is_ipv6() || one.is_ipv4());
    let (ip, other_ip) = (one.0.ip(), other.0.ip());
    if one == other {
        Some(format!("`{one}`"))
    } else if is_among(ip, other_ip) {
        Some(format!("`{one}`: `{other}` has it too"))
    } else {
        is_among(other_ip, ip).then(|| format!("`{other}`: `{one}` has it too"))
    }
}

/// What becomes of clients of a database that ask for TLS.
fn encryption(
    document: &Document,
    (name, listener): (&str, &Listener),
    path: &Path,
    found: &mut Vec<Finding>,
) {
    if listener.encryption.is_some() && !listener.protocol.asks_for_tls() {
        let what = "only clients of PostgreSQL and MySQL ask for encryption within their protocol";
        found.push(Finding::new(path.clone(), what, "remove it"));
    }
    if listener.encryption == Some(Encryption::Terminate) && listener.tls.is_none() {
        let what = "there is no certificate to show";
        found.push(Finding::new(path.clone(), what, "set `tls`"));
    }
    let begins_tls = |cluster: &str| document.clusters.get(cluster).is_some_and(|to| to.tls.is_some());
    let mut clusters = listener.ways(name).map(|(_, cluster)| cluster);
    if listener.encryption == Some(Encryption::Pass)
        && let Some(cluster) = clusters.find(|cluster| begins_tls(cluster))
    {
        let what = format!("what passes encrypted would be encrypted again by `tls` of cluster `{cluster}`");
        let mend = "remove that `tls`, or set `encryption: terminate`";
        found.push(Finding::new(path.clone(), what, mend));
    }
}

/// A finding where a certificate is never shown.
fn unshown(path: &Path, listener: &Listener) -> Option<Finding> {
    let written = listener
        .encryption
        .filter(|_| listener.tls.is_some() && listener.protocol.asks_for_tls())?;
    let what = match written {
        Encryption::Terminate => return None,
        Encryption::Pass => {
            "with `encryption: pass` clients see the server's certificate, and never this one"
        }
        Encryption::PreferClear => {
            "with `encryption: prefer_clear` clients are told that there is no encryption, and never see this certificate"
        }
    };
    let mend = "set `encryption: terminate` (the default beside `tls`), or remove `tls`";
    Some(Finding::new(path.key("tls"), what, mend))
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
    if listener.protocol != Protocol::Http && listener.headers != Default::default() {
        let what = format!(
            "this says nothing on a `{}` listener, which has no headers",
            listener.protocol.as_str()
        );
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
