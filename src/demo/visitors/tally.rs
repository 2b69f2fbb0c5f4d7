//! What visitors have seen, counted by class. Writers add to atomics; readers take a snapshot.

use std::{
    collections::BTreeMap,
    fmt,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

/// What a visit is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// It looks at orders.
    Read,
    /// It makes an order.
    Write,
}

/// Why a visit failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Failure {
    /// An answer came, with this status.
    Status(u16),
    /// No connection could be made.
    Unreachable,
    /// The connection was lost before the answer was whole.
    Broken,
    /// No whole answer came within the time limit.
    TimedOut,
}

/// The counters that visitors share.
#[derive(Debug, Default)]
pub struct Tally {
    read: Counters,
    write: Counters,
}

/// The tally at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Visits {
    /// What readers saw.
    pub read: Counts,
    /// What writers saw.
    pub write: Counts,
}

/// What visitors of one class saw.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Visits that set out; those not yet answered are neither ok nor failed.
    pub sent: u64,
    /// Visits answered as they should be: 2xx.
    pub ok: u64,
    /// Visits that failed, by how.
    pub failed: BTreeMap<Failure, u64>,
    /// Visits that were due and did not set out, because too many were still waiting. They are no failures of the service.
    pub skipped: u64,
    /// Times to a whole answer, ok or not: how many took less than 2^n microseconds and not less than half of that.
    latency: [u64; BUCKETS],
}

/// The last bucket begins at 33 s, far beyond the visitors' patience.
const BUCKETS: usize = 26;

/// Statuses have three digits.
const STATUSES: usize = 1000;

#[derive(Debug)]
struct Counters {
    sent: AtomicU64,
    ok: AtomicU64,
    skipped: AtomicU64,
    unreachable: AtomicU64,
    broken: AtomicU64,
    timed_out: AtomicU64,
    status: Box<[AtomicU64]>,
    latency: [AtomicU64; BUCKETS],
}

impl Tally {
    /// The counts so far.
    pub fn snapshot(&self) -> Visits {
        Visits {
            read: self.read.counts(),
            write: self.write.counts(),
        }
    }

    pub(super) fn sent(&self, class: Class) {
        self.of(class).sent.fetch_add(1, Relaxed);
    }

    pub(super) fn skipped(&self, class: Class) {
        self.of(class).skipped.fetch_add(1, Relaxed);
    }

    /// Counts how a visit ended, and after what time.
    pub(super) fn ended(&self, class: Class, outcome: Result<(), Failure>, took: Duration) {
        let counters = self.of(class);
        counters.end(outcome).fetch_add(1, Relaxed);
        if matches!(outcome, Ok(()) | Err(Failure::Status(_))) {
            counters.latency[bucket(took)].fetch_add(1, Relaxed);
        }
    }

    const fn of(&self, class: Class) -> &Counters {
        match class {
            Class::Read => &self.read,
            Class::Write => &self.write,
        }
    }
}

impl Counters {
    fn end(&self, outcome: Result<(), Failure>) -> &AtomicU64 {
        match outcome {
            Ok(()) => &self.ok,
            Err(Failure::Unreachable) => &self.unreachable,
            Err(Failure::TimedOut) => &self.timed_out,
            // A status beyond three digits cannot be parsed, so it never comes here.
            Err(Failure::Status(status)) => self.status.get(usize::from(status)).unwrap_or(&self.broken),
            Err(Failure::Broken) => &self.broken,
        }
    }

    fn counts(&self) -> Counts {
        let by_status = (0_u16..)
            .zip(&self.status)
            .map(|(n, count)| (Failure::Status(n), count));
        let others = [
            (Failure::Unreachable, &self.unreachable),
            (Failure::Broken, &self.broken),
            (Failure::TimedOut, &self.timed_out),
        ];
        // Ends are read before starts, so that a snapshot never shows more answers than visits.
        let failed = by_status
            .chain(others)
            .map(|(failure, count)| (failure, count.load(Relaxed)))
            .filter(|(_, count)| *count > 0)
            .collect();
        Counts {
            failed,
            ok: self.ok.load(Relaxed),
            latency: std::array::from_fn(|n| self.latency[n].load(Relaxed)),
            skipped: self.skipped.load(Relaxed),
            sent: self.sent.load(Relaxed),
        }
    }
}

impl Default for Counters {
    fn default() -> Self {
        Self {
            sent: AtomicU64::new(0),
            ok: AtomicU64::new(0),
            skipped: AtomicU64::new(0),
            unreachable: AtomicU64::new(0),
            broken: AtomicU64::new(0),
            timed_out: AtomicU64::new(0),
            status: (0..STATUSES).map(|_| AtomicU64::new(0)).collect(),
            latency: std::array::from_fn(|_| AtomicU64::new(0)),
        }
    }
}

