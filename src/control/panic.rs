//! The emergency button: every fault off at once, and none may start until it is reset.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;

use super::{Author, Control, Panicked};
use crate::{faults::Fault, telemetry::events::Event};

impl Control {
    /// Lifts every fault at once and lets none start until the panic is reset.
    pub fn panic(&self, by: &Author) -> Panicked {
        let begun = Instant::now();
        let mut truth = self.lock();
        let lifted = self.faults_standing().len();
        let leases = truth.leases.end_all().len();
        truth.panic = Some(Panicked {
            lifted,
            leases,
            took: Duration::ZERO,
        });
        self.settle_for_less(&mut truth, "panic");
        let done = Panicked {
            lifted,
            leases,
            took: begun.elapsed(),
        };
        truth.panic = Some(done);
        drop(truth);
        self.events.tell(Event::Panic {
            by: by.to_string(),
            clean_after: crate::units::Span(done.took),
        });
        done
    }

    /// The panic that is in force.
    pub fn panicked(&self) -> Option<Panicked> {
        self.lock().panic
    }

    /// Ends every lease and lifts every fault, because the process ends: what they hold goes on, and can end too. Says how many
    /// stood.
    pub fn end(&self) -> usize {
        let mut truth = self.lock();
        let standing = self.faults_standing();
        truth.leases.end_all();
        self.settle_for_less(&mut truth, "the proxy ends");
        standing.iter().for_each(|fault| fault.lift());
        standing.len()
    }

    fn faults_standing(&self) -> Vec<Arc<Fault>> {
        let snapshot = self.snapshot();
        let standing = snapshot.faults.iter().filter(|fault| !fault.is_lifted());
        standing.cloned().collect()
    }

    /// Lets faults start again. False when no panic was in force.
    pub fn panic_reset(&self, by: &Author) -> bool {
        let mut truth = self.lock();
        let was = truth.panic.take().is_some();
        if was {
            self.settle_for_less(&mut truth, "the panic was reset");
            self.events.tell(Event::PanicReset { by: by.to_string() });
        }
        was
    }
}
