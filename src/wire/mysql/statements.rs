//! What prepared statements say, by the number that the server gave them.

use std::{collections::HashMap, sync::Arc};

/// So many prepared statements are remembered; what is forgotten is a statement without text.
const MOST: usize = 4096;

/// So much text of prepared statements is remembered, over all of them.
const MOST_TEXT: usize = 4 << 20;

/// MariaDB's clients name the statement that was prepared last like this.
const LAST: u32 = u32::MAX;

/// What a prepared statement says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Prepared {
    /// Its SQL.
    pub(super) text: Arc<str>,
    /// It was stopped before its preparation, and nothing was done by it yet.
    pub(super) fresh: bool,
}

/// The prepared statements of a session, within limits.
#[derive(Debug, Default)]
pub(super) struct Statements {
    known: HashMap<u32, Prepared>,
    bytes: usize,
    last: u32,
}

impl Statements {
    /// The server has given this statement a number.
    pub(super) fn put(&mut self, id: u32, prepared: Prepared) {
        self.remove(id);
        self.last = id;
        if self.known.len() < MOST && self.bytes + prepared.text.len() <= MOST_TEXT {
            self.bytes += prepared.text.len();
            self.known.insert(id, prepared);
        }
    }

    /// The statement of this number; one without text where it is not known.
    pub(super) fn get(&self, id: u32) -> Prepared {
        self.known.get(&self.meant(id)).cloned().unwrap_or_default()
    }

    /// It is done.
    pub(super) fn done(&mut self, id: u32) {
        if let Some(prepared) = self.known.get_mut(&self.meant(id)) {
            prepared.fresh = false;
        }
    }

    /// The client has closed it.
    pub(super) fn remove(&mut self, id: u32) {
        if let Some(prepared) = self.known.remove(&id) {
            self.bytes -= prepared.text.len();
        }
    }

    const fn meant(&self, id: u32) -> u32 {
        if id == LAST { self.last } else { id }
    }

    /// All are gone: another user, or a session begun anew.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}
