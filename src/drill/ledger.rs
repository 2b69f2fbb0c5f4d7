//! What a drill remembers of itself: its events, gathered. The same events give the same ledger, whether they are noted
//! while the drill runs or read from its journal years later.

use super::{
    event::{ActEnded, ActStarted, Ended, Event, Lifted, Sample, Stamp, Stamped, Started},
    facts::Traffic,
    verdict::Judgement,
};

/// The events of one drill, gathered.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ledger {
    /// How it began.
    pub started: Option<Started>,
    /// The phases it went through.
    pub visits: Vec<Visit>,
    /// What users had seen at each sample, in total.
    pub samples: Vec<(Stamp, Sample)>,
    /// Acts, news, marks and signals, in order.
    pub moments: Vec<Stamped>,
    /// How it ended; a drill that crashed has no end.
    pub ended: Option<(Stamp, Ended)>,
    /// What traffic said after its faults were lifted.
    pub lifted: Option<Lifted>,
    /// The verdict as it was given at the end.
    pub judged: Option<Judgement>,
}

/// One stay in a phase.
#[derive(Clone, Debug, PartialEq)]
pub struct Visit {
    /// The phase.
    pub phase: String,
    /// The names of its faults.
    pub faults: Vec<String>,
    /// What led here.
    pub because: String,
    /// When it began.
    pub from: Stamp,
    /// When it ended, or the last that is known of it.
    pub to: Stamp,
    /// The first and the last of its samples; the border's belongs to both phases.
    samples: (usize, usize),
}

impl Ledger {
    /// Gathers events.
    pub fn of(events: impl IntoIterator<Item = Stamped>) -> Self {
        let mut ledger = Self::default();
        for event in events {
            ledger.note(&event);
        }
        ledger
    }

    /// Adds an event.
    pub fn note(&mut self, stamped: &Stamped) {
        let at = stamped.at;
        match &stamped.event {
            Event::DrillStarted(started) => self.started = Some((**started).clone()),
            Event::PhaseStarted(phase) => {
                self.reach(at);
                let sample = self.samples.len().saturating_sub(1);
                self.visits.push(Visit {
                    phase: phase.phase.clone(),
                    faults: phase.faults.clone(),
                    because: phase.because.clone(),
                    from: at,
                    to: at,
                    samples: (sample, sample),
                });
            }
            Event::Sampled(sample) => {
                self.samples.push((at, sample.clone()));
                self.reach(at);
            }
            Event::DrillEnded(ended) => {
                self.reach(at);
                self.ended = Some((at, ended.clone()));
            }
            Event::Lifted(lifted) => self.lifted = Some(*lifted),
            Event::Judged(judged) => self.judged = Some((**judged).clone()),
            Event::ActStarted(_)
            | Event::ActProposed(_)
            | Event::Held(_)
            | Event::Resumed(_)
            | Event::Extended(_)
            | Event::Hinted(_)
            | Event::Overruled(_)
            | Event::Noted(_)
            | Event::Assessed(_)
            | Event::ActEnded(_)
            | Event::Said(_)
            | Event::MarkPassed(_)
            | Event::Signalled(_) => self.moments.push(stamped.clone()),
        }
    }

    /// The phase that lasts has come as far as this.
    fn reach(&mut self, at: Stamp) {
        let last = self.samples.len().saturating_sub(1);
        if let Some(visit) = self.visits.last_mut() {
            visit.to = at;
            visit.samples.1 = last;
        }
    }

    /// The last moment that is known.
    pub fn end(&self) -> Stamp {
        let visits = self.visits.last().map(|visit| visit.to);
        visits.unwrap_or_default()
    }

    /// The samples of a visit, those on its borders included.
    pub fn samples_of(&self, visit: &Visit) -> &[(Stamp, Sample)] {
        self.samples
            .get(visit.samples.0..=visit.samples.1)
            .unwrap_or_default()
    }

    /// The acts that were done or refused, with their moments.
    pub fn acts(&self) -> impl Iterator<Item = (Stamp, &ActEnded)> {
        self.moments.iter().filter_map(|moment| match &moment.event {
            Event::ActEnded(act) => Some((moment.at, act)),
            _ => None,
        })
    }

    /// The acts that were begun, and had neither been done nor refused when the drill ended, with the moments of their begin.
    pub fn unfinished(&self) -> impl Iterator<Item = (Stamp, &ActStarted)> {
        let ends = |moment: &Stamped, begun: &ActStarted| match &moment.event {
            Event::ActEnded(act) => act.act == begun.act,
            _ => false,
        };
        let moments = self.moments.iter().enumerate();
        moments.filter_map(move |(place, moment)| match &moment.event {
            Event::ActStarted(act) => {
                let mut later = self.moments.iter().skip(place);
                (!later.any(|later| ends(later, act))).then_some((moment.at, act))
            }
            _ => None,
        })
    }

    /// The acts that somebody declared and that needed others, where these had not come when the drill ended.
    pub fn proposed(&self) -> impl Iterator<Item = (Stamp, &ActStarted)> {
        let goes_on = |moment: &Stamped, proposed: &ActStarted| match &moment.event {
            Event::ActStarted(act) => act.act == proposed.act,
            Event::ActEnded(act) => act.act == proposed.act,
            _ => false,
        };
        let moments = self.moments.iter().enumerate();
        moments.filter_map(move |(place, moment)| match &moment.event {
            Event::ActProposed(act) => {
                let mut later = self.moments.iter().skip(place);
                (!later.any(|later| goes_on(later, act))).then_some((moment.at, act))
            }
            _ => None,
        })
    }

    /// What users saw during the whole drill.
    pub fn total(&self) -> Traffic {
        match (self.samples.first(), self.samples.last()) {
            (Some((_, first)), Some((_, last))) => last.traffic.since(&first.traffic),
            _ => Traffic::default(),
        }
    }
}
