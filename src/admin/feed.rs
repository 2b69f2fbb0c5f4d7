//! The lines of drills' journals, on their way to whoever reads along.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use tokio::sync::broadcast;

use super::clearance::Clearance;

use crate::drill::{
    Ledger, View, Watcher,
    event::{Event, Stamp, Stamped},
    plain::unpaced,
};

/// Lines of drills' journals, as they are written, and what they come to. Clones share it.
#[derive(Clone, Debug)]
pub struct Feed {
    lines: broadcast::Sender<Arc<Line>>,
    ledger: Arc<Mutex<Ledger>>,
}

/// A line of a journal, as each clearance may read it.
#[derive(Debug)]
pub(super) struct Line {
    full: String,
    plain: Option<String>,
    blind: Option<String>,
}

impl Line {
    fn new(stamped: &Stamped, line: &str) -> Self {
        Self {
            full: line.trim_end().to_owned(),
            plain: told(stamped.at, stamped.event.plain(false)),
            blind: told(unpaced(stamped.at), stamped.event.plain(true)),
        }
    }

    /// What may be read of it, if anything.
    pub(super) fn told(&self, clearance: Clearance) -> Option<&str> {
        match clearance {
            Clearance::Full => Some(&self.full),
            Clearance::Plain => self.plain.as_deref(),
            Clearance::Blind => self.blind.as_deref(),
        }
    }
}

/// An event and its moment, without the chain of the journal, whose numbers and hashes would have gaps.
#[derive(Serialize)]
struct Told {
    #[serde(flatten)]
    at: Stamp,
    #[serde(flatten)]
    event: Event,
}

fn told(at: Stamp, event: Option<Event>) -> Option<String> {
    serde_json::to_string(&Told { at, event: event? }).ok()
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
    pub(super) fn read(&self) -> broadcast::Receiver<Arc<Line>> {
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
        let _ = self.lines.send(Arc::new(Line::new(stamped, line)));
    }

    fn looked(&mut self, _: &View) {}
}
