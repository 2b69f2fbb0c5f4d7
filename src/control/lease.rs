//! What keeps faults alive. A fault lives only while somebody holds its lease: a drill or an API session that renews
//! it, or an end time. The clock is monotonic, so a step of the wall clock neither ends nor prolongs one.

use std::{collections::BTreeMap, fmt, time::Duration};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::{faults::Entry, snapshot::Steering};

/// A lease that is renewed lasts this long after each renewal: a holder that was killed is noticed within it.
pub const RENEWED: Duration = Duration::from_secs(10);

/// More faults than this at once are a slip, and each costs every request a look.
pub const FAULTS_AT_MOST: usize = 1024;

/// A lease's number, unique while the process lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct LeaseId(pub u64);

/// Who holds a lease.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Owner {
    /// A drill, by its name.
    Drill {
        /// The drill's name.
        drill: String,
    },
    /// Somebody at the admin API.
    Api {
        /// Who: the token's name, or the address where there are no tokens.
        by: String,
    },
    /// A toxic, which lives as long as its proxy.
    Toxiproxy,
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Drill { drill } => write!(f, "drill {drill}"),
            Self::Api { by } => f.write_str(by),
            Self::Toxiproxy => f.write_str("toxiproxy"),
        }
    }
}

/// Faults that live and end together.
#[derive(Clone, Debug)]
pub struct Lease {
    /// Who holds it.
    pub owner: Owner,
    /// When it ends, unless it is renewed before.
    pub ends: Instant,
    /// Its faults, in the order they are tried.
    pub faults: Vec<(String, Entry)>,
    /// Where traffic goes while it lives.
    pub steering: Vec<Steering>,
    /// Why a broken document cannot be put right at the moment, in the words of the incident.
    pub obstruction: Option<String>,
}

impl Lease {
    /// Whether it is still of use once the last of its faults was removed: a drill goes on.
    const fn outlives_its_faults(&self) -> bool {
        matches!(self.owner, Owner::Drill { .. })
    }
}

/// The leases that are held, in the order they were taken.
#[derive(Clone, Debug, Default)]
pub struct Leases {
    next: u64,
    held: BTreeMap<LeaseId, Lease>,
}

impl Leases {
    /// Takes a new lease.
    pub fn take(&mut self, lease: Lease) -> LeaseId {
        let id = LeaseId(self.next);
        self.next += 1;
        self.held.insert(id, lease);
        id
    }

    /// A lease that is still held. One whose time is over is not, even if nobody has cleared it away yet: whoever slept
    /// through it, as a process that was frozen does, must not renew it.
    pub fn live(&mut self, id: LeaseId, now: Instant) -> Option<&mut Lease> {
        self.held.get_mut(&id).filter(|lease| now < lease.ends)
    }

    /// Ends a lease.
    pub fn end(&mut self, id: LeaseId) -> Option<Lease> {
        self.held.remove(&id)
    }

    /// Ends all of them.
    pub fn end_all(&mut self) -> Vec<Lease> {
        std::mem::take(&mut self.held).into_values().collect()
    }

    /// Ends those whose time is over.
    pub fn expire(&mut self, now: Instant) -> Vec<Lease> {
        let over: Vec<LeaseId> = self
            .held
            .iter()
            .filter(|(_, l)| l.ends <= now)
            .map(|(id, _)| *id)
            .collect();
        over.into_iter().filter_map(|id| self.held.remove(&id)).collect()
    }

    /// When the next one ends.
    pub fn next_end(&self) -> Option<Instant> {
        self.held.values().map(|l| l.ends).min()
    }

    /// All that are held.
    pub fn iter(&self) -> impl Iterator<Item = (LeaseId, &Lease)> {
        self.held.iter().map(|(id, lease)| (*id, lease))
    }

    /// Whether a fault of this name lives in some lease.
    pub fn has_fault(&self, name: &str) -> bool {
        self.held
            .values()
            .any(|l| l.faults.iter().any(|(n, _)| n == name))
    }

    /// Removes one fault by name; a lease left empty ends, unless it is a drill's.
    pub fn remove_fault(&mut self, name: &str) -> bool {
        self.remove_faults(|known, _| known == name)
    }

    /// Removes some faults; a lease left empty ends, unless it is a drill's. Says whether there were any.
    pub fn remove_faults(&mut self, which: impl Fn(&str, &Entry) -> bool) -> bool {
        let mut found = false;
        self.held.retain(|_, lease| {
            let before = lease.faults.len();
            lease.faults.retain(|(name, entry)| !which(name, entry));
            found |= lease.faults.len() < before;
            !lease.faults.is_empty() || before == 0 || lease.outlives_its_faults()
        });
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lease(ends: Instant, names: &[&str]) -> Lease {
        let entry = || serde_json::from_str::<Entry>(r#"{"do": {"latency": {"add": "1s"}}}"#).unwrap();
        let faults = names.iter().map(|n| ((*n).to_owned(), entry())).collect();
        Lease {
            owner: Owner::Api { by: "test".into() },
            ends,
            faults,
            steering: Vec::new(),
            obstruction: None,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_lease_ends_at_its_time_and_not_before() {
        let now = Instant::now();
        let mut leases = Leases::default();
        leases.take(lease(now + Duration::from_secs(5), &["a"]));
        let kept = leases.take(lease(now + Duration::from_secs(9), &["b"]));
        assert_eq!(leases.next_end(), Some(now + Duration::from_secs(5)));
        assert!(leases.expire(now + Duration::from_millis(4999)).is_empty());
        assert_eq!(leases.expire(now + Duration::from_secs(5)).len(), 1);
        leases.live(kept, now).unwrap().ends = now + Duration::from_secs(20);
        assert!(leases.expire(now + Duration::from_secs(19)).is_empty(), "renewed");
        assert!(
            leases.live(kept, now + Duration::from_secs(20)).is_none(),
            "not cleared away, but over"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn removing_the_last_fault_of_a_lease_ends_it() {
        let mut leases = Leases::default();
        let now = Instant::now();
        let id = leases.take(lease(now + Duration::from_secs(5), &["a", "b"]));
        assert!(leases.remove_fault("a") && leases.live(id, now).is_some());
        assert!(leases.remove_fault("b") && leases.live(id, now).is_none());
        assert!(!leases.remove_fault("b"));
        let owner = Owner::Drill { drill: "d".into() };
        let id = leases.take(Lease {
            owner,
            ..lease(now + Duration::from_secs(5), &["c"])
        });
        assert!(
            leases.remove_fault("c") && leases.live(id, now).is_some(),
            "a drill goes on"
        );
    }
}
