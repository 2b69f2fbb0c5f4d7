//! The table: orders in memory, and the feed that keeps a replica in step.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use jiff::Timestamp;
use tokio::sync::broadcast::{self, error::RecvError};

/// How many orders are kept; each one beyond pushes out the oldest, so that a demo may run for days.
pub(super) const MAX_ORDERS: usize = 10_000;

/// How many commits the feed holds for a slow replica; one that falls further behind copies the table again.
const FEED_LENGTH: usize = 1024;

/// A row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Order {
    pub(super) id: i64,
    pub(super) item: String,
    pub(super) quantity: i32,
    pub(super) created: Timestamp,
}

/// Which orders a statement is about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Pick {
    /// Only the one of this id.
    pub(super) id: Option<i64>,
    /// The newest first.
    pub(super) descending: bool,
    /// At most so many.
    pub(super) limit: Option<usize>,
}

/// What one transaction wrote.
type Commit = Arc<[Order]>;

/// The orders of one database.
#[derive(Debug)]
pub(super) struct Orders {
    table: Mutex<Table>,
    feed: broadcast::Sender<Commit>,
}

#[derive(Debug, Default)]
struct Table {
    rows: BTreeMap<i64, Order>,
    last_id: i64,
}

impl Orders {
    /// An empty table.
    pub(super) fn new() -> Self {
        Self {
            table: Mutex::default(),
            feed: broadcast::Sender::new(FEED_LENGTH),
        }
    }

    /// Takes the next id; as with PostgreSQL's sequences, a rollback does not give it back.
    pub(super) fn next_id(&self) -> i64 {
        let mut table = self.lock();
        table.last_id += 1;
        table.last_id
    }

    /// Writes the orders of a transaction, all at once.
    pub(super) fn commit(&self, orders: Vec<Order>) {
        if orders.is_empty() {
            return;
        }
        let commit = Commit::from(orders);
        let mut table = self.lock();
        table.write(&commit);
        // Sent under the lock, so that replicas see commits in the order in which they were made. Nobody may listen.
        let _ = self.feed.send(commit);
    }

    /// The orders picked.
    pub(super) fn select(&self, pick: Pick) -> Vec<Order> {
        let limit = pick.limit.unwrap_or(usize::MAX);
        let table = self.lock();
        match pick.id {
            Some(id) => table.rows.get(&id).into_iter().take(limit).cloned().collect(),
            None if pick.descending => table.rows.values().rev().take(limit).cloned().collect(),
            None => table.rows.values().take(limit).cloned().collect(),
        }
    }

    /// Follows `source`: copies it, then writes each of its commits here. Ends only when it is dropped.
    pub(super) async fn follow(&self, source: &Self) {
        // The subscription comes first: a commit may then arrive twice, which is harmless, but never be missed.
        let mut feed = source.feed.subscribe();
        self.copy(source);
        loop {
            match feed.recv().await {
                Ok(commit) => self.commit(commit.to_vec()),
                Err(RecvError::Lagged(_)) => self.copy(source),
                Err(RecvError::Closed) => return,
            }
        }
    }

    fn copy(&self, source: &Self) {
        self.commit(source.select(Pick::default()));
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        // A panic elsewhere leaves rows, not half rows: each write is one insert.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn write(&mut self, orders: &[Order]) {
        for order in orders {
            self.last_id = self.last_id.max(order.id);
            self.rows.insert(order.id, order.clone());
        }
        while self.rows.len() > MAX_ORDERS {
            self.rows.pop_first();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(id: i64) -> Order {
        Order {
            id,
            item: format!("item {id}"),
            quantity: 1,
            created: Timestamp::UNIX_EPOCH,
        }
    }

    fn ids(orders: &Orders, pick: Pick) -> Vec<i64> {
        orders.select(pick).into_iter().map(|order| order.id).collect()
    }

    #[test]
    fn orders_are_picked_by_id_order_and_limit() {
        let orders = Orders::new();
        orders.commit((1..=5).map(order).collect());
        let check = |id, descending, limit, expected: &[i64]| {
            let pick = Pick {
                id,
                descending,
                limit,
            };
            assert_eq!(ids(&orders, pick), expected, "{pick:?}");
        };
        check(None, false, None, &[1, 2, 3, 4, 5]);
        check(None, true, Some(2), &[5, 4]);
        check(Some(3), false, None, &[3]);
        check(Some(3), false, Some(0), &[]);
        check(Some(9), false, None, &[]);
        assert_eq!(orders.next_id(), 6);
    }

    #[test]
    fn the_oldest_orders_make_room() {
        let orders = Orders::new();
        let more = i64::try_from(MAX_ORDERS).unwrap() + 3;
        (1..=more).for_each(|id| orders.commit(vec![order(id)]));
        assert_eq!(orders.select(Pick::default()).len(), MAX_ORDERS);
        assert_eq!(orders.select(Pick::default())[0].id, 4);
    }

    #[tokio::test]
    async fn a_replica_that_fell_behind_copies_the_table_again() {
        let (source, replica) = (Orders::new(), Orders::new());
        source.commit(vec![order(1)]);
        let all = i64::try_from(FEED_LENGTH).unwrap() * 3;
        let mut follow = std::pin::pin!(replica.follow(&source));
        // One poll subscribes; what is written before the next is more than the feed holds.
        assert!(is_pending_after_a_poll(follow.as_mut()).await);
        (2..=all).for_each(|id| source.commit(vec![order(id)]));
        assert!(is_pending_after_a_poll(follow.as_mut()).await);
        assert_eq!(replica.select(Pick::default()), source.select(Pick::default()));
    }

    /// Polls once; says whether it is still pending.
    async fn is_pending_after_a_poll(future: std::pin::Pin<&mut impl Future<Output = ()>>) -> bool {
        let mut future = future;
        std::future::poll_fn(|cx| std::task::Poll::Ready(future.as_mut().poll(cx).is_pending())).await
    }
}
