//! What prepared statements say, by the names or numbers that client and server have for them.

use std::{
    borrow::Borrow,
    collections::{HashMap, VecDeque},
    hash::Hash,
    sync::Arc,
};

/// So many prepared statements are remembered; what is forgotten is a statement without text.
const MOST: usize = 4096;

/// So much text of prepared statements is remembered, over all of them.
const MOST_TEXT: usize = 4 << 20;

/// So many changes wait for the server's word at a time; before more, the first of them is taken for made.
const MOST_WAITING: usize = 256;

/// So much room is kept for what comes next.
const FEW: usize = 16;

/// What a prepared statement says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Prepared {
    /// Its SQL.
    pub(super) text: Arc<str>,
    /// It was stopped before its preparation, and nothing was done by it yet.
    pub(super) fresh: bool,
}

/// What a command does to the prepared statements of its session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Change<K> {
    /// From here on this name means that.
    Put(K, Prepared),
    /// It means nothing any more.
    Remove(K),
    /// None means anything any more.
    Clear,
}

/// With which answer of the server a change is made: the one of this kind that has this place among those of its unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Due {
    pub(super) unit: u64,
    pub(super) kind: u8,
    pub(super) place: u64,
}

/// A change that the server was asked for and has not made yet.
#[derive(Debug)]
struct Waiting<K> {
    due: Due,
    change: Change<K>,
    /// It is one that the server makes, as far as is known: commands behind it, sent before the answer, go by it.
    is_likely: bool,
}

/// Prepared statements of a session, within limits: what is too much is forgotten.
#[derive(Debug)]
pub(super) struct Remembered<K> {
    known: HashMap<K, Prepared>,
    /// In the order in which they were asked for.
    waiting: VecDeque<Waiting<K>>,
    /// How much text all of them have.
    bytes: usize,
}

impl<K> Default for Remembered<K> {
    fn default() -> Self {
        Self {
            known: HashMap::new(),
            waiting: VecDeque::new(),
            bytes: 0,
        }
    }
}

impl<K> Waiting<K> {
    fn size(&self) -> usize {
        match &self.change {
            Change::Put(_, prepared) => prepared.text.len(),
            Change::Remove(_) | Change::Clear => 0,
        }
    }
}

impl<K: Eq + Hash> Remembered<K> {
    /// A change that the server was asked for, and makes with that answer or not at all.
    pub(super) fn expect(&mut self, due: Due, change: Change<K>, is_likely: bool) {
        while self.waiting.len() >= MOST_WAITING {
            self.make_first();
        }
        let mut waiting = Waiting {
            due,
            change,
            is_likely,
        };
        if self.bytes + waiting.size() > MOST_TEXT
            && let Change::Put(name, _) = waiting.change
        {
            waiting.change = Change::Remove(name);
        }
        self.bytes += waiting.size();
        self.waiting.push_back(waiting);
    }

    /// The server has given this answer: what was to be made with it is made.
    pub(super) fn agreed(&mut self, due: Due) {
        if self.waiting.front().is_some_and(|first| first.due == due) {
            self.make_first();
        }
    }

    /// The server makes no more of what it was asked for up to this unit.
    pub(super) fn refused(&mut self, unit: u64) {
        while self.waiting.front().is_some_and(|first| first.due.unit <= unit) {
            let refused = self.waiting.pop_front();
            self.bytes -= refused.map_or(0, |refused| refused.size());
        }
    }

    fn make_first(&mut self) {
        let Some(first) = self.waiting.pop_front() else {
            return;
        };
        self.bytes -= first.size();
        match first.change {
            Change::Put(name, prepared) => self.put(name, prepared),
            Change::Remove(name) => self.remove(&name),
            Change::Clear => {
                self.bytes -= self
                    .known
                    .drain()
                    .map(|(_, known)| known.text.len())
                    .sum::<usize>();
            }
        }
    }

