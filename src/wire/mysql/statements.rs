//! What prepared statements say, by the number that the server gave them, or by the name that SQL has for them.

use std::sync::Arc;

use crate::wire::{
    lexer::Grammar,
    prepared::{Prepared, Remembered},
};

/// MariaDB's clients name the statement that was prepared last like this.
const LAST: u32 = u32::MAX;

/// The prepared statements of a session.
#[derive(Debug, Default)]
pub(super) struct Statements {
    known: Remembered<u32>,
    last: u32,
    named: Remembered<Box<[u8]>>,
}

impl Statements {
    /// The server has given this statement a number.
    pub(super) fn put(&mut self, id: u32, prepared: Prepared) {
        self.last = id;
        self.known.put(id, prepared);
    }

    /// The statement of this number; one without text where it is not known.
    pub(super) fn get(&self, id: u32) -> Prepared {
        self.known.get(&self.meant(id))
    }

    /// It is done.
    pub(super) fn done(&mut self, id: u32) {
        self.known.take(&self.meant(id));
    }

    /// The client has closed it.
    pub(super) fn remove(&mut self, id: u32) {
        self.known.remove(&id);
    }

    /// What a query says; one that runs a statement by its name says what that does.
    pub(super) fn said(&self, sql: &[u8]) -> Arc<str> {
        let meant = self.named.meant(Grammar::Mysql, sql);
        meant.unwrap_or_else(|| String::from_utf8_lossy(sql).into())
    }

    /// The statements of a query of several, and where each begins.
    pub(super) fn of(&self, sql: &[u8]) -> Vec<(usize, String)> {
        self.named.statements(Grammar::Mysql, sql)
    }

    /// Follows a query that goes on to the server.
    pub(super) fn follow(&mut self, sql: &[u8]) {
        self.named.follow(Grammar::Mysql, sql);
    }

    const fn meant(&self, id: u32) -> u32 {
        if id == LAST { self.last } else { id }
    }

    /// All are gone: another user, or a session begun anew.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}
