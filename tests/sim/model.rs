//! What should stand, as simply as it can be said: names in maps.

use std::collections::{BTreeMap, BTreeSet};

use chaosproxy::control::LeaseId;
use tokio::time::Instant;

use crate::step::BAD;

/// A document and what matters of it here.
pub(crate) struct Written {
    pub(crate) text: &'static str,
    /// Its own faults.
    pub(crate) faults: &'static [&'static str],
    /// The backends of `app`.
    pub(crate) backends: &'static [&'static str],
}

/// The database's address, and what a `bad_reload` makes of it.
pub(crate) const RIGHT: &str = "127.0.0.1:5432";
pub(crate) const WRONG: &str = "127.0.0.1:5433";

/// What shipped incidents call the fault that puts a broken document live.
pub(crate) const PUSHED: &str = "bad-push";

/// A fault that puts a broken document live, by its name.
fn breaking(name: &str) -> Option<&'static str> {
    [BAD, PUSHED].into_iter().find(|bad| *bad == name)
}

/// Documents that may be in force.
pub(crate) const DOCUMENTS: &[Written] = &[
    Written {
        text: "\
listeners:
  public: {bind: 127.0.0.1:0, cluster: app}
clusters:
  app:
    backends:
      - {name: app-a, address: 127.0.0.1:9001}
      - {name: app-b, address: 127.0.0.1:9002}
      - {name: spare, address: 127.0.0.1:9003, tier: 1}
    outlier: {consecutive_errors: 3, eject_for: 5s, at_most: 50%}
  orders-db: {backends: [{name: database, address: 127.0.0.1:5432}]}
roles:
  http.source: app/app-a
  http.replica: app/app-b
  db.source: orders-db
  http.primary: app
  http.standby: app/spare
  auth.service: orders-db
",
        faults: &[],
        backends: &["app-a", "app-b", "spare"],
    },
    Written {
        text: "\
listeners:
  public: {bind: 127.0.0.1:0, cluster: app}
clusters:
  app:
    balance: random
    backends:
      - {name: app-a, address: 127.0.0.1:9001}
      - {name: app-b, address: 127.0.0.1:9002}
    panic_threshold: 50%
    outlier: {consecutive_errors: 3, eject_for: 5s}
  orders-db: {backends: [{name: database, address: 127.0.0.1:5432}]}
roles:
  http.source: app/app-a
  http.replica: app/app-b
  db.source: orders-db
  http.primary: app
  auth.service: orders-db
faults:
  written: {where: {cluster: app}, odds: 10%, do: {latency: {add: 30ms}}}
",
        faults: &["written"],
        backends: &["app-a", "app-b"],
    },
    Written {
        text: "\
listeners:
  other: {bind: 127.0.0.1:0, cluster: app}
clusters:
  app:
    balance: round_robin
    backends: [{name: app-b, address: 127.0.0.1:9002, weight: 3}, {name: spare, address: 127.0.0.1:9003}]
",
        faults: &[],
        backends: &["app-b", "spare"],
    },
];

/// A drill that holds a lease.
#[derive(Debug)]
pub(crate) struct Staged {
    /// The incident that it re-enacts.
    pub(crate) incident: &'static str,
    /// Whether it lets nobody put a broken document right.
    pub(crate) obstructs: bool,
}

/// What should stand.
#[derive(Debug, Default)]
pub(crate) struct Model {
    /// The document in force.
    pub(crate) document: usize,
    /// The documents that were in force, by revision.
    pub(crate) history: Vec<(u64, usize)>,
    /// When each lease ends, and its faults.
    pub(crate) leases: BTreeMap<LeaseId, (Instant, Vec<String>)>,
    /// Whether a panic is in force.
    pub(crate) panic: bool,
    /// The backends that were taken out of service.
    pub(crate) drained: BTreeSet<&'static str>,
    /// The leases of drills, also of one that was cut off; they outlive their faults.
    pub(crate) drills: BTreeMap<LeaseId, Staged>,
}

