//! How far a fault reaches, by the names in the document.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    config::{Document, Sight, Target},
    faults::{Fault, Leg, Scope},
    units::Probability,
};

/// What a fault stands in the way of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Reach {
    /// The side of the proxy that it stands on.
    pub leg: Leg,
    /// The listeners whose traffic it may touch.
    pub listeners: Vec<String>,
    /// The backends whose traffic it may touch, as `cluster/backend`.
    pub backends: Vec<String>,
    /// How many backends there are.
    pub of_backends: usize,
    /// The share of the exchanges there that it hits.
    pub odds: Probability,
    /// Whether only exchanges that look a certain way are hit, or only those that do not pass unread.
    pub narrowed: bool,
}

impl Reach {
    /// How far a fault reaches in a document.
    pub fn of(document: &Document, fault: &Fault) -> Self {
        let mut listeners = Vec::new();
        let mut backends = Vec::new();
        let mut is_partly_unread = false;
        let of_traffic = fault.entry().r#do.touches_exchanges();
        let ways = if of_traffic {
            ways(document)
        } else {
            everything(document)
        };
        for (listener, route, cluster, backend) in ways {
            let scope = Scope {
                listener: Some(&listener),
                route: Some(&route),
                cluster: Some(&cluster),
                backend: Some(&backend),
            };
            let sight = sight(document, fault, &scope);
            let meets = !of_traffic || (fault.covers(&scope) && sight != Sight::Nothing);
            if meets && plays(document, fault, &scope) {
                is_partly_unread |= sight == Sight::Read;
                listeners.push(listener.clone());
                backends.push(format!("{cluster}/{backend}"));
            }
        }
        let entry = fault.entry();
        let counted = entry.first.is_some() || entry.nth.is_some() || entry.every.is_some();
        Self {
            leg: fault.leg(),
            listeners: distinct(listeners),
            backends: distinct(backends),
            of_backends: document
                .clusters
                .iter()
                .map(|(_, cluster)| cluster.backends.len())
                .sum(),
            odds: entry.odds,
            narrowed: counted || is_partly_unread || !entry.r#where.r#match.is_empty(),
        }
    }

    /// Whether the same exchange may meet both.
    pub fn meets(&self, other: &Self) -> bool {
        let share = |one: &[String], other: &[String]| one.iter().any(|name| other.contains(name));
        share(&self.listeners, &other.listeners) && share(&self.backends, &other.backends)
    }
}

/// In a few words, as tables have it.
impl fmt::Display for Reach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.backends.as_slice(), self.of_backends) {
            ([], _) => f.write_str("nothing")?,
            ([one], _) => f.write_str(one)?,
            (many, of) if many.len() == of => write!(f, "all {of} backends")?,
            (many, of) => write!(f, "{} of {of} backends", many.len())?,
        }
        let leg = match self.leg {
            Leg::Client => "client",
            Leg::Upstream => "upstream",
        };
        write!(f, " ({leg}{})", if self.narrowed { ", some" } else { "" })
    }
}

/// How much of what comes there by its listener the fault can do something to.
fn sight(document: &Document, fault: &Fault, scope: &Scope<'_>) -> Sight {
    let cluster = scope.cluster.and_then(|name| document.clusters.get(name));
    let listener = scope.listener.and_then(|name| document.listeners.get(name));
    listener.map_or(Sight::All, |listener| listener.shows(fault.entry(), cluster))
}

/// Every way through the proxy: listener, route, cluster, backend.
fn ways(document: &Document) -> Vec<(String, String, String, String)> {
    let mut ways = Vec::new();
    for (listener, settings) in document.listeners.iter() {
        for (route, cluster) in settings.ways(listener) {
            let backends = document.clusters.get(cluster).map(|cluster| &cluster.backends);
            for backend in backends.into_iter().flatten() {
                ways.push((
                    listener.to_owned(),
                    route.to_string(),
                    cluster.to_string(),
                    backend.name(),
                ));
            }
        }
    }
    ways
}

/// Every listener with every backend, whether or not a way leads from one to the other: a broken document may lead nowhere.
fn everything(document: &Document) -> Vec<(String, String, String, String)> {
    let mut all = Vec::new();
    for listener in document.listeners.names() {
        for (cluster, settings) in document.clusters.iter() {
            for backend in &settings.backends {
                all.push((
                    listener.to_owned(),
                    String::new(),
                    cluster.to_owned(),
                    backend.name(),
                ));
            }
        }
    }
    all
}

