//! What came of faults since a drill began. A fault that is lifted may still let go what it held, and one that comes back begins
//! to count anew; what is told only grows.

use std::{collections::BTreeMap, sync::Arc};

use crate::faults::{Effect, Fault};

/// What came of each fault, by name.
#[derive(Debug, Default)]
pub(super) struct Tolls(BTreeMap<String, Toll>);

/// What came of one fault.
#[derive(Debug)]
struct Toll {
    /// What came of it each time that it stood before.
    before: (u64, Effect),
    /// The fault as it stands, or stood last.
    last: Arc<Fault>,
}

impl Toll {
    fn total(&self) -> (u64, Effect) {
        let (hits, effect) = self.before;
        (hits + self.last.hits(), effect.plus(&self.last.effect()))
    }
}

impl Tolls {
    /// Notes a fault that stands now.
    pub(super) fn note(&mut self, fault: &Arc<Fault>) {
        match self.0.get_mut(fault.name()) {
            Some(toll) if Arc::ptr_eq(&toll.last, fault) => {}
            Some(toll) => {
                toll.before = toll.total();
                toll.last = fault.clone();
            }
            None => {
                let toll = Toll {
                    before: Default::default(),
                    last: fault.clone(),
                };
                self.0.insert(fault.name().to_owned(), toll);
            }
        }
    }

    /// How many exchanges each fault touched.
    pub(super) fn hits(&self) -> BTreeMap<String, u64> {
        let hits = self.0.iter().map(|(fault, toll)| (fault.clone(), toll.total().0));
        hits.collect()
    }

    /// What came of each fault otherwise, where anything did.
    pub(super) fn effects(&self) -> BTreeMap<String, Effect> {
        let effects = self.0.iter().map(|(fault, toll)| (fault.clone(), toll.total().1));
        effects.filter(|(_, effect)| !effect.is_none()).collect()
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    #[test]
    fn a_fault_that_comes_back_adds_to_what_came_of_it_before() {
        let fault = || {
            let entry = crate::config::read("fault", "{where: {cluster: app}, do: hang}").unwrap();
            Fault::compile("held", &entry, Instant::now())
        };
        let (first, second) = (fault(), fault());
        let mut tolls = Tolls::default();
        tolls.note(&first);
        first.hold();
        first.lift();
        // Let go after it was lifted.
        first.release();
        tolls.note(&second);
        second.hold();
        let effect = Effect {
            held: 2,
            released: 1,
            ..Effect::default()
        };
        assert_eq!(tolls.effects(), [("held".to_owned(), effect)].into());
    }
}
