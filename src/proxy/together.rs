//! One attempt for all who want the same thing at the same time: a hundred streams that find no connection dial it once.

use std::{cell::RefCell, collections::HashMap, hash::Hash};

use tokio::sync::watch;

/// What is being made at the moment, by what it is made for.
pub(super) struct Together<K: Eq + Hash, T>(RefCell<HashMap<K, watch::Receiver<Option<T>>>>);

impl<K: Eq + Hash, T> Default for Together<K, T> {
    fn default() -> Self {
        Self(RefCell::default())
    }
}

impl<K: Eq + Hash + Copy, T: Clone> Together<K, T> {
    /// Gives what `make` makes, or what somebody else makes for the same key at the moment. Who waits for somebody that
    /// gives up (its client went away) makes it after all.
    pub(super) async fn make(&self, key: K, make: impl Future<Output = T>) -> T {
        loop {
            let other = self.0.borrow().get(&key).cloned();
            let Some(mut other) = other else { break };
            let made = other.wait_for(Option::is_some).await.ok();
            if let Some(made) = made.and_then(|made| made.clone()) {
                return made;
            }
        }
        let (tell, told) = watch::channel(None);
        self.0.borrow_mut().insert(key, told);
        let under_way = UnderWay(self, key);
        let made = make.await;
        drop(under_way);
        // Nobody may be waiting.
        let _ = tell.send(Some(made.clone()));
        made
    }
}

/// Forgets what was being made, also when it is given up.
struct UnderWay<'a, K: Eq + Hash, T>(&'a Together<K, T>, K);

impl<K: Eq + Hash, T> Drop for UnderWay<'_, K, T> {
    fn drop(&mut self) {
        self.0.0.borrow_mut().remove(&self.1);
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test]
    async fn all_who_come_while_it_is_made_get_the_same() {
        let (together, made, (go, wait)) = (Together::default(), Cell::new(0), oneshot::channel::<()>());
        let first = together.make("key", async {
            let _ = wait.await;
            made.set(made.get() + 1);
            made.get()
        });
        let second = together.make("key", async { 99 });
        let other = async {
            assert_eq!(together.make("other", async { 7 }).await, 7);
            go.send(()).unwrap();
        };
        let (first, second, ()) = tokio::join!(first, second, other);
        assert_eq!((first, second), (1, 1));
        assert_eq!(
            together.make("key", async { 2 }).await,
            2,
            "later it is made anew"
        );
    }

    #[tokio::test]
    async fn who_waits_for_one_that_gives_up_makes_it_after_all() {
        let together = Together::default();
        let mut gives_up = Box::pin(together.make("key", std::future::pending()));
        let mut waits = Box::pin(together.make("key", async { 5 }));
        tokio::select! {
            biased;
            _ = &mut gives_up => unreachable!(),
            _ = &mut waits => unreachable!(),
            () = std::future::ready(()) => {}
        }
        drop(gives_up);
        assert_eq!(waits.await, 5);
    }
}
