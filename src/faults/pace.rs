//! How many exchanges may go when: governor's arithmetic with the time as an argument.

use std::{
    num::NonZeroU32,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use governor::{
    Quota, RateLimiter,
    clock::Clock,
    middleware::NoOpMiddleware,
    nanos::Nanos,
    state::{InMemoryState, NotKeyed},
};
use tokio::time::Instant;

use crate::units::Rate;

/// A clock that shows what it was last told.
#[derive(Clone, Debug, Default)]
struct ToldClock(Arc<AtomicU64>);

impl Clock for ToldClock {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        self.0.load(Ordering::Relaxed).into()
    }
}

/// A rate with a burst.
#[derive(Debug)]
pub(super) struct Pace {
    limiter: Mutex<RateLimiter<NotKeyed, InMemoryState, ToldClock, NoOpMiddleware<Nanos>>>,
    clock: ToldClock,
    since: Instant,
}

impl Pace {
    /// A pace that begins now, with its whole burst.
    pub(super) fn new(rate: Rate, burst: NonZeroU32, now: Instant) -> Self {
        // A rate has at least one event, and governor counts in nanoseconds.
        let period = rate.period().max(Duration::from_nanos(1));
        let quota = Quota::with_period(period)
            .unwrap_or(Quota::per_second(NonZeroU32::MIN))
            .allow_burst(burst);
        let clock = ToldClock::default();
        Self {
            limiter: Mutex::new(RateLimiter::direct_with_clock(quota, clock.clone())),
            clock,
            since: now,
        }
    }

    /// Takes a turn: at once, or after a wait of at most so long. An error says when to come again; no turn is taken then.
    pub(super) fn take(&self, now: Instant, patience: Duration) -> Result<Duration, Duration> {
        let limiter = self.limiter.lock().unwrap_or_else(PoisonError::into_inner);
        let elapsed = now.saturating_duration_since(self.since);
        let at = |wait: Duration| {
            let nanos = u64::try_from((elapsed + wait).as_nanos()).unwrap_or(u64::MAX);
            self.clock.0.store(nanos, Ordering::Relaxed);
            limiter
                .check()
                .map_err(|until| until.wait_time_from(Nanos::from(nanos)))
        };
        // A turn in the future is reserved by asking at the time when it will come.
        match at(Duration::ZERO) {
            Ok(()) => Ok(Duration::ZERO),
            Err(wait) if wait <= patience && at(wait).is_ok() => Ok(wait),
            Err(wait) => Err(wait),
        }
    }
}
