//! Who acts in the team's place: the original team, its acts at their times with the moments that its report names, or a
//! team that follows a runbook.

use std::{collections::VecDeque, time::Duration};

use super::{Action, Timeline};
use crate::drill::{
    event::{Event, Mark, ORIGINAL},
    facts::Observed,
    script::{Pilot, Script},
};

/// What is still to come.
#[derive(Debug)]
pub(super) struct Autopilot {
    /// What has a moment of its own, the next first.
    plan: VecDeque<(Duration, Planned)>,
    /// The steps of a runbook: how long after the one before, which act, and how long that takes.
    steps: VecDeque<(Duration, usize, Duration)>,
    /// When the step before came to its end; nothing before the first damage.
    since: Option<Duration>,
    /// Who the journal says acted.
    by: String,
}

/// Marks come before the acts of the same moment, which may end the phase that they belong to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Planned {
    Mark(String),
    /// An act, and how long it was under way where that was not as usual.
    Act(usize, Option<Duration>),
}

impl Autopilot {
    /// Everything that is to be done in the team's place, or nothing where people drive.
    pub(super) fn new(script: &Script) -> Self {
        let mut plan = Vec::new();
        if script.mode().has_autopilot() {
            // In a replay the original's alert stands for one that is too slow for a story that is compressed.
            let marks = script.profile.yardstick.marks.iter();
            plan.extend(marks.map(|(name, offset)| (offset.0, Planned::Mark(name.clone()))));
        }
        let (mut steps, mut by) = (VecDeque::new(), ORIGINAL.to_owned());
        match &script.pilot {
            Pilot::Nobody => {}
            Pilot::Original => {
                for (i, (_, act)) in script.profile.acts.iter().enumerate() {
                    let tried = act.original.iter();
                    plan.extend(
                        tried.map(|tried| (tried.at.0, Planned::Act(i, tried.takes.map(|takes| takes.0)))),
                    );
                }
            }
            Pilot::Runbook { name, steps: written } => {
                let step = |(after, act): &(Duration, usize)| (*after, *act, script.takes(*act));
                (steps, by) = (written.iter().map(step).collect(), name.clone());
            }
        }
        plan.sort();
        Self {
            plan: plan.into(),
            steps,
            since: None,
            by,
        }
    }

    /// Something is broken: from here on the runbook counts.
    pub(super) fn damaged(&mut self, story: Duration) {
        self.since.get_or_insert(story);
    }

    /// When the next step of the runbook is due.
    fn step(&self) -> Option<(Duration, usize)> {
        let (after, act, _) = self.steps.front()?;
        Some((self.since? + *after, *act))
    }

    /// When the next of it is due.
    pub(super) fn next(&self) -> Option<Duration> {
        let planned = self.plan.front().map(|(moment, _)| *moment);
        let step = self.step().map(|(moment, _)| moment);
        planned.into_iter().chain(step).min()
    }

    /// The next act, and when.
    pub(super) fn next_act(&self) -> Option<(Duration, usize)> {
        let planned = self.plan.iter().find_map(|(moment, planned)| match planned {
            Planned::Act(act, _) => Some((*moment, *act)),
            Planned::Mark(_) => None,
        });
        planned.into_iter().chain(self.step()).min()
    }

    /// Takes what is due at a moment.
    fn pop(&mut self, story: Duration) -> Option<Planned> {
        if self.plan.front().is_some_and(|(moment, _)| *moment <= story) {
            return self.plan.pop_front().map(|(_, planned)| planned);
        }
        let (due, act) = self.step().filter(|(due, _)| *due <= story)?;
        let (.., takes) = self.steps.pop_front()?;
        self.since = Some(due + takes);
        Some(Planned::Act(act, None))
    }
}

impl Timeline {
    /// Does what is due in the team's place.
    pub(super) fn fly(&mut self, story: Duration, seen: &Observed, out: &mut Vec<Action>) {
        match self.autopilot.pop(story) {
            Some(Planned::Mark(name)) => self.record(story, Event::MarkPassed(Mark { name }), out),
            Some(Planned::Act(act, takes)) => {
                let by = self.autopilot.by.clone();
                self.replay(act, &by, takes, story, seen, out);
            }
            None => {}
        }
    }
}
