//! Requests to cancel a session's command, which come on connections of their own, on any worker: which session a key belongs
//! to, whether the proxy holds its command, and which backend is asked where it does not.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU8, AtomicUsize, Ordering},
    },
};

use tokio::sync::Notify;

use crate::route::Dialect;

/// The sessions that stand, by their keys.
#[derive(Clone, Debug, Default)]
pub struct Cancels(Arc<Mutex<Keys>>);

/// Whose each key is, and what the session holds.
type Keys = HashMap<Box<[u8]>, (Owner, Arc<Holding>)>;

/// Who has given a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Owner {
    /// The cluster.
    pub(super) cluster: Arc<str>,
    /// The number of the backend.
    pub(super) backend: u64,
    /// The server.
    pub(super) address: SocketAddr,
    /// Where the session's client has come in.
    pub(super) listener: SocketAddr,
}

impl Owner {
    /// The key under which a session is known that its server has given this one. MySQL's are numbers, which each server gives anew,
    /// and are named to that server. PostgreSQL's come in where their sessions do: of two listeners of which one leads to the other
    /// both know the key, and each has a session of its own by it.
    pub(super) fn key(&self, dialect: Dialect, given: &[u8]) -> Box<[u8]> {
        match dialect {
            Dialect::Mysql => key_at(self.address, given),
            Dialect::Postgres | Dialect::Redis => key_at(self.listener, given),
        }
    }
}

/// The key under which a session is known that this one was given to, at this address.
pub(super) fn key_at(address: SocketAddr, given: &[u8]) -> Box<[u8]> {
    [address.to_string().as_bytes(), b" ", given].concat().into()
}

impl Cancels {
    /// Knows a session by its key until the guard is dropped.
    pub(super) fn add(&self, key: &[u8], owner: Owner, holding: &Arc<Holding>) -> Known {
        self.keys(|keys| keys.insert(key.into(), (owner, holding.clone())));
        Known {
            cancels: self.clone(),
            key: key.into(),
            holding: holding.clone(),
        }
    }

    /// Who has given a key, and what the session holds.
    pub(super) fn find(&self, key: &[u8]) -> Option<(Owner, Arc<Holding>)> {
        self.keys(|keys| keys.get(key).cloned())
    }

