//! The report of a drill, made from its journal alone, so that it can be made again at any time, also after a crash.
//!
//! [`Report::of`] gathers what there is to say once; [`mod@html`], [`mod@markdown`],
//! [`mod@json`] and [`mod@junit`] only say it.

mod acts;
mod compare;
mod html;
mod json;
mod junit;
mod markdown;
mod save;
mod spark;
mod told;
mod words;

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use self::{
    acts::{ActLine, Came, Once, Try},
    compare::{Comparison, Pair, Side, Unknown},
    html::render as html,
    json::render as json,
    junit::render as junit,
    markdown::render as markdown,
    save::{Saved, save, write},
};
use super::{
    event::{Ended, Event, Lifted, Sample, Stamp, Started},
    facts::share,
    journal::{self, Flaw},
    judge::judge,
    ledger::Ledger,
    measure::{Figures, Rated, figures, rate, settled, whole},
    offset::Offset,
    profile::{ALL, Profile},
    verdict::{Judgement, Verdict},
};
use crate::{faults::Effect, units::Span};

/// Everything that a report says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// The drill, as its journal names it.
    pub drill: String,
    /// When it began, by the clock of the world.
    pub began: Option<Timestamp>,
    /// The verdict with its checks.
    pub judgement: Judgement,
    /// How it ended; a drill that crashed has no end.
    pub ended: Option<Ended>,
    /// How long it was.
    pub length: Stamp,
    /// How it was begun, with the profile.
    pub started: Option<Started>,
    /// Each phase, in the order of the first stay.
    pub phases: Vec<PhaseFigures>,
    /// What happened, in order.
    pub story: Vec<Line>,
    /// What became of each act.
    #[serde(default)]
    pub acts: Vec<ActLine>,
    /// Intervals, bad minutes and budget.
    pub figures: Figures,
    /// What the responders set out to reach.
    pub objectives: Vec<Rated>,
    /// What traffic said after the faults were lifted.
    pub lifted: Option<Lifted>,
    /// How many lines the journal has.
    #[serde(default)]
    pub lines: usize,
    /// The hash of its last line.
    #[serde(default)]
    pub last: String,
    /// What is wrong with the journal.
    pub flaws: Vec<Flaw>,
    /// Whether the journal was cut short by a crash.
    pub torn: bool,
    /// Whether the drill still runs, so that this is as far as it has come.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub running: bool,
    #[serde(skip)]
    ledger: Ledger,
}

/// What users saw in a phase.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PhaseFigures {
    /// The phase.
    pub phase: String,
    /// When it was first entered, in this run.
    pub from: Offset,
    /// When it was last left.
    pub to: Offset,
    /// When the original entered it.
    pub original: Option<Offset>,
    /// The faults that were active.
    pub faults: Vec<String>,
    /// Success by class once the phase had settled, with the original's.
    pub ok: BTreeMap<String, Beside>,
    /// Totals from border to border.
    pub sample: Sample,
}

/// A share of this run and of the original.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Beside {
    /// This run; nothing where too little was asked.
    pub run: Option<f64>,
    /// The original while it was in this phase, where it was and its report says.
    pub original: Option<f64>,
}

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// When.
    #[serde(flatten)]
    pub at: Stamp,
    /// What.
    #[serde(flatten)]
    pub event: Event,
}

impl Report {
    /// Gathers a report from the text of a journal.
    pub fn of(text: &str) -> Self {
        let read = journal::read(text);
        let ledger = Ledger::of(read.events());
        let first = read.lines.first();
        let story = read
            .lines
            .iter()
            .filter(|line| is_story(&line.event))
            .map(|line| Line {
                at: line.at,
                event: line.event.clone(),
            });
        Self {
            drill: first.map_or_else(String::new, |line| line.drill().to_owned()),
            began: first.map(|line| line.time),
            judgement: judge(&ledger),
            ended: ledger.ended.clone().map(|(_, ended)| ended),
            length: ledger.end(),
            started: ledger.started.clone(),
            phases: phases(&ledger),
            story: story.collect(),
            acts: acts::acts(&ledger, ledger.started.as_ref().map(|started| &started.profile)),
            figures: figures(&ledger),
            objectives: rate(&ledger),
            lifted: ledger.lifted,
            lines: read.lines.len(),
            last: read.last,
            flaws: read.flaws,
            torn: read.torn,
            running: false,
            ledger,
        }
    }

    /// The same of a journal to which its drill may still write. What was cut short in the middle of a line is then being
    /// written, and no sign of a crash.
    #[must_use]
    pub fn written_to(mut self, held: bool) -> Self {
        self.running = held && self.ended.is_none();
        self.torn &= !self.running;
        self
    }

    /// The exit status of the drill.
    pub const fn exit(&self) -> u8 {
        self.judgement.exit
    }

    /// The verdict.
    pub const fn verdict(&self) -> Verdict {
        self.judgement.verdict
    }

    fn profile(&self) -> Option<&Profile> {
        self.started.as_ref().map(|started| &started.profile)
    }

    /// The classes in which success is counted, in the order of the profile.
    fn classes(&self) -> Vec<&str> {
        let named: Vec<_> = self
            .profile()
            .into_iter()
            .flat_map(|profile| profile.traffic.names())
            .collect();
        if named.is_empty() { vec![ALL] } else { named }
    }

