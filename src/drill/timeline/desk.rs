//! Where acts come in: they are tried, take their time, and their gates let them through or refuse them in the words of
//! the original. The autopilot and people pass the same gates.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

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
    /// It counts once so many people have declared it.
    Waits {
        /// How many it needs.
        needs: usize,
        /// Who has declared it so far.
        by: Vec<String>,
    },
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
    /// Who has declared acts that need several people.
    proposed: BTreeMap<usize, BTreeSet<String>>,
    /// What the facilitator refuses, and with which words.
    vetoes: BTreeMap<usize, String>,
}

/// An act that somebody has begun.
#[derive(Clone, Debug)]
pub(super) struct Attempt {
    pub(super) act: usize,
    pub(super) by: String,
    pub(super) known: Known,
    pub(super) text: Option<String>,
    pub(super) lands: Duration,
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

    pub(super) fn is_done(&self, act: usize) -> bool {
        self.done.contains(&act)
    }

    /// Forgets what is known of an act that is about to be decided.
    pub(super) fn forget(&mut self, act: usize) {
        self.under_way.retain(|attempt| attempt.act != act);
        self.proposed.remove(&act);
        self.vetoes.remove(&act);
    }

    /// Refuses an act with these words until it is forgotten.
    pub(super) fn veto(&mut self, act: usize, why: String) {
        self.vetoes.insert(act, why);
    }

    fn has_begun(&self, act: usize) -> bool {
        self.under_way.iter().any(|attempt| attempt.act == act)
    }
}

impl Timeline {
    /// Somebody declares an act.
    pub(super) fn declare(&mut self, asked: Asked, story: Duration, seen: &Observed, out: &mut Vec<Action>) {
        let ticket = asked.ticket;
        let answer = match self.act_named(&asked.act) {
            Err(unknown) => Answer::Refused(unknown),
            Ok(act) if !self.script.acts[act].declare => Answer::Refused(format!(
                "`{}` counts when the proxy sees it, not when somebody says so",
                asked.act
            )),
            Ok(act) => self.begin_act(
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
        if let Some(waits) = self.propose(&attempt, out) {
            return waits;
        }
        let act = &self.script.acts[attempt.act];
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

    /// Notes who declares an act that needs several people; nothing once enough have.
    fn propose(&mut self, attempt: &Attempt, out: &mut Vec<Action>) -> Option<Answer> {
        let act = &self.script.acts[attempt.act];
        // What was really done, or done by the original, needs no second voice.
        if act.people < 2 || attempt.known != Known::Declared {
            return None;
        }
        let (name, needs) = (act.name.clone(), act.people);
        let by = self.desk.proposed.entry(attempt.act).or_default();
        if !by.insert(attempt.by.clone()) {
            return Some(Answer::Refused(format!(
                "{} has declared `{name}` already: somebody else must, too",
                attempt.by
            )));
        }
        if by.len() >= needs {
            self.desk.proposed.remove(&attempt.act);
            return None;
        }
        let by = by.iter().cloned().collect();
        let proposed = ActStarted {
            act: name,
            by: attempt.by.clone(),
            known: attempt.known,
        };
        self.record(attempt.lands, Event::ActProposed(proposed), out);
        Some(Answer::Waits { needs, by })
    }

    pub(super) fn decide(&mut self, attempt: Attempt, seen: &Observed, out: &mut Vec<Action>) -> Answer {
        let act = &self.script.acts[attempt.act];
        let closed =
            |(until, _): &&(Vec<usize>, String)| !until.iter().all(|act| self.desk.done.contains(act));
        let gate = || act.gates.iter().find(closed).map(|(_, message)| message.clone());
        let message = match attempt.known {
            Known::Ruled => None,
            _ => self.desk.vetoes.get(&attempt.act).cloned().or_else(gate),
        };
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

    /// The act of this name, or what to say where there is none.
    pub(super) fn act_named(&self, name: &str) -> Result<usize, String> {
        let acts = &self.script.acts;
        acts.iter().position(|act| act.name == name).ok_or_else(|| {
            let known: Vec<_> = acts.iter().map(|act| act.name.as_str()).collect();
            format!("this drill knows no act `{name}`; it knows {}", known.join(", "))
        })
    }
}
