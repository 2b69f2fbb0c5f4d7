//! Time limits for traffic: a worker's own list, swept ten times a second.
//!
//! A limit is set and lifted several times per request and almost never reached. The runtime's timer wheel is exact
//! and costs a lock and a sorted insertion each time; this list costs a write to one cell, at the price of firing up
//! to two [`SWEEP`]s late. Delays that a fault injects never come this way: they are exact.

use std::{
    cell::{Cell, RefCell},
    future::{Future, poll_fn},
    pin::pin,
    rc::Rc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use tokio::time::{Instant, MissedTickBehavior, interval};

/// How often the list is swept: limits are met to this precision.
pub const SWEEP: Duration = Duration::from_millis(100);

/// Limits shorter than this are kept by the runtime's exact timer.
const COARSE_FROM: Duration = Duration::from_secs(2);

/// The limits of one worker.
#[derive(Default)]
pub struct Deadlines {
    slots: RefCell<Slots>,
    swept: Cell<Option<Instant>>,
}

#[derive(Default)]
struct Slots {
    entries: Vec<Entry>,
    free: Vec<usize>,
}

#[derive(Default)]
struct Entry {
    at: Option<Instant>,
    expired: bool,
    waker: Option<Waker>,
}

/// A place in the list; holds at most one limit at a time and gives the place back when dropped.
pub struct Deadline {
    list: Rc<Deadlines>,
    slot: usize,
}

/// The time allowed was used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expired;

impl Deadlines {
    /// A place for a limit, none set yet.
    pub fn slot(self: &Rc<Self>) -> Deadline {
        let mut slots = self.slots.borrow_mut();
        let slot = slots.free.pop().unwrap_or_else(|| {
            slots.entries.push(Entry::default());
            slots.entries.len() - 1
        });
        Deadline {
            list: self.clone(),
            slot,
        }
    }

    /// Runs a future for no longer than the limit; `None` is no limit.
    pub async fn within<F: Future>(
        self: &Rc<Self>,
        limit: Option<Duration>,
        work: F,
    ) -> Result<F::Output, Expired> {
        match limit {
            None => Ok(work.await),
            Some(limit) if limit < COARSE_FROM => {
                // A place in the list too, without a limit of its own: who waits is woken when all are.
                let place = self.slot();
                let timed = tokio::time::timeout(limit, place.race(work)).await;
                timed.unwrap_or(Err(Expired))
            }
            Some(limit) => {
                let deadline = self.slot();
                // The coarse clock may be a sweep behind, and a limit must not fire early.
                deadline.set(self.now() + limit + SWEEP);
                deadline.race(work).await
            }
        }
    }

    /// The time, at most a sweep behind: for what is counted in seconds, without asking the clock.
    pub fn now(&self) -> Instant {
        self.swept.get().unwrap_or_else(Instant::now)
    }

    /// Wakes whoever waits beyond its limit.
    fn sweep(&self, now: Instant) {
        self.swept.set(Some(now));
        for entry in &mut self.slots.borrow_mut().entries {
            if entry.at.is_some_and(|at| at <= now) {
                entry.at = None;
                entry.expired = true;
                if let Some(waker) = entry.waker.take() {
                    waker.wake();
                }
            }
        }
    }

    /// Wakes whoever waits under a limit, reached or not: the truth has changed, and each may look what that means for it.
    pub fn wake_all(&self) {
        let mut slots = self.slots.borrow_mut();
        let waiting = slots.entries.iter_mut().filter_map(|entry| entry.waker.take());
        waiting.for_each(Waker::wake);
    }

    /// Sweeps for ever; a worker runs this as one of its tasks.
    pub async fn run(self: Rc<Self>) {
        let mut ticks = interval(SWEEP);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let now = ticks.tick().await;
            self.sweep(now);
        }
    }
}

impl Deadline {
    /// Sets the limit, replacing the one before.
    pub fn set(&self, at: Instant) {
        let mut slots = self.list.slots.borrow_mut();
        let entry = &mut slots.entries[self.slot];
        entry.at = Some(at);
        entry.expired = false;
    }

    /// Lifts the limit.
    pub fn clear(&self) {
        let mut slots = self.list.slots.borrow_mut();
        let entry = &mut slots.entries[self.slot];
        entry.at = None;
        entry.expired = false;
    }

    /// Ready once the limit is reached.
    pub fn poll_expired(&self, cx: &mut Context<'_>) -> Poll<Expired> {
        let mut slots = self.list.slots.borrow_mut();
        let entry = &mut slots.entries[self.slot];
        if entry.expired {
            return Poll::Ready(Expired);
        }
        match &mut entry.waker {
            Some(waker) => waker.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
        Poll::Pending
    }

    /// Runs a future until it ends or the limit is reached.
    pub async fn race<F: Future>(&self, work: F) -> Result<F::Output, Expired> {
        let mut work = pin!(work);
        poll_fn(|cx| match work.as_mut().poll(cx) {
            Poll::Ready(output) => Poll::Ready(Ok(output)),
            Poll::Pending => self.poll_expired(cx).map(Err),
        })
        .await
    }
}

impl Drop for Deadline {
    fn drop(&mut self) {
        let mut slots = self.list.slots.borrow_mut();
        slots.entries[self.slot] = Entry::default();
        slots.free.push(self.slot);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_limit_fires_within_two_sweeps_of_its_time_and_never_early() {
        let list = Rc::new(Deadlines::default());
        let local = tokio::task::LocalSet::new();
        local.spawn_local(list.clone().run());
        local
            .run_until(async {
                let begin = Instant::now();
                let limit = Duration::from_secs(5);
                assert_eq!(
                    list.within(Some(limit), std::future::pending::<()>()).await,
                    Err(Expired)
                );
                assert!(
                    begin.elapsed() >= limit && begin.elapsed() <= limit + 2 * SWEEP,
                    "{:?}",
                    begin.elapsed()
                );
                assert_eq!(list.within(Some(limit), async { 7 }).await, Ok(7));
                assert_eq!(list.slots.borrow().free.len(), 1, "the place is given back");
            })
            .await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_limit_that_was_moved_fires_at_its_new_time() {
        let list = Rc::new(Deadlines::default());
        let slot = list.slot();
        let begin = Instant::now();
        slot.set(begin + Duration::from_secs(1));
        slot.set(begin + Duration::from_secs(9));
        list.sweep(begin + Duration::from_secs(2));
        assert!(
            poll_fn(|cx| Poll::Ready(slot.poll_expired(cx)))
                .await
                .is_pending()
        );
        list.sweep(begin + Duration::from_secs(9));
        assert!(poll_fn(|cx| Poll::Ready(slot.poll_expired(cx))).await.is_ready());
    }
}
