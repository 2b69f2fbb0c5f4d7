//! A slip of the pen in a document, as a broken release has one: a word is wrong, and everything else stands as it stood.

use super::{
    document::{Document, Target},
    load::read_document,
    path::Path,
    problem::Place,
    tree::Tree,
};
use crate::faults::Misspell;

/// An address at which nobody listens: one of the first ports of this machine. Each backend of a cluster gets one of its own, since
/// a cluster in which two share one is no cluster.
fn nobody(place: usize) -> String {
    format!("127.0.0.1:{}", place + 1)
}

/// The text of a sound document with a slip of the pen: every route to the clusters of a role leads to one that there is
/// not, or every backend of the role stands where nobody listens. Without a role, that goes for all of them.
///
/// `None` where the text is not sound, or has nothing of the kind.
pub fn misspelt(text: &str, role: Option<&str>, what: Misspell) -> Option<String> {
    let loaded = read_document("", text).ok()?;
    let document = &loaded.document;
    let bound: Option<Vec<&Target>> = match role {
        Some(role) => Some(document.roles.get(role)?.iter().collect()),
        None => None,
    };
    let words = match what {
        Misspell::Cluster => clusters(document, bound.as_deref()),
        Misspell::Address => addresses(document, bound.as_deref()),
    };
    written(&loaded.tree, text, words)
}

/// Each route's cluster, with the name that is written instead.
fn clusters(document: &Document, bound: Option<&[&Target]>) -> Vec<(Path, String)> {
    let meant = |cluster: &str| bound.is_none_or(|bound| bound.iter().any(|one| one.cluster == cluster));
    let mut words = Vec::new();
    for (name, listener) in document.listeners.iter() {
        let path = Path::of(["listeners", name]);
        let short = listener.cluster.iter().map(|cluster| (path.clone(), cluster));
        let routes = listener.routes.iter().enumerate();
        let routes = routes.map(|(i, route)| (path.key("routes").item(i), &route.cluster));
        let meant = short.chain(routes).filter(|(_, cluster)| meant(cluster));
        words.extend(meant.map(|(path, cluster)| (path.key("cluster"), unknown(document, cluster))));
    }
    words
}

/// A name that looks like this cluster's and is none.
fn unknown(document: &Document, cluster: &str) -> String {
    let mut name = format!("{cluster}-v2");
    while document.clusters.has(&name) {
        name.push('x');
    }
    name
}

/// Each backend's address, with the one that is written instead.
fn addresses(document: &Document, bound: Option<&[&Target]>) -> Vec<(Path, String)> {
    let meant = |cluster: &str, backend: &str| {
        let is = |one: &&Target| {
            one.cluster == cluster && one.backend.as_deref().is_none_or(|name| name == backend)
        };
        bound.is_none_or(|bound| bound.iter().any(is))
    };
    let mut words = Vec::new();
    for (name, cluster) in document.clusters.iter() {
        let backends = Path::of(["clusters", name, "backends"]);
        for (i, backend) in cluster.backends.iter().enumerate() {
            if meant(name, &backend.name()) {
                words.push((backends.item(i).key("address"), nobody(i)));
            }
        }
    }
    words
}

/// The text with these words in the places of what stands there, quoted as that was.
fn written(tree: &Tree, text: &str, words: Vec<(Path, String)>) -> Option<String> {
    let mut places: Vec<(Place, String)> = Vec::new();
    for (path, word) in words {
        places.push((tree.scalar(&path)?, word));
    }
    if places.is_empty() {
        return None;
    }
    // From the end, so that what comes before a word stays where it was.
    places.sort_by_key(|(place, _)| std::cmp::Reverse((place.line, place.column)));
    let mut lines: Vec<String> = text.split('\n').map(str::to_owned).collect();
    for (place, word) in places {
        let line = lines.get_mut(place.line - 1)?;
        let chars: Vec<char> = line.chars().collect();
        let (before, rest) = chars.split_at_checked(place.column - 1)?;
        let (old, after) = rest.split_at_checked(place.width)?;
        let quote = old.first().filter(|first| matches!(first, '"' | '\''));
        let quote = quote.map_or_else(String::new, char::to_string);
        let (before, after) = (String::from_iter(before), String::from_iter(after));
        *line = format!("{before}{quote}{word}{quote}{after}");
    }
    Some(lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
# ours
listeners:
  public:
    bind: 127.0.0.1:0
    routes:
      - {match: {method: POST}, cluster: writes}  # all of them
      - cluster: 'app'
  other: {bind: 127.0.0.1:0, cluster: other}
clusters:
  app:
    backends:
      - {name: a, address: \"127.0.0.1:81\"}
      - name: b
        address: 127.0.0.1:82 # the second
  writes: {backends: [{name: a, address: 127.0.0.1:81}, {address: 127.0.0.1:83}]}
  other: {backends: [{address: 127.0.0.1:84}]}
roles: {http.primary: [app, writes/a], none: other}
";

    /// The lines that differ, as they became.
    fn changed(role: Option<&str>, what: Misspell) -> Vec<String> {
        let broken = misspelt(TEXT, role, what).unwrap();
        assert_eq!(broken.lines().count(), TEXT.lines().count());
        let lines = broken.lines().zip(TEXT.lines());
        let changed = lines.filter(|(new, old)| new != old);
        changed.map(|(new, _)| new.trim().to_owned()).collect()
    }

    #[test]
    fn routes_lead_to_a_cluster_that_there_is_not() {
        assert_eq!(
            changed(Some("http.primary"), Misspell::Cluster),
            [
                "- {match: {method: POST}, cluster: writes-v2}  # all of them",
                "- cluster: 'app-v2'"
            ]
        );
        assert_eq!(
            changed(Some("none"), Misspell::Cluster),
            ["other: {bind: 127.0.0.1:0, cluster: other-v2}"]
        );
        assert_eq!(changed(None, Misspell::Cluster).len(), 3);
    }

    #[test]
    fn backends_stand_where_nobody_listens() {
        assert_eq!(
            changed(Some("http.primary"), Misspell::Address),
            [
                "- {name: a, address: \"127.0.0.1:1\"}",
                "address: 127.0.0.1:2 # the second",
                "writes: {backends: [{name: a, address: 127.0.0.1:1}, {address: 127.0.0.1:83}]}"
            ]
        );
    }

    #[test]
    fn what_is_not_there_cannot_be_misspelt() {
        assert_eq!(misspelt(TEXT, Some("db.source"), Misspell::Cluster), None);
        assert_eq!(misspelt("listeners: {", None, Misspell::Cluster), None);
        assert_eq!(
            misspelt("admin: {bind: 127.0.0.1:0}", None, Misspell::Address),
            None
        );
    }

    #[test]
    fn the_name_is_one_that_no_cluster_has() {
        let text = TEXT.replace("  other: {backends", "  app-v2: {backends");
        let text = text
            .replace("cluster: other", "cluster: app-v2")
            .replace("none: other", "none: app-v2");
        let broken = misspelt(&text, Some("http.primary"), Misspell::Cluster).unwrap();
        assert!(broken.contains("cluster: 'app-v2x'"), "{broken}");
    }
}
