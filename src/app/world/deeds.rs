//! What a replay does in the original team's place, by the same means as people would, and how it is put back.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, MutexGuard, PoisonError},
};

use crate::{control::Control, demo::Monitor, drill::profile::Sight, units::Probability};

/// What each role stands for: clusters, and backends of them.
pub(super) type Roles = BTreeMap<String, Vec<(String, Option<String>)>>;

/// Does deeds, and remembers what was before them.
pub(super) struct Deeds {
    /// The demo's monitoring.
    monitor: Option<Monitor>,
    before: Mutex<Before>,
}

#[derive(Default)]
struct Before {
    /// What clusters admitted.
    admitted: BTreeMap<String, Probability>,
    /// Backends that were not drained.
    in_service: BTreeSet<(String, String)>,
}

impl Deeds {
    /// Deeds, with the demo's monitoring where there is one.
    pub(super) fn new(monitor: Option<Monitor>) -> Self {
        Self {
            monitor,
            before: Mutex::default(),
        }
    }

    /// Does what would show as this; what cannot be done from here is left to people.
    pub(super) fn perform(&self, control: &Control, roles: &Roles, deed: &Sight) {
        match deed {
            Sight::Admitted(admission) => {
                let clusters = roles.get(&admission.role).into_iter().flatten();
                clusters.for_each(|(cluster, _)| self.admit(control, cluster, admission.share));
            }
            Sight::Drained(role) => {
                for (cluster, backend) in roles.get(role).into_iter().flatten() {
                    let backend = backend.as_deref();
                    backend
                        .into_iter()
                        .for_each(|one| self.drain(control, cluster, one));
                }
            }
            Sight::MonitorsFell => {
                if let Some(monitor) = &self.monitor {
                    monitor.switch_off();
                }
            }
            // A rollback has a way of its own.
            Sight::Restarted(_)
            | Sight::RestartedAtOnce(_)
            | Sight::RestartedInTurn(_)
            | Sight::Header(_)
            | Sight::Signal(_)
            | Sight::RolledBack => {}
        }
    }

    fn admit(&self, control: &Control, cluster: &str, share: Probability) {
        let snapshot = control.snapshot();
        let Some(target) = snapshot.cluster(cluster) else {
            return;
        };
        let before = target.cluster.admitted();
        self.before().admitted.entry(cluster.to_owned()).or_insert(before);
        // A cluster that has just gone with a reload admits nobody anyway.
        let _ = control.admit(cluster, share);
    }

    fn drain(&self, control: &Control, cluster: &str, backend: &str) {
        let snapshot = control.snapshot();
        let mut backends = snapshot
            .cluster(cluster)
            .into_iter()
            .flat_map(|target| target.cluster.backends());
        if backends.any(|one| one.name() == backend && !one.is_drained()) {
            let place = (cluster.to_owned(), backend.to_owned());
            self.before().in_service.insert(place);
            let _ = control.drain(cluster, backend);
        }
    }

    /// Puts the balancer back to what it was; a second time there is nothing to put back.
    pub(super) fn undo(&self, control: &Control) {
        let before = std::mem::take(&mut *self.before());
        for (cluster, share) in before.admitted {
            let _ = control.admit(&cluster, share);
        }
        for (cluster, backend) in before.in_service {
            let _ = control.enable(&cluster, &backend);
        }
    }

    fn before(&self) -> MutexGuard<'_, Before> {
        self.before.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