/// Whether the scope is one that the document binds to the fault's role. The client's side knows no backend, so there a role that
/// is one stands for its whole cluster.
fn plays(document: &Document, fault: &Fault, scope: &Scope<'_>) -> bool {
    let Some(role) = &fault.entry().r#where.role else {
        return true;
    };
    let knows_none = fault.leg() == Leg::Client;
    let is_bound = |target: &Target| {
        scope.cluster == Some(target.cluster.as_str())
            && target
                .backend
                .as_deref()
                .is_none_or(|backend| knows_none || scope.backend == Some(backend))
    };
    document
        .roles
        .get(role)
        .is_some_and(|targets| targets.iter().any(is_bound))
}

/// Each once, in the order of the first.
fn distinct(names: Vec<String>) -> Vec<String> {
    let mut seen = std::collections::HashSet::new();
    names
        .into_iter()
        .filter(|name| seen.insert(name.clone()))
        .collect()
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;
    use crate::{config, faults::Entry};

    const DOCUMENT: &str = "
listeners:
  public: {bind: 127.0.0.1:8080, routes: [{name: orders, match: {path: /orders/**}, cluster: app}, {cluster: app}]}
  db: {bind: 127.0.0.1:15432, protocol: tcp, cluster: db}
clusters:
  app: {backends: [{name: a, address: 10.0.0.1:80}, {name: b, address: 10.0.0.2:80}]}
  db: {backends: [{name: main, address: 10.0.0.3:5432}]}
roles: {http.source: app/a}
";

    #[test]
    fn reach_is_every_backend_behind_the_names_of_a_fault() {
        let document = config::read_document("test", DOCUMENT).unwrap().document;
        let check = |place: &str, leg: Leg, backends: &[&str]| {
            let entry: Entry = config::read("test", &format!("{{do: reset, where: {place}}}")).unwrap();
            let reach = Reach::of(&document, &Fault::compile("f", &entry, Instant::now()));
            assert_eq!((reach.leg, reach.of_backends), (leg, 3), "{place}");
            assert_eq!(reach.backends, backends, "{place}");
        };
        check("{}", Leg::Client, &["app/a", "app/b", "db/main"]);
        check("{cluster: app}", Leg::Upstream, &["app/a", "app/b"]);
        check("{role: http.source}", Leg::Upstream, &["app/a"]);
        check(
            "{role: http.source, leg: client}",
            Leg::Client,
            &["app/a", "app/b"],
        );
        check("{backend: main}", Leg::Upstream, &["db/main"]);
        check("{route: orders}", Leg::Client, &["app/a", "app/b"]);
        check("{listener: db, cluster: app}", Leg::Upstream, &[]);
    }

    #[test]
    fn a_broken_document_reaches_what_it_reached_before_it_was_in_force() {
        for text in [
            DOCUMENT.to_owned(),
            DOCUMENT.replace("cluster: app", "cluster: ap"),
        ] {
            let document = config::read_unchecked(&text).unwrap();
            let reach = |place: &str| {
                let text = format!("{{do: {{bad_reload: {{misspell: cluster}}}}, where: {place}}}");
                let entry: Entry = config::read("test", &text).unwrap();
                Reach::of(&document, &Fault::compile("f", &entry, Instant::now())).backends
            };
            assert_eq!(reach("{}"), ["app/a", "app/b", "db/main"]);
            assert_eq!(reach("{role: http.source}"), ["app/a"]);
        }
    }

    #[test]
    fn reach_is_told_in_a_few_words() {
        let check = |backends: &[&str], narrowed: bool, expected: &str| {
            let reach = Reach {
                leg: Leg::Upstream,
                listeners: vec!["public".to_owned()],
                backends: backends.iter().map(|backend| (*backend).to_owned()).collect(),
                of_backends: 3,
                odds: Probability::ALWAYS,
                narrowed,
            };
            assert_eq!(reach.to_string(), expected);
        };
        check(&[], false, "nothing (upstream)");
        check(&["app/a"], true, "app/a (upstream, some)");
        check(&["app/a", "db/c"], false, "2 of 3 backends (upstream)");
        check(&["app/a", "app/b", "db/c"], false, "all 3 backends (upstream)");
    }
}
