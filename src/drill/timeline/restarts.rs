//! In which order servers were restarted: all at once, or one after the other. Pure: moments of the story go in.

use std::{collections::BTreeSet, time::Duration};

/// Servers that come back within so long of each other came back at once.
const AT_ONCE: Duration = Duration::from_secs(60);

/// The restarts of the servers of a role.
#[derive(Clone, Debug, Default)]
pub(super) struct Restarts(Vec<(Duration, String)>);

/// In which order servers were restarted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manner {
    /// At least half of them, and more than one, within a minute.
    AtOnce,
    /// Every one, and no two within a minute.
    InTurn,
}

impl Restarts {
    /// Adds a server that came back, of so many that there are; says what that makes of it. The count then begins anew.
    pub(super) fn add(&mut self, at: Duration, server: &str, of: usize) -> Option<Manner> {
        self.0.push((at, server.to_owned()));
        let late = self
            .0
            .iter()
            .filter(|(then, _)| at.saturating_sub(*then) <= AT_ONCE);
        let together: BTreeSet<&String> = late.map(|(_, server)| server).collect();
        let all: BTreeSet<&String> = self.0.iter().map(|(_, server)| server).collect();
        let manner = if together.len() > 1 && together.len() * 2 >= of {
            Manner::AtOnce
        } else if all.len() >= of && of > 0 {
            Manner::InTurn
        } else {
            return None;
        };
        self.0.clear();
        Some(manner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the last of these restarts makes of them; the moments are seconds.
    fn manner(restarts: &[(u64, &str)], of: usize) -> Option<Manner> {
        let mut seen = Restarts::default();
        let told = restarts
            .iter()
            .map(|(at, server)| seen.add(Duration::from_secs(*at), server, of));
        told.last().flatten()
    }

    #[test]
    fn half_of_them_within_a_minute_is_at_once() {
        let check =
            |restarts: &[(u64, &str)], of, wanted| assert_eq!(manner(restarts, of), wanted, "{restarts:?}");
        check(&[(0, "a"), (30, "b")], 2, Some(Manner::AtOnce));
        check(&[(0, "a"), (30, "b")], 4, Some(Manner::AtOnce));
        check(&[(0, "a"), (30, "b")], 5, None);
        check(&[(0, "a"), (200, "b"), (230, "c")], 4, Some(Manner::AtOnce));
    }

    #[test]
    fn all_of_them_with_a_minute_between_is_in_turn() {
        let check =
            |restarts: &[(u64, &str)], of, wanted| assert_eq!(manner(restarts, of), wanted, "{restarts:?}");
        check(&[(0, "a"), (61, "b")], 2, Some(Manner::InTurn));
        check(&[(0, "a"), (61, "b")], 3, None);
        check(&[(0, "a"), (61, "a")], 2, None);
        check(&[(0, "a"), (20, "a")], 2, None);
        check(&[(0, "only")], 1, Some(Manner::InTurn));
    }

    #[test]
    fn after_a_collapse_it_is_told_anew() {
        let mut seen = Restarts::default();
        let mut add = |at, server| seen.add(Duration::from_secs(at), server, 2);
        assert_eq!((add(0, "a"), add(1, "b")), (None, Some(Manner::AtOnce)));
        assert_eq!((add(300, "a"), add(400, "b")), (None, Some(Manner::InTurn)));
    }
}
