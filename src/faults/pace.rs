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

#[cfg(test)]
mod tests {
    use super::*;

    fn pace(rate: &str, burst: u32, now: Instant) -> Pace {
        Pace::new(rate.parse().unwrap(), NonZeroU32::new(burst).unwrap(), now)
    }

    const MS: fn(u64) -> Duration = Duration::from_millis;

    #[test]
    fn after_the_burst_turns_come_at_the_rate() {
        let now = Instant::now();
        let pace = pace("10/s", 3, now);
        let turns = (0..1000)
            .filter(|ms| pace.take(now + MS(*ms * 10), Duration::ZERO).is_ok())
            .count();
        assert_eq!(turns, 3 + 99);
    }

    #[test]
    fn who_is_refused_is_told_when_to_come_again() {
        let now = Instant::now();
        let pace = pace("1/s", 1, now);
        assert_eq!(pace.take(now, Duration::ZERO), Ok(Duration::ZERO));
        assert_eq!(pace.take(now + MS(300), Duration::ZERO), Err(MS(700)));
        assert_eq!(pace.take(now + MS(1000), Duration::ZERO), Ok(Duration::ZERO));
    }

    #[test]
    fn who_waits_has_his_turn_reserved() {
        let now = Instant::now();
        let pace = pace("10/s", 1, now);
        let waits: Vec<_> = (0..6).map(|_| pace.take(now, MS(350))).collect();
        assert_eq!(
            waits,
            [
                Ok(MS(0)),
                Ok(MS(100)),
                Ok(MS(200)),
                Ok(MS(300)),
                Err(MS(400)),
                Err(MS(400))
            ]
        );
        assert_eq!(pace.take(now + MS(400), MS(350)), Ok(MS(0)));
    }
}
