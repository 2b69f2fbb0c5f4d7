//! What commands change of what is remembered of their session, and the answers with which they have.

use super::{
    places::{BOUND, DONE, counted},
    session::{By, Replaced, Session},
    turns::{begins_like, leaves_open, revives},
};
use crate::wire::{
    lexer::Grammar,
    prepared::{Change, Due},
};

impl Session {
    /// Follows a text that is to be done; the first of its statements has this place in the unit. The names in it are those of the
    /// protocol's statements.
    pub(super) fn does(&mut self, sql: &[u8], first: u64) {
        for (place, change) in self.statements.changes(Grammar::Postgres, sql) {
            self.expects(DONE, first + place, change);
        }
        self.turns(sql);
    }

    /// The same of a single statement, at this place. It is asked of each execution, and most do nothing to what is prepared.
    pub(super) fn does_one(&mut self, sql: &[u8], place: u64) {
        if begins_like(sql, &[b"prepare", b"deallocate", b"discard", b"/", b"-"]) {
            self.does(sql, place);
        } else {
            self.turns(sql);
        }
    }

    fn turns(&mut self, sql: &[u8]) {
        if let Some(open) = leaves_open(sql) {
            self.open = open;
            if !open {
                // They end with it.
                self.portals.clear();
            }
        }
        self.is_revived |= self.status == b'E' && revives(&String::from_utf8_lossy(sql));
    }

    /// What is prepared changes with this answer, or not at all. A name that is taken the server does not give again, but for the empty one.
    pub(super) fn expects(&mut self, kind: u8, place: u64, change: Change<Box<[u8]>>) {
        let unit = self.begun;
        let is_likely = match &change {
            Change::Put(name, _) => name.is_empty() || !self.statements.knows(&**name),
            Change::Remove(_) | Change::Clear => true,
        };
        self.statements
            .expect(Due { unit, kind, place }, change, is_likely);
    }

    /// Counts an answer of the server to one message: what it was to change it has changed. Whether we have asked for it ourselves.
    pub(super) fn counts(&mut self, kind: u8) -> bool {
        let unit = self.answered;
        let Some(kind) = counted(kind).filter(|_| self.started) else {
            if kind == b'E' {
                self.statements.refused(unit);
            }
            return false;
        };
        let place = self.given.take(kind);
        self.statements.agreed(Due { unit, kind, place });
        let ours = |replaced: &&mut Replaced| match &replaced.by {
            By::Behind(places) => replaced.unit == unit && kind != DONE && places.of(kind) == place,
            _ => false,
        };
        let Some(replaced) = self.replaced.iter_mut().find(ours) else {
            return false;
        };
        if kind == BOUND {
            replaced.by = By::Alone;
        }
        true
    }
}