    /// What came of each fault, phase by phase, where anything did: how many exchanges matched, were touched, spared, held
    /// and released.
    fn effects(&self) -> impl Iterator<Item = (&str, &str, [u64; 5])> {
        self.phases.iter().flat_map(|phase| {
            phase.sample.effects.iter().filter_map(|(fault, effect)| {
                let touched = phase.sample.hits.get(fault).copied().unwrap_or_default();
                let Effect {
                    matched,
                    spared,
                    held,
                    released,
                } = *effect;
                let counts = [matched, touched, spared, held, released];
                (counts != [0; 5]).then_some((phase.phase.as_str(), fault.as_str(), counts))
            })
        })
    }

    /// The worst phase, and success by class in it, where enough was asked to say so.
    fn at_its_worst(&self) -> Option<(&PhaseFigures, Vec<(&str, Beside)>)> {
        let worst = self.worst()?;
        let classes = self.classes().into_iter();
        let known = classes.filter_map(|class| Some((class, *worst.ok.get(class)?)));
        let known: Vec<_> = known.filter(|(_, beside)| beside.run.is_some()).collect();
        (!known.is_empty()).then_some((worst, known))
    }

    /// The phase in which the fewest requests succeeded, by the shares that are shown of each; none where all of them always did.
    fn worst(&self) -> Option<&PhaseFigures> {
        let known = self
            .phases
            .iter()
            .filter_map(|phase| Some((phase, phase.ok_share()?)));
        let bad = known.filter(|(_, share)| *share < 1.0);
        bad.min_by(|(_, a), (_, b)| a.total_cmp(b))
            .map(|(phase, _)| phase)
    }
}

impl PhaseFigures {
    /// The share of requests that succeeded once the phase had settled: the classes, each by how much of it was asked.
    fn ok_share(&self) -> Option<f64> {
        let traffic = &self.sample.traffic;
        let weighed = self.ok.iter().filter_map(|(class, beside)| {
            let weight = share(traffic.of(Some(class)).requests(), traffic.of(None).requests())?;
            Some((beside.run? * weight, weight))
        });
        let (ok, all) = weighed.fold((0.0, 0.0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
        (all > 0.0).then(|| ok / all)
    }
}

/// What belongs on the timeline of a report; samples are its charts.
const fn is_story(event: &Event) -> bool {
    !matches!(
        event,
        Event::DrillStarted(_) | Event::Sampled(_) | Event::Lifted(_) | Event::Judged(_)
    )
}

fn phases(ledger: &Ledger) -> Vec<PhaseFigures> {
    let Some(profile) = ledger.started.as_ref().map(|started| &started.profile) else {
        return Vec::new();
    };
    let mut phases: Vec<PhaseFigures> = Vec::new();
    for visit in &ledger.visits {
        if let Some(known) = phases.iter_mut().find(|known| known.phase == visit.phase) {
            known.to = visit.to.offset();
            continue;
        }
        let written = profile.phases.iter().find(|phase| phase.name == visit.phase);
        phases.push(PhaseFigures {
            phase: visit.phase.clone(),
            from: visit.from.offset(),
            to: visit.to.offset(),
            original: written.and_then(|phase| phase.at),
            faults: visit.faults.clone(),
            ok: beside(ledger, profile, &visit.phase),
            sample: whole(ledger, &visit.phase),
        });
    }
    phases
}

/// Success by class in a phase, beside the original's in the same phase. Where the profile does not say when the original was
/// in which, it is the same stretch of the story.
fn beside(ledger: &Ledger, profile: &Profile, phase: &str) -> BTreeMap<String, Beside> {
    let run = settled(ledger, phase);
    let stays: Vec<_> = match profile.tells_phases() {
        true => profile.original_stay(phase).into_iter().collect(),
        false => {
            let visits = ledger.visits.iter().filter(|visit| visit.phase == phase);
            visits
                .map(|visit| (visit.from.story, visit.to.story))
                .filter(|(from, to)| from < to)
                .collect()
        }
    };
    let original = |class: &str| {
        let means = stays
            .iter()
            .filter_map(|stay| Some((mean(profile, class, *stay)?, weight(*stay))));
        let (sum, weight) = means.fold((0.0, 0.0), |(sum, all), (mean, weight)| {
            (sum + mean * weight, all + weight)
        });
        (weight > 0.0).then(|| sum / weight)
    };
    let mut classes: Vec<_> = profile.traffic.names().collect();
    if classes.is_empty() {
        classes.push(ALL);
    }
    let pair = |class: &&str| {
        let run = run
            .as_ref()
            .and_then(|run| run.traffic.of(Some(class)).ok_share());
        let original = original(class);
        ((*class).to_owned(), Beside { run, original })
    };
    classes.iter().map(pair).collect()
}

/// How much a stretch counts: its length, and something where it is a moment.
fn weight((from, to): (Duration, Duration)) -> f64 {
    to.saturating_sub(from).as_secs_f64().max(1.0)
}

/// The mean of the original's curve over a stretch.
fn mean(profile: &Profile, class: &str, (from, to): (Duration, Duration)) -> Option<f64> {
    /// Points at which a curve is looked at: enough for two digits.
    const POINTS: u32 = 200;
    let length = to.saturating_sub(from);
    let at = |i: u32| from + length.mul_f64((f64::from(i) + 0.5) / f64::from(POINTS));
    let values: Option<Vec<_>> = (0..POINTS)
        .map(|i| profile.yardstick.ok_at(class, at(i)))
        .collect();
    Some(values?.iter().sum::<f64>() / f64::from(POINTS))
}

/// A length of story time as post-mortems count: `86m`, `4m30s`.
fn story_span(span: Span) -> String {
    let rounded = Offset(span.0).rounded().to_string();
    rounded.trim_start_matches('+').to_owned()
}
