//! Wakes tasks of one thread that wait for the same thing. Waiting costs no lock and no atomic, unlike what Tokio has for
//! tasks of several threads: a session under way asks at every turn.

use std::{
    cell::{Cell, RefCell},
    future::poll_fn,
    rc::Rc,
    task::{Context, Poll, Waker},
};

use slab::Slab;

/// Rings for all who wait on it. One thread's own.
#[derive(Debug, Default)]
pub struct Bell {
    rings: Cell<u64>,
    waiting: RefCell<Slab<Option<Waker>>>,
}

impl Bell {
    /// Wakes everyone who waits, and lets pass those who are about to.
    pub fn ring(&self) {
        self.rings.set(self.rings.get() + 1);
        // Taken first: a waker may run what waits anew.
        let wakers: Vec<_> = self
            .waiting
            .borrow_mut()
            .iter_mut()
            .filter_map(|(_, waker)| waker.take())
            .collect();
        wakers.into_iter().for_each(Waker::wake);
    }

    /// A place from which every ring from now on is heard.
    pub fn wait(self: &Rc<Self>) -> Waiting {
        Waiting {
            heard: self.rings.get(),
            place: self.waiting.borrow_mut().insert(None),
            bell: self.clone(),
        }
    }
}

/// Waits for a [`Bell`]. Rings that come while nobody polls are heard later, once for all of them.
#[derive(Debug)]
pub struct Waiting {
    bell: Rc<Bell>,
    heard: u64,
    place: usize,
}

impl Waiting {
    /// Ready once for the rings since the last time.
    pub fn poll_rung(&mut self, cx: &Context<'_>) -> Poll<()> {
        let rings = self.bell.rings.get();
        if self.heard != rings {
            self.heard = rings;
            return Poll::Ready(());
        }
        if let Some(waker) = self.bell.waiting.borrow_mut().get_mut(self.place)
            && !waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker()))
        {
            *waker = Some(cx.waker().clone());
        }
        Poll::Pending
    }

    /// Comes once for the rings since the last time. Cancel-safe.
    pub async fn rung(&mut self) {
        poll_fn(|cx| self.poll_rung(cx)).await;
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.bell.waiting.borrow_mut().try_remove(self.place);
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{
            Arc,
            atomic::{AtomicUsize, Ordering::Relaxed},
        },
        task::Wake,
    };

    use super::*;

    #[derive(Default)]
    struct Woken(AtomicUsize);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Relaxed);
        }
    }

    #[test]
    fn a_ring_is_heard_once_by_each_also_when_it_came_before_they_looked() {
        let bell = Rc::new(Bell::default());
        let woken = Arc::<Woken>::default();
        let waker = Waker::from(woken.clone());
        let cx = Context::from_waker(&waker);
        let (mut early, mut late) = (bell.wait(), bell.wait());
        assert!(early.poll_rung(&cx).is_pending() && early.poll_rung(&cx).is_pending());
        bell.ring();
        bell.ring();
        assert_eq!(woken.0.load(Relaxed), 1);
        for waiting in [&mut early, &mut late] {
            assert!(waiting.poll_rung(&cx).is_ready());
            assert!(waiting.poll_rung(&cx).is_pending());
        }
        assert!(bell.wait().poll_rung(&cx).is_pending());
    }

    #[test]
    fn who_leaves_gives_the_place_back() {
        let bell = Rc::new(Bell::default());
        let first = bell.wait();
        drop((bell.wait(), first));
        assert!(bell.waiting.borrow().is_empty());
    }
}
