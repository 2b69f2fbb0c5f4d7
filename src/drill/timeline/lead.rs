//! The facilitator's hand on a drill: on and off, more time, hints, and the last word about a gate; and what people write
//! down about it.
//!
//! A *hold* stops the clock of the story and nothing else: faults stay as they are, people may act and phases may change
//! by what they do, but nothing falls due. Limits on the wall run on, so that a hold that is forgotten ends. *More time*
//! lengthens the phase that lasts: its waits and its deadline, not what is said in it.

use std::time::Duration;

use tokio::time::Instant;

use super::{Action, Answer, Timeline, desk::Attempt};
use crate::drill::{
    event::{Assessed, Ending, Event, Extended, Hand, Hinted, Known, Noted, Overruled, Said},
    facts::Observed,
    lead::{Lead, Performance, Verb},
    profile::END,
    script::When,
};

impl Timeline {
    /// Does what the facilitator asks, and says what came of it.
    pub(super) fn led(&mut self, lead: Lead, now: Instant, seen: &Observed, out: &mut Vec<Action>) {
        let Lead { by, verb, ticket } = lead;
        let story = self.clock.story(now);
        let done = match verb {
            Verb::Next(to) => self.go_on(to.as_deref(), &by, story, seen, out),
            Verb::Hold => self.hold(&by, now, out),
            Verb::Resume => self.resume(&by, now, out),
            Verb::Extend(more) => self.extend(more, by, story, out),
            Verb::Inject { to, text } => {
                let by = Some(by);
                self.record(story, Event::Said(Said { to, text, by }), out);
                Ok(())
            }
            Verb::Hint(level) => self.hint(level, by, story, out),
            Verb::Accept(act) => self.accept(&act, by, story, seen, out),
            Verb::Refuse { act, why } => self.veto(&act, why, by, story, out),
            Verb::Note(text) => {
                self.record(story, Event::Noted(Noted { text, by }), out);
                Ok(())
            }
            Verb::Rate {
                objective,
                rating,
                why,
            } => self.assess(
                Assessed {
                    objective,
                    rating,
                    why,
                    by,
                },
                story,
                out,
            ),
        };
        let answer = done.map_or_else(Answer::Refused, |()| Answer::Done);
        out.push(Action::Answer(ticket, answer));
    }

    /// Goes on to a phase, or by the first way out.
    fn go_on(
        &mut self,
        to: Option<&str>,
        by: &str,
        story: Duration,
        seen: &Observed,
        out: &mut Vec<Action>,
    ) -> Result<(), String> {
        let next = match to {
            None => self.station().ways[0].to,
            Some(END) => None,
            Some(name) => {
                let mut stations = self.script.stations.iter();
                Some(stations.position(|station| station.name == name).ok_or_else(|| {
                    let names: Vec<_> = self.script.stations.iter().map(|s| s.name.as_str()).collect();
                    format!(
                        "there is no phase `{name}`; there are {} and `{END}`",
                        names.join(", ")
                    )
                })?)
            }
        };
        match next {
            Some(next) => self.enter(next, story, &format!("{by} went on"), seen, out),
            None => self.end(story, Ending::Complete, seen, out),
        }
        Ok(())
    }

    fn hold(&mut self, by: &str, now: Instant, out: &mut Vec<Action>) -> Result<(), String> {
        if self.clock.is_held() {
            return Err("the story stands still already".into());
        }
        self.clock.hold(now);
        self.record(self.clock.story(now), Event::Held(Hand { by: by.into() }), out);
        Ok(())
    }

    fn resume(&mut self, by: &str, now: Instant, out: &mut Vec<Action>) -> Result<(), String> {
        if !self.clock.is_held() {
            return Err("nobody holds the story".into());
        }
        self.clock.resume(now);
        self.record(self.clock.story(now), Event::Resumed(Hand { by: by.into() }), out);
        Ok(())
    }

    fn extend(
        &mut self,
        more: crate::units::Span,
        by: String,
        story: Duration,
        out: &mut Vec<Action>,
    ) -> Result<(), String> {
        let station = self.station();
        let timed = station.ways.iter().any(|way| matches!(way.when, When::After(_)));
        if !timed && station.at_most.is_none() {
            return Err(format!(
                "phase `{}` lasts until people act: there is no time to extend",
                station.name
            ));
        }
        if more.0.is_zero() {
            return Err("no time at all changes nothing".into());
        }
        self.more += more.0;
        let phase = self.phase().to_owned();
        self.record(story, Event::Extended(Extended { phase, more, by }), out);
        Ok(())
    }

    fn hint(&self, level: usize, by: String, story: Duration, out: &mut Vec<Action>) -> Result<(), String> {
        let hints = &self.script.profile.hints;
        let hint = level.checked_sub(1).and_then(|place| hints.get(place));
        let Some(hint) = hint else {
            return Err(match hints.len() {
                0 => "the profile has no hints; say it yourself: `chaosproxy drill inject TEXT`".into(),
                n => format!("there is no hint {level}; there are 1 to {n}, mildest first"),
            });
        };
        let hinted = Hinted {
            level,
            text: hint.text.clone(),
            costs: Performance::after_hint(level),
            early: self.hint_due(level).is_none_or(|due| story < due),
            by,
        };
        self.record(story, Event::Hinted(hinted), out);
        Ok(())
    }

    /// From when the profile offers the hint of a level; nothing before the first damage.
    pub(super) fn hint_due(&self, level: usize) -> Option<Duration> {
        let hint = self.script.profile.hints.get(level.checked_sub(1)?)?;
        Some(self.damage? + hint.after.0)
    }

    fn accept(
        &mut self,
        act: &str,
        by: String,
        story: Duration,
        seen: &Observed,
        out: &mut Vec<Action>,
    ) -> Result<(), String> {
        let act = self.act_named(act)?;
        if self.desk.is_done(act) {
            return Err(format!("`{}` is done already", self.script.acts[act].name));
        }
        let overruled = Overruled {
            act: self.script.acts[act].name.clone(),
            accepted: true,
            why: None,
            by: by.clone(),
        };
        self.record(story, Event::Overruled(overruled), out);
        self.desk.forget(act);
        let attempt = Attempt::new(act, &by, Known::Ruled, story);
        self.decide(attempt, seen, out);
        Ok(())
    }

    fn veto(
        &mut self,
        act: &str,
        why: String,
        by: String,
        story: Duration,
        out: &mut Vec<Action>,
    ) -> Result<(), String> {
        let act = self.act_named(act)?;
        if self.desk.is_done(act) {
            return Err(format!("`{}` is done already", self.script.acts[act].name));
        }
        let overruled = Overruled {
            act: self.script.acts[act].name.clone(),
            accepted: false,
            why: Some(why.clone()),
            by,
        };
        self.record(story, Event::Overruled(overruled), out);
        self.desk.veto(act, why);
        Ok(())
    }

    fn assess(&self, assessed: Assessed, story: Duration, out: &mut Vec<Action>) -> Result<(), String> {
        let assessed = assessed.of(&self.script.profile.objectives)?;
        self.record(story, Event::Assessed(assessed), out);
        Ok(())
    }
}
