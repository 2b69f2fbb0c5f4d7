//! Which faults stand where.

use std::{collections::HashMap, sync::Arc};

use tokio::time::Instant;

use super::Source;
use crate::{
    config::Document,
    faults::{Entry, Fault, Leg, Lineup, Scope},
};

/// The document's faults and the leases', carried over while their definitions are equal.
pub(super) fn compile_faults(source: &Source<'_>, now: Instant) -> Vec<Arc<Fault>> {
    let before = source.previous.into_iter().flat_map(|previous| &previous.faults);
    let before: HashMap<&str, &Arc<Fault>> = before.map(|fault| (fault.name(), fault)).collect();
    let known = |name: &str, entry: &Entry| {
        let same = |fault: &&Arc<Fault>| fault.entry() == entry && !fault.is_lifted();
        before.get(name).copied().filter(same).cloned()
    };
    let written = source.document.faults.iter();
    written
        .chain(source.leased.iter().copied())
        .map(|(name, entry)| known(name, entry).unwrap_or_else(|| Fault::compile(name, entry, now)))
        .collect()
}

/// The faults, by the listener whose traffic they ask for: a scope looks at few of many.
pub(super) struct Sorted<'a> {
    document: &'a Document,
    anywhere: Vec<(usize, &'a Arc<Fault>)>,
    of: HashMap<&'a str, Vec<(usize, &'a Arc<Fault>)>>,
}

impl<'a> Sorted<'a> {
    /// These faults, with the document that says who plays which role.
    pub(super) fn new(document: &'a Document, faults: &'a [Arc<Fault>]) -> Self {
        let mut sorted = Self {
            document,
            anywhere: Vec::new(),
            of: HashMap::new(),
        };
        for fault in faults.iter().enumerate() {
            match &fault.1.entry().r#where.listener {
                Some(listener) => sorted.of.entry(listener).or_default().push(fault),
                None => sorted.anywhere.push(fault),
            }
        }
        sorted
    }

    /// The faults of one leg that stand in a scope, in their order, each as it stands before its backend.
    pub(super) fn standing(&self, leg: Leg, scope: &Scope<'_>) -> Lineup {
        let of = scope.listener.and_then(|listener| self.of.get(listener));
        let mut found: Vec<(usize, &Arc<Fault>)> = self
            .anywhere
            .iter()
            .chain(of.into_iter().flatten())
            .filter(|(_, fault)| {
                fault.leg() == leg
                    && fault.covers(scope)
                    && plays(self.document, fault, scope)
                    && may_meet(self.document, fault, scope)
            })
            .copied()
            .collect();
        found.sort_by_key(|(place, _)| *place);
        found
            .into_iter()
            .map(|(_, fault)| match (scope.cluster, scope.backend) {
                (Some(cluster), Some(backend)) => fault.at(&format!("{cluster}/{backend}")),
                _ => fault.clone(),
            })
            .collect()
    }
}

/// Whether the fault can do something to what the scope's listener speaks, where it is one.
fn may_meet(document: &Document, fault: &Fault, scope: &Scope<'_>) -> bool {
    let listener = scope.listener.and_then(|name| document.listeners.get(name));
    listener.is_none_or(|listener| listener.protocol.takes(&fault.entry().r#do))
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn faults_of_a_listener_and_of_all_stand_in_their_order() {
        let fault = |(name, listener): (&str, Option<&str>)| {
            let entry = json!({"where": {"listener": listener}, "do": {"latency": {"add": "1s"}}});
            Fault::compile(name, &serde_json::from_value(entry).unwrap(), Instant::now())
        };
        let (document, a, b) = (Document::default(), Some("a"), Some("b"));
        let faults = [("1", None), ("2", a), ("3", b), ("4", None), ("5", a)].map(fault);
        let sorted = Sorted::new(&document, &faults);
        let check = |listener: Option<&str>, expected: &str| {
            let scope = Scope {
                listener,
                ..Scope::default()
            };
            let standing = sorted.standing(Leg::Client, &scope);
            let names: Vec<&str> = standing.iter().map(|fault| fault.name()).collect();
            assert_eq!(names.join(" "), expected, "{listener:?}");
        };
        check(a, "1 2 4 5");
        check(b, "1 3 4");
        check(Some("c"), "1 4");
        check(None, "1 4");
    }

    #[test]
    fn a_fault_of_databases_stands_where_its_words_are_known() {
        let text = "\
listeners:
  web: {bind: 127.0.0.1:1, cluster: a}
  raw: {bind: 127.0.0.1:2, protocol: tcp, cluster: a}
  orders: {bind: 127.0.0.1:3, protocol: postgres, cluster: a}
  carts: {bind: 127.0.0.1:4, protocol: mysql, cluster: a}
  cache: {bind: 127.0.0.1:5, protocol: redis, cluster: a}
clusters: {a: {backends: [{address: 10.0.0.1:80}]}}
";
        let document = crate::config::read_unchecked(text).unwrap();
        let check = |kind: serde_json::Value, expected: &str| {
            let entry = serde_json::from_value(json!({"do": kind})).unwrap();
            let faults = [Fault::compile("some", &entry, Instant::now())];
            let sorted = Sorted::new(&document, &faults);
            let stands = |listener: &&str| {
                let scope = Scope {
                    listener: Some(listener),
                    ..Scope::default()
                };
                !sorted.standing(Leg::Client, &scope).is_empty()
            };
            let names: Vec<&str> = document.listeners.names().filter(stands).collect();
            assert_eq!(names.join(" "), expected, "{kind}");
        };
        check(json!("reset"), "web raw orders carts cache");
        check(json!({"abort": {"error": "deadlock"}}), "orders carts");
        check(
            json!({"abort": {"error": "deadlock", "status": 500}}),
            "web raw orders carts",
        );
        check(
            json!({"abort": {"error": {"code": "40001", "message": "no"}}}),
            "orders carts",
        );
        check(
            json!({"abort": {"error": {"code": "BUSY", "message": "no"}}}),
            "cache",
        );
        check(json!("deadlocks"), "orders carts");
        check(json!("read_only"), "orders carts cache");
        check(
            json!({"failover": {"meets": "starting_up"}}),
            "raw orders carts cache",
        );
        check(json!("disconnect"), "orders carts cache");
    }
}
