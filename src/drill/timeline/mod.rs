//! The story as a state machine: `advance(now, what is seen, what people ask)` gives what is to be done. It holds no
//! task, socket or clock, so that any run can be repeated in a test, tick by tick.
//!
//! What falls due between two ticks happens at its own moment of the story and in its order, so that the length of a tick
//! does not change the story.

mod advice;
mod autopilot;
mod desk;
mod guard;
mod headers;
mod history;
mod lead;
mod lookout;
mod restarts;
mod view;

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;

use self::{autopilot::Autopilot, desk::Desk, history::History, lookout::Lookout};
pub use self::{
    desk::Answer,
    view::{Gauge, Next, View},
};
use super::{
    clock::StoryClock,
    event::{Ended, Ending, Event, PhaseStarted, Said, Sample, Stamp, Stamped},
    facts::{Observed, Order, Traffic},
    offset::Offset,
    profile::{Header, Sight},
    script::{Named, Script, Station, Way, When},
};

/// What users saw is written down this often on the wall: a story minute in a replay at the usual compression.
const SAMPLE_EVERY: Duration = Duration::from_secs(1);

/// Something that the shell is to do, in the order given.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Make these all the faults that are active.
    Hold(Vec<Named>),
    /// Write this to the journal.
    Record(Stamped),
    /// Do what these sights would show, where that can be done from here.
    Perform(Vec<Sight>),
    /// Let nobody put a broken document right while these words stand; none lets them again.
    Obstruct(Option<String>),
    /// Keep what servers say in these headers, in place of those before.
    Watch(Vec<Header>),
    /// Roll the configuration back, as the original team tries at this moment.
    RollBack {
        /// Whether what stands in the way is to refuse it, as it did then.
        refused: bool,
    },
    /// Tell the person who declared an act what came of it.
    Answer(u64, Answer),
    /// The drill is over.
    Finish(Ending),
}

/// One drill, as far as it has come.
#[derive(Debug)]
pub struct Timeline {
    script: Arc<Script>,
    began: Instant,
    clock: StoryClock,
    /// The station where the story is, and since when by both clocks.
    at: usize,
    since: Stamp,
    /// How many of the station's injects were said.
    said: usize,
    /// The time that the facilitator gave the station beyond its own.
    more: Duration,
    /// When something was first broken.
    damage: Option<Duration>,
    desk: Desk,
    autopilot: Autopilot,
    history: History,
    /// What users had seen before it began.
    before: Traffic,
    lookout: Lookout,
    sample_due: Instant,
    ended: Option<Ending>,
}

/// What falls due by the passing of time; where two do at once, the order is this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    Lands,
    Leaves(usize),
    Original,
    Inject,
    PhaseOverdue,
    DrillOverdue,
}

impl Timeline {
    /// Begins a drill, and says what is to be done first.
    pub fn begin(script: Arc<Script>, now: Instant, seen: &Observed) -> (Self, Vec<Action>) {
        let mut timeline = Self {
            began: now,
            clock: StoryClock::new(now, script.stations[0].pace),
            at: 0,
            since: Stamp::default(),
            said: 0,
            more: Duration::ZERO,
            damage: None,
            desk: Desk::default(),
            autopilot: Autopilot::new(&script),
            history: History::new(History::horizon(&script)),
            before: seen.traffic.clone(),
            lookout: Lookout::new(&script, now, seen),
            sample_due: now,
            ended: None,
            script,
        };
        timeline.history.note(now, seen);
        let mut out = Vec::new();
        let started = Event::DrillStarted(Box::new(timeline.script.started()));
        timeline.record(Duration::ZERO, started, &mut out);
        timeline.obstruct(&mut out);
        timeline.watch(&mut out);
        timeline.enter(0, Duration::ZERO, "the drill began", seen, &mut out);
        (timeline, out)
    }

    /// Goes on to `now` with what is seen and asked at that moment.
    pub fn advance(&mut self, now: Instant, seen: &Observed, orders: Vec<Order>) -> Vec<Action> {
        let mut out = Vec::new();
        if self.ended.is_some() {
            return out;
        }
        self.clock.stand(now);
        self.history.note(now, seen);
        if let Some(ending) = guard::alarm(self, now, seen, &orders) {
            self.end(self.clock.story(now), ending, seen, &mut out);
            return out;
        }
        self.pass_time(now, seen, &mut out);
        self.listen(now, seen, orders, &mut out);
        self.look(now, seen, &mut out);
        if self.ended.is_none() && now >= self.sample_due {
            self.sample(self.clock.story(now), seen, &mut out);
            self.sample_due = now + SAMPLE_EVERY;
        }
        out
    }

