//! What stands for the roles of a profile.

use std::collections::BTreeSet;

use crate::{
    config::{Document, Target},
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
        };
        (role.to_owned(), binding)
    });
    bind.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

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
            assert_eq!(bound[role], Binding { target, backends }, "{role}");
        };
        check("whole", "app", 2);
        check("source", "app/a, writes/a", 1);
        check("both", "app/a, writes, app/b", 2);
    }
}
