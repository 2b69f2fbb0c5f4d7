//! Two runs side by side. Two runs show what was different, not which way things go: there is no trend, no mean and no score.

use std::collections::BTreeSet;

use serde::Serialize;

use super::{Report, words};
use crate::{
    drill::{
        clock::Mode,
        measure::{Rating, Row},
        verdict::{CheckResult, Checked, Verdict},
    },
    units::Span,
};

/// Two runs, side by side.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Comparison {
    /// The first run.
    pub a: Side,
    /// The second.
    pub b: Side,
    /// Why the two can be compared only with care.
    pub doubts: Vec<String>,
    /// Intervals of story time.
    pub intervals: Vec<Pair<Span>>,
    /// Bad minutes.
    pub bad_minutes: Pair<f64>,
    /// The share of the error budget that was burnt.
    pub budget: Pair<f64>,
    /// What came of each objective, in words.
    pub objectives: Vec<Pair<String>>,
    /// What was measured by each check, in words.
    pub checks: Vec<Pair<String>>,
    /// Success by phase and class.
    pub success: Vec<Pair<f64>>,
}

/// One of two runs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Side {
    /// The drill.
    pub drill: String,
    /// The profile.
    pub profile: String,
    /// Who drove.
    pub mode: Mode,
    /// The verdict.
    pub verdict: Verdict,
    /// The exit status.
    pub exit: u8,
    /// Whether it still runs, so that its verdict is none yet.
    pub running: bool,
}

/// One thing of both runs, and of the original.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Pair<T> {
    /// What it is.
    pub name: String,
    /// In the first run.
    pub a: Option<T>,
    /// In the second.
    pub b: Option<T>,
    /// In the original.
    pub original: Option<T>,
}

/// A text is neither a journal nor a report of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it does not say how the drill began, so it is neither a journal nor a report as JSON")]
pub struct Unknown;

impl Comparison {
    /// Puts two runs side by side.
    pub fn of(a: &Report, b: &Report) -> Result<Self, Unknown> {
        Ok(Self {
            a: side(a)?,
            b: side(b)?,
            doubts: doubts(a, b),
            intervals: beside(
                &a.figures.rows,
                &b.figures.rows,
                |row| &row.name,
                |row| row.story,
                original,
            ),
            bad_minutes: Pair {
                name: "bad minutes".into(),
                a: a.figures.bad_minutes,
                b: b.figures.bad_minutes,
                original: a.figures.original_bad_minutes.or(b.figures.original_bad_minutes),
            },
            budget: Pair {
                name: "error budget burnt".into(),
                a: a.figures.budget,
                b: b.figures.budget,
                original: a.figures.original_budget.or(b.figures.original_budget),
            },
            objectives: beside(
                &a.objectives,
                &b.objectives,
                |rated| &rated.name,
                |rated| Some(rating(&rated.rating, rated.took)),
                |rated| rated.original.map(super::story_span),
            ),
            checks: beside(
                &checks(a),
                &checks(b),
                |(name, _)| name,
                |(_, result)| Some(result.clone()),
                |_| None,
            ),
            success: beside(
                &success(a),
                &success(b),
                |(name, ..)| name,
                |(_, run, _)| *run,
                |(.., original)| *original,
            ),
        })
    }
}

fn side(report: &Report) -> Result<Side, Unknown> {
    let started = report.started.as_ref().ok_or(Unknown)?;
    Ok(Side {
        drill: report.drill.clone(),
        profile: started.profile.name.clone(),
        mode: started.mode,
        verdict: report.verdict(),
        exit: report.exit(),
        running: report.running,
    })
}

const fn original(row: &Row) -> Option<Span> {
    row.original
}

/// Things of two runs by their names: those of the first in their order, then what only the second has.
fn beside<'a, T, V>(
    a: &'a [T],
    b: &'a [T],
    name: impl Fn(&'a T) -> &'a String,
    value: impl Fn(&'a T) -> Option<V>,
    original: impl Fn(&'a T) -> Option<V>,
) -> Vec<Pair<V>> {
    let find = |side: &'a [T], wanted: &str| side.iter().find(|thing| name(thing) == wanted);
    let mut seen = BTreeSet::new();
    let names = a
        .iter()
        .chain(b)
        .map(&name)
        .filter(|name| seen.insert(name.as_str()));
    let names: Vec<_> = names.collect();
    let both = names.into_iter().map(|name| {
        let (a, b) = (find(a, name), find(b, name));
        Pair {
            name: name.clone(),
            a: a.and_then(&value),
            b: b.and_then(&value),
            original: a.and_then(&original).or_else(|| b.and_then(&original)),
        }
    });
    both.collect()
}

fn rating(rating: &Rating, took: Option<Span>) -> String {
    let took = took.map(|took| format!(" in {}", super::story_span(took)));
    match rating {
        Rating::Reached => format!("reached{}", took.unwrap_or_default()),
        Rating::Missed => format!("missed{}", took.unwrap_or_default()),
        Rating::NotMeasured(_) => "not measured".into(),
    }
}

fn checks(report: &Report) -> Vec<(String, String)> {
    let said = |check: &Checked| {
        let name = format!("in {}: {} {}", check.phase, check.what, check.wanted).replace('`', "");
        let result = match check.result {
            CheckResult::NotAsked => "not asked".to_owned(),
            result => {
                let measured = check.measured_words().map(|measured| format!(" ({measured})"));
                format!("{}{}", words::word(&result), measured.unwrap_or_default())
            }
        };
        (name, result)
    };
    report.judgement.checks.iter().map(said).collect()
}

type Success = (String, Option<f64>, Option<f64>);

fn success(report: &Report) -> Vec<Success> {
    let phases = report.phases.iter().flat_map(|phase| {
        phase
            .ok
            .iter()
            .map(|(class, share)| (format!("{} in {}", class, phase.phase), share.run, share.original))
    });
    phases.collect()
}

/// What must be kept in mind.
fn doubts(a: &Report, b: &Report) -> Vec<String> {
    let mut doubts = Vec::new();
    for report in [a, b] {
        let name = &report.drill;
        if !report.flaws.is_empty() {
            doubts.push(format!("the journal of {name} is not as it was written"));
        }
        if report.running {
            doubts.push(format!(
                "{name} is still running: its figures end where it stands now"
            ));
        } else if report.ended.is_none() {
            doubts.push(format!("{name} crashed: its figures end where its journal does"));
        }
        if report
            .judgement
            .checks
            .iter()
            .any(|check| check.result == CheckResult::Void)
        {
            doubts.push(format!(
                "{name} did not reproduce the incident: what its team reached says nothing"
            ));
        }
    }
    if let (Some(a), Some(b)) = (&a.started, &b.started) {
        if a.profile.name != b.profile.name {
            let (a, b) = (&a.profile.name, &b.profile.name);
            doubts.push(format!("they are of two incidents, {a} and {b}"));
        } else if a.hash != b.hash {
            doubts.push("the profile was changed between them: it is not the same story".into());
        }
        if a.mode != b.mode {
            let (a, b) = (words::word(&a.mode), words::word(&b.mode));
            doubts.push(format!("the first is a {a}, the second a {b}"));
        } else if a.compression != b.compression {
            doubts.push("they ran at different paces: story time can be compared, the wall cannot".into());
        }
        if a.variation != b.variation {
            doubts.push("they were not varied alike: story time can be compared, the wall cannot".into());
        }
        if a.form != b.form {
            let (a, b) = (words::word(&a.form), words::word(&b.form));
            doubts.push(format!(
                "the first ran in its {a} form, the second in its {b} one"
            ));
        }
    }
    doubts
}