    /// Ends the drill for a reason from outside, such as evidence that can no longer be kept.
    pub fn abort(&mut self, now: Instant, ending: Ending, seen: &Observed) -> Vec<Action> {
        let mut out = Vec::new();
        if self.ended.is_none() {
            self.clock.stand(now);
            self.end(self.clock.story(now), ending, seen, &mut out);
        }
        out
    }

    /// How it ended, once it has.
    pub const fn ended(&self) -> Option<&Ending> {
        self.ended.as_ref()
    }

    /// The name of the phase where the story is.
    pub fn phase(&self) -> &str {
        &self.station().name
    }

    /// The stamp for something that happens now, outside the story itself.
    pub fn stamp(&self, now: Instant) -> Stamp {
        Stamp::new(self.clock.story(now), now.saturating_duration_since(self.began))
    }

    fn station(&self) -> &Station {
        &self.script.stations[self.at]
    }

    /// Lets everything happen that fell due, each at its own moment.
    fn pass_time(&mut self, now: Instant, seen: &Observed, out: &mut Vec<Action>) {
        while self.ended.is_none() {
            match self.next_due() {
                Some((when, story, due)) if when <= now => self.fall_due(due, story, seen, out),
                _ => return,
            }
        }
    }

    /// What falls due next: when on the wall, when in the story, and what.
    fn next_due(&self) -> Option<(Instant, Duration, Due)> {
        let last_call = self.began + self.script.max_wall();
        let station = self.station();
        let since = self.since.story;
        let inject = station
            .injects
            .get(self.said)
            .map(|inject| since + inject.after.0);
        let story = [
            (self.desk.lands(), Due::Lands),
            (self.autopilot.next(), Due::Original),
            (inject, Due::Inject),
            (
                station.at_most.map(|lasts| since + lasts + self.more),
                Due::PhaseOverdue,
            ),
        ];
        let ways = station.ways.iter().enumerate();
        let ways = ways.filter_map(|(i, way)| match way.when {
            When::After(lasts) if self.script.mode().leaves_by_itself() => {
                Some((since + lasts + self.more, Due::Leaves(i)))
            }
            _ => None,
        });
        let story = story.into_iter().filter_map(|(moment, due)| Some((moment?, due)));
        // While the story stands still, nothing of it falls due.
        let story = story.chain(ways).filter(|_| !self.clock.is_held());
        story
            .map(|(moment, due)| (self.clock.wall(moment), moment, due))
            .chain([(last_call, self.clock.story(last_call), Due::DrillOverdue)])
            .min_by_key(|(when, _, due)| (*when, *due))
    }

    fn fall_due(&mut self, due: Due, story: Duration, seen: &Observed, out: &mut Vec<Action>) {
        match due {
            Due::Lands => self.land(story, seen, out),
            Due::Leaves(way) => {
                let because = format!("{} had passed", Offset(story - self.since.story));
                self.leave(way, story, because.trim_start_matches('+'), seen, out);
            }
            Due::Original => self.fly(story, seen, out),
            Due::Inject => {
                let inject = &self.station().injects[self.said];
                let said = Said {
                    to: inject.to,
                    text: inject.text.clone(),
                    by: None,
                };
                self.said += 1;
                self.record(story, Event::Said(said), out);
            }
            Due::PhaseOverdue => {
                let overdue = Ending::Overdue(format!("phase `{}` found no way out in time", self.phase()));
                self.end(story, overdue, seen, out);
            }
            Due::DrillOverdue => {
                let overdue = Ending::Overdue("the drill reached its limit on the wall".into());
                self.end(story, overdue, seen, out);
            }
        }
    }

    /// Hears what the proxy saw people do, and what they ask.
    fn listen(&mut self, now: Instant, seen: &Observed, orders: Vec<Order>, out: &mut Vec<Action>) {
        let story = self.clock.story(now);
        let rebuffed = self.lookout.rebuffed(&self.script, seen);
        let done = self.lookout.look(&self.script, now, story, seen);
        let seen_acts = rebuffed
            .into_iter()
            .map(|sighted| (sighted, true))
            .chain(done.into_iter().map(|sighted| (sighted, false)));
        for (sighted, refused) in seen_acts {
            // What was done from here is no news.
            if self.ended.is_none() && (refused || !self.desk.expected(sighted.act)) {
                self.observe(sighted, refused, story, seen, out);
            }
        }
        for order in orders {
            if self.ended.is_some() {
                return;
            }
            match order {
                Order::Act(asked) => self.declare(asked, story, seen, out),
                Order::Signal(signal) => self.hear(signal, story, seen, out),
                Order::Lead(lead) => self.led(lead, now, seen, out),
                Order::Interrupt(_) | Order::Panic(_) => {}
            }
        }
    }

