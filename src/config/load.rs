//! A document from its text: grammar and meaning, with every problem at once.

use super::{
    check::{self, Finding},
    document::Document,
    problem::Problems,
    read::salvage,
    tree::Tree,
};
use crate::faults::Entry;

/// A document that is right in itself, and the text that it was written as.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// What was meant.
    pub document: Document,
    /// What was written.
    pub tree: Tree,
}

/// Reads a document, or says everything that is wrong with its grammar and its meaning. Looks at no file.
pub fn read_document(file: &str, text: &str) -> Result<Loaded, Problems> {
    read_with(file, text, |_| Vec::new())
}

/// Reads a fault that is added by hand (API, command line) in the light of a document.
pub fn read_fault(document: &Document, file: &str, text: &str) -> Result<Entry, Problems> {
    let tree = Tree::parse(file, text)?;
    let (entry, mut problems) = salvage::<Entry>(&tree);
    let Some(entry) = entry else { return Err(problems) };
    check::locate(&tree, check::check_fault_by_hand(document, &entry), &mut problems);
    problems.or(entry)
}

/// Reads what can be read of a document, whatever it means: only for the fault that puts a broken one live. `None` where
/// not even that is possible.
pub fn read_unchecked(text: &str) -> Option<Document> {
    salvage(&Tree::parse("", text).ok()?).0
}

/// [`read_document`], with findings of the caller's own among the problems.
pub(super) fn read_with(
    file: &str,
    text: &str,
    more: impl FnOnce(&Document) -> Vec<Finding>,
) -> Result<Loaded, Problems> {
    let tree = Tree::parse(file, text)?;
    let (document, mut problems) = salvage::<Document>(&tree);
    let Some(document) = document else {
        return Err(problems);
    };
    let mut findings = check::check(&document);
    findings.extend(more(&document));
    check::locate(&tree, findings, &mut problems);
    problems.or(Loaded { document, tree })
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCUMENT: &str = "\
listeners: {public: {bind: 127.0.0.1:8080, cluster: app}}
clusters: {app: {backends: [{address: app.internal:9001}]}}
";

    #[test]
    fn a_fault_by_hand_is_read_with_every_problem_in_its_own_text() {
        let document = read_document("a.yaml", DOCUMENT).unwrap().document;
        let good = r#"{"where": {"cluster": "app"}, "do": {"latency": {"add": "1s"}}, "for": "5m"}"#;
        assert!(read_fault(&document, "request", good).is_ok());
        let bad = "where: {cluster: ap}\nodds: 20\ndo: {latency: {add: 1s}}\n";
        let problems = read_fault(&document, "request", bad).unwrap_err();
        let places: Vec<_> = problems
            .iter()
            .map(|p| (p.place.unwrap().line, p.path.as_str()))
            .collect();
        assert_eq!(places, [(1, "for"), (1, "where.cluster"), (2, "odds")]);
    }

    #[test]
    fn a_broken_document_can_go_live_without_its_broken_parts() {
        let broken =
            read_unchecked(&DOCUMENT.replace("cluster: app}", "cluster: gone, colour: red}")).unwrap();
        assert_eq!(
            broken.listeners.get("public").unwrap().cluster.as_deref(),
            Some("gone")
        );
        assert_eq!(read_unchecked("listeners: ["), None);
    }
}
