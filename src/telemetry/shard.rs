//! Numbers that each worker writes alone and a scrape adds up.
//!
//! A shared atomic addition costs more than the rest of a request's bookkeeping once several workers do it. Here every
//! worker has a lane of its own, a cache line apart from the others, and adds with a plain load and store.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

/// One `T` for each worker, and a last one for the people's side.
#[derive(Debug)]
pub struct Sharded<T>(Box<[Lane<T>]>);

/// Two cache lines apart: processors fetch them in pairs.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Lane<T>(T);

impl<T: Default> Sharded<T> {
    /// Lanes for so many workers.
    pub fn new(workers: usize) -> Self {
        Self((0..=workers).map(|_| Lane::default()).collect())
    }
}

impl<T> Sharded<T> {
    /// The lane of a worker, from 0 on; a number beyond the last worker is the people's side.
    ///
    /// Only one thread may write to a lane, or it will lose count.
    pub fn lane(&self, worker: usize) -> &T {
        &self.0[worker.min(self.0.len() - 1)].0
    }

    /// Looks at all lanes.
    pub(super) fn each(&self, look: impl FnMut(&T)) {
        self.0.iter().map(|lane| &lane.0).for_each(look);
    }

    /// Adds up something in all lanes.
    pub fn sum(&self, value: impl Fn(&T) -> u64) -> u64 {
        self.0.iter().map(|lane| value(&lane.0)).sum()
    }
}

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds `n`, as the only writer.
    pub fn add(&self, n: u64) {
        self.0.store(self.0.load(Relaxed) + n, Relaxed);
    }

    /// Adds one, as the only writer.
    pub fn inc(&self) {
        self.add(1);
    }

    /// Adds `n`, as one of several writers.
    pub fn add_shared(&self, n: u64) {
        self.0.fetch_add(n, Relaxed);
    }

    /// The number now.
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// How many of something there are: those that came, less those that went.
#[derive(Debug, Default)]
pub struct Level {
    /// How many came, ever.
    pub came: Counter,
    /// How many went, ever.
    pub went: Counter,
}

impl Sharded<Level> {
    /// How many there are now, over all lanes.
    pub fn now(&self) -> u64 {
        let went = self.sum(|lane| lane.went.get());
        self.sum(|lane| lane.came.get()).saturating_sub(went)
    }
}

/// Durations in fixed buckets: five a decade, the preferred numbers of ISO 3 (R5), from 100 µs to 100 s.
#[derive(Debug, Default)]
pub struct Histogram {
    cells: [Counter; BOUNDS_US.len() + 1],
    nanos: Counter,
}

/// The upper bounds in microseconds; the last cell has none.
const BOUNDS_US: [u64; 31] = [
    100,
    160,
    250,
    400,
    630, //
    1_000,
    1_600,
    2_500,
    4_000,
    6_300, //
    10_000,
    16_000,
    25_000,
    40_000,
    63_000, //
    100_000,
    160_000,
    250_000,
    400_000,
    630_000, //
    1_000_000,
    1_600_000,
    2_500_000,
    4_000_000,
    6_300_000, //
    10_000_000,
    16_000_000,
    25_000_000,
    40_000_000,
    63_000_000, //
    100_000_000,
];

impl Histogram {
    /// Counts one duration, as the only writer.
    pub fn observe(&self, took: Duration) {
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX >> 8);
        let cell = BOUNDS_US.partition_point(|bound| bound * 1000 < nanos);
        self.cells[cell].inc();
        self.nanos.add(nanos);
    }
}

impl<T> Sharded<T> {
    /// How many durations fell into each bucket that has any, with its upper bound; the last has none.
    pub fn durations(&self, histogram: impl Fn(&T) -> &Histogram) -> Vec<(Option<Duration>, u64)> {
        let bounds = BOUNDS_US.iter().map(|us| Some(Duration::from_micros(*us)));
        let counted = bounds.chain([None]).enumerate().map(|(i, bound)| {
            let count = self.sum(|lane| histogram(lane).cells[i].get());
            (bound, count)
        });
        counted.filter(|(_, count)| *count > 0).collect()
    }
}

/// A histogram added up over all lanes.
pub(super) struct Total {
    /// Upper bound in seconds and the number of durations in that bucket alone.
    pub(super) buckets: Vec<(f64, u64)>,
    pub(super) count: u64,
    pub(super) seconds: f64,
}

impl Total {
    pub(super) fn of<T>(sharded: &Sharded<T>, histogram: impl Fn(&T) -> &Histogram) -> Self {
        let bounds = BOUNDS_US.iter().map(|us| *us as f64 / 1e6).chain([f64::INFINITY]);
        let cell = |i: usize| sharded.sum(|lane| histogram(lane).cells[i].get());
        let buckets: Vec<_> = bounds.enumerate().map(|(i, bound)| (bound, cell(i))).collect();
        let count = buckets.iter().map(|(_, n)| n).sum();
        let nanos = sharded.sum(|lane| histogram(lane).nanos.get());
        Self {
            buckets,
            count,
            seconds: nanos as f64 / 1e9,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_workers_count_alone_is_added_up() {
        let sharded = Sharded::<Counter>::new(2);
        for (worker, n) in [(0, 1), (1, 10), (2, 100), (99, 1000)] {
            sharded.lane(worker).add(n);
        }
        assert_eq!(sharded.sum(Counter::get), 1111);
        assert_eq!(
            sharded.lane(2).get(),
            1100,
            "beyond the workers lies the people's lane"
        );
    }

    #[test]
    fn lanes_share_no_cache_line() {
        assert_eq!(size_of::<Lane<Counter>>() % 128, 0);
    }

    #[test]
    fn a_duration_falls_into_the_first_bucket_that_is_not_below_it() {
        let check = |us: u64, bound: f64| {
            let sharded = Sharded::<Histogram>::new(1);
            sharded.lane(0).observe(Duration::from_micros(us));
            let total = Total::of(&sharded, |h| h);
            let hit: Vec<_> = total.buckets.iter().filter(|(_, n)| *n > 0).collect();
            assert_eq!(hit, [&(bound, 1)], "{us} us");
            assert_eq!(total.count, 1);
            assert_eq!(sharded.durations(|h| h).len(), 1);
            assert!((total.seconds - us as f64 / 1e6).abs() < 1e-9);
        };
        check(0, 0.0001);
        check(100, 0.0001);
        check(101, 0.00016);
        check(1_000, 0.001);
        check(100_000_000, 100.0);
        check(100_000_001, f64::INFINITY);
    }

    #[test]
    fn the_bounds_grow() {
        assert!(BOUNDS_US.is_sorted());
    }
}
