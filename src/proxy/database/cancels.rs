//! Which backend a session's cancel requests go to: they come on connections of their own, on any worker.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

/// The keys of the sessions that stand, each with its cluster and its backend's number.
#[derive(Clone, Debug, Default)]
pub struct Cancels(Arc<Mutex<HashMap<Box<[u8]>, Owner>>>);

/// Who has given a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Owner {
    /// The cluster.
    pub(super) cluster: Arc<str>,
    /// The number of the backend.
    pub(super) backend: u64,
}

impl Cancels {
    /// Knows a key until the guard is dropped.
    pub(super) fn add(&self, key: &[u8], owner: Owner) -> Known {
        self.keys(|keys| keys.insert(key.into(), owner));
        Known {
            cancels: self.clone(),
            key: key.into(),
        }
    }

    /// Who has given a key.
    pub(super) fn owner(&self, key: &[u8]) -> Option<Owner> {
        self.keys(|keys| keys.get(key).cloned())
    }

    fn keys<T>(&self, act: impl FnOnce(&mut HashMap<Box<[u8]>, Owner>) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A key while its session stands.
#[derive(Debug)]
pub(super) struct Known {
    cancels: Cancels,
    key: Box<[u8]>,
}

impl Drop for Known {
    fn drop(&mut self) {
        self.cancels.keys(|keys| keys.remove(&self.key));
    }
}