    /// Takes a way out that is open because service is good, or because too much was let in.
    fn look(&mut self, now: Instant, seen: &Observed, out: &mut Vec<Action>) {
        if self.ended.is_some() || self.clock.is_held() || !self.script.mode().leaves_by_itself() {
            return;
        }
        let story = self.clock.story(now);
        let over = self.lookout.over(&self.script, self.at, story, seen);
        let opens = |(i, way): (usize, &Way)| match &way.when {
            When::Ok(steady) if story >= self.since.story + steady.lasts.0 => {
                let window = self.history.over(now, self.clock.on_wall(steady.lasts.0))?;
                let share = window.of(steady.class.as_deref()).ok_share()?;
                let because = format!("service was good: {:.1}% succeeded", share * 100.0);
                (share >= steady.min.get()).then_some((i, because))
            }
            When::Admitted(limit) if over.contains(&i) => {
                let because = format!("more than {} was admitted for {}", limit.above, limit.lasts);
                Some((i, because))
            }
            _ => None,
        };
        if let Some((way, because)) = self.station().ways.iter().enumerate().find_map(opens) {
            self.leave(way, story, &because, seen, out);
        }
    }

    fn leave(&mut self, way: usize, story: Duration, because: &str, seen: &Observed, out: &mut Vec<Action>) {
        match self.station().ways[way].to {
            Some(next) => self.enter(next, story, because, seen, out),
            None => self.end(story, Ending::Complete, seen, out),
        }
    }

    fn enter(
        &mut self,
        station: usize,
        story: Duration,
        because: &str,
        seen: &Observed,
        out: &mut Vec<Action>,
    ) {
        // The totals at the border belong to both phases: what follows is counted from here.
        self.sample(story, seen, out);
        let wall = self.clock.wall(story);
        self.at = station;
        (self.said, self.more) = (0, Duration::ZERO);
        self.clock.turn(story, self.script.stations[station].pace);
        self.since = self.stamp_at(story);
        self.sample_due = wall + SAMPLE_EVERY;
        let station = self.station();
        let faults = station.faults.clone();
        if !faults.is_empty() {
            self.damage.get_or_insert(story);
            self.autopilot.damaged(story);
        }
        let station = self.station();
        let started = PhaseStarted {
            phase: station.name.clone(),
            kind: station.kind,
            faults: faults.iter().map(|(name, _)| name.clone()).collect(),
            because: because.to_owned(),
        };
        // Written down first: a fault must never be active without the journal knowing of it.
        self.record(story, Event::PhaseStarted(started), out);
        out.push(Action::Hold(faults));
        self.look_for_what_stands();
    }

    fn end(&mut self, story: Duration, ending: Ending, seen: &Observed, out: &mut Vec<Action>) {
        // Lifted first: nothing, not even a full disk, keeps a fault alive beyond the end.
        out.push(Action::Hold(Vec::new()));
        self.sample(story, seen, out);
        let ended = Ended {
            how: ending.clone(),
            phase: self.phase().to_owned(),
        };
        self.record(story, Event::DrillEnded(ended), out);
        out.push(Action::Finish(ending.clone()));
        self.ended = Some(ending);
    }

    fn sample(&self, story: Duration, seen: &Observed, out: &mut Vec<Action>) {
        let sample = Sample {
            traffic: seen.traffic.clone(),
            monitors: seen.monitors,
            hits: seen.hits.clone(),
            effects: seen.effects.clone(),
            statuses: seen.statuses.clone(),
            backends: seen.backends.clone(),
            admitted: seen.admitted.clone(),
        };
        self.record(story, Event::Sampled(sample), out);
    }

    fn record(&self, story: Duration, event: Event, out: &mut Vec<Action>) {
        let at = self.stamp_at(story);
        out.push(Action::Record(Stamped { at, event }));
    }

    fn stamp_at(&self, story: Duration) -> Stamp {
        let wall = self.clock.wall(story).saturating_duration_since(self.began);
        Stamp::new(story, wall)
    }
}

#[cfg(test)]
mod hung_auth;
#[cfg(test)]
mod sim;
#[cfg(test)]
mod tests;
