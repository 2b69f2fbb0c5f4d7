//! An answer to the opening of a session of MySQL, which may never be said: the server may turn the client away by itself, and who names
//! no database has none that is missing.

use super::Plan;
use crate::{
    faults::hook::{Unit, Verdict},
    route::Dialect,
};

impl Plan {
    /// Such an answer was said: it is that of the last fault, as it ends the session.
    pub fn say_late(&self) {
        if let Some(last) = self.hits.last() {
            last.mark.touch();
        }
    }
}

/// Whether a verdict is such an answer, and does nothing yet.
pub(super) fn is_late(verdict: &Verdict, begins: Option<(Dialect, Unit)>) -> bool {
    match (verdict, begins) {
        (Verdict::Answer(answer), Some((dialect @ Dialect::Mysql, Unit::Session))) => answer.is_late(dialect),
        _ => false,
    }
}
