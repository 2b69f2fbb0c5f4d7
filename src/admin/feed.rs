//! The lines of drills' journals, on their way to whoever reads along.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::broadcast;

use crate::drill::{
    Ledger, View, Watcher,
    event::{Event, Stamped},
};

/// Lines of drills' journals, as they are written, and what they come to. Clones share it.
#[derive(Clone, Debug)]
pub struct Feed {
    lines: broadcast::Sender<Arc<str>>,
    ledger: Arc<Mutex<Ledger>>,
}

/// So many lines a reader may be behind.
const LINES: usize = 1024;

impl Default for Feed {
    fn default() -> Self {
        Self {
            lines: broadcast::channel(LINES).0,
            ledger: Arc::default(),
        }
    }
}

impl Feed {
    /// A reader of the lines that come from now on.
    pub(super) fn read(&self) -> broadcast::Receiver<Arc<str>> {
        self.lines.subscribe()
    }

    /// What is known of the drill that runs, or ran last.
    pub(super) fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watcher for Feed {
    fn recorded(&mut self, stamped: &Stamped, line: &str) {
        let mut ledger = self.ledger();
        if matches!(stamped.event, Event::DrillStarted(_)) {
            *ledger = Ledger::default();
        }
        ledger.note(stamped);
        drop(ledger);
        // Fails when nobody listens, which is fine.
        let _ = self.lines.send(line.trim_end().into());
    }

    fn looked(&mut self, _: &View) {}
}