impl Visits {
    /// The counts of a class.
    pub const fn of(&self, class: Class) -> &Counts {
        match class {
            Class::Read => &self.read,
            Class::Write => &self.write,
        }
    }

    /// What was added since an earlier snapshot of the same tally.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        Self {
            read: self.read.since(&earlier.read),
            write: self.write.since(&earlier.write),
        }
    }
}

impl Counts {
    /// Visits that failed, however they did.
    pub fn failures(&self) -> u64 {
        self.failed.values().sum()
    }

    /// The share of ended visits that were ok; `None` while none has ended.
    #[expect(clippy::cast_precision_loss, reason = "visits are far fewer than 2^53")]
    pub fn ok_ratio(&self) -> Option<f64> {
        match self.ok + self.failures() {
            0 => None,
            ended => Some(self.ok as f64 / ended as f64),
        }
    }

    /// A time that this share of the answers did not take longer than, within a factor of two.
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a rank among answers, of which there are far fewer than 2^53"
    )]
    pub fn latency(&self, share: f64) -> Option<Duration> {
        let answers: u64 = self.latency.iter().sum();
        let rank = ((answers as f64 * share).ceil() as u64).clamp(1, answers.max(1));
        let mut seen = 0;
        let at = self.latency.iter().position(|count| {
            seen += count;
            seen >= rank
        })?;
        Some(Duration::from_micros(1 << at))
    }

    fn since(&self, earlier: &Self) -> Self {
        let before = |failure| earlier.failed.get(failure).copied().unwrap_or(0);
        Self {
            sent: self.sent - earlier.sent,
            ok: self.ok - earlier.ok,
            failed: self
                .failed
                .iter()
                .map(|(failure, count)| (*failure, count - before(failure)))
                .filter(|(_, count)| *count > 0)
                .collect(),
            skipped: self.skipped - earlier.skipped,
            latency: std::array::from_fn(|n| self.latency[n] - earlier.latency[n]),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => write!(f, "{status}"),
            Self::Unreachable => f.write_str("unreachable"),
            Self::Broken => f.write_str("broken off"),
            Self::TimedOut => f.write_str("timed out"),
        }
    }
}

/// The bucket of a time: the number of bits of its microseconds.
fn bucket(took: Duration) -> usize {
    let bits = u128::BITS - took.as_micros().leading_zeros();
    (bits as usize).min(BUCKETS - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_end_is_counted_once_and_by_its_class() {
        let tally = Tally::default();
        let ends = [
            Ok(()),
            Err(Failure::Status(500)),
            Err(Failure::Status(500)),
            Err(Failure::TimedOut),
        ];
        for outcome in ends {
            tally.sent(Class::Write);
            tally.ended(Class::Write, outcome, Duration::from_millis(3));
        }
        tally.skipped(Class::Write);
        let Visits { read, write } = tally.snapshot();
        assert_eq!(read, Counts::default());
        assert_eq!(
            (write.sent, write.ok, write.failures(), write.skipped),
            (4, 1, 3, 1)
        );
        assert_eq!(write.failed[&Failure::Status(500)], 2);
        assert_eq!(write.ok_ratio(), Some(0.25));
        assert_eq!(read.ok_ratio(), None);
    }

    #[test]
    fn a_window_is_the_difference_of_two_snapshots() {
        let tally = Tally::default();
        let visit = |outcome| {
            tally.sent(Class::Read);
            tally.ended(Class::Read, outcome, Duration::from_millis(1));
        };
        visit(Err(Failure::Broken));
        let before = tally.snapshot();
        visit(Ok(()));
        let window = tally.snapshot().since(&before);
        assert_eq!(window.read.ok_ratio(), Some(1.0));
        assert_eq!(window.of(Class::Read).sent, 1);
        assert!(window.read.failed.is_empty());
    }

    #[test]
    fn latency_is_told_within_a_factor_of_two() {
        let tally = Tally::default();
        let took = |millis| tally.ended(Class::Read, Ok(()), Duration::from_millis(millis));
        (0..99).for_each(|_| took(3));
        took(700);
        let counts = tally.snapshot().read;
        let check = |share, at_least, below| {
            let latency = counts.latency(share).unwrap();
            let expected = Duration::from_millis(at_least)..Duration::from_millis(below);
            assert!(expected.contains(&latency), "{share}: {latency:?}");
        };
        check(0.5, 3, 6);
        check(0.99, 3, 6);
        check(1.0, 700, 1400);
        assert_eq!(Counts::default().latency(0.5), None);
        assert_eq!(bucket(Duration::from_secs(3600)), BUCKETS - 1);
    }
}
