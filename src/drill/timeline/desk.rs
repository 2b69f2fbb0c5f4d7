//! Where acts come in: they are tried, take their time, and their gates let them through or refuse them in the words of
//! the original. The autopilot and people pass the same gates.

mod gates;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use super::{Action, Timeline, advice, lookout::Sighted};
use crate::drill::{
    event::{ActStarted, Event, Known},
    facts::{Asked, Observed},
    offset::Offset,
    profile::{Header, Sight},
    script::{Act, When},
    signal::Signal,
};

/// What is seen again this soon, and refused again, is told once: servers that come back one after the other, and one that
/// stands in several clusters. Somebody who tries again takes longer.
const ONE_OCCURRENCE: Duration = Duration::from_secs(15);

/// What the person who declares an act is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It is done.
    Done,
    /// It is done, and the proxy has done itself what would have shown: with these commands.
    Performed(String),
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
    /// What was last said to stand in the way of the real rollback.
    obstruction: Option<String>,
    /// The headers that acts wait for.
    watched: Vec<Header>,
    /// Acts that were seen and refused, and when on the wall that was last told.
    turned_back: BTreeMap<usize, Duration>,
    /// Acts that have opened a way out already: to open another they must be done again.
    spent: BTreeSet<usize>,
}

/// An act that somebody has begun.
#[derive(Clone, Debug)]
pub(super) struct Attempt {
    pub(super) act: usize,
    pub(super) by: String,
    pub(super) known: Known,
    pub(super) text: Option<String>,
    /// By what it was seen.
    pub(super) seen: Option<String>,
    /// Whether what was seen goes on, as an admission does and a restart does not.
    pub(super) stands: bool,
    pub(super) lands: Duration,
    /// How long it is under way; none: as long as the act takes.
    pub(super) takes: Option<Duration>,
    /// Whether what stands in its way has refused it already.
    pub(super) refused: bool,
}

impl Attempt {
    /// An attempt that begins at this moment of the story.
    pub(super) fn new(act: usize, by: &str, known: Known, begins: Duration) -> Self {
        Self {
            act,
            by: by.to_owned(),
            known,
            text: None,
            seen: None,
            stands: false,
            lands: begins,
            takes: None,
            refused: false,
        }
    }
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