impl Model {
    /// What is written in the document in force.
    pub(crate) fn written(&self) -> &'static Written {
        &DOCUMENTS[self.document]
    }

    /// The names of the faults that should stand.
    pub(crate) fn faults(&self) -> BTreeSet<String> {
        if self.panic {
            return BTreeSet::new();
        }
        let leased = self.leases.values().flat_map(|(_, names)| names.iter().cloned());
        self.written()
            .faults
            .iter()
            .map(|name| (*name).to_owned())
            .chain(leased)
            .collect()
    }

    /// The fault by which a broken document should be live: the first, in the order of leases.
    pub(crate) fn breaks(&self) -> Option<&'static str> {
        self.breaker().map(|(_, name)| name)
    }

    /// The same with its lease.
    fn breaker(&self) -> Option<(LeaseId, &'static str)> {
        let mut leases = self.leases.iter();
        leases.find_map(|(id, (_, names))| Some((*id, names.iter().find_map(|name| breaking(name))?)))
    }

    /// Whether nobody may put the broken document right.
    pub(crate) fn is_obstructed(&self) -> bool {
        let mut drills = self.drills.iter();
        let obstructs = drills.any(|(id, drill)| drill.obstructs && self.leases.contains_key(id));
        obstructs && self.breaks().is_some()
    }

    /// Whether no route leads anywhere: there is no exchange that a fault could hit.
    fn leads_nowhere(&self) -> bool {
        let pushed = self.breaker().filter(|(_, name)| *name == PUSHED);
        let drill = pushed.and_then(|(id, _)| self.drills.get(&id));
        drill.is_some_and(|drill| drill.incident == "bad-reload")
    }

    /// The broken document was rolled back, as this revision.
    pub(crate) fn mended(&mut self, revision: u64) {
        if let Some(bad) = self.breaks() {
            self.remove(bad);
        }
        self.history.push((revision, self.document));
    }

    /// Whether a lease may have these faults. What is not written cannot be broken.
    pub(crate) fn may_set(&self, own: Option<LeaseId>, names: &[&str]) -> bool {
        let others = self.leases.iter().filter(|(id, _)| Some(**id) != own);
        let others: BTreeSet<&str> = others
            .flat_map(|(_, (_, names))| names.iter().map(String::as_str))
            .collect();
        let twice = names.iter().collect::<BTreeSet<_>>().len() < names.len();
        let taken = names
            .iter()
            .any(|name| others.contains(name) || self.written().faults.contains(name));
        let mut before = self
            .leases
            .iter()
            .filter(|(id, _)| own.is_none_or(|own| **id < own));
        let is_first = !before.any(|(_, (_, names))| names.iter().any(|name| breaking(name).is_some()));
        let unbreakable = is_first && names.contains(&BAD) && !self.written().text.contains(RIGHT);
        let misses = self.leads_nowhere() && names.iter().any(|name| *name != BAD);
        !self.panic && !misses && !twice && !taken && !unbreakable
    }

    /// Whether a document may be put in force: a fault of its own must not have the name of one that is leased.
    pub(crate) fn may_apply(&self, document: usize) -> bool {
        let leased: BTreeSet<&str> = self
            .leases
            .values()
            .flat_map(|(_, names)| names.iter().map(String::as_str))
            .collect();
        !self.is_obstructed()
            && !DOCUMENTS[document]
                .faults
                .iter()
                .any(|name| leased.contains(name))
    }

    /// A document is in force, as this revision.
    pub(crate) fn applied(&mut self, document: usize, revision: u64) {
        self.document = document;
        self.remove(BAD);
        self.remove(PUSHED);
        if self.history.last().is_none_or(|(last, _)| *last != revision) {
            self.history.push((revision, document));
        }
        // A backend that is not written any more is forgotten, and so is what was done to it.
        self.drained
            .retain(|name| DOCUMENTS[document].backends.contains(name));
    }

    /// Ends the leases whose time is over.
    pub(crate) fn expire(&mut self, now: Instant) {
        self.leases.retain(|_, (ends, _)| *ends > now);
    }

    /// Removes a fault that was set by hand; a lease that is left without any ends.
    pub(crate) fn remove(&mut self, name: &str) -> bool {
        let mut found = false;
        let drills = &self.drills;
        self.leases.retain(|id, (_, names)| {
            let before = names.len();
            names.retain(|other| other != name);
            found |= names.len() < before;
            !names.is_empty() || before == 0 || drills.contains_key(id)
        });
        found
    }
}
