//! The original team, in a replay: its acts at their times, and the moments that its report names.

use std::{collections::VecDeque, time::Duration};

use super::{Action, Timeline};
use crate::drill::{
    event::{Event, Known, Mark},
    facts::Observed,
    script::Script,
};

/// Who the journal says performed the acts of a replay.
pub(super) const ORIGINAL: &str = "the original team";

/// What is still to come, the next first.
#[derive(Debug)]
pub(super) struct Autopilot(VecDeque<(Duration, Planned)>);

/// Marks come before the acts of the same moment, which may end the phase that they belong to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Planned {
    Mark(String),
    Act(usize),
}

impl Autopilot {
    /// Everything that the original did, or nothing where people drive.
    pub(super) fn new(script: &Script) -> Self {
        if !script.mode().has_autopilot() {
            return Self(VecDeque::new());
        }
        let marks = script.profile.yardstick.marks.iter();
        let marks = marks.map(|(name, offset)| (offset.0, Planned::Mark(name.clone())));
        let acts = script.profile.acts.iter().enumerate();
        let acts = acts.flat_map(|(i, (_, act))| {
            act.original
                .iter()
                .map(move |tried| (tried.at.0, Planned::Act(i)))
        });
        let mut plan: Vec<_> = marks.chain(acts).collect();
        plan.sort();
        Self(plan.into())
    }

    /// When the next of it is due.
    pub(super) fn next(&self) -> Option<Duration> {
        self.0.front().map(|(moment, _)| *moment)
    }

    /// The next act, and when.
    pub(super) fn next_act(&self) -> Option<(Duration, usize)> {
        self.0.iter().find_map(|(moment, planned)| match planned {
            Planned::Act(act) => Some((*moment, *act)),
            Planned::Mark(_) => None,
        })
    }
}

impl Timeline {
    /// Lets the original team do what is due.
    pub(super) fn fly(&mut self, story: Duration, seen: &Observed, out: &mut Vec<Action>) {
        match self.autopilot.0.pop_front() {
            Some((_, Planned::Mark(name))) => self.record(story, Event::MarkPassed(Mark { name }), out),
            Some((_, Planned::Act(act))) => self.attempt(act, ORIGINAL, Known::Replayed, story, seen, out),
            None => {}
        }
    }
}
