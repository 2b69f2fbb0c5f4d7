//! Which faults end what stands: at once when they come, or after a time in which nothing has come.

use std::sync::Arc;

use tokio::time::Instant;

use super::{Hit, Plan};
use crate::{
    faults::{
        Fault, Flow,
        fault::Mark,
        hook::Ask,
        line::{Cut, Line, Piece},
    },
    route::matcher::Facts,
    units::Dice,
};

/// A fault is about to end an exchange in which nothing has come.
#[derive(Debug)]
pub struct Due {
    /// When.
    pub at: Instant,
    /// How.
    pub cut: Cut,
    mark: Arc<Mark>,
}

impl Due {
    /// The fault.
    pub fn fault(&self) -> &Arc<Fault> {
        self.mark.fault()
    }

    /// It has ended the exchange.
    pub fn touch(&self) {
        self.mark.touch();
    }
}

impl Plan {
    /// From here on bytes can flow: times count from now, also those of flows that begin later, as an answer's body does.
    pub fn begin_flows(&mut self, now: Instant) {
        self.since = Some(now);
    }

    /// What ends the exchange if nothing comes, the first one first.
    pub fn due(&self, now: Instant) -> Vec<Due> {
        let since = self.since.unwrap_or(now);
        let due = |hit: &Hit| {
            let (cut, after) = hit.fault().acts().ends_silence()?;
            let (at, mark) = (since + after.0, Arc::clone(&hit.mark));
            Some(Due { at, cut, mark })
        };
        let mut all: Vec<_> = self.hits.iter().filter_map(due).collect();
        all.sort_by_key(|due| due.at);
        all
    }

    /// How faults that were added end a connection that stands, at once, and which one does; `None`: it stands on. The others are
    /// not asked: they have nothing to do with a connection on which nothing moves.
    pub fn cut_of_standing(
        added: &[Arc<Fault>],
        dice: Dice,
        exchange: u64,
        facts: &Facts<'_>,
        now: Instant,
    ) -> Option<(Cut, Arc<Fault>)> {
        let may =
            |fault: &Fault| Self::touches_standing(fault, facts) && cut_at_once(fault, facts, now).is_some();
        let plan = Self::of(added, dice, exchange, facts, may, |_| true);
        let fault = plan.hits.first()?.fault();
        plan.touch(0);
        Some((cut_at_once(fault, facts, now)?, Arc::clone(fault)))
    }
}

/// How a fault ends what stands at once, if it does.
pub(super) fn cut_at_once(fault: &Fault, facts: &Facts<'_>, now: Instant) -> Option<Cut> {
    let acts = fault.acts();
    let mut ask = Ask {
        now,
        since: now,
        age: now.saturating_duration_since(fault.begun()),
        // The dice say who is hit, not how.
        dice: Dice::new(0).stream(fault.key(), 0),
        marked: acts.marks(facts),
        track: acts.tracks().then(Arc::default),
        of_request: facts.head.is_some(),
        begins: None,
        touched: false,
        committed: false,
    };
    [Flow::Request, Flow::Reply].into_iter().find_map(|direction| {
        let mut shaper = acts.flow(&mut ask, direction)?;
        let mut line = Line::default();
        while let Some(at) = shaper.alarm().filter(|at| *at <= now) {
            shaper.ring(at, &mut line);
        }
        match line.take_due(now) {
            Some((_, Piece::Cut(cut))) => Some(cut),
            _ => None,
        }
    })
}
