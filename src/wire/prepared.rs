//! What prepared statements say, by the names or numbers that client and server have for them.

use std::{borrow::Borrow, collections::HashMap, hash::Hash, sync::Arc};

/// So many prepared statements are remembered; what is forgotten is a statement without text.
const MOST: usize = 4096;

/// So much text of prepared statements is remembered, over all of them.
const MOST_TEXT: usize = 4 << 20;

/// What a prepared statement says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Prepared {
    /// Its SQL.
    pub(super) text: Arc<str>,
    /// It was stopped before its preparation, and nothing was done by it yet.
    pub(super) fresh: bool,
}

/// Prepared statements of a session, within limits: what is too much is forgotten.
#[derive(Debug)]
pub(super) struct Remembered<K> {
    known: HashMap<K, Prepared>,
    bytes: usize,
}

impl<K> Default for Remembered<K> {
    fn default() -> Self {
        Self {
            known: HashMap::new(),
            bytes: 0,
        }
    }
}

impl<K: Eq + Hash> Remembered<K> {
    /// From here on this name means that.
    pub(super) fn put(&mut self, name: K, prepared: Prepared) {
        self.remove(&name);
        if self.known.len() < MOST && self.bytes + prepared.text.len() <= MOST_TEXT {
            self.bytes += prepared.text.len();
            self.known.insert(name, prepared);
        }
    }

    /// What this name means; a statement without text where that is not known.
    pub(super) fn get<Q: Eq + Hash + ?Sized>(&self, name: &Q) -> Prepared
    where
        K: Borrow<Q>,
    {
        self.known.get(name).cloned().unwrap_or_default()
    }

    /// The same for whoever does it first.
    pub(super) fn take<Q: Eq + Hash + ?Sized>(&mut self, name: &Q) -> Prepared
    where
        K: Borrow<Q>,
    {
        let Some(known) = self.known.get_mut(name) else {
            return Prepared::default();
        };
        let before = known.clone();
        known.fresh = false;
        before
    }

    /// It means nothing any more.
    pub(super) fn remove<Q: Eq + Hash + ?Sized>(&mut self, name: &Q)
    where
        K: Borrow<Q>,
    {
        if let Some(prepared) = self.known.remove(name) {
            self.bytes -= prepared.text.len();
        }
    }

    /// Whether no name means anything.
    pub(super) fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// None means anything any more.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}
