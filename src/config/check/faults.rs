//! Faults: what they name must exist, they must be able to match something, and must not reach somebody else's servers.

use super::{Finding, listeners::needs_request, unknown_target};
use crate::{
    config::{
        allow::is_public,
        document::{Document, Target},
        listener::{Listener, Protocol, route_name},
        path::Path,
    },
    faults::{Do, Entry, Leg, Where},
    route::RouteSettings,
    units::Span,
    upstream::{Address, settings::BackendSettings},
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
        found.push(Finding::new(
            Path::default(),
            what,
            "add `for: 10m`, or put the fault into the document",
        ));
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
    let counts = [("first", entry.first), ("nth", entry.nth), ("every", entry.every)];
    for (name, _) in counts.into_iter().filter(|(_, count)| *count == Some(0)) {
        found.push(Finding::new(
            path.key(name),
            "exchanges are counted from 1",
            "write at least 1, or leave it out",
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
        let known: Vec<_> = routes(document)
            .map(|(listener, i, route)| route_name(listener, i, &route))
            .collect();
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

/// All routes, each with its listener and number.
fn routes(document: &Document) -> impl Iterator<Item = (&str, usize, RouteSettings)> {
    document.listeners.iter().flat_map(|(name, listener)| {
        let table = listener.table().into_owned();
        table
            .into_iter()
            .enumerate()
            .map(move |(i, route)| (name, i, route))
    })
}

/// All backends, each with its cluster.
fn backends(document: &Document) -> impl Iterator<Item = (&str, &BackendSettings)> {
    document
        .clusters
        .iter()
        .flat_map(|(name, cluster)| cluster.backends.iter().map(move |backend| (name, backend)))
}

/// The traffic that a fault can stand in.
struct Reach<'d> {
    /// Listener, number of the route, and the backends that both the route and the fault allow.
    ways: Vec<(&'d str, &'d Listener, Vec<&'d BackendSettings>)>,
}

impl<'d> Reach<'d> {
    fn of(document: &'d Document, place: &Where) -> Self {
        let target = place.role.as_deref().and_then(|role| document.roles.get(role));
        let wanted = |want: &Option<String>, is: &str| want.as_deref().is_none_or(|want| want == is);
        let mut ways = Vec::new();
        for (name, i, route) in routes(document) {
            let listed = document.listeners.iter().find(|(listener, _)| *listener == name);
            let (Some((name, listener)), Some(cluster)) = (listed, document.clusters.get(&route.cluster))
            else {
                continue;
            };
            let here = wanted(&place.listener, name)
                && wanted(&place.route, &route_name(name, i, &route))
                && wanted(&place.cluster, &route.cluster)
                && target.is_none_or(|target| target.cluster == route.cluster);
            let meant = |backend: &&BackendSettings| {
                let full = format!("{}/{}", route.cluster, backend.name());
                let named = wanted(&place.backend, &backend.name()) || wanted(&place.backend, &full);
                let role = target.and_then(|target| target.backend.as_ref());
                named && role.is_none_or(|role| *role == backend.name())
            };
            let backends: Vec<_> = cluster.backends.iter().filter(meant).collect();
            if here && !backends.is_empty() {
                ways.push((name, listener, backends));
            }
        }
        Self { ways }
    }

    /// A finding where a fault can match nothing.
    fn nothing(&self, path: &Path, entry: &Entry) -> Option<Finding> {
        let place = &entry.r#where;
        let path = path.key("where");
        let finding = |what: &str, mend: &str| Some(Finding::new(path.clone(), what, mend));
        // These two ask nothing of traffic: one answers health checks, the other is a reload.
        let of_traffic = !matches!(entry.r#do, Do::Health(_) | Do::BadReload(_));
        if of_traffic && self.ways.is_empty() {
            let what = "no exchange is in all of these places at once, so the fault can hit nothing";
            return finding(what, "remove one of them, or add the route that leads there");
        }
        if place.leg == Some(Leg::Client) && place.backend.is_some() {
            let what = "the client's side knows no backend, so the fault can hit nothing";
            return finding(what, "remove `leg: client` or `backend`");
        }
        let sees_requests = self
            .ways
            .iter()
            .any(|(_, listener, _)| listener.protocol == Protocol::Http);
        if needs_request(&place.r#match) && !sees_requests {
            let what = "only `tcp` listeners lead here, which see no requests, so the match never holds";
            return finding(what, "match on `client`, or remove the match");
        }
        None
    }

    /// A finding where a fault can hit a server that may be somebody else's.
    fn somebody_else(&self, document: &Document, path: &Path) -> Option<Finding> {
        let mut backends = self.ways.iter().flat_map(|(.., backends)| backends.iter());
        let public = backends.find(|backend| is_kept_out(document, &backend.address))?;
        let what = format!(
            "the fault can hit `{}`, which may be somebody else's server",
            public.address
        );
        let mend = "narrow `where`, or list its host in `safety: {allow_public: [...]}` if it is yours";
        Some(Finding::new(path.clone(), what, mend))
    }
}

/// A finding where a fault sends traffic to a server that may be somebody else's.
fn led_astray(document: &Document, path: &Path, entry: &Entry) -> Option<Finding> {
    let Do::Misroute(misroute) = &entry.r#do else {
        return None;
    };
    let to = misroute.to.to_string().parse::<Address>().ok()?;
    let what = format!("this would send traffic to `{to}`, which may be somebody else's server");
    let mend =
        "use a name under `.invalid`, or list the host in `safety: {allow_public: [...]}` if it is yours";
    let path = path.key("do").key("misroute").key("to");
    is_kept_out(document, &to).then(|| Finding::new(path, what, mend))
}

/// Whether a server may be somebody else's, and the document does not say that it is not.
fn is_kept_out(document: &Document, address: &Address) -> bool {
    is_public(address) && !document.safety.allow_public.iter().any(|host| host.is(address))
}
