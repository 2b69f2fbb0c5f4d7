//! Connections kept for the next exchange: one worker's own, so no lock stands before them.

use std::{
    cell::RefCell,
    collections::{BTreeMap, VecDeque},
    rc::Rc,
    time::Duration,
};

use tokio::time::Instant;

/// What the pool may keep.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// How many idle connections a worker keeps per backend.
    pub idle: usize,
    /// How long one may be idle; below the backend's own limit, or a request meets a closing connection.
    pub idle_for: Duration,
    /// How old one may grow, so that a backend behind a moving address is found again.
    pub age: Option<Duration>,
}

/// A connection with its times.
#[derive(Debug)]
pub struct Pooled<C> {
    /// The connection.
    pub connection: C,
    /// When it was opened.
    pub opened: Instant,
    /// How long it was idle before this use; zero for a fresh one.
    pub idled: Duration,
}

struct Parked<C> {
    connection: C,
    opened: Instant,
    since: Instant,
}

/// Idle connections by backend; the one used last is used first, so that the others can run out.
pub struct Pool<K, C>(RefCell<BTreeMap<K, VecDeque<Parked<C>>>>);

impl<K: Ord + Clone, C> Pool<K, C> {
    /// An empty pool.
    pub fn new() -> Rc<Self> {
        Rc::new(Self(RefCell::default()))
    }

    /// Takes the connection that was used last and still lives.
    pub fn take(
        &self,
        key: &K,
        now: Instant,
        limits: &Limits,
        mut lives: impl FnMut(&mut C) -> bool,
    ) -> Option<Pooled<C>> {
        let mut map = self.0.borrow_mut();
        let parked = map.get_mut(key)?;
        while let Some(mut one) = parked.pop_back() {
            let idled = now.saturating_duration_since(one.since);
            if idled >= limits.idle_for {
                // Those before it have been idle longer still.
                parked.clear();
                return None;
            }
            if limits.is_young(one.opened, now) && lives(&mut one.connection) {
                return Some(Pooled {
                    connection: one.connection,
                    opened: one.opened,
                    idled,
                });
            }
        }
        None
    }

    /// Keeps a connection for the next exchange, unless it is too old or enough are kept.
    pub fn put(&self, key: &K, now: Instant, limits: &Limits, connection: C, opened: Instant) {
        if limits.idle == 0 || !limits.is_young(opened, now) {
            return;
        }
        let mut map = self.0.borrow_mut();
        let parked = match map.get_mut(key) {
            Some(parked) => parked,
            None => map.entry(key.clone()).or_default(),
        };
        if parked.len() >= limits.idle {
            parked.pop_front();
        }
        parked.push_back(Parked {
            connection,
            opened,
            since: now,
        });
    }

    /// Closes what has been idle too long, what has died, and all of backends that are gone.
    pub fn sweep(
        &self,
        now: Instant,
        limits: impl Fn(&K) -> Option<Limits>,
        mut lives: impl FnMut(&mut C) -> bool,
    ) {
        self.0.borrow_mut().retain(|key, parked| {
            let Some(limits) = limits(key) else { return false };
            parked.retain_mut(|one| {
                now.saturating_duration_since(one.since) < limits.idle_for && lives(&mut one.connection)
            });
            !parked.is_empty()
        });
    }

    /// Takes out the connection to one backend that has been idle the longest, to make room for another.
    pub fn shed(&self, key: &K) -> Option<C> {
        let parked = self.0.borrow_mut().get_mut(key)?.pop_front()?;
        Some(parked.connection)
    }

    /// How many idle connections are kept.
    pub fn len(&self) -> usize {
        self.0.borrow().values().map(VecDeque::len).sum()
    }

    /// Whether none is kept.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Limits {
    fn is_young(&self, opened: Instant, now: Instant) -> bool {
        self.age
            .is_none_or(|age| now.saturating_duration_since(opened) < age)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits {
        idle: 2,
        idle_for: Duration::from_secs(10),
        age: Some(Duration::from_secs(60)),
    };

    #[tokio::test(start_paused = true)]
    async fn the_connection_used_last_is_used_first() {
        let (pool, now) = (Pool::new(), Instant::now());
        for n in 0..3 {
            pool.put(&"a", now, &LIMITS, n, now);
        }
        assert_eq!(pool.len(), 2, "the oldest made room");
        assert_eq!(
            pool.take(&"a", now, &LIMITS, |_| true).map(|p| p.connection),
            Some(2)
        );
        assert_eq!(
            pool.take(&"b", now, &LIMITS, |_| true).map(|p| p.connection),
            None
        );
    }

    #[tokio::test(start_paused = true)]
    async fn dead_idle_and_old_connections_are_not_given_out() {
        let (pool, now) = (Pool::new(), Instant::now());
        let take = |at| pool.take(&"a", at, &LIMITS, |n| *n != 7).map(|p| p.connection);
        pool.put(&"a", now, &LIMITS, 7, now);
        assert_eq!(take(now), None, "dead");
        pool.put(&"a", now, &LIMITS, 1, now);
        assert_eq!(take(now + LIMITS.idle_for), None, "idle too long");
        let late = now + Duration::from_secs(59);
        pool.put(&"a", late, &LIMITS, 1, now);
        assert_eq!(take(late + Duration::from_secs(2)), None, "too old");
    }

    #[tokio::test(start_paused = true)]
    async fn a_sweep_closes_what_nobody_will_use() {
        let (pool, now) = (Pool::new(), Instant::now());
        pool.put(&"gone", now, &LIMITS, 1, now);
        pool.put(&"kept", now, &LIMITS, 2, now);
        pool.put(&"kept", now, &LIMITS, 3, now);
        pool.sweep(now, |key| (*key == "kept").then_some(LIMITS), |n| *n != 3);
        assert_eq!((pool.len(), pool.shed(&"kept")), (1, Some(2)));
        assert!(pool.is_empty() && pool.shed(&"kept").is_none());
    }
}
