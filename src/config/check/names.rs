//! Names: they stand in logs, metrics, addresses and commands, so some characters are kept out of them.

use super::Finding;
use crate::config::{document::Document, path::Path};

/// A longer name fits into no table.
const LONGEST: usize = 100;

/// Characters that mean something in a role, an address or a shell.
const KEPT_OUT: &[char] = &[
    '/', '\\', '"', '\'', '`', '?', '#', '%', '*', '{', '}', '$', '&', ';', '|', '<', '>',
];

pub(super) fn check(document: &Document, found: &mut Vec<Finding>) {
    let mut each = |section: &str, names: &mut dyn Iterator<Item = &str>| {
        let names = names.map(|name| (Path::of([section, name]), name));
        found.extend(names.filter_map(|(path, name)| bad_name(path, name)));
    };
    each("listeners", &mut document.listeners.names());
    each("clusters", &mut document.clusters.names());
    each("roles", &mut document.roles.names());
    each("faults", &mut document.faults.names());
    for (listener, settings) in document.listeners.iter() {
        let routes = Path::of(["listeners", listener, "routes"]);
        let name = |(i, route): (usize, &'_ crate::route::RouteSettings)| {
            route
                .name
                .as_ref()
                .and_then(|name| bad_name(routes.item(i).key("name"), name))
        };
        found.extend(settings.routes.iter().enumerate().filter_map(name));
    }
    for (cluster, settings) in document.clusters.iter() {
        let backends = Path::of(["clusters", cluster, "backends"]);
        for (i, backend) in settings.backends.iter().enumerate() {
            let name = backend.name.as_ref();
            found.extend(name.and_then(|name| bad_name(backends.item(i).key("name"), name)));
        }
    }
}

/// A finding where a name is none.
pub(super) fn bad_name(path: Path, name: &str) -> Option<Finding> {
    let bad = |c: char| c.is_whitespace() || c.is_control() || KEPT_OUT.contains(&c);
    let what = match name.chars().find(|c| bad(*c)) {
        Some(c) => format!("the name {name:?} has a {c:?} in it"),
        None if name.is_empty() => "a name is empty".to_owned(),
        None if name.chars().count() > LONGEST => format!("a name is longer than {LONGEST} characters"),
        None => return None,
    };
    Some(Finding::new(path, what, "use letters, digits, `-`, `_` and `.`"))
}
