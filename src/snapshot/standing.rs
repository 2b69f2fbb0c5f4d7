//! Which faults stand where.

use std::sync::Arc;

use tokio::time::Instant;

use super::Source;
use crate::{
    config::Document,
    faults::{Entry, Fault, Leg, Lineup, Scope},
};

/// The document's faults and the leases', carried over while their definitions are equal.
pub(super) fn compile_faults(source: &Source<'_>, now: Instant) -> Vec<Arc<Fault>> {
    let known = |name: &str, entry: &Entry| {
        let previous = source.previous?;
        let same = |fault: &&Arc<Fault>| fault.name() == name && fault.entry() == entry && !fault.is_lifted();
        previous.faults.iter().find(same).cloned()
    };
    let written = source.document.faults.iter();
    written
        .chain(source.leased.iter().copied())
        .map(|(name, entry)| known(name, entry).unwrap_or_else(|| Fault::compile(name, entry, now)))
        .collect()
}

/// The faults of one leg that stand in a scope, each as it stands before its backend.
pub(super) fn standing(document: &Document, faults: &[Arc<Fault>], leg: Leg, scope: &Scope<'_>) -> Lineup {
    faults
        .iter()
        .filter(|fault| fault.leg() == leg && fault.covers(scope) && plays(document, fault, scope))
        .map(|fault| match (scope.cluster, scope.backend) {
            (Some(cluster), Some(backend)) => fault.at(&format!("{cluster}/{backend}")),
            _ => fault.clone(),
        })
        .collect()
}

/// Whether the scope is one that the document binds to the fault's role.
fn plays(document: &Document, fault: &Fault, scope: &Scope<'_>) -> bool {
    let Some(role) = &fault.entry().r#where.role else {
        return true;
    };
    document.roles.get(role).is_some_and(|bound| {
        bound.iter().any(|target| {
            scope.cluster == Some(&*target.cluster)
                && target
                    .backend
                    .as_deref()
                    .is_none_or(|backend| scope.backend.is_none_or(|is| is == backend))
        })
    })
}
