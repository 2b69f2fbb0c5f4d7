//! Faults: what they name must exist, they must be able to match something, and must not reach somebody else's servers.

use std::time::Duration;

use super::{Finding, errors::unsaid, routes::is_foreign, unknown_target};
use crate::{
    config::{
        allow::is_public,
        document::{Document, Target},
        listener::{Listener, Protocol},
        path::Path,
    },
    faults::{Do, Entry, IdleCut, Leg, Where},
    units::{Address, Span},
    upstream::settings::BackendSettings,
};

pub(super) fn check(document: &Document, found: &mut Vec<Finding>) {
    for (name, entry) in document.faults.iter() {
        found.extend(check_fault(document, &Path::of(["faults", name]), entry));
    }
}

/// Finds what is wrong with a fault that is added by hand (command line, API), whose own text is the whole tree: it must
/// have an end, so that nobody has to remember it.
pub fn check_fault_by_hand(document: &Document, entry: &Entry) -> Vec<Finding> {
    let mut found = check_fault(document, &Path::default(), entry);
    if entry.r#for.is_none() {
        let what = "a fault set by hand needs an end";
        let mend = "add `for: 10m`, or put the fault into the document";
        found.push(Finding::new(Path::of(["for"]), what, mend));
    }
    found
}

/// Finds what is wrong with a fault in the light of a document; `path` is where the fault is written.
pub fn check_fault(document: &Document, path: &Path, entry: &Entry) -> Vec<Finding> {
    let mut found = names(document, &path.key("where"), &entry.r#where);
    if entry.r#for == Some(Span::ZERO) {
        found.push(Finding::new(
            path.key("for"),
            "it ends before it begins",
            "write how long it lives, as in `10m`",
        ));
    }
    found.extend(led_astray(document, path, entry));
    // What names nothing reaches nothing; saying so twice helps nobody.
    if found.is_empty() {
        let reach = Reach::of(document, &entry.r#where);
        found.extend(reach.nothing(path, entry));
        found.extend(reach.somebody_else(document, path));
    }
    found
}

/// What the names in `where` are, if they are nothing.
fn names(document: &Document, path: &Path, place: &Where) -> Vec<Finding> {
    let mut found = Vec::new();
    let section = |name: &str| Path::of([name]);
    if let Some(listener) = place
        .listener
        .as_deref()
        .filter(|name| !document.listeners.has(name))
    {
        let known = document.listeners.names();
        found.push(Finding::unknown(
            path.key("listener"),
            "listener",
            listener,
            &section("listeners"),
            known,
        ));
    }
    if let Some(cluster) = place
        .cluster
        .as_deref()
        .filter(|name| !document.clusters.has(name))
    {
        let known = document.clusters.names();
        found.push(Finding::unknown(
            path.key("cluster"),
            "cluster",
            cluster,
            &section("clusters"),
            known,
        ));
    }
    if let Some(role) = place.role.as_deref().filter(|name| !document.roles.has(name)) {
        let known = document.roles.names();
        found.push(Finding::unknown(
            path.key("role"),
            "role",
            role,
            &section("roles"),
            known,
        ));
    }
    if let Some(route) = &place.route {
        let ways = document
            .listeners
            .iter()
            .flat_map(|(name, listener)| listener.ways(name));
        let known: Vec<_> = ways.map(|(route, _)| route).collect();
        let unknown = !known.contains(route);
        let known = known.iter().map(String::as_str);
        let home = section("listeners");
        found.extend(unknown.then(|| Finding::unknown(path.key("route"), "route", route, &home, known)));
    }
    found.extend(
        place
            .backend
            .as_ref()
            .and_then(|name| backend(document, &path.key("backend"), name)),
    );
    found
}

/// A backend is named by itself, or with its cluster.
fn backend(document: &Document, path: &Path, name: &str) -> Option<Finding> {
    if let Some((cluster, backend)) = name.split_once('/') {
        let target = Target {
            cluster: cluster.to_owned(),
            backend: Some(backend.to_owned()),
        };
        return unknown_target(document, &target, path);
    }
    let known: Vec<_> = backends(document).map(|(_, backend)| backend.name()).collect();
    let unknown = !known.iter().any(|known| known == name);
    let known = known.iter().map(String::as_str);
    unknown.then(|| Finding::unknown(path.clone(), "backend", name, &Path::of(["clusters"]), known))
}

/// All backends, each with its cluster.
fn backends(document: &Document) -> impl Iterator<Item = (&str, &BackendSettings)> {
    document
        .clusters
        .iter()
        .flat_map(|(name, cluster)| cluster.backends.iter().map(move |backend| (name, backend)))
}

/// The traffic that a fault can stand in.
struct Reach<'d>(Vec<Way<'d>>);

