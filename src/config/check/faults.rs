//! Faults: what they name must exist, they must be able to match something, and must not reach somebody else's servers.

use super::{
    Finding,
    arrival::unreached,
    reach::{Reach, is_kept_out, is_meant},
    unknown_target, vain,
};
use crate::{
    config::{
        document::{Document, Target},
        path::Path,
    },
    faults::{Do, Entry, Told, Where},
    units::Span,
    upstream::settings::BackendSettings,
};

pub(super) fn check(document: &Document, found: &mut Vec<Finding>) {
    for (name, entry) in document.faults.iter() {
        let path = Path::of(["faults", name]);
        if entry.r#for.is_some_and(|time| time != Span::ZERO) {
            found.push(Finding::new(
                path.key("for"),
                "a fault of the document stays for as long as the document says so, and not for a time",
                "remove `for`; a fault that ends by itself is set by hand, with `chaosproxy faults add`",
            ));
        }
        found.extend(check_fault(document, &path, entry));
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
    vain::check(path, entry, &mut found);
    found.extend(led_astray(document, path, entry));
    found.extend(untold(document, path, entry));
    // What names nothing reaches nothing; saying so twice helps nobody.
    if found.is_empty() {
        let reach = Reach::of(document, &entry.r#where);
        let nothing = reach.nothing(path, entry);
        let nothing = nothing.or_else(|| unreached(document, path, entry, reach.ways()));
        found.extend(nothing.or_else(|| reach.somebody_else(document, path)));
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

/// A finding where health checks are told of trouble, and there are none. Where all is well in their stead, that keeps trouble
/// from outlier ejection too, and may be said of any cluster.
fn untold(document: &Document, path: &Path, entry: &Entry) -> Option<Finding> {
    let place = &entry.r#where;
    if !matches!(entry.r#do, Do::Health(Told::Fail | Told::Hang)) {
        return None;
    }
    let mut met =
        backends(document).filter(|(cluster, backend)| is_meant(document, place, cluster, &backend.name()));
    let is_told = |(cluster, _)| {
        document
            .clusters
            .get(cluster)
            .is_some_and(|cluster| cluster.health.is_some())
    };
    let what = "no cluster that is meant here has health checks, so there is nobody to tell";
    (!met.any(is_told)).then(|| {
        Finding::new(
            path.key("where"),
            what,
            "set `health` on the cluster, or use `refuse`",
        )
    })
}

#[cfg(test)]
mod tests;
