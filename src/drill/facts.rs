//! What a drill may know: what was observed, and what people ask of it. Counts are totals since the drill began;
//! every window is a difference of two of them.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    lead::Lead,
    profile::{ALL, Sight},
    signal::Signal,
};
use crate::{
    faults::Effect,
    telemetry::{MethodLane, Sharded},
};

/// What users saw of one class of traffic, and what it cost to serve it.
///
/// Every request ends in exactly one of `ok`, `injected`, `upstream` and `proxy`; retries show in `attempts` alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Counts {
    /// Requests sent to a backend, retries included.
    pub attempts: u64,
    /// Requests that succeeded.
    pub ok: u64,
    /// Requests that failed by an answer that a fault gave.
    pub injected: u64,
    /// Requests that the backend itself failed.
    pub upstream: u64,
    /// Requests that the proxy failed of its own accord: no backend, a limit, a time limit.
    pub proxy: u64,
    /// Those among them that people turned away, by admitting only a share.
    #[serde(default, skip_serializing_if = "is_none")]
    pub turned_away: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
const fn is_none(count: &u64) -> bool {
    *count == 0
}

impl Counts {
    /// What all workers counted.
    pub fn of(lanes: &Sharded<MethodLane>) -> Self {
        Self {
            attempts: lanes.sum(|lane| lane.attempts.get()),
            ok: lanes.sum(|lane| lane.ok.get()),
            injected: lanes.sum(|lane| lane.injected.get()),
            upstream: lanes.sum(|lane| lane.upstream.get()),
            proxy: lanes.sum(|lane| lane.proxy.get()),
            turned_away: lanes.sum(|lane| lane.turned_away.get()),
        }
    }

    /// Whether nothing was counted.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Requests that ended.
    pub const fn requests(&self) -> u64 {
        self.ok + self.failed()
    }

    /// Requests that failed, whoever failed them.
    pub const fn failed(&self) -> u64 {
        self.injected + self.upstream + self.proxy
    }

    /// Requests that failed without an injected answer.
    pub const fn real(&self) -> u64 {
        self.upstream + self.proxy
    }

    /// The share that succeeded; nothing where nothing was asked.
    pub fn ok_share(&self) -> Option<f64> {
        share(self.ok, self.requests())
    }

    /// The share that succeeded of those that were let in; nothing where nothing was.
    pub fn admitted_ok_share(&self) -> Option<f64> {
        share(self.ok, self.admitted())
    }

    /// Requests that ended and were let in.
    pub const fn admitted(&self) -> u64 {
        self.requests().saturating_sub(self.turned_away)
    }

    /// What was added since an earlier moment. A counter that went back (its owner was restarted) adds nothing.
    #[must_use]
    pub const fn since(&self, earlier: &Self) -> Self {
        Self {
            attempts: self.attempts.saturating_sub(earlier.attempts),
            ok: self.ok.saturating_sub(earlier.ok),
            injected: self.injected.saturating_sub(earlier.injected),
            upstream: self.upstream.saturating_sub(earlier.upstream),
            proxy: self.proxy.saturating_sub(earlier.proxy),
            turned_away: self.turned_away.saturating_sub(earlier.turned_away),
        }
    }

    /// Both together.
    #[must_use]
    pub const fn plus(&self, other: &Self) -> Self {
        Self {
            attempts: self.attempts + other.attempts,
            ok: self.ok + other.ok,
            injected: self.injected + other.injected,
            upstream: self.upstream + other.upstream,
            proxy: self.proxy + other.proxy,
            turned_away: self.turned_away + other.turned_away,
        }
    }
}

/// A share of a whole; nothing of nothing.
#[expect(
    clippy::cast_precision_loss,
    reason = "counts of one drill are far below 2^53"
)]
pub(super) fn share(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

/// Counts by class of traffic.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Traffic(pub BTreeMap<String, Counts>);

impl Traffic {
    /// One class, or all of them together.
    pub fn of(&self, class: Option<&str>) -> Counts {
        match class {
            Some(class) if class != ALL => self.0.get(class).copied().unwrap_or_default(),
            _ => self.0.values().fold(Counts::default(), |sum, one| sum.plus(one)),
        }
    }

    /// What was added since an earlier moment.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let added = |(class, counts): (&String, &Counts)| {
            let before = earlier.0.get(class).copied().unwrap_or_default();
            (class.clone(), counts.since(&before))
        };
        Self(self.0.iter().map(added).collect())
    }

    /// Both together.
    #[must_use]
    pub fn plus(mut self, other: &Self) -> Self {
        for (class, counts) in &other.0 {
            let sum = self.0.entry(class.clone()).or_default();
            *sum = sum.plus(counts);
        }
        self
    }
}

