//! What prepared statements and portals say, by the names that the client gave them.

use std::{collections::HashMap, sync::Arc};

/// So many prepared statements and portals are remembered; what is forgotten is a statement without text.
const MOST_NAMES: usize = 4096;

/// So much text of prepared statements is remembered, over all of them.
const MOST_TEXT: usize = 4 << 20;

/// What a prepared statement or a portal says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Prepared {
    /// Its SQL.
    pub(super) text: Arc<str>,
    /// It was stopped before its preparation, and nothing was done by it yet.
    pub(super) fresh: bool,
}

/// Statements by name, within limits: what is too much is forgotten.
#[derive(Debug, Default)]
pub(super) struct Names {
    known: HashMap<Box<[u8]>, Prepared>,
    bytes: usize,
}

impl Names {
    pub(super) fn put(&mut self, name: &[u8], prepared: Prepared) {
        self.remove(name);
        if self.known.len() < MOST_NAMES && self.bytes + prepared.text.len() <= MOST_TEXT {
            self.bytes += prepared.text.len();
            self.known.insert(name.into(), prepared);
        }
    }

    /// What this name means.
    pub(super) fn get(&self, name: &[u8]) -> Prepared {
        self.known.get(name).cloned().unwrap_or_default()
    }

    /// The same for whoever does it first.
    pub(super) fn take(&mut self, name: &[u8]) -> Prepared {
        let known = self.known.get_mut(name);
        known
            .map(|prepared| {
                let before = prepared.clone();
                prepared.fresh = false;
                before
            })
            .unwrap_or_default()
    }

    pub(super) fn remove(&mut self, name: &[u8]) {
        if let Some(prepared) = self.known.remove(name) {
            self.bytes -= prepared.text.len();
        }
    }
}