    fn keys<T>(&self, act: impl FnOnce(&mut Keys) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A key while its session stands.
#[derive(Debug)]
pub(super) struct Known {
    cancels: Cancels,
    key: Box<[u8]>,
    holding: Arc<Holding>,
}

impl Drop for Known {
    fn drop(&mut self) {
        self.cancels.keys(|keys| {
            // A server that has begun anew may have given it to another session.
            if keys
                .get(&self.key)
                .is_some_and(|(_, of)| Arc::ptr_eq(of, &self.holding))
            {
                keys.remove(&self.key);
            }
        });
    }
}

/// Whether a session holds a command: said by the session, asked by who wants to cancel it, on any worker, without a lock.
#[derive(Debug, Default)]
pub(super) struct Holding {
    state: AtomicU8,
    cancelled: Notify,
    /// How many requests to cancel its command are being passed on.
    passing: AtomicUsize,
}

/// So many requests to cancel a session's command are passed on at a time; more are dropped. One that comes back to where it was, by
/// whatever way, ends here.
const MOST_PASSING: usize = 4;

/// A request that is being passed on.
#[derive(Debug)]
pub(super) struct Passing(Arc<Holding>);

impl Drop for Passing {
    fn drop(&mut self) {
        self.0.passing.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What the server may still be doing for the client while a command is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ahead {
    /// Nothing.
    Nothing,
    /// What stands before it in its group: one error ends both.
    Group,
    /// What is answered by itself: it is cancelled, and the one that waits behind it is not.
    Units,
}

/// The session holds nothing that can be cancelled.
const FREE: u8 = 0;
/// It holds a command, and the server does nothing for it.
const ALONE: u8 = 1;
/// It holds a command, and the server may be doing what stands before it in its group.
const WITHIN: u8 = 2;
/// What it holds is cancelled.
const CANCELLED: u8 = 3;

impl Holding {
    /// The session asks the faults about a command.
    pub(super) fn begin(&self, ahead: Ahead) {
        let state = match ahead {
            Ahead::Nothing => ALONE,
            Ahead::Group => WITHIN,
            Ahead::Units => FREE,
        };
        self.state.store(state, Ordering::Release);
    }

    /// Comes when what is held is cancelled.
    pub(super) async fn cancelled(&self) {
        // One that came too late for an earlier command has left its ring behind.
        while self.state.load(Ordering::Acquire) != CANCELLED {
            self.cancelled.notified().await;
        }
    }

    /// The faults have had their say; whether the command was cancelled meanwhile.
    pub(super) fn end(&self) -> bool {
        self.state.swap(FREE, Ordering::AcqRel) == CANCELLED
    }

    /// Cancels the command that is held, if one is; whether that is all there is to cancel, and the server need not know. One that
    /// heard of it all the same might meet what it gets in the command's place.
    pub(super) fn cancel(&self) -> bool {
        let cancel = |state| matches!(state, ALONE | WITHIN).then_some(CANCELLED);
        let before = self
            .state
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, cancel);
        if before.is_ok() {
            self.cancelled.notify_one();
        }
        matches!(before, Ok(ALONE) | Err(CANCELLED))
    }

    /// A request is about to be passed on; `None`: too many are under way.
    pub(super) fn pass(self: &Arc<Self>) -> Option<Passing> {
        let passing = Passing(self.clone());
        (self.passing.fetch_add(1, Ordering::Relaxed) < MOST_PASSING).then_some(passing)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_is_held_is_cancelled_once_and_the_next_is_not() {
        let holding = Holding::default();
        assert!(!holding.cancel(), "nothing is held: the server is asked");
        holding.begin(Ahead::Nothing);
        assert!(holding.cancel() && holding.cancel());
        holding.cancelled().await;
        assert!(holding.end());
        // A ring that nobody has heard is not for the next.
        holding.begin(Ahead::Nothing);
        assert!(holding.cancel() && holding.end());
        holding.begin(Ahead::Nothing);
        let late = tokio::time::timeout(Duration::from_secs(1), holding.cancelled());
        assert!(late.await.is_err() && !holding.end());
    }

    #[test]
    fn the_server_hears_of_it_where_it_may_be_doing_something() {
        let holding = Holding::default();
        holding.begin(Ahead::Group);
        assert!(!holding.cancel() && holding.end());
        holding.begin(Ahead::Units);
        assert!(!holding.cancel() && !holding.end());
    }

    #[test]
    fn a_key_is_known_while_its_session_stands() {
        let (cancels, holding) = (Cancels::default(), Arc::new(Holding::default()));
        let owner = Owner {
            cluster: "app".into(),
            backend: 7,
            address: "127.0.0.1:3306".parse().unwrap(),
            listener: "127.0.0.1:13306".parse().unwrap(),
        };
        let known = cancels.add(b"key", owner.clone(), &holding);
        let (found, held) = cancels.find(b"key").unwrap();
        assert!(found == owner && Arc::ptr_eq(&held, &holding));
        let next = cancels.add(b"key", owner, &Arc::default());
        drop(known);
        assert!(cancels.find(b"key").is_some(), "it is another's by now");
        drop(next);
        assert!(cancels.find(b"key").is_none());
    }

    #[test]
    fn two_servers_may_give_the_same_number_and_two_listeners_pass_the_same_key_on() {
        let key = |dialect, server: &str, listener: &str| {
            let owner = Owner {
                cluster: "app".into(),
                backend: 7,
                address: server.parse().unwrap(),
                listener: listener.parse().unwrap(),
            };
            owner.key(dialect, b"\x07\0\0\0")
        };
        let (server, inner, outer) = ("127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3");
        for dialect in [Dialect::Mysql, Dialect::Postgres] {
            assert_ne!(key(dialect, server, inner), key(dialect, inner, outer));
        }
        assert_eq!(
            key(Dialect::Mysql, server, inner),
            key(Dialect::Mysql, server, outer)
        );
        assert_eq!(
            key(Dialect::Postgres, server, inner),
            key_at(inner.parse().unwrap(), b"\x07\0\0\0")
        );
    }

    #[test]
    fn no_request_is_passed_on_for_ever() {
        let holding = Arc::new(Holding::default());
        let mut under_way: Vec<_> = (0..MOST_PASSING).map(|_| holding.pass().unwrap()).collect();
        assert!(holding.pass().is_none() && holding.pass().is_none());
        under_way.pop();
        assert!(holding.pass().is_some(), "one is over");
    }
}