/// A route that a fault can stand in: its listener, and those of its backends that the fault allows.
struct Way<'d> {
    listener: &'d Listener,
    backends: Vec<&'d BackendSettings>,
    /// After how long the proxy ends connections that stand idle.
    idle: Duration,
}

impl<'d> Reach<'d> {
    fn of(document: &'d Document, place: &Where) -> Self {
        let bound = place.role.as_deref().and_then(|role| document.roles.get(role));
        let wanted = |want: &Option<String>, is: &str| want.as_deref().is_none_or(|want| want == is);
        let mut ways = Vec::new();
        for (name, listener) in document
            .listeners
            .iter()
            .filter(|(name, _)| wanted(&place.listener, name))
        {
            for (route, cluster) in listener.ways(name) {
                let target = bound.and_then(|bound| bound.iter().find(|target| target.cluster == cluster));
                let here = wanted(&place.route, &route)
                    && wanted(&place.cluster, cluster)
                    && (bound.is_none() || target.is_some());
                let meant = |backend: &&BackendSettings| is_meant(place, target, cluster, &backend.name());
                match document.clusters.get(cluster) {
                    _ if !here => {}
                    // What is wrong is the route; where it would lead nobody knows.
                    None => ways.push(Way {
                        listener,
                        backends: Vec::new(),
                        idle: Duration::MAX,
                    }),
                    Some(cluster) => {
                        let backends: Vec<_> = cluster.backends.iter().filter(meant).collect();
                        let idle = cluster.idle_timeout();
                        ways.extend((!backends.is_empty()).then_some(Way {
                            listener,
                            backends,
                            idle,
                        }));
                    }
                }
            }
        }
        Self(ways)
    }

    /// A finding where a fault can match nothing.
    fn nothing(&self, path: &Path, entry: &Entry) -> Option<Finding> {
        let place = &entry.r#where;
        let (whole, path) = (path, path.key("where"));
        let finding = |what: &str, mend: &str| Some(Finding::new(path.clone(), what, mend));
        // These two ask nothing of traffic: one answers health checks, the other is a reload.
        let of_traffic = !matches!(entry.r#do, Do::Health(_) | Do::BadReload(_));
        if of_traffic && self.0.is_empty() {
            let what = "no exchange is in all of these places at once, so the fault can hit nothing";
            return finding(what, "remove one of them, or add the route that leads there");
        }
        if place.leg == Some(Leg::Client) && place.backend.is_some() {
            let what = "the client's side knows no backend, so the fault can hit nothing";
            return finding(what, "remove `leg: client` or `backend`");
        }
        let speaks = |way: &Way<'_>| way.listener.protocol.dialect().is_some();
        if entry.r#do.is_of_database() && !self.0.is_empty() && !self.0.iter().any(speaks) {
            let what =
                "no listener that leads here speaks the protocol of a database, so the fault can hit nothing";
            return finding(what, "set `protocol: postgres` on the listener");
        }
        if let Some((what, mend)) = self.out_of_reach(entry) {
            return finding(&what, mend);
        }
        let protocols = self.0.iter().map(|way| way.listener.protocol);
        if let Some((what, mend)) = unsaid(&entry.r#do, protocols) {
            return Some(Finding::new(whole.key("do"), what, mend));
        }
        let can_hold = |way: &Way<'_>| !is_foreign(way.listener.protocol, &place.r#match);
        if !self.0.is_empty() && !self.0.iter().any(can_hold) {
            let only_bytes = self.0.iter().all(|way| way.listener.protocol == Protocol::Tcp);
            let what = if only_bytes {
                "only `tcp` listeners lead here, which see no requests, so the match never holds"
            } else {
                "no listener that leads here sees what the match asks for, so it never holds"
            };
            return finding(what, "match on `client`, or remove the match");
        }
        None
    }

