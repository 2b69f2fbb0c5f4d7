//! The bytes of proxies, by where they listened and led to, for as long as the process lives: a proxy that is disabled, moved or
//! deleted takes no number away. Pure: whoever keeps the books brings what is counted.

use std::collections::BTreeMap;

/// Numbers that are kept of places where no proxy listens any more. Tests that let the system choose a port leave one each.
const MOST_GONE: usize = 1024;

/// Bytes received towards the upstream and from it, and sent towards it and from it.
pub(super) type Bytes = [u64; 4];

/// Says what has ever passed on a way.
pub(super) type Count = Box<dyn Fn() -> Bytes + Send + Sync>;

/// A proxy and where it leads to. What passes is counted for each way by itself.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Way {
    pub(super) proxy: String,
    pub(super) upstream: String,
}

/// A proxy that listens.
pub(super) struct Listening {
    pub(super) way: Way,
    pub(super) listener: String,
    pub(super) count: Count,
}

/// All that has passed.
#[derive(Default)]
pub(super) struct Books {
    ways: BTreeMap<Way, Account>,
    /// Counts up with every look at what listens.
    stamp: u64,
}

/// What has passed on one way.
struct Account {
    count: Count,
    /// How much of it is in the books of a place.
    booked: Bytes,
    /// Where the proxy listened. It is at the last one, or was there last: what connections leave behind that end a moment
    /// after their proxy is that one's, too.
    places: Vec<Place>,
}

/// What came in at one address.
struct Place {
    listener: String,
    bytes: Bytes,
    /// When a proxy was last seen to listen there.
    seen: u64,
}

impl Books {
    /// Puts down what has passed since the last time.
    pub(super) fn write(&mut self) {
        self.ways.values_mut().for_each(Account::write);
    }

    /// From now on what passes came in where these listen. Call [`Self::write`] while that is not yet so.
    pub(super) fn follow(&mut self, listening: impl IntoIterator<Item = Listening>) {
        let before = self.stamp;
        for Listening { way, listener, count } in listening {
            self.stamp += 1;
            let account = self.ways.entry(way).or_insert_with(|| Account::new(count));
            account.moves_to(listener, self.stamp);
        }
        self.forget(before);
    }

    /// What is in the books.
    pub(super) fn entries(&self) -> impl Iterator<Item = (&Way, &str, Bytes)> {
        self.ways.iter().flat_map(|(way, account)| {
            let places = account.places.iter();
            places.map(move |place| (way, &*place.listener, place.bytes))
        })
    }

    /// Lets go of places that were last seen then or before and are too many, first of those that are gone for longest.
    fn forget(&mut self, before: u64) {
        let places = self.ways.values().flat_map(|account| &account.places);
        let mut gone: Vec<u64> = places
            .map(|place| place.seen)
            .filter(|seen| *seen <= before)
            .collect();
        let Some(last) = gone.len().checked_sub(MOST_GONE + 1) else {
            return;
        };
        gone.sort_unstable();
        let last = gone[last];
        self.ways.retain(|_, account| {
            account.places.retain(|place| place.seen > last);
            !account.places.is_empty()
        });
    }
}

impl Account {
    const fn new(count: Count) -> Self {
        Self {
            count,
            booked: [0; 4],
            places: Vec::new(),
        }
    }

    fn write(&mut self) {
        let now = (self.count)();
        let Some(place) = self.places.last_mut() else {
            return;
        };
        let before = std::mem::replace(&mut self.booked, now);
        for ((bytes, now), before) in place.bytes.iter_mut().zip(now).zip(before) {
            *bytes += now.saturating_sub(before);
        }
    }

    fn moves_to(&mut self, listener: String, stamp: u64) {
        let known = self.places.iter().position(|place| place.listener == listener);
        let bytes = known.map_or_else(Bytes::default, |known| self.places.remove(known).bytes);
        self.places.push(Place {
            listener,
            bytes,
            seen: stamp,
        });
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    };

    use super::*;

    const ONE: Bytes = [1, 2, 3, 4];

    /// A way on which so many times [`ONE`] have passed.
    #[derive(Clone, Default)]
    struct Passed(Arc<AtomicU64>);

    impl Passed {
        fn pass(&self, times: u64) {
            self.0.fetch_add(times, Relaxed);
        }

        fn at(&self, listener: &str, upstream: &str) -> Listening {
            let passed = self.0.clone();
            Listening {
                way: Way {
                    proxy: "redis".into(),
                    upstream: upstream.into(),
                },
                listener: listener.into(),
                count: Box::new(move || ONE.map(|bytes| bytes * passed.load(Relaxed))),
            }
        }
    }

    /// What the books say: `listener>upstream times`.
    fn told(books: &mut Books) -> String {
        books.write();
        let entry = |(way, listener, bytes): (&Way, &str, Bytes)| {
            let times = bytes[0];
            assert_eq!(bytes, ONE.map(|bytes| bytes * times));
            format!("{listener}>{} {times}", way.upstream)
        };
        let entries: Vec<String> = books.entries().map(entry).collect();
        entries.join(", ")
    }

    #[test]
    fn each_place_keeps_what_passed_by_it() {
        let (mut books, a, b) = (Books::default(), Passed::default(), Passed::default());
        let mut change = |listening: Vec<Listening>, told_then: &str| {
            books.write();
            books.follow(listening);
            assert_eq!(told(&mut books), told_then);
        };
        change(vec![a.at(":1", "a")], ":1>a 0");
        a.pass(5);
        change(vec![], ":1>a 5");
        // The last bytes of what was ended come after the change.
        a.pass(1);
        change(vec![a.at(":1", "a")], ":1>a 6");
        change(vec![b.at(":1", "b")], ":1>a 6, :1>b 0");
        a.pass(1);
        b.pass(3);
        change(vec![b.at(":2", "b")], ":1>a 7, :1>b 3, :2>b 0");
        b.pass(2);
        change(vec![b.at(":1", "b")], ":1>a 7, :2>b 2, :1>b 3");
        b.pass(1);
        change(vec![a.at(":1", "a")], ":1>a 7, :2>b 2, :1>b 4");
    }

    #[test]
    fn numbers_move_without_a_change() {
        let (mut books, way) = (Books::default(), Passed::default());
        books.follow([way.at(":1", "a")]);
        for times in 1..4 {
            way.pass(1);
            assert_eq!(told(&mut books), format!(":1>a {times}"));
        }
    }

    #[test]
    fn of_the_places_that_are_gone_the_oldest_are_forgotten() {
        let (mut books, way) = (Books::default(), Passed::default());
        let other = Passed::default();
        books.follow([other.at(":1", "gone")]);
        for port in 0..2 * MOST_GONE {
            books.write();
            books.follow([way.at(&format!(":{port}"), "a"), other.at(":1", "kept")]);
            way.pass(1);
        }
        books.write();
        let entries: Vec<_> = books.entries().collect();
        let (oldest, newest) = (entries.first().unwrap(), entries.iter().rev().nth(1).unwrap());
        assert_eq!(entries.len(), MOST_GONE + 2, "and two that listen");
        assert_eq!(oldest.1, format!(":{}", MOST_GONE - 1));
        assert_eq!(newest.1, format!(":{}", 2 * MOST_GONE - 1));
        assert!(entries.iter().all(|(way, ..)| way.upstream != "gone"));
        assert!(
            entries
                .iter()
                .all(|(way, _, bytes)| way.upstream != "a" || *bytes == ONE)
        );
    }
}
