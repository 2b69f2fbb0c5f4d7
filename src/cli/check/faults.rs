//! What the faults of a document or a phase come to, each among the others.

use std::num::NonZeroU64;

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
    /// The fault before it that leaves it nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    nothing_left_by: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reach: Option<Reach>,
}

/// Faults in their order, each with the share that those before it leave.
pub(super) fn checked_faults(faults: &[(&str, &Entry)], document: Option<&Document>) -> Vec<CheckedFault> {
    let now = Instant::now();
    let grounds: Vec<_> = faults
        .iter()
        .map(|(_, entry)| Ground::of(document, entry))
        .collect();
    let takes: Vec<_> = faults.iter().map(|(_, entry)| entry.takes()).collect();
    let fault = |(place, (name, entry)): (usize, &(&str, &Entry))| {
        let taking = (0..place).filter(|earlier| takes[*earlier] > 0.0);
        let before: Vec<_> = taking
            .map(|earlier| (earlier, grounds[place].overlap(&grounds[earlier])))
            .collect();
        let effective = effective(
            entry,
            before.iter().map(|(earlier, of)| (faults[*earlier].1, *of)),
        );
        let named = |(earlier, _): &(usize, _)| faults[*earlier].0.to_owned();
        let depends = before.iter().filter(|(_, of)| *of == Overlap::Unknown);
        let mut all = before
            .iter()
            .filter(|(earlier, of)| *of == Overlap::Whole && takes[*earlier] >= 1.0);
        CheckedFault {
            name: (*name).to_owned(),
            does: entry.does(),
            odds: entry.odds.to_string(),
            first: entry.first,
            nth: entry.nth,
            every: entry.every,
            effective,
            depends_on: if effective.min < effective.max {
                depends.map(named).collect()
            } else {
                Vec::new()
            },
            nothing_left_by: all.next().map(named),
            reach: document.map(|document| Reach::of(document, &Fault::compile(name, entry, now))),
        }
    };
    faults.iter().enumerate().map(fault).collect()
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
    let notes = faults.iter().filter_map(CheckedFault::note);
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
    fn note(&self) -> Option<String> {
        let name = &self.name;
        if let Some(earlier) = &self.nothing_left_by {
            return Some(format!(
                "{name}: nothing is left by {earlier}, which is tried first"
            ));
        }
        let depends: Vec<_> = self.depends_on.iter().map(String::as_str).collect();
        (!depends.is_empty()).then(|| {
            let earlier = depends.join(", ");
            format!("{name}: depends on how much of the same traffic is taken first by {earlier}")
        })
    }
}

fn percent(share: f64) -> String {
    let digits = format!("{:.4}", share * 100.0);
    format!("{}%", digits.trim_end_matches('0').trim_end_matches('.'))
}
