//! What comes of an act that was tried: it is done, or its gates refuse it. What was seen and refused counts later where it
//! goes on, as an admission does, and must come again where it does not, as a restart.

use super::{Answer, Attempt};
use crate::drill::{
    event::{ActEnded, Event, Known},
    facts::Observed,
    profile::{Outcome, Sight},
    script::When,
    timeline::{Action, Timeline, advice},
};

/// What a gate says before the first damage.
const TOO_EARLY: &str = "it changes nothing as things are";

impl Timeline {
    /// Decides what comes of an attempt: its gates let it through or refuse it.
    pub(in crate::drill::timeline) fn decide(
        &mut self,
        attempt: Attempt,
        seen: &Observed,
        out: &mut Vec<Action>,
    ) -> Answer {
        if let Some(message) = self.refusal(&attempt) {
            return self.refuse(attempt, message, out);
        }
        let rolls_back = self.rolls_back(&attempt);
        let (place, lands, known) = (attempt.act, attempt.lands, attempt.known);
        self.note(attempt, None, None, out);
        self.desk.done.insert(place);
        let act = &self.script.acts[place];
        let deeds: Vec<_> = act
            .seen_by
            .iter()
            .filter(|deed| **deed != Sight::RolledBack)
            .cloned()
            .collect();
        let name = act.name.clone();
        let mut performed = None;
        if known != Known::Observed && !deeds.is_empty() {
            performed = advice::performed(&self.script, &deeds);
            self.desk.expected.insert(place);
            out.push(Action::Perform(deeds));
        }
        self.reopen();
        self.obstruct(out);
        self.watch(out);
        if rolls_back {
            out.push(Action::RollBack { refused: false });
        }
        let opens = |when: &When| matches!(when, When::Done(act) if *act == place);
        let way = self.station().ways.iter().position(|way| opens(&way.when));
        if let Some(way) = way.filter(|_| self.script.mode().leaves_by_itself()) {
            self.desk.spent.insert(place);
            self.leave(way, lands, &format!("`{name}` was done"), seen, out);
        }
        performed.map_or(Answer::Done, Answer::Performed)
    }

    /// With which words an attempt is refused, if it is.
    fn refusal(&self, attempt: &Attempt) -> Option<String> {
        let act = &self.script.acts[attempt.act];
        let first_gate = act.gates.first().filter(|_| attempt.refused);
        let veto = self.desk.vetoes.get(&attempt.act).map(String::as_str);
        let gate = self.desk.closed(act).or(first_gate.map(|(_, words)| &**words));
        // What a gate says later would give the story away before there is one.
        let gate = gate.map(|words| if self.damage.is_some() { words } else { TOO_EARLY });
        let message = veto.or(gate);
        message
            .filter(|_| attempt.known != Known::Ruled)
            .map(str::to_owned)
    }

    fn refuse(&mut self, attempt: Attempt, message: String, out: &mut Vec<Action>) -> Answer {
        let rolls_back = self.rolls_back(&attempt);
        let next = self.next_chance(&attempt);
        // Whoever was really refused has tried, however often.
        let silent = attempt.known == Known::Observed && !attempt.refused && {
            let wall = self.stamp_at(attempt.lands).wall;
            !self.desk.is_turned_back(attempt.act, wall)
        };
        if !silent {
            self.note(attempt, Some(message.clone()), next, out);
        }
        if rolls_back {
            out.push(Action::RollBack { refused: true });
        }
        Answer::Refused(message)
    }

    /// When an act will count that was seen, and that a gate refuses.
    fn next_chance(&self, attempt: &Attempt) -> Option<String> {
        let vetoed = self.desk.vetoes.contains_key(&attempt.act);
        let missing = self.desk.missing(&self.script.acts[attempt.act]);
        (attempt.known == Known::Observed && !vetoed && !missing.is_empty())
            .then(|| advice::next_chance(&self.script, &missing, attempt.stands))
    }

    /// Writes down what came of an attempt.
    fn note(&self, attempt: Attempt, message: Option<String>, next: Option<String>, out: &mut Vec<Action>) {
        let ended = ActEnded {
            act: self.script.acts[attempt.act].name.clone(),
            by: attempt.by,
            known: attempt.known,
            seen: attempt.seen,
            result: message.as_ref().map_or(Outcome::Ok, |_| Outcome::Refused),
            message,
            next,
            text: attempt.text,
        };
        self.record(attempt.lands, Event::ActEnded(ended), out);
    }

    /// Whether the configuration is to be rolled back from here: what was seen has happened already.
    fn rolls_back(&self, attempt: &Attempt) -> bool {
        self.script.acts[attempt.act].rolls_back && attempt.known != Known::Observed
    }

    /// What was refused and goes on, such as an admission, counts once its gates are open: nobody has to do it twice.
    fn reopen(&mut self) {
        let Self {
            desk,
            script,
            lookout,
            ..
        } = self;
        let refused =
            |act: &usize| desk.vetoes.contains_key(act) || desk.closed(&script.acts[*act]).is_some();
        let opened = |act: &usize| !desk.is_done(*act) && !refused(act);
        let turned_back = desk.turned_back.keys().copied();
        let (opened, closed): (Vec<usize>, Vec<usize>) = turned_back.partition(opened);
        desk.turned_back.retain(|act, _| closed.contains(act));
        opened.into_iter().for_each(|act| lookout.look_again(act));
    }

    /// What was done before its phase began and goes on, such as an admission, opens its way out of this one.
    pub(in crate::drill::timeline) fn look_for_what_stands(&mut self) {
        if !self.script.mode().leaves_by_itself() {
            return;
        }
        let ways = self.script.stations[self.at].ways.iter();
        for way in ways {
            let When::Done(act) = way.when else { continue };
            if self.desk.is_done(act) && !self.desk.spent.contains(&act) {
                self.desk.expected.remove(&act);
                self.lookout.look_again(act);
            }
        }
    }
}
