//! How often each status of 400 or above was given.

use std::collections::BTreeMap;

use super::shard::{Counter, Sharded};

/// What a worker counts for each status of 400 or above. A drill tells by it whether users saw what they saw in the incident.
#[derive(Debug)]
pub struct RefusalLane([Counter; REFUSALS.end - REFUSALS.start]);

/// The statuses that are counted apart.
const REFUSALS: std::ops::Range<usize> = 400..600;

impl Default for RefusalLane {
    fn default() -> Self {
        Self(std::array::from_fn(|_| Counter::default()))
    }
}

impl RefusalLane {
    /// Counts an answer, if its status is one of those.
    pub fn answered(&self, status: u16) {
        if let Some(counter) = usize::from(status)
            .checked_sub(REFUSALS.start)
            .and_then(|place| self.0.get(place))
        {
            counter.inc();
        }
    }
}

impl Sharded<RefusalLane> {
    /// The statuses that were given at all, each with how often.
    pub fn totals(&self) -> BTreeMap<u16, u64> {
        let statuses = (400_u16..).zip(0..REFUSALS.len());
        let totals = statuses.map(|(status, place)| (status, self.sum(|lane| lane.0[place].get())));
        totals.filter(|(_, count)| *count > 0).collect()
    }
}
