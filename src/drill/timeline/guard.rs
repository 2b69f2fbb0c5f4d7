//! What ends a drill at once: people who say so, a lease that is gone, a limit, and real trouble.

use std::time::Duration;

use tokio::time::Instant;

use super::Timeline;
use crate::drill::{
    event::Ending,
    facts::{Observed, Order, share},
    profile::StopRule,
};

/// The reach is looked at over this long: a single burst is no breach.
pub(super) const REACH_OVER: Duration = Duration::from_secs(10);

/// How the drill must end now, if it must.
pub(super) fn alarm(timeline: &Timeline, now: Instant, seen: &Observed, orders: &[Order]) -> Option<Ending> {
    // Panic comes before all else: it also blocks new starts.
    let panic = orders.iter().find_map(|order| match order {
        Order::Panic(by) => Some(Ending::Panicked(by.clone())),
        _ => None,
    });
    let interrupt = orders.iter().find_map(|order| match order {
        Order::Interrupt(by) => Some(Ending::Interrupted(by.clone())),
        _ => None,
    });
    panic
        .or(interrupt)
        .or_else(|| breach(timeline, now, seen).map(Ending::Stopped))
}

fn breach(timeline: &Timeline, now: Instant, seen: &Observed) -> Option<String> {
    if seen.lease_lost {
        return Some("the lease on the faults was lost".into());
    }
    let profile = &timeline.script.profile;
    let rule = profile
        .stop
        .iter()
        .find_map(|rule| broken(rule, timeline, now, seen));
    rule.or_else(|| reach(timeline, now))
}

fn broken(rule: &StopRule, timeline: &Timeline, now: Instant, seen: &Observed) -> Option<String> {
    match rule {
        StopRule::UnexplainedErrors { above, for_wall } => {
            let share = unexplained(timeline, now, for_wall.0)?;
            (share > above.get()).then(|| {
                format!(
                    "{:.1}% of requests failed for {for_wall} and no fault accounts for it: this may be a real incident",
                    share * 100.0
                )
            })
        }
        StopRule::HealthFails { times } => {
            let mut failing = seen.failing.iter();
            let (backend, count) = failing.find(|(_, count)| *count >= times)?;
            Some(format!(
                "the real health check of `{backend}` failed {count} times in a row"
            ))
        }
        StopRule::Held { above } => {
            (seen.held > *above).then(|| format!("{} exchanges were held at once", seen.held))
        }
    }
}

/// The share of requests that failed for real beyond what the phase may cost. Known once the phase has lasted for the
/// whole window: before that, the window holds what another phase cost.
fn unexplained(timeline: &Timeline, now: Instant, over: Duration) -> Option<f64> {
    let entered = timeline.began + timeline.since.wall;
    if now.saturating_duration_since(entered) < over {
        return None;
    }
    let window = timeline.history.over(now, over)?;
    let may_fail = &timeline.station().may_fail;
    let excess = window.0.iter().map(|(class, counts)| {
        let allowed = may_fail
            .get(class)
            .or_else(|| may_fail.get(crate::drill::profile::ALL));
        let allowed = allowed.map_or(0.0, |share| share.get());
        // What people turn away is their doing, and no trouble.
        let real = counts.real().saturating_sub(counts.turned_away);
        #[expect(
            clippy::cast_precision_loss,
            reason = "counts of one drill are far below 2^53"
        )]
        let (real, requests) = (real as f64, counts.requests() as f64);
        (real - allowed * requests).max(0.0)
    });
    #[expect(
        clippy::cast_precision_loss,
        reason = "counts of one drill are far below 2^53"
    )]
    let requests = window.of(None).requests() as f64;
    (requests > 0.0).then(|| excess.sum::<f64>() / requests)
}

/// Whether injected answers reach more requests than the limits allow.
fn reach(timeline: &Timeline, now: Instant) -> Option<String> {
    let limit = timeline.script.profile.limits.share.get();
    let all = timeline.history.over(now, REACH_OVER)?.of(None);
    let reached = share(all.injected, all.requests())?;
    (reached > limit).then(|| {
        format!(
            "faults reached {:.1}% of requests and the limit is {:.0}%",
            reached * 100.0,
            limit * 100.0
        )
    })
}
