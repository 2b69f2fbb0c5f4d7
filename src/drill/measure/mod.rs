//! Measures of a run, taken from its ledger: what users saw in a phase, over story time, and between two moments.

mod intervals;
mod objectives;
mod original;

use std::{collections::BTreeMap, time::Duration};

pub use self::{
    intervals::{Figures, Row, figures},
    objectives::{Rated, Rating, rate},
    original::Original,
};
use super::{
    event::{Sample, Stamp},
    facts::{Counts, Traffic},
    ledger::Ledger,
};

/// What is counted of a phase begins this long after it, on the wall: requests that were under way when its faults came
/// or went still end as they would have before.
pub const SETTLE: Duration = Duration::from_secs(2);

/// And it ends this long before it, where it lasts for long enough: what people do helps at once, and the phase ends a moment
/// later, when the drill has seen it.
const SEEN: Duration = Duration::from_millis(200);

/// What users saw in all stays in a phase, once each had settled. Nothing when none lasted that long.
pub fn settled(ledger: &Ledger, phase: &str) -> Option<Settled> {
    let stays = ledger.visits.iter().filter(|visit| visit.phase == phase);
    let windows = stays.filter_map(|visit| {
        let settled = |(at, _): &&(Stamp, Sample)| at.wall >= visit.from.wall + SETTLE;
        let samples = ledger.samples_of(visit);
        let (first, from) = samples.iter().find(settled)?;
        let before = |(at, _): &&(Stamp, Sample)| at > first && at.wall + SEEN <= visit.to.wall;
        let (last, to) = samples.iter().rfind(before).or(samples.last())?;
        (first < last).then(|| Settled {
            traffic: to.traffic.since(&from.traffic),
            statuses: since(&to.statuses, &from.statuses),
        })
    });
    windows.reduce(|sum, window| Settled {
        traffic: sum.traffic.plus(&window.traffic),
        statuses: plus(sum.statuses, &window.statuses),
    })
}

/// What users saw of a phase once it had settled.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Settled {
    /// By class.
    pub traffic: Traffic,
    /// How many requests were answered with each status of 400 or above.
    pub statuses: BTreeMap<String, u64>,
}

/// What was added to counts since an earlier moment.
fn since(later: &BTreeMap<String, u64>, earlier: &BTreeMap<String, u64>) -> BTreeMap<String, u64> {
    let before = |key: &String| earlier.get(key).copied().unwrap_or_default();
    let added = later
        .iter()
        .map(|(key, count)| (key.clone(), count.saturating_sub(before(key))));
    added.collect()
}

/// Both together.
fn plus(mut sum: BTreeMap<String, u64>, more: &BTreeMap<String, u64>) -> BTreeMap<String, u64> {
    for (key, count) in more {
        *sum.entry(key.clone()).or_default() += count;
    }
    sum
}

/// What users saw in all stays in a phase, from border to border, with how many exchanges each fault touched, and how
/// many were answered with each status.
pub fn whole(ledger: &Ledger, phase: &str) -> Sample {
    let mut sum = Sample::default();
    for visit in ledger.visits.iter().filter(|visit| visit.phase == phase) {
        let samples = ledger.samples_of(visit);
        let (Some((_, first)), Some((_, last))) = (samples.first(), samples.last()) else {
            continue;
        };
        sum.traffic = sum.traffic.plus(&last.traffic.since(&first.traffic));
        sum.hits = plus(sum.hits, &since(&last.hits, &first.hits));
        for (fault, effect) in &last.effects {
            let before = first.effects.get(fault).copied().unwrap_or_default();
            let sum = sum.effects.entry(fault.clone()).or_default();
            *sum = sum.plus(&effect.since(&before));
        }
        sum.statuses = plus(sum.statuses, &since(&last.statuses, &first.statuses));
    }
    sum
}

/// A stretch of story time between two samples.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bucket {
    /// Where it begins.
    pub from: Stamp,
    /// Where it ends.
    pub to: Stamp,
    /// What users saw in it.
    pub counts: Counts,
}

/// Success of a class, or of all traffic, over story time.
pub fn buckets(ledger: &Ledger, class: Option<&str>) -> Vec<Bucket> {
    let pairs = ledger.samples.windows(2);
    pairs
        .filter(|pair| pair[0].0.story < pair[1].0.story)
        .map(|pair| Bucket {
            from: pair[0].0,
            to: pair[1].0,
            counts: pair[1].1.traffic.of(class).since(&pair[0].1.traffic.of(class)),
        })
        .collect()
}

