//! What stands for the roles of a profile.

use std::collections::BTreeSet;

use crate::{
    config::{Document, Listener, Protocol, Target},
    drill::{Binding, Bindings},
    upstream::BackendSettings,
};

/// What the document binds each role to, as a profile wants to know it.
pub fn bindings(document: &Document) -> Bindings {
    // One server may stand in several clusters.
    let servers = |target: &Target| {
        let cluster = document.clusters.get(&target.cluster);
        let backends = cluster.into_iter().flat_map(|cluster| &cluster.backends);
        let meant =
            |backend: &&BackendSettings| target.backend.as_ref().is_none_or(|name| *name == backend.name());
        let addresses = backends.filter(meant).map(|backend| backend.address.to_string());
        addresses.collect::<Vec<_>>()
    };
    let bind = document.roles.iter().map(|(role, bound)| {
        let names: Vec<String> = bound.iter().map(ToString::to_string).collect();
        let backends: BTreeSet<String> = bound.iter().flat_map(servers).collect();
        let binding = Binding {
            target: names.join(", "),
            backends: backends.len(),
            beneath: bound.iter().all(|target| is_beneath(document, &target.cluster)),
            unread: bound.iter().any(|target| is_unread(document, &target.cluster)),
        };
        (role.to_owned(), binding)
    });
    bind.collect()
}

/// Whether a cluster is what an application needs: listeners that do not speak HTTP lead there, and none that does, beside
/// others of HTTP.
fn is_beneath(document: &Document, cluster: &str) -> bool {
    let is_http = |name: &str| match document.listeners.get(name) {
        Some(listener) => listener.protocol == Protocol::Http,
        None => false,
    };
    let leads = |(name, listener): &(&str, &Listener)| listener.ways(name).any(|(_, to)| to == cluster);
    let (http, other): (Vec<_>, Vec<_>) = document.listeners.iter().partition(|(name, _)| is_http(name));
    !http.is_empty() && !http.iter().any(leads) && other.iter().any(leads)
}

/// Whether a listener leads to a cluster that lets sessions of a database pass encrypted.
fn is_unread(document: &Document, cluster: &str) -> bool {
    document
        .listeners
        .iter()
        .any(|(name, listener)| listener.passes_unread() && listener.ways(name).any(|(_, to)| to == cluster))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_application_needs_is_beneath_it_and_what_users_ask_is_not() {
        let check = |listeners: &str, beneath: bool| {
            let text = format!(
                "
listeners: {listeners}
clusters: {{app: {{backends: [{{address: 127.0.0.1:81}}]}}, db: {{backends: [{{address: 127.0.0.1:82}}]}}}}
roles: {{asked: app, db.source: db}}
"
            );
            let document = crate::config::read_document("a.yaml", &text).unwrap().document;
            let bound = bindings(&document);
            let is = (bound["asked"].beneath, bound["db.source"].beneath);
            assert_eq!(is, (false, beneath), "{listeners}");
            let unread = (bound["asked"].unread, bound["db.source"].unread);
            assert_eq!(unread, (false, listeners.contains("pass")), "{listeners}");
        };
        let public = "public: {bind: 127.0.0.1:80, cluster: app}";
        let db = "db: {bind: 127.0.0.1:90, protocol: postgres, cluster: db}";
        let other = "other: {bind: 127.0.0.1:91, protocol: http, cluster: db}";
        check(&format!("{{{public}, {db}}}"), true);
        let pass = "db: {bind: 127.0.0.1:90, protocol: postgres, encryption: pass, cluster: db}";
        check(&format!("{{{public}, {pass}}}"), true);
        check(&format!("{{{public}, {other}}}"), false);
        check(&format!("{{{db}}}"), false);
    }

    #[test]
    fn a_server_that_stands_in_several_clusters_is_one() {
        let text = "
listeners: {public: {bind: 127.0.0.1:80, cluster: app}}
clusters:
  app: {backends: [{name: a, address: 127.0.0.1:81}, {name: b, address: 127.0.0.1:82}]}
  writes: {backends: [{name: a, address: 127.0.0.1:81}]}
roles:
  whole: app
  source: [app/a, writes/a]
  both: [app/a, writes, app/b]
";
        let document = crate::config::read_document("a.yaml", text).unwrap().document;
        let bound = bindings(&document);
        let check = |role: &str, target: &str, backends: usize| {
            let target = target.to_owned();
            let beneath = false;
            let wanted = Binding {
                target,
                backends,
                beneath,
                unread: false,
            };
            assert_eq!(bound[role], wanted, "{role}");
        };
        check("whole", "app", 2);
        check("source", "app/a, writes/a", 1);
        check("both", "app/a, writes, app/b", 2);
    }
}
