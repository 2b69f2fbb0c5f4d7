//! The only writer of the truth: changes are compiled first, then published whole or refused whole.
//!
//! Nothing here waits for traffic: a change is compiled and published through one `watch` channel, and the mutex is never
//! held across an await.

mod annex;
mod balancer;
mod broken;
mod faults;
pub mod history;
pub mod lease;
mod panic;
mod reload;
mod told;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::Ordering};

use tokio::{sync::watch, time::Instant};

use self::broken::{Sound, wanted};
pub use self::{
    annex::Annex,
    history::{Author, History, Revision},
    lease::{Lease, LeaseId, Leases, Owner},
    told::{ChangeError, FaultStatus, Panicked},
};
use crate::{
    config::{self, Document, Once},
    faults::{Entry, Fault},
    snapshot::{Compiler, Snapshot, Source, Steering},
    telemetry::events::{Event, Events},
};

/// The truth and its only writer.
pub struct Control {
    truth: Mutex<Truth>,
    /// What the process took from the first document, and cannot change.
    once: Once,
    publish: watch::Sender<Arc<Snapshot>>,
    leases_changed: tokio::sync::Notify,
    compiler: Compiler,
    events: Events,
}

struct Truth {
    document: Document,
    /// The document in force before a `bad_reload` put a broken one in its place.
    sound: Option<Sound>,
    history: History,
    /// What stands beside the document.
    annex: Annex,
    leases: Leases,
    panic: Option<Panicked>,
    /// Whether the leases say something that could not be published yet.
    unsettled: bool,
}

impl Control {
    /// Puts a first document in force.
    ///
    /// # Errors
    /// What stands in its way; nothing is bound then.
    pub fn start(
        document: Document,
        revision: (Author, &str, &str),
        compiler: Compiler,
        history: History,
        events: Events,
    ) -> Result<Arc<Self>, ChangeError> {
        let source = Source {
            document: &document,
            beside: &config::Named::default(),
            leased: &[],
            steering: &[],
            previous: None,
            reload: true,
        };
        let snapshot = compiler
            .compile(&source, Instant::now())
            .map_err(ChangeError::Obstacles)?;
        let once = Once::of(&document);
        let mut truth = Truth {
            document,
            sound: None,
            history,
            annex: Annex::default(),
            leases: Leases::default(),
            panic: None,
            unsettled: false,
        };
        let (author, file, text) = revision;
        if let Err(error) = truth.history.add(author, file, text) {
            tracing::warn!(%error, "the document is in force, but could not be written to the state folder");
        }
        Ok(Arc::new(Self {
            truth: Mutex::new(truth),
            once,
            publish: watch::Sender::new(Arc::new(snapshot)),
            leases_changed: tokio::sync::Notify::new(),
            compiler,
            events,
        }))
    }

    /// The truth as traffic sees it, now and whenever it changes.
    pub fn subscribe(&self) -> watch::Receiver<Arc<Snapshot>> {
        self.publish.subscribe()
    }

