//! What the proxy sees people do: to the balancer, to their servers, and to the document in force.

use tokio::{sync::broadcast, time::Instant};

use super::{ORIGINAL, Proxy, State};
use crate::{drill::profile::Sight, telemetry::events::Event};

/// What people did, and what they were refused, since the last look.
#[derive(Default)]
pub(super) struct Seen {
    pub(super) sights: Vec<Sight>,
    pub(super) rebuffs: Vec<Sight>,
    /// Backends that came back.
    pub(super) restarted: Vec<String>,
}

impl Proxy {
    /// What people did to the balancer since the last look.
    pub(super) fn sights(&self, state: &mut State) -> Seen {
        let mut seen = Seen::default();
        loop {
            match state.events.try_recv() {
                Ok(record) => self.see(&record.event, state, &mut seen),
                // What was missed would only have been seen earlier; what stands is looked at all the same.
                Err(broadcast::error::TryRecvError::Lagged(_)) => {}
                Err(_) => return seen,
            }
        }
    }

    fn see(&self, event: &Event, state: &mut State, seen: &mut Seen) {
        let Seen {
            sights,
            rebuffs,
            restarted,
        } = seen;
        match event {
            Event::ReloadApplied { .. } if state.broken && !self.control.is_broken() => {
                state.broken = false;
                sights.push(Sight::RolledBack);
            }
            Event::ReloadRefused { by, cause, .. }
                if state.obstruction.as_ref() == Some(cause) && !by.starts_with(ORIGINAL) =>
            {
                rebuffs.push(Sight::RolledBack);
            }
            Event::BalancerChanged {
                cluster,
                backend: Some(backend),
                ..
            } => {
                let snapshot = self.control.snapshot();
                let drained = snapshot.cluster(cluster).is_some_and(|target| {
                    target
                        .cluster
                        .backends()
                        .iter()
                        .any(|b| b.name() == backend && b.is_drained())
                });
                if drained {
                    let roles = self.roles_of(cluster, backend).cloned();
                    sights.extend(roles.map(Sight::Drained));
                }
            }
            Event::HealthChanged {
                cluster,
                backend,
                healthy,
                ..
            } => {
                let place = format!("{cluster}/{backend}");
                if *healthy {
                    if state.failing.remove(&place).is_some() {
                        sights.extend(self.roles_of(cluster, backend).cloned().map(Sight::Restarted));
                        restarted.push(place);
                    }
                } else if state
                    .excused
                    .get(&place)
                    .is_none_or(|until| *until < Instant::now())
                {
                    // One that a fault made ill gets well without anybody's doing.
                    *state.failing.entry(place).or_default() += 1;
                }
            }
            _ => {}
        }
    }
}