/// How a backend stood, and what it was asked, in total since the process began. In a journal it is a list of three, since
/// each sample has one for every backend.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "(Stand, u64, u64)", into = "(Stand, u64, u64)")]
pub struct Server {
    /// How it stood.
    pub stand: Stand,
    /// Requests and connections that were sent to it, retries included.
    pub attempts: u64,
    /// Those among them that failed.
    pub failed: u64,
}

impl From<(Stand, u64, u64)> for Server {
    fn from((stand, attempts, failed): (Stand, u64, u64)) -> Self {
        Self {
            stand,
            attempts,
            failed,
        }
    }
}

impl From<Server> for (Stand, u64, u64) {
    fn from(server: Server) -> Self {
        (server.stand, server.attempts, server.failed)
    }
}

/// How a backend stood.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stand {
    /// Nothing speaks against it.
    #[default]
    Up,
    /// Its health checks fail, or have not passed yet.
    Down,
    /// Its errors took it out for a while.
    Ejected,
    /// People took it out.
    Drained,
}

/// What is observed at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Observed {
    /// What users saw, by class.
    pub traffic: Traffic,
    /// What monitoring saw, where a profile knows it from users.
    pub monitors: Counts,
    /// How many exchanges each fault touched.
    pub hits: BTreeMap<String, u64>,
    /// What came of each fault otherwise, where anything did.
    pub effects: BTreeMap<String, Effect>,
    /// What the proxy saw people do since it was last asked.
    pub sights: Vec<Sight>,
    /// Backends that were seen to go away and come back since the last look, as `cluster/backend`.
    pub restarted: Vec<String>,
    /// What backends last said in headers that the drill watches, by `cluster/backend` and header.
    pub headers: BTreeMap<(String, String), String>,
    /// What people were refused by the words that a drill put in their way.
    pub rebuffs: Vec<Sight>,
    /// How many requests were answered with each status of 400 or above.
    pub statuses: BTreeMap<String, u64>,
    /// How each backend stands, by `cluster/backend`.
    pub backends: BTreeMap<String, Server>,
    /// The share that people admit, of the clusters where it is not all.
    pub admitted: BTreeMap<String, f64>,
    /// Backends whose *real* health check fails, with how often in a row.
    pub failing: BTreeMap<String, u32>,
    /// Exchanges that are held at this moment.
    pub held: u64,
    /// Whether the lease on the faults is gone.
    pub lease_lost: bool,
}

/// Something that people ask of a drill.
#[derive(Clone, Debug, PartialEq)]
pub enum Order {
    /// An act is declared.
    Act(Asked),
    /// A signal from outside, such as `page`.
    Signal(Signal),
    /// The facilitator, or an observer, asks for something.
    Lead(Lead),
    /// End the drill, lift its faults, and say that it was not finished.
    Interrupt(String),
    /// The emergency: everything off.
    Panic(String),
}

/// An act that somebody declares.
#[derive(Clone, Debug, PartialEq)]
pub struct Asked {
    /// Which act.
    pub act: String,
    /// Who declares it.
    pub by: String,
    /// What they add in their own words.
    pub text: Option<String>,
    /// By which the answer finds the asker.
    pub ticket: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_is_a_difference_and_never_negative() {
        let early = Counts {
            ok: 10,
            injected: 3,
            ..Counts::default()
        };
        let late = Counts {
            ok: 30,
            injected: 1,
            upstream: 20,
            ..Counts::default()
        };
        let window = late.since(&early);
        assert_eq!((window.ok, window.injected, window.requests()), (20, 0, 40));
        assert_eq!(window.ok_share(), Some(0.5));
        assert_eq!(Counts::default().ok_share(), None);
    }
}
