//! What the faults of a document or a phase come to, each among the others.

use std::{collections::HashSet, num::NonZeroU64};

use serde::Serialize;
use tokio::time::Instant;

use crate::{
    admin::Reach,
    cli::table::Table,
    config::{Document, Ground},
    faults::{Effective, Entry, Fault, Overlap, effective},
};

/// A fault, and what it comes to among the others.
#[derive(Debug, Serialize)]
pub(super) struct CheckedFault {
    name: String,
    does: String,
    odds: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    first: Option<NonZeroU64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    nth: Option<NonZeroU64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    every: Option<NonZeroU64>,
    /// What those before it leave, times its odds.
    effective: Effective,
    /// The faults before it that meet some of the same exchanges, nobody knows how many.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    depends_on: Vec<String>,
    /// The listeners at which sessions pass unread that it does not meet, nobody knows how many.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    unread: Vec<String>,
    /// The fault before it that leaves it nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    nothing_left_by: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reach: Option<Reach>,
}

/// Faults in their order, each with the share that those before it leave.
pub(super) fn checked_faults(faults: &[(&str, &Entry)], document: Option<&Document>) -> Vec<CheckedFault> {
    let now = Instant::now();
    let grounds = faults.iter().map(|(_, entry)| Ground::of(document, entry));
    let grounds: Vec<_> = grounds.collect();
    let takes = |place: &usize| faults[*place].1.takes();
    let taking: Vec<_> = (0..faults.len()).filter(|place| takes(place) > 0.0).collect();
    let apart = apart(&grounds, &taking);
    let fault = |(place, (name, entry)): (usize, &(&str, &Entry))| {
        let before = taking.iter().copied().filter(|earlier| *earlier < place);
        let met: Vec<_> = before
            .map(|earlier| (earlier, grounds[place].overlap(&grounds[earlier])))
            .collect();
        let those = |wanted: Overlap| {
            met.iter()
                .filter(move |(_, of)| *of == wanted)
                .map(|(place, _)| *place)
        };
        let groups = groups(&apart, those(Overlap::Unknown));
        let entries = |group: &Vec<usize>| group.iter().map(|place| faults[*place].1).collect();
        let maybe: Vec<Vec<&Entry>> = groups.iter().map(entries).collect();
        let effective = effective(entry, those(Overlap::Whole).map(|place| faults[place].1), &maybe);
        let unread = unread(entry, effective, &grounds[place]);
        let named = |place: usize| faults[place].0.to_owned();
        CheckedFault {
            name: (*name).to_owned(),
            does: entry.does(),
            odds: entry.odds.to_string(),
            first: entry.first,
            nth: entry.nth,
            every: entry.every,
            depends_on: if effective.min < effective.max {
                those(Overlap::Unknown).map(named).collect()
            } else {
                Vec::new()
            },
            nothing_left_by: those(Overlap::Whole).find(|place| takes(place) >= 1.0).map(named),
            effective: if unread.is_empty() {
                effective
            } else {
                Effective {
                    min: 0.0,
                    ..effective
                }
            },
            unread,
            reach: document.map(|document| Reach::of(document, &Fault::compile(name, entry, now))),
        }
    };
    faults.iter().enumerate().map(fault).collect()
}

/// Where sessions pass unread of which it gets none. What is counted is read, so turns are as they are written.
fn unread(entry: &Entry, effective: Effective, ground: &Ground<'_>) -> Vec<String> {
    let is_share = entry.first.is_none() && entry.nth.is_none() && effective.max > 0.0;
    let names = ground.unread().into_iter().filter(|_| is_share);
    names.map(str::to_owned).collect()
}

/// Which faults no exchange meets together with which; of those that take something.
fn apart(grounds: &[Ground<'_>], taking: &[usize]) -> HashSet<(usize, usize)> {
    let none = |one: usize, other: usize| grounds[one].overlap(&grounds[other]) == Overlap::None;
    let pairs = taking
        .iter()
        .flat_map(|one| taking.iter().map(move |other| (*one, *other)));
    let later = pairs.filter(|(one, other)| one > other);
    later
        .filter(|(one, other)| none(*one, *other) && none(*other, *one))
        .collect()
}

/// Faults in groups, of each of which an exchange meets one at most.
fn groups(apart: &HashSet<(usize, usize)>, places: impl Iterator<Item = usize>) -> Vec<Vec<usize>> {
    let mut groups: Vec<Vec<usize>> = Vec::new();
    for place in places {
        let fits = |group: &&mut Vec<usize>| group.iter().all(|other| apart.contains(&(place, *other)));
        match groups.iter_mut().find(fits) {
            Some(group) => group.push(place),
            None => groups.push(vec![place]),
        }
    }
    groups
}

/// The table of them, and what is to be said of some.
pub(super) fn text(faults: &[CheckedFault]) -> String {
    let mut table = Table::new(&["fault", "does", "odds", "effective", "reaches"]);
    for fault in faults {
        table.row([
            fault.name.clone(),
            fault.does.clone(),
            fault.odds.clone(),
            fault.share(),
            fault.reach.as_ref().map(Reach::to_string).unwrap_or_default(),
        ]);
    }
    let notes = faults.iter().flat_map(CheckedFault::notes);
    table.indented(2) + &notes.map(|note| format!("  {note}\n")).collect::<String>()
}

impl CheckedFault {
    /// The same, called by its phase too.
    pub(super) fn in_phase(self, phase: &str) -> Self {
        Self {
            name: format!("{phase}: {}", self.name),
            ..self
        }
    }

    fn share(&self) -> String {
        let Effective { min, max } = self.effective;
        let share = match min < max {
            true => format!("{} to {}", percent(min), percent(max)),
            false => percent(max),
        };
        match (self.first, self.nth) {
            (_, Some(nth)) => format!("{share} of exchange {nth}"),
            (Some(first), None) => format!("{share} of the first {first}"),
            (None, None) => share,
        }
    }

    /// Why its share is what it is, where its odds alone do not say so.
    fn notes(&self) -> Vec<String> {
        let name = &self.name;
        let mut notes = Vec::new();
        if let Some(earlier) = &self.nothing_left_by {
            notes.push(format!(
                "{name}: nothing is left by {earlier}, which is tried first"
            ));
        }
        if !self.depends_on.is_empty() {
            let earlier = self.depends_on.join(", ");
            notes.push(format!(
                "{name}: depends on how much of the same traffic is taken first by {earlier}"
            ));
        }
        if !self.unread.is_empty() {
            let listeners = self.unread.join(", ");
            notes.push(format!(
                "{name}: sessions that pass encrypted at {listeners} are unread (`encryption: pass`), and it meets none of them"
            ));
        }
        notes
    }
}

fn percent(share: f64) -> String {
    let digits = format!("{:.4}", share * 100.0);
    format!("{}%", digits.trim_end_matches('0').trim_end_matches('.'))
}
