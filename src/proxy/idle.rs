//! How long a body may stand still.

use std::{
    rc::Rc,
    task::{Context, Poll},
    time::Duration,
};

use tokio::time::Instant;

use super::{
    body::BodyError,
    deadline::{Deadline, Deadlines},
};

/// The time a body may stand still. It takes a place in the worker's list, and reads the clock, only when the body has to
/// be waited for: one that is there costs nothing.
pub struct Idle {
    list: Rc<Deadlines>,
    slot: Option<Deadline>,
    limit: Duration,
    waiting: bool,
}

impl Idle {
    /// A limit for one body.
    pub fn new(list: &Rc<Deadlines>, limit: Duration) -> Self {
        Self {
            list: list.clone(),
            slot: None,
            limit,
            waiting: false,
        }
    }

    /// How long a body may stand still.
    pub const fn limit(&self) -> Duration {
        self.limit
    }

    /// Something came.
    pub fn moved(&mut self) {
        self.waiting = false;
    }

    /// Nothing came, again or for the first time.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<BodyError> {
        let slot = self.slot.get_or_insert_with(|| self.list.slot());
        if !std::mem::replace(&mut self.waiting, true) {
            slot.set(Instant::now() + self.limit);
        }
        slot.poll_expired(cx).map(|_| BodyError::Idle(self.limit))
    }
}
