//! Where acts come in: they are tried, take their time, and their gates let them through or refuse them in the words of
//! the original. The autopilot and people pass the same gates.

use std::{collections::BTreeSet, time::Duration};

use super::{Action, Timeline};
use crate::drill::{
    event::{ActEnded, ActStarted, Event, Known},
    facts::{Asked, Observed},
    offset::Offset,
    profile::Outcome,
    script::When,
};

/// What the person who declares an act is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It is done.
    Done,
    /// It is under way; its gates decide at this moment of the story.
    UnderWay(Offset),
    /// It is refused, in the words of the original.
    Refused(String),
}

/// The acts that are done and those that are under way.
#[derive(Debug, Default)]
pub(super) struct Desk {
    done: BTreeSet<usize>,
    /// Acts that were done from here, and will be seen by the proxy, too.
    expected: BTreeSet<usize>,
    under_way: Vec<Attempt>,
}

/// An act that somebody has begun.
#[derive(Clone, Debug)]
struct Attempt {
    act: usize,
    by: String,
    known: Known,
    text: Option<String>,
    lands: Duration,
}

impl Desk {
    /// When the next act that is under way is decided.
    pub(super) fn lands(&self) -> Option<Duration> {
        self.under_way.iter().map(|attempt| attempt.lands).min()
    }

    /// Whether an act is seen because it was done from here; the next time it is news.
    pub(super) fn expected(&mut self, act: usize) -> bool {
        self.expected.remove(&act)
    }

    fn has_begun(&self, act: usize) -> bool {
        self.under_way.iter().any(|attempt| attempt.act == act)
    }
}

impl Timeline {
    /// Somebody declares an act.
    pub(super) fn declare(&mut self, asked: Asked, story: Duration, seen: &Observed, out: &mut Vec<Action>) {
        let ticket = asked.ticket;
        let known = self.script.acts.iter().position(|act| act.name == asked.act);
        let answer = match known {
            None => Answer::Refused(self.unknown(&asked.act)),
            Some(act) if !self.script.acts[act].declare => Answer::Refused(format!(
                "`{}` counts when the proxy sees it, not when somebody says so",
                asked.act
            )),
            Some(act) => self.begin_act(
                Attempt {
                    act,
                    by: asked.by,
                    known: Known::Declared,
                    text: asked.text,
                    lands: story,
                },
                seen,
                out,
            ),
        };
        out.push(Action::Answer(ticket, answer));
    }

    /// An act that is not declared: the proxy saw it, or the autopilot does it.
    pub(super) fn attempt(
        &mut self,
        act: usize,
        by: &str,
        known: Known,
        story: Duration,
        seen: &Observed,
        out: &mut Vec<Action>,
    ) {
        let attempt = Attempt {
            act,
            by: by.to_owned(),
            known,
            text: None,
            lands: story,
        };
        self.begin_act(attempt, seen, out);
    }

    /// Decides the act that is due.
    pub(super) fn land(&mut self, story: Duration, seen: &Observed, out: &mut Vec<Action>) {
        let due = self
            .desk
            .under_way
            .iter()
            .position(|attempt| attempt.lands <= story);
        if let Some(due) = due {
            let attempt = self.desk.under_way.remove(due);
            self.decide(attempt, seen, out);
        }
    }

    fn begin_act(&mut self, mut attempt: Attempt, seen: &Observed, out: &mut Vec<Action>) -> Answer {
        let act = &self.script.acts[attempt.act];
        if self.desk.has_begun(attempt.act) {
            return Answer::Refused(format!("`{}` is already under way", act.name));
        }
        if act.takes.is_zero() {
            return self.decide(attempt, seen, out);
        }
        let started = ActStarted {
            act: act.name.clone(),
            by: attempt.by.clone(),
            known: attempt.known,
        };
        let begun = attempt.lands;
        attempt.lands += act.takes;
        let answer = Answer::UnderWay(Offset(attempt.lands));
        self.record(begun, Event::ActStarted(started), out);
        self.desk.under_way.push(attempt);
        answer
    }

    fn decide(&mut self, attempt: Attempt, seen: &Observed, out: &mut Vec<Action>) -> Answer {
        let act = &self.script.acts[attempt.act];
        let closed =
            |(until, _): &&(Vec<usize>, String)| !until.iter().all(|act| self.desk.done.contains(act));
        let message = act.gates.iter().find(closed).map(|(_, message)| message.clone());
        let name = act.name.clone();
        let ended = ActEnded {
            act: name.clone(),
            by: attempt.by,
            known: attempt.known,
            result: message.as_ref().map_or(Outcome::Ok, |_| Outcome::Refused),
            message: message.clone(),
            text: attempt.text,
        };
        self.record(attempt.lands, Event::ActEnded(ended), out);
        if let Some(message) = message {
            return Answer::Refused(message);
        }
        self.desk.done.insert(attempt.act);
        let deeds = act.seen_by.clone();
        if attempt.known != Known::Observed && !deeds.is_empty() {
            self.desk.expected.insert(attempt.act);
            out.push(Action::Perform(deeds));
        }
        let opens = |when: &When| matches!(when, When::Done(act) if *act == attempt.act);
        let way = self.station().ways.iter().position(|way| opens(&way.when));
        if let Some(way) = way.filter(|_| self.script.mode().leaves_by_itself()) {
            self.leave(way, attempt.lands, &format!("`{name}` was done"), seen, out);
        }
        Answer::Done
    }

    fn unknown(&self, name: &str) -> String {
        let known: Vec<_> = self.script.acts.iter().map(|act| act.name.as_str()).collect();
        format!("this drill knows no act `{name}`; it knows {}", known.join(", "))
    }
}