/// The share of each class in the traffic of this run, by which the original's curves are weighed.
pub fn mix(ledger: &Ledger) -> BTreeMap<String, f64> {
    let total = ledger.total();
    let all = total.of(None).requests();
    let shares = total.0.iter();
    shares
        .filter_map(|(class, counts)| Some((class.clone(), super::facts::share(counts.requests(), all)?)))
        .collect()
}

/// The first good while after a moment: service at `min` or better, without a bad bucket, for so long in story time.
/// Gives the moment at which it began.
///
/// It is counted from the end of its first good bucket: what is released when a fault is lifted may succeed all at once at
/// the border of a phase, and what comes after it hang for longer than the rest of that bucket.
pub fn good_while(buckets: &[Bucket], after: Duration, min: f64, lasts: Duration) -> Option<Stamp> {
    good_while_by(Counts::ok_share, buckets, after, min, lasts)
}

/// The same by another share than that of all requests.
fn good_while_by(
    share: fn(&Counts) -> Option<f64>,
    buckets: &[Bucket],
    after: Duration,
    min: f64,
    lasts: Duration,
) -> Option<Stamp> {
    let mut first: Option<&Bucket> = None;
    for bucket in buckets.iter().filter(|bucket| bucket.from.story >= after) {
        match share(&bucket.counts) {
            Some(ok) if ok >= min => {
                let first = *first.get_or_insert(bucket);
                if bucket.to.story.saturating_sub(first.to.story) >= lasts {
                    return Some(first.from);
                }
            }
            Some(_) => first = None,
            // Nobody asked: neither good nor bad.
            None => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drill::{
        event::{Event, PhaseStarted, Stamped},
        profile::Kind,
    };

    /// A phase of so many milliseconds with a request a millisecond, all of which fail until it is nearly over.
    fn phase(lasts: u64, cured: u64) -> Option<Counts> {
        let at = |millis| Stamp {
            story: Duration::from_millis(millis),
            wall: Duration::from_millis(millis),
        };
        let sample = |millis: u64| {
            let counts = Counts {
                attempts: millis,
                ok: millis.saturating_sub(cured),
                upstream: millis.min(cured),
                ..Counts::default()
            };
            let sample = Sample {
                traffic: Traffic([("all".to_owned(), counts)].into()),
                ..Sample::default()
            };
            Stamped {
                at: at(millis),
                event: Event::Sampled(sample),
            }
        };
        let began = PhaseStarted {
            phase: "outage".to_owned(),
            kind: Kind::Think,
            faults: Vec::new(),
            because: String::new(),
        };
        let began = Stamped {
            at: at(0),
            event: Event::PhaseStarted(began),
        };
        let samples = (1000..lasts).step_by(1000).chain([lasts]).map(sample);
        let ledger = Ledger::of([sample(0), began].into_iter().chain(samples));
        settled(&ledger, "outage").map(|settled| settled.traffic.of(None))
    }

    #[test]
    fn what_a_cure_does_before_it_is_seen_does_not_count() {
        assert_eq!(phase(10_050, 10_000).unwrap().ok_share(), Some(0.0));
        assert_eq!(phase(10_050, 10_000).unwrap().requests(), 7000);
        // Of a short phase there is nothing else.
        assert_eq!(phase(2_500, 2_400).unwrap().requests(), 500);
        assert_eq!(phase(1_900, 1_900), None);
    }

    /// Buckets of a minute each, by how many requests succeeded and failed in them.
    fn minutes(of: &[(u64, u64)]) -> Vec<Bucket> {
        let at = |minute: usize| {
            let at = Duration::from_secs(60 * minute as u64);
            Stamp {
                story: at,
                wall: at / 60,
            }
        };
        let bucket = |(minute, &(ok, upstream)): (usize, &(u64, u64))| Bucket {
            from: at(minute),
            to: at(minute + 1),
            counts: Counts {
                attempts: ok + upstream,
                ok,
                upstream,
                ..Counts::default()
            },
        };
        of.iter().enumerate().map(bucket).collect()
    }

    #[test]
    fn what_a_lifted_fault_releases_is_no_good_minute() {
        let minute = Duration::from_secs(60);
        let good = |of| good_while(&minutes(of), Duration::ZERO, 0.99, minute).map(|began| began.story);
        assert_eq!(
            good(&[(0, 50), (44, 0), (0, 50), (50, 0), (50, 0)]),
            Some(3 * minute)
        );
        // Silence proves nothing; the next answer does.
        assert_eq!(good(&[(0, 50), (44, 0), (0, 0), (0, 50)]), None);
        assert_eq!(good(&[(0, 50), (44, 0), (0, 0), (50, 0)]), Some(minute));
    }
}
