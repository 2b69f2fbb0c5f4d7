//! What prepared statements say, by the number that the server gave them.

use std::{collections::HashMap, sync::Arc};

/// So many prepared statements are remembered; what is forgotten is a statement without text.
const MOST: usize = 4096;

/// So much text of prepared statements is remembered, over all of them.
const MOST_TEXT: usize = 4 << 20;

/// MariaDB's clients name the statement that was prepared last like this.
const LAST: u32 = u32::MAX;

/// The prepared statements of a session, within limits.
#[derive(Debug, Default)]
pub(super) struct Statements {
    texts: HashMap<u32, Arc<str>>,
    bytes: usize,
    last: Option<Arc<str>>,
}

impl Statements {
    /// The server has given this statement a number.
    pub(super) fn put(&mut self, id: u32, text: Arc<str>) {
        self.remove(id);
        self.last = Some(text.clone());
        if self.texts.len() < MOST && self.bytes + text.len() <= MOST_TEXT {
            self.bytes += text.len();
            self.texts.insert(id, text);
        }
    }

    /// What the statement of this number says; nothing where it is not known.
    pub(super) fn get(&self, id: u32) -> Arc<str> {
        let text = match id {
            LAST => self.last.as_ref(),
            id => self.texts.get(&id),
        };
        text.cloned().unwrap_or_default()
    }

    /// The client has closed it.
    pub(super) fn remove(&mut self, id: u32) {
        if let Some(text) = self.texts.remove(&id) {
            self.bytes -= text.len();
        }
    }

    /// All are gone: another user, or a session begun anew.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}
