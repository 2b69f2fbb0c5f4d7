//! What both directions of a connection know of each other: when a byte moved last, and whether it is forgotten.

use std::sync::{Mutex, PoisonError};

use tokio::time::Instant;

use crate::units::Span;

/// A connection as something on its way sees it that forgets those which stand idle.
#[derive(Debug, Default)]
pub(super) struct Track(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    moved: Option<Instant>,
    forgotten: bool,
}

impl Track {
    /// It is there from now on, if it was not before.
    pub(super) fn begin(&self, now: Instant) {
        self.with(|state| {
            state.moved.get_or_insert(now);
        });
    }

    /// Whether what moves now still finds the connection; one that has stood idle for so long is forgotten, for good.
    pub(super) fn moves(&self, now: Instant, limit: Span) -> bool {
        self.with(|state| {
            let moved = *state.moved.get_or_insert(now);
            state.forgotten |= now.saturating_duration_since(moved) >= limit.0;
            if !state.forgotten {
                state.moved = Some(now);
            }
            !state.forgotten
        })
    }

    /// Whether the connection is forgotten.
    pub(super) fn is_forgotten(&self) -> bool {
        self.with(|state| state.forgotten)
    }

    fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
