//! A document from its text: grammar and meaning, with every problem at once.

use super::{
    check::{self, Finding},
    document::Document,
    problem::Problems,
    read::salvage,
    tree::Tree,
};

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

/// The same, with findings of the caller's own among the problems.
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
