//! The lines of drills' journals, on their way to whoever reads along.

use std::sync::Arc;

use tokio::sync::broadcast;

use crate::drill::{View, Watcher, event::Stamped};

/// Lines of drills' journals, as they are written. Clones share it.
#[derive(Clone, Debug)]
pub struct Feed(broadcast::Sender<Arc<str>>);

/// So many lines a reader may be behind.
const LINES: usize = 1024;

impl Default for Feed {
    fn default() -> Self {
        Self(broadcast::channel(LINES).0)
    }
}

impl Feed {
    /// A reader of the lines that come from now on.
    pub(super) fn read(&self) -> broadcast::Receiver<Arc<str>> {
        self.0.subscribe()
    }
}

impl Watcher for Feed {
    fn recorded(&mut self, _: &Stamped, line: &str) {
        // Fails when nobody listens, which is fine.
        let _ = self.0.send(line.trim_end().into());
    }

    fn looked(&mut self, _: &View) {}
}
