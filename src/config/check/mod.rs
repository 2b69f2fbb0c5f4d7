//! What a document means, where its grammar is right: names that must exist, things that can never happen. Pure; the
//! files that it names are looked at in [`super::files`].

mod arrival;
mod clusters;
mod errors;
mod faults;
mod ground;
mod listeners;
mod matches;
mod names;
mod plain;
mod reach;
mod requests;
mod routes;
mod unseen;
mod vain;
mod way;

pub use faults::{check_fault, check_fault_by_hand};
pub use ground::Ground;
pub use vain::check_settings;

use super::{
    document::{Document, Target},
    path::Path,
    problem::{MOST, Problems},
    refusal::list,
    tree::Tree,
};
use crate::{units::nearest, upstream::settings::BackendSettings};

/// Something that is wrong with what a document means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Where in the document.
    pub path: Path,
    /// What is wrong, in one line.
    pub what: String,
    /// How to mend it, in one line.
    pub mend: String,
    /// What the finding misses; where it was written after all, but could not be read, there is nothing to find.
    pub missing: Option<Path>,
}

impl Finding {
    pub(super) fn new(path: Path, what: impl Into<String>, mend: impl Into<String>) -> Self {
        Self {
            path,
            what: what.into(),
            mend: mend.into(),
            missing: None,
        }
    }

    /// A name that nothing has.
    fn unknown<'a>(
        path: Path,
        what: &str,
        name: &str,
        home: &Path,
        known: impl Iterator<Item = &'a str>,
    ) -> Self {
        let known: Vec<_> = known.collect();
        let mend = match (nearest(name, known.iter().copied()), known.as_slice()) {
            (Some(near), _) => format!("did you mean `{near}`?"),
            (None, []) => format!("there is no {what} yet; add it under `{home}`"),
            (None, [one]) => format!("use `{one}`, or add it under `{home}`"),
            (None, known) => format!("use one of {}, or add it under `{home}`", list(known)),
        };
        let missing = Some(home.key(name));
        Self {
            missing,
            ..Self::new(path, format!("there is no {what} `{name}`"), mend)
        }
    }
}

/// Finds everything that is wrong with what a document means.
pub fn check(document: &Document) -> Vec<Finding> {
    let mut found = Vec::new();
    names::check(document, &mut found);
    listeners::check(document, &mut found);
    clusters::check(document, &mut found);
    roles(document, &mut found);
    faults::check(document, &mut found);
    found
}

/// Adds findings to the problems of a tree, without those that only follow from one that is known.
pub(super) fn locate(tree: &Tree, findings: Vec<Finding>, problems: &mut Problems) {
    let known: Vec<String> = problems.iter().map(|p| p.path.clone()).collect();
    for Finding {
        path,
        what,
        mend,
        missing,
    } in findings
    {
        let shown = path.to_string();
        let follows = known.iter().any(|known| is_within(known, &shown));
        if problems.len() < MOST && !follows && !missing.is_some_and(|missing| tree.has(&missing)) {
            problems.push(tree.problem(&path, what, mend));
        }
    }
}

/// Whether a path leads to a value or into it.
fn is_within(path: &str, outer: &str) -> bool {
    let rest = path.strip_prefix(outer);
    rest.is_some_and(|rest| outer.is_empty() || rest.is_empty() || rest.starts_with(['.', '[']))
}

/// Roles must stand for something.
fn roles(document: &Document, found: &mut Vec<Finding>) {
    for (role, target) in document.roles.iter() {
        for target in target.iter() {
            found.extend(unknown_target(document, target, &Path::of(["roles", role])));
        }
    }
}

fn unknown_target(document: &Document, target: &Target, path: &Path) -> Option<Finding> {
    let clusters = Path::of(["clusters"]);
    let Some(cluster) = document.clusters.get(&target.cluster) else {
        let names = document.clusters.names();
        return Some(Finding::unknown(
            path.clone(),
            "cluster",
            &target.cluster,
            &clusters,
            names,
        ));
    };
    let backend = target.backend.as_deref()?;
    let names: Vec<_> = cluster.backends.iter().map(BackendSettings::name).collect();
    let home = clusters.key(&target.cluster).key("backends");
    let known = names.iter().map(String::as_str);
    (!names.iter().any(|name| name == backend))
        .then(|| Finding::unknown(path.clone(), "backend", backend, &home, known))
}
