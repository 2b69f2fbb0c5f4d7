//! What users saw in the last while: totals at a few moments, so that any recent window is a difference of two.

use std::{collections::VecDeque, time::Duration};

use tokio::time::Instant;

use crate::drill::{
    facts::{Observed, Traffic},
    profile::StopRule,
    script::{Script, When},
};

/// How far apart kept moments are: a tenth of the shortest window that anything asks for.
const GRAIN: Duration = Duration::from_millis(200);

/// Totals at a few moments, the oldest first.
#[derive(Debug)]
pub(super) struct History {
    kept: VecDeque<(Instant, Traffic)>,
    latest: Traffic,
    horizon: Duration,
}

impl History {
    pub(super) const fn new(horizon: Duration) -> Self {
        Self {
            kept: VecDeque::new(),
            latest: Traffic(std::collections::BTreeMap::new()),
            horizon,
        }
    }

    /// The longest window that a script asks for.
    pub(super) fn horizon(script: &Script) -> Duration {
        let rules = script.profile.stop.iter().map(|rule| match rule {
            StopRule::UnexplainedErrors { for_wall, .. } => for_wall.0,
            StopRule::HealthFails { .. } | StopRule::Held { .. } => Duration::ZERO,
        });
        let ways = script.stations.iter().flat_map(|station| {
            station.ways.iter().map(|way| match &way.when {
                When::Ok(steady) => steady.lasts.0.div_f64(station.pace),
                When::After(_) | When::Done(_) | When::Admitted(_) => Duration::ZERO,
            })
        });
        rules
            .chain(ways)
            .chain([super::guard::REACH_OVER])
            .max()
            .unwrap_or_default()
    }

    pub(super) fn note(&mut self, now: Instant, seen: &Observed) {
        self.latest = seen.traffic.clone();
        if self.kept.back().is_none_or(|(at, _)| now >= *at + GRAIN) {
            self.kept.push_back((now, seen.traffic.clone()));
        }
        // One moment beyond the horizon stays, so that a window of the full length has a beginning.
        while self
            .kept
            .get(1)
            .is_some_and(|(at, _)| now.duration_since(*at) >= self.horizon)
        {
            self.kept.pop_front();
        }
    }

    /// What was added over the last `span`; nothing when the drill is not that old.
    pub(super) fn over(&self, now: Instant, span: Duration) -> Option<Traffic> {
        let old = |(at, _): &&(Instant, Traffic)| now.saturating_duration_since(*at) >= span;
        let (_, then) = self.kept.iter().rev().find(old)?;
        Some(self.latest.since(then))
    }

    /// What was added over the last `span`, or since the drill began.
    pub(super) fn lately(&self, now: Instant, span: Duration) -> Traffic {
        let since_start = || Some(self.latest.since(&self.kept.front()?.1));
        self.over(now, span).or_else(since_start).unwrap_or_default()
    }

    /// Totals as last seen.
    pub(super) const fn latest(&self) -> &Traffic {
        &self.latest
    }
}