    /// The first gate of an act that is still closed.
    fn gate<'a>(&self, act: &'a Act) -> Option<&'a (Vec<usize>, String)> {
        let closed = |(until, _): &&(Vec<usize>, String)| !until.iter().all(|act| self.done.contains(act));
        act.gates.iter().find(closed)
    }

    /// What the first gate of an act that is still closed says.
    fn closed<'a>(&self, act: &'a Act) -> Option<&'a str> {
        self.gate(act).map(|(_, words)| &**words)
    }

    /// The acts without which an act is refused.
    fn missing(&self, act: &Act) -> Vec<usize> {
        let until = self.gate(act).map(|(until, _)| until.iter().copied());
        let until = until.into_iter().flatten();
        until.filter(|act| !self.done.contains(act)).collect()
    }

    /// Whether it is news by now that an act was seen and refused.
    fn is_turned_back(&mut self, act: usize, wall: Duration) -> bool {
        let last = self.turned_back.get(&act);
        let news = last.is_none_or(|last| wall.saturating_sub(*last) >= ONE_OCCURRENCE);
        if news {
            self.turned_back.insert(act, wall);
        }
        news
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
            Ok(act) if self.is_idle(act) => {
                Answer::Refused(format!("`{}` is done already", self.script.acts[act].name))
            }
            Ok(act) if !self.script.acts[act].declare => {
                Answer::Refused(advice::seen_only(&self.script, act))
            }
            Ok(act) => self.begin_act(
                Attempt {
                    text: asked.text,
                    ..Attempt::new(act, &asked.by, Known::Declared, story)
                },
                seen,
                out,
            ),
        };
        out.push(Action::Answer(ticket, answer));
    }

    /// Whether it changes nothing to declare an act once more: it is done, and is neither something to do again, as an admission
    /// or a restart, nor a way out of a phase.
    fn is_idle(&self, act: usize) -> bool {
        let opens = |when: &When| matches!(when, When::Done(done) if *done == act);
        let mut ways = self.script.stations.iter().flat_map(|station| &station.ways);
        let Act {
            seen_by, rolls_back, ..
        } = &self.script.acts[act];
        let once = *rolls_back || seen_by.is_empty() && !ways.any(|way| opens(&way.when));
        self.desk.is_done(act) && once
    }

    /// An act that the proxy saw people do, or be refused.
    pub(super) fn observe(
        &mut self,
        sighted: Sighted,
        refused: bool,
        story: Duration,
        seen: &Observed,
        out: &mut Vec<Action>,
    ) {
        let Sighted { act, by, how, stands } = sighted;
        let attempt = Attempt {
            refused,
            stands,
            seen: Some(how),
            ..Attempt::new(act, &by, Known::Observed, story)
        };
        match self.script.acts[act].rolls_back {
            // What is in force is done; nothing of it is under way any more.
            true => _ = self.decide(attempt, seen, out),
            false => _ = self.begin_act(attempt, seen, out),
        }
    }

    /// An act that the original team did, and how long it took them where that was not as usual.
    pub(super) fn replay(
        &mut self,
        act: usize,
        by: &str,
        takes: Option<Duration>,
        story: Duration,
        seen: &Observed,
        out: &mut Vec<Action>,
    ) {
        let attempt = Attempt {
            takes,
            ..Attempt::new(act, by, Known::Replayed, story)
        };
        self.begin_act(attempt, seen, out);
    }

    /// Says what stands in the way of the real rollback now, where that has changed.
    pub(super) fn obstruct(&mut self, out: &mut Vec<Action>) {
        // What the facilitator has let through is done, whatever its gates say.
        let acts = self.script.acts.iter().enumerate();
        let mut rollbacks = acts.filter(|(place, act)| act.rolls_back && !self.desk.is_done(*place));
        let words = rollbacks
            .find_map(|(_, act)| self.desk.closed(act))
            .map(str::to_owned);
        if self.desk.obstruction != words {
            self.desk.obstruction.clone_from(&words);
            out.push(Action::Obstruct(words));
        }
    }

    /// Says which headers acts that are not done wait for, where that has changed: nothing else is watched.
    pub(super) fn watch(&mut self, out: &mut Vec<Action>) {
        let acts = self.script.acts.iter().enumerate();
        let open = acts.filter(|(place, _)| !self.desk.is_done(*place));
        let mut watched: Vec<Header> = open
            .flat_map(|(_, act)| &act.seen_by)
            .filter_map(|sight| match sight {
                Sight::Header(header) => Some(header.clone()),
                _ => None,
            })
            .collect();
        watched.sort();
        watched.dedup();
        if self.desk.watched != watched {
            self.desk.watched.clone_from(&watched);
            out.push(Action::Watch(watched));
        }
    }

    /// A signal came in; acts that it tells of are seen by it.
    pub(super) fn hear(&mut self, signal: Signal, story: Duration, seen: &Observed, out: &mut Vec<Action>) {
        self.record(story, Event::Signalled(signal.clone()), out);
        let told = |act: &Act| {
            act.seen_by
                .iter()
                .any(|sight| matches!(sight, Sight::Signal(name) if *name == signal.name))
        };
        // Tools repeat themselves: what is done is no news.
        let acts = self.script.acts.iter().enumerate();
        let told: Vec<usize> = acts
            .filter(|(place, act)| told(act) && !self.desk.is_done(*place))
            .map(|(place, _)| place)
            .collect();
        for act in told {
            if self.ended.is_some() {
                return;
            }
            let about = signal.text.as_ref().map(|text| format!(": {text}"));
            let sighted = Sighted {
                act,
                by: signal.from.clone().unwrap_or_else(|| "a webhook".into()),
                how: format!("signal `{}`{}", signal.name, about.unwrap_or_default()),
                stands: false,
            };
            self.observe(sighted, false, story, seen, out);
        }
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
        let takes = attempt.takes.unwrap_or(act.takes);
        if takes.is_zero() {
            return self.decide(attempt, seen, out);
        }
        let started = ActStarted {
            act: act.name.clone(),
            by: attempt.by.clone(),
            known: attempt.known,
        };
        let begun = attempt.lands;
        attempt.lands += takes;
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

    /// The act of this name, or what to say where there is none.
    pub(super) fn act_named(&self, name: &str) -> Result<usize, String> {
        let acts = &self.script.acts;
        acts.iter().position(|act| act.name == name).ok_or_else(|| {
            let known: Vec<_> = acts.iter().map(|act| act.name.as_str()).collect();
            format!("this drill knows no act `{name}`; it knows {}", known.join(", "))
        })
    }
}