    /// The change that is likely to be made to this name last, of those that wait: its place, or `None` where it means nothing then.
    /// Without any, what is known holds.
    fn awaited<Q: Eq + Hash + ?Sized>(&self, name: &Q) -> Option<Option<usize>>
    where
        K: Borrow<Q>,
    {
        let mut likely = self.waiting.iter().enumerate().rev();
        likely.find_map(|(place, waiting)| match &waiting.change {
            _ if !waiting.is_likely => None,
            Change::Put(own, _) => (own.borrow() == name).then_some(Some(place)),
            Change::Remove(own) => (own.borrow() == name).then_some(None),
            Change::Clear => Some(None),
        })
    }

    fn find<Q: Eq + Hash + ?Sized>(&self, name: &Q) -> Option<&Prepared>
    where
        K: Borrow<Q>,
    {
        match self.awaited(name) {
            None => self.known.get(name),
            Some(place) => match &self.waiting.get(place?)?.change {
                Change::Put(_, prepared) => Some(prepared),
                Change::Remove(_) | Change::Clear => None,
            },
        }
    }

    /// Whether this name means something.
    pub(super) fn knows<Q: Eq + Hash + ?Sized>(&self, name: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.find(name).is_some()
    }

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
        self.find(name).cloned().unwrap_or_default()
    }

    /// The same for whoever does it first.
    pub(super) fn take<Q: Eq + Hash + ?Sized>(&mut self, name: &Q) -> Prepared
    where
        K: Borrow<Q>,
    {
        let before = self.get(name);
        if before.fresh {
            let known = match self.awaited(name).flatten() {
                None => self.known.get_mut(name),
                Some(place) => match &mut self.waiting[place].change {
                    Change::Put(_, prepared) => Some(prepared),
                    Change::Remove(_) | Change::Clear => None,
                },
            };
            if let Some(known) = known {
                known.fresh = false;
            }
        }
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
        self.known.is_empty() && self.waiting.is_empty()
    }

    /// None means anything any more. Room for few is kept: portals are forgotten with each unit.
    pub(super) fn clear(&mut self) {
        if self.known.capacity() > FEW {
            self.known = HashMap::new();
        }
        self.known.clear();
        self.waiting.clear();
        self.bytes = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(name: &'static str, text: &str) -> Change<&'static str> {
        let prepared = Prepared {
            text: text.into(),
            fresh: true,
        };
        Change::Put(name, prepared)
    }

    const fn due(unit: u64, place: u64) -> Due {
        Due {
            unit,
            kind: b'1',
            place,
        }
    }

    #[test]
    fn what_is_likely_holds_until_the_server_has_spoken() {
        let mut known = Remembered::default();
        let text = |known: &Remembered<_>, name: &'static str| known.get(name).text.to_string();
        known.expect(due(0, 0), put("a", "one"), true);
        assert_eq!(text(&known, "a"), "one");
        known.expect(due(0, 1), put("a", "two"), false);
        known.expect(due(1, 0), Change::Clear, true);
        known.expect(due(2, 0), put("b", "three"), true);
        assert_eq!(
            (text(&known, "a"), text(&known, "b")),
            (String::new(), "three".to_owned())
        );
        assert!(known.take("b").fresh && !known.get("b").fresh);
        known.agreed(due(0, 0));
        known.refused(0);
        known.refused(1);
        assert_eq!(
            (text(&known, "a"), text(&known, "b")),
            ("one".to_owned(), "three".to_owned())
        );
        known.expect(due(3, 0), put("a", "four"), false);
        known.agreed(due(2, 0));
        known.agreed(due(3, 0));
        assert_eq!(text(&known, "a"), "four");
        known.expect(due(4, 0), Change::Remove("a"), true);
        assert!(!known.knows("a"));
        known.agreed(due(4, 0));
        known.expect(due(5, 0), Change::Clear, true);
        known.agreed(due(5, 0));
        assert!(known.is_empty());
        assert_eq!(known.bytes, 0);
    }

    #[test]
    fn what_waits_has_its_limits() {
        let mut known = Remembered::default();
        for place in 0..1000 {
            known.expect(due(0, place), put("a", "select 1"), true);
        }
        assert_eq!((known.waiting.len(), known.known.len()), (MOST_WAITING, 1));
        let long = "x".repeat(MOST_TEXT);
        known.expect(due(0, 1000), put("b", &long), true);
        assert!(!known.knows("b"), "too long to be remembered");
        known.refused(0);
        assert_eq!(known.bytes, "select 1".len());
    }
}