    /// Why a kind can do nothing where its traffic goes, or to what its match asks for, and what mends it.
    fn out_of_reach(&self, entry: &Entry) -> Option<(String, &'static str)> {
        if entry.r#where.r#match.compile().needs_command()
            && let Some(acts) = entry.r#do.misses_commands()
        {
            let what = format!("the match asks for a command, but this {acts}, so the fault can hit nothing");
            return Some((
                what,
                "remove `sql`, `table` and `statement` from the match, or write another kind",
            ));
        }
        let Do::IdleCut(IdleCut { after }) = &entry.r#do else {
            return None;
        };
        let idle = |way: &Way<'_>| match way.listener.protocol {
            Protocol::Http => None,
            _ => Some(Span(way.idle)),
        };
        match self.0.iter().filter_map(idle).max() {
            None => {
                let what = "connections of HTTP are not forgotten: only `tcp` listeners and those of databases pass them on";
                Some((what.to_owned(), "use `hang` or `stall`"))
            }
            Some(longest) if longest <= *after => {
                let what = format!(
                    "the proxy itself ends connections that stand idle for {longest}, before the fault can"
                );
                Some((what, "set the cluster's `idle_timeout` longer than `after`"))
            }
            Some(_) => None,
        }
    }

    /// A finding where a fault can hit a server that may be somebody else's.
    fn somebody_else(&self, document: &Document, path: &Path) -> Option<Finding> {
        let mut backends = self.0.iter().flat_map(|way| &way.backends);
        let public = backends.find(|backend| is_kept_out(document, &backend.address))?;
        let what = format!(
            "the fault can hit `{}`, which may be somebody else's server",
            public.address
        );
        let mend = "narrow `where`, or list its host in `safety: {allow_public: [...]}` if it is yours";
        Some(Finding::new(path.clone(), what, mend))
    }
}

/// Whether a fault allows this backend, named by itself or with its cluster, or by a role.
fn is_meant(place: &Where, target: Option<&Target>, cluster: &str, backend: &str) -> bool {
    let role = target.and_then(|target| target.backend.as_deref());
    let named = place
        .backend
        .as_deref()
        .is_none_or(|want| match want.split_once('/') {
            Some((of, name)) => of == cluster && name == backend,
            None => want == backend,
        });
    named && role.is_none_or(|role| role == backend)
}

/// A finding where a fault sends traffic to a server that may be somebody else's.
fn led_astray(document: &Document, path: &Path, entry: &Entry) -> Option<Finding> {
    let Do::Misroute(misroute) = &entry.r#do else {
        return None;
    };
    let to = &misroute.to;
    let what = format!("this would send traffic to `{to}`, which may be somebody else's server");
    let mend =
        "use a name under `.invalid`, or list the host in `safety: {allow_public: [...]}` if it is yours";
    let path = path.key("do").key("misroute").key("to");
    is_kept_out(document, to).then(|| Finding::new(path, what, mend))
}

/// Whether a server may be somebody else's, and the document does not say that it is not.
fn is_kept_out(document: &Document, address: &Address) -> bool {
    is_public(address) && !document.safety.allow_public.iter().any(|host| host.is(address))
}

#[cfg(test)]
mod tests;
