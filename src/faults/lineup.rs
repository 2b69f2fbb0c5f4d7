//! The faults that stand in one place, so that those which cannot match an exchange are passed over without being asked:
//! a hundred faults that do not match cost a request next to nothing.

use std::{ops::Deref, sync::Arc};

use super::fault::Fault;
use crate::route::{Facts, Glance, Hint};

/// The faults that stand in one place, in the order in which they are tried.
#[derive(Clone, Debug, Default)]
pub struct Lineup {
    faults: Box<[Arc<Fault>]>,
    hints: Box<[Hint]>,
    /// Whether one of them asks for headers.
    headers: bool,
}

impl Lineup {
    /// Those that may match an exchange, in their order.
    pub fn sift(&self, facts: &Facts<'_>) -> impl Iterator<Item = &Arc<Fault>> {
        let glance = Glance::at(facts, self.headers);
        let mut at = 0;
        // The hints lie together, and are gone through in one short loop.
        std::iter::from_fn(move || {
            let passed = self
                .hints
                .get(at..)?
                .iter()
                .position(|hint| hint.may_hold(glance))?;
            at += passed + 1;
            self.faults.get(at - 1)
        })
    }
}

impl FromIterator<Arc<Fault>> for Lineup {
    fn from_iter<I: IntoIterator<Item = Arc<Fault>>>(faults: I) -> Self {
        let faults: Box<[_]> = faults.into_iter().collect();
        let hints: Box<[_]> = faults.iter().map(|fault| fault.matcher().hint()).collect();
        Self {
            headers: hints.iter().any(Hint::asks_for_headers),
            hints,
            faults,
        }
    }
}

impl Deref for Lineup {
    type Target = [Arc<Fault>];

    fn deref(&self) -> &Self::Target {
        &self.faults
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;
    use crate::faults::trial::{entry, facts, request};

    #[test]
    fn only_those_that_may_match_are_asked_in_their_order() {
        let compiled = |path: &str| {
            let text = format!("{{where: {{match: {{path: '{path}'}}}}, do: reset}}");
            Fault::compile(path, &entry(&text), Instant::now())
        };
        let paths = ["/never/1", "/orders/**", "**", "/never/2", "/orders/7"];
        let lineup: Lineup = paths.map(compiled).into_iter().collect();
        let head = request("/orders/8");
        let asked: Vec<_> = lineup
            .sift(&facts(Some(&head)))
            .map(|fault| fault.name())
            .collect();
        assert_eq!(asked, ["/orders/**", "**", "/orders/7"]);
        assert_eq!(lineup.len(), paths.len());
    }
}
