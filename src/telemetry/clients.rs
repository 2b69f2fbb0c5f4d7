//! Who connects how often: the addresses that connect most, in tables of a fixed size. After an outage the finding often is
//! that one service tries again and again.
//!
//! A table that is full gives the place of the address that came least to the one that comes now, with its count (Metwally,
//! Agrawal, El Abbadi 2005, "space-saving"): whoever comes more often than all comers divided by the table's places is in it.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Mutex, PoisonError},
};

/// So many addresses each worker remembers for each listener.
const MOST_CLIENTS: usize = 256;

/// So many of them are shown.
pub const CLIENTS_SHOWN: usize = 10;

/// The addresses that connect, as one worker sees them.
#[derive(Debug, Default)]
pub struct ClientTable(Mutex<HashMap<IpAddr, Seen>>);

/// What is known of an address.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    /// How often it has come, at most.
    at_most: u64,
    /// How much of that may have been others.
    others: u64,
}

impl ClientTable {
    /// An address has connected. The lock is the worker's own but while somebody looks.
    pub fn came(&self, address: IpAddr) {
        let mut table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(seen) = table.get_mut(&address) {
            seen.at_most += 1;
            return;
        }
        let mut others = 0;
        if table.len() >= MOST_CLIENTS {
            let least = table.iter().min_by_key(|(_, seen)| seen.at_most);
            if let Some((least, seen)) = least.map(|(address, seen)| (*address, *seen)) {
                others = seen.at_most;
                table.remove(&least);
            }
        }
        let at_most = others + 1;
        table.insert(address, Seen { at_most, others });
    }
}

/// Tables added up: the addresses that have connected most, the first most often, each with how often at least.
#[derive(Debug, Default)]
pub(super) struct Busiest(HashMap<IpAddr, u64>);

impl Busiest {
    /// Adds a table.
    pub(super) fn add(&mut self, table: &ClientTable) {
        let table = table.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (address, seen) in table.iter() {
            *self.0.entry(*address).or_default() += seen.at_most - seen.others;
        }
    }

    /// Those at the top.
    pub(super) fn shown(self) -> Vec<(IpAddr, u64)> {
        let mut all: Vec<_> = self.0.into_iter().collect();
        all.sort_unstable_by_key(|(address, came)| (std::cmp::Reverse(*came), *address));
        all.truncate(CLIENTS_SHOWN);
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(n: u32) -> IpAddr {
        IpAddr::V4(n.into())
    }

    fn busiest(tables: &[ClientTable]) -> Vec<(IpAddr, u64)> {
        let mut busiest = Busiest::default();
        tables.iter().for_each(|table| busiest.add(table));
        busiest.shown()
    }

    #[test]
    fn those_that_come_most_are_known_over_all_workers() {
        let tables = [ClientTable::default(), ClientTable::default()];
        for (worker, n, times) in [(0_usize, 1, 3), (1, 1, 4), (1, 2, 5), (0, 3, 1)] {
            (0..times).for_each(|_| tables[worker].came(address(n)));
        }
        assert_eq!(
            busiest(&tables),
            [(address(1), 7), (address(2), 5), (address(3), 1)]
        );
    }

    #[test]
    fn a_crowd_of_passers_by_does_not_hide_who_comes_again_and_again() {
        let tables = [ClientTable::default()];
        for n in 0..50_000 {
            tables[0].came(address(n + 10));
            if n % 100 == 0 {
                tables[0].came(address(1));
            }
        }
        let busiest = busiest(&tables);
        assert_eq!((busiest.len(), busiest[0].0), (CLIENTS_SHOWN, address(1)));
        assert!(
            (1..=500).contains(&busiest[0].1),
            "never more than there were: {busiest:?}"
        );
        assert!(tables[0].0.lock().unwrap().len() <= MOST_CLIENTS);
    }
}
