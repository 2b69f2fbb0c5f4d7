//! Which faults end, at once, what stands when they come.

use std::sync::Arc;

use tokio::time::Instant;

use super::Plan;
use crate::{
    faults::{
        Fault, Flow,
        hook::Ask,
        line::{Cut, Line, Piece},
    },
    route::matcher::Facts,
    units::Dice,
};

impl Plan {
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
        age: now.saturating_duration_since(fault.begun()),
        // The dice say who is hit, not how.
        dice: Dice::new(0).stream(fault.key(), 0),
        marked: acts.marks(facts),
        track: acts.tracks().then(Arc::default),
        of_request: facts.head.is_some(),
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