    /// The truth as traffic sees it.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.publish.borrow().clone()
    }

    /// What happens, as it happens.
    pub fn events(&self) -> &Events {
        &self.events
    }

    fn lock(&self) -> MutexGuard<'_, Truth> {
        // A panic of another holder leaves a truth that was published, or one that was not: both are whole.
        self.truth.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Compiles what the truth says and publishes it; traffic that is held by a fault which is gone is released.
    fn publish(
        &self,
        truth: &Truth,
        document: &Document,
        reload: bool,
        why: &str,
    ) -> Result<(), ChangeError> {
        let previous = self.snapshot();
        let leased: Vec<(&str, &Entry)> = truth
            .leases
            .iter()
            .flat_map(|(_, lease)| lease.faults.iter().map(|(name, entry)| (name.as_str(), entry)))
            .collect();
        let leased = if truth.panic.is_some() {
            &[][..]
        } else {
            &leased[..]
        };
        let mut document = truth.annex.beside(document);
        if truth.panic.is_some() && !document.faults.is_empty() {
            // A panic lifts the document's faults too; they come back with its reset.
            document.to_mut().faults = config::Named::default();
        }
        let steering: Vec<&Steering> = truth
            .leases
            .iter()
            .flat_map(|(_, lease)| &lease.steering)
            .collect();
        let source = Source {
            document: &document,
            beside: &truth.annex.listeners,
            leased,
            steering: &steering,
            previous: Some(&previous),
            reload,
        };
        let snapshot = Arc::new(
            self.compiler
                .compile(&source, Instant::now())
                .map_err(ChangeError::Obstacles)?,
        );
        self.compiler
            .metrics()
            .generation
            .store(snapshot.generation, Ordering::Relaxed);
        self.publish.send_replace(snapshot.clone());
        self.tell_changes(truth, &snapshot, &previous, why);
        Ok(())
    }

    /// Releases what faults that are gone hold, and tells of those that came and went.
    fn tell_changes(&self, truth: &Truth, now: &Snapshot, before: &Snapshot, why: &str) {
        let (added, gone) = now.faults_changed(before);
        let tell = |event| match now.blind || before.blind {
            true => self.events.tell_unlogged(event),
            false => self.events.tell(event),
        };
        for fault in gone {
            fault.lift();
            tell(Event::FaultLifted {
                fault: fault.name().to_owned(),
                cause: why.to_owned(),
            });
        }
        for fault in added {
            let owner = truth.holder(fault.name()).map(|(owner, _)| owner);
            tell(Event::FaultAdded {
                fault: fault.name().to_owned(),
                by: owner.map_or_else(|| "the document".to_owned(), |owner| owner.to_string()),
                lasts: fault.entry().r#for,
            });
        }
    }

    /// Publishes what the leases say now, with the document that a `bad_reload` among them wants.
    fn settle(&self, truth: &mut Truth, why: &str) -> Result<(), ChangeError> {
        self.leases_changed.notify_one();
        let wanted = wanted(truth)?;
        self.publish(truth, &wanted.document, false, why)?;
        truth.turn_to(wanted);
        truth.unsettled = false;
        Ok(())
    }

    /// As [`Control::settle`], where faults only go: the document is one that was in force. What stands in its way is tried
    /// again until it does not, but no fault waits for that.
    fn settle_for_less(&self, truth: &mut Truth, why: &str) {
        let Err(error) = self.settle(truth, why) else {
            return;
        };
        tracing::error!(%error, "faults could not be lifted in the regular way; each is lifted by itself");
        truth.unsettled = true;
        let lives = |fault: &Fault| {
            truth.panic.is_none()
                && (truth.leases.has_fault(fault.name())
                    || truth.document.faults.has(fault.name())
                    || truth.annex.faults.has(fault.name()))
        };
        for fault in self.snapshot().faults.iter().filter(|fault| !lives(fault)) {
            fault.lift();
        }
    }
}

impl Truth {
    /// Who holds a fault, and by which lease; `None` for one of the document.
    fn holder(&self, fault: &str) -> Option<(Owner, Option<(LeaseId, &Lease)>)> {
        if self.annex.faults.has(fault) {
            return Some((Owner::Toxiproxy, None));
        }
        let has = |lease: &Lease| lease.faults.iter().any(|(name, _)| name == fault);
        let (id, lease) = self.leases.iter().find(|(_, lease)| has(lease))?;
        Some((lease.owner.clone(), Some((id, lease))))
    }
}

fn held(leases: &mut Leases, id: LeaseId) -> Result<&mut Lease, ChangeError> {
    leases
        .live(id, Instant::now())
        .ok_or_else(|| ChangeError::NotFound {
            what: "lease",
            name: id.0.to_string(),
            known: Vec::new(),
        })
}

#[cfg(test)]
mod tests;
