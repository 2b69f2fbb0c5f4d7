//! The retry budget: a bucket of tokens that requests fill by a share and time by a floor, and from which each retry takes
//! one when it is decided. It keeps retries a bounded share of the load, whatever fails.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};

use tokio::time::Instant;

use crate::units::{Probability, Rate};

/// Tokens for retries, shared by all workers.
#[derive(Debug)]
pub(super) struct Budget {
    /// What a request adds, in thousandths of a token.
    share: i64,
    floor: Rate,
    /// The most that a quiet time can save up: no burst of retries is larger.
    most: i64,
    epoch: Instant,
    /// In thousandths of a token.
    balance: AtomicI64,
    /// Up to when the floor has been paid in, in nanoseconds since the epoch.
    paid: AtomicU64,
}

/// A token in the units of the balance.
const TOKEN: i64 = 1000;

/// How long a floor can be saved up, in seconds; as long as the window of comparable proxies.
const SAVED_SECONDS: f64 = 10.0;

impl Budget {
    pub(super) fn new(share: Probability, floor: Rate, now: Instant) -> Self {
        #[expect(clippy::cast_possible_truncation, reason = "both are small numbers")]
        let (share, saved) = (
            (share.get() * TOKEN as f64).round() as i64,
            (f64::from(floor.events) / floor.per.as_secs_f64() * SAVED_SECONDS * TOKEN as f64) as i64,
        );
        let most = saved.max(10 * TOKEN);
        Self {
            share,
            floor,
            most,
            epoch: now,
            balance: AtomicI64::new(saved),
            paid: AtomicU64::new(0),
        }
    }

    /// A request came.
    pub(super) fn request(&self) {
        if self.balance.load(Relaxed) < self.most {
            self.balance.fetch_add(self.share, Relaxed);
        }
    }

    /// Takes a token for a retry, where there is one.
    pub(super) fn take(&self, now: Instant) -> bool {
        self.pay_floor(now);
        let less = |balance: i64| (balance >= TOKEN).then_some(balance.min(self.most) - TOKEN);
        self.balance.fetch_update(Relaxed, Relaxed, less).is_ok()
    }

    /// Pays in what time has earned: whole tokens, once, by whoever comes first.
    fn pay_floor(&self, now: Instant) {
        let nanos = super::backend::nanos_since(self.epoch, now);
        let period = u64::try_from(self.floor.period().as_nanos())
            .unwrap_or(u64::MAX)
            .max(1);
        let paid = self.paid.load(Relaxed);
        let tokens = nanos.saturating_sub(paid) / period;
        let first = self
            .paid
            .compare_exchange(paid, paid + tokens * period, Relaxed, Relaxed);
        if tokens > 0 && first.is_ok() {
            let earned = i64::try_from(tokens)
                .unwrap_or(i64::MAX)
                .saturating_mul(TOKEN)
                .min(self.most);
            self.balance.fetch_add(earned, Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    fn budget(share: &str, floor: &str) -> (Budget, Instant) {
        let now = Instant::now();
        (
            Budget::new(share.parse().unwrap(), floor.parse().unwrap(), now),
            now,
        )
    }

    fn takes(budget: &Budget, now: Instant, tries: usize) -> usize {
        (0..tries).filter(|_| budget.take(now)).count()
    }

    #[test]
    fn a_storm_gets_what_is_saved_and_then_its_share() {
        let (budget, now) = budget("20%", "10/s");
        assert_eq!(takes(&budget, now, 1000), 100);
        for _ in 0..1000 {
            budget.request();
        }
        // A share of what came, but no larger a burst than can be saved.
        assert_eq!(takes(&budget, now, 1000), 100);
        let during: usize = (0..1000)
            .map(|_| {
                budget.request();
                takes(&budget, now, 1)
            })
            .sum();
        assert_eq!(during, 200);
    }

    #[test]
    fn the_floor_pays_as_time_goes_by() {
        let (budget, now) = budget("0%", "10/s");
        takes(&budget, now, 1000);
        let after = |secs: f64| now + Duration::from_secs_f64(secs);
        assert_eq!(takes(&budget, after(0.95), 1000), 9);
        assert_eq!(takes(&budget, after(1.0), 1000), 1);
        assert_eq!(takes(&budget, after(500.0), 1000), 100);
    }

    proptest! {
        #[test]
        fn retries_stay_within_share_and_floor(share in 0..=100_u32, steps in prop::collection::vec((0..50_u64, any::<bool>()), 1..400)) {
            let (budget, start) = budget(&format!("{share}%"), "5/s");
            let (mut now, mut requests, mut retries) = (start, 0.0, 0.0);
            for (wait, request) in steps {
                now += Duration::from_millis(wait);
                if request {
                    budget.request();
                    requests += 1.0;
                }
                retries += takes(&budget, now, 2) as f64;
            }
            let allowed = 50.0 + requests * f64::from(share) / 100.0 + 5.0 * (now - start).as_secs_f64();
            prop_assert!(retries <= allowed + 1e-6, "{retries} {allowed}");
        }
    }
}
