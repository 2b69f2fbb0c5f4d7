//! What the responders set out to reach, and whether they did: rated in words, one by one.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{buckets, good_while};
use crate::{
    drill::{
        event::{Assessed, Event, Stamp},
        ledger::Ledger,
        profile::{Interval, Moment, Objective, Outcome},
    },
    units::Span,
};

/// An objective and what came of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rated {
    /// Its name.
    pub name: String,
    /// What it asks for.
    pub asks: String,
    /// How long it took, in story time.
    pub took: Option<Span>,
    /// What the original took.
    pub original: Option<Span>,
    /// Whether it was reached, as the proxy measures it.
    pub rating: Rating,
    /// How those who watched say that it was performed, each by their last word.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub observers: Vec<Assessed>,
}

/// Whether an objective was reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rating {
    /// It was.
    Reached,
    /// It was not.
    Missed,
    /// A moment that it needs was never seen.
    NotMeasured(String),
}

/// Rates every objective of a run.
pub fn rate(ledger: &Ledger) -> Vec<Rated> {
    let objectives = ledger
        .started
        .as_ref()
        .map(|started| started.profile.objectives.iter());
    let objectives = objectives.into_iter().flatten();
    objectives
        .map(|(name, objective)| one(ledger, name, objective))
        .collect()
}

fn one(ledger: &Ledger, name: &str, objective: &Objective) -> Rated {
    let interval = match objective {
        Objective::Time(interval) => interval,
        Objective::Never(act) => {
            let tried = ledger.acts().any(|(_, ended)| ended.act == *act);
            return avoided(ledger, name, format!("`{act}` is never tried"), !tried);
        }
        Objective::Avoid(phase) => {
            let entered = ledger.visits.iter().any(|visit| visit.phase == *phase);
            return avoided(
                ledger,
                name,
                format!("phase `{phase}` is never entered"),
                !entered,
            );
        }
    };
    let from = moment(ledger, &interval.from, Duration::ZERO);
    let to = from.and_then(|from| moment(ledger, &interval.to, from.story));
    let took = from
        .zip(to)
        .map(|(from, to)| Span(to.story.saturating_sub(from.story)));
    let unseen = if from.is_none() {
        &interval.from
    } else {
        &interval.to
    };
    Rated {
        name: name.into(),
        asks: format!(
            "from {} to {} within {}",
            say(&interval.from),
            say(&interval.to),
            interval.target
        ),
        took,
        original: interval.original,
        observers: observers(ledger, name),
        rating: match took {
            Some(took) if took <= interval.target => Rating::Reached,
            Some(_) => Rating::Missed,
            None if from.is_some_and(|from| is_too_late(ledger, interval, from)) => Rating::Missed,
            None => Rating::NotMeasured(format!("{} was never seen", say(unseen))),
        },
    }
}

/// Whether what never came cannot come in time any more. Not where the proxy could not know of it: a signal may have been given
/// all the same, where no tool tells of it here, and nobody knows how good what nobody asked for was.
fn is_too_late(ledger: &Ledger, interval: &Interval, from: Stamp) -> bool {
    let could_be_known = match &interval.to {
        Moment::Signal(_) => false,
        Moment::Ok(steady) => {
            let buckets = buckets(ledger, steady.class.as_deref());
            let mut later = buckets.iter().filter(|bucket| bucket.from >= from);
            later.any(|bucket| bucket.counts.ok_share().is_some())
        }
        Moment::Phase(_) | Moment::Tried(_) | Moment::Refused(_) | Moment::Done(_) => true,
    };
    could_be_known && ledger.end().story.saturating_sub(from.story) > interval.target.0
}

/// Something that was not to happen.
fn avoided(ledger: &Ledger, name: &str, asks: String, avoided: bool) -> Rated {
    Rated {
        name: name.into(),
        asks,
        took: None,
        original: None,
        observers: observers(ledger, name),
        rating: match (avoided, &ledger.ended) {
            (false, _) => Rating::Missed,
            (true, Some(_)) => Rating::Reached,
            (true, None) => Rating::NotMeasured("the drill has not come to its end".into()),
        },
    }
}

/// Who says it again replaces what they said before.
fn observers(ledger: &Ledger, objective: &str) -> Vec<Assessed> {
    let mut said: Vec<Assessed> = Vec::new();
    for moment in &ledger.moments {
        if let Event::Assessed(it) = &moment.event
            && it.objective == objective
        {
            said.retain(|known| known.by != it.by);
            said.push(it.clone());
        }
    }
    said
}

/// The first time that a moment came, not before another.
fn moment(ledger: &Ledger, moment: &Moment, after: Duration) -> Option<Stamp> {
    let tried = |name: &str, result: Option<Outcome>| {
        let mut acts = ledger.acts().filter(|(_, act)| act.act == name);
        acts.find(|(_, act)| result.is_none_or(|result| act.result == result))
            .map(|(at, _)| at)
    };
    match moment {
        Moment::Phase(name) => ledger
            .visits
            .iter()
            .find(|visit| visit.phase == *name)
            .map(|visit| visit.from),
        Moment::Tried(act) => tried(act, None),
        Moment::Refused(act) => tried(act, Some(Outcome::Refused)),
        Moment::Done(act) => tried(act, Some(Outcome::Ok)),
        Moment::Signal(name) => {
            // In a replay, the autopilot stands for the alert that the original had.
            let named = |event: &Event| match event {
                Event::Signalled(signal) => signal.name == *name,
                Event::MarkPassed(mark) => mark.name == *name,
                _ => false,
            };
            ledger
                .moments
                .iter()
                .find(|moment| named(&moment.event))
                .map(|moment| moment.at)
        }
        Moment::Ok(steady) => {
            let buckets = buckets(ledger, steady.class.as_deref());
            let min = steady.min.get();
            // Good again: what was not bad yet has not been mended.
            let bad = buckets
                .iter()
                .find(|bucket| bucket.counts.ok_share().is_some_and(|ok| ok < min));
            let after = bad.map_or(after, |bad| after.max(bad.from.story));
            good_while(&buckets, after, min, steady.lasts.0)
        }
    }
}

/// A moment in words.
fn say(moment: &Moment) -> String {
    match moment {
        Moment::Phase(name) => format!("phase `{name}`"),
        Moment::Tried(act) => format!("the first `{act}`"),
        Moment::Refused(act) => format!("the refusal of `{act}`"),
        Moment::Done(act) => format!("`{act}` done"),
        Moment::Signal(name) => format!("the signal `{name}`"),
        Moment::Ok(steady) => {
            let class = steady.class.as_deref().unwrap_or("all requests");
            format!("{} of `{class}` good for {}", steady.min, steady.lasts)
        }
    }
}
