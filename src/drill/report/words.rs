//! The words of a report that every form of it shares.

use serde::Serialize;

use super::Report;
use crate::{
    drill::{
        Mode,
        event::{Assessed, Ending, Lifted, Started},
        facts::Counts,
        profile::Outcome,
        verdict::{CheckKind, CheckResult, Verdict},
        watch::ending,
    },
    units::Probability,
};

/// What is counted of a fault.
pub(super) const EFFECTS: [&str; 5] = ["matched", "touched", "spared", "held", "released"];

/// What those words mean.
pub(super) const EFFECTS_MEAN: &str = "Matched: exchanges, retries included, that a fault was asked about and that are such as it \
     looks for. Touched: those that it did something to. Spared: probes of the platform. Held: kept waiting. Released: those \
     that then went on, because a place became free or the fault was lifted, also in the phase after; the others gave up or were answered by the edge.";

/// The word that an enum's variant is written as.
pub(super) fn word<T: Serialize>(value: &T) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word.replace('_', " "),
        _ => String::new(),
    }
}

/// What a run is called, by who drove it.
pub(super) const fn run(mode: Mode) -> &'static str {
    match mode {
        Mode::Replay => "A replay",
        Mode::Rehearse => "A rehearsal",
        Mode::Step => "A drill, step by step,",
    }
}

/// What faults could not do, where sessions passed unread.
pub(super) fn unread(started: &Started) -> Option<String> {
    (!started.unread.is_empty()).then(|| {
        format!(
            "Encrypted sessions passed unread to {}: only faults of connections and of bytes could meet them.",
            started.unread.join(", ")
        )
    })
}

/// How many requests the proxy failed. Those whom people turned away are people's doing.
pub(super) fn by_the_proxy(counts: &Counts) -> String {
    let failed = counts.proxy.saturating_sub(counts.turned_away);
    match counts.turned_away {
        0 => failed.to_string(),
        away => format!("{failed}, and {away} turned away"),
    }
}

/// What was varied in a blind drill.
pub(super) fn varied(started: &Started) -> String {
    let variation = started.variation.as_ref();
    variation
        .map(|it| format!("; {}", it.words()))
        .unwrap_or_default()
}

/// The verdict in a few words.
pub(super) fn verdict(report: &Report) -> &'static str {
    match report.verdict() {
        _ if report.running => "still running",
        Verdict::Held => "every check held",
        Verdict::Failed => "failed",
        Verdict::Stopped => "stopped by a rule",
        Verdict::Panicked => "panic",
        Verdict::Incomplete => match report.ended.as_ref().map(|ended| &ended.how) {
            Some(Ending::Interrupted(_)) => "interrupted",
            None => "crashed",
            Some(_) => "not everything was evaluated",
        },
    }
}

/// The verdict in two or three sentences: how did it end, did it happen, did they recover.
pub(super) fn verdict_line(report: &Report) -> String {
    if report.running {
        let phase = report
            .phases
            .last()
            .map(|phase| format!(", in phase `{}`", phase.phase));
        let phase = phase.unwrap_or_default();
        return format!("The drill still runs{phase}: this is as far as it has come, and no verdict.");
    }
    let count = |kind, result: Option<CheckResult>| {
        let of_kind = report.judgement.checks.iter().filter(|check| check.kind == kind);
        of_kind
            .filter(|check| result.is_none_or(|result| check.result == result))
            .count()
    };
    let line = |kind, held: &str| {
        let asked = count(kind, None) - count(kind, Some(CheckResult::NotAsked));
        match (asked, count(kind, Some(CheckResult::Held))) {
            (0, _) => None,
            (asked, n) if n == asked => Some(format!("{held} ({n} of {asked} checks held).")),
            (asked, n) => {
                let open = match count(kind, Some(CheckResult::NotEvaluated)) {
                    0 => String::new(),
                    open => format!(", {open} could not be evaluated"),
                };
                Some(format!("{n} of {asked} {} checks held{open}.", kind_name(kind)))
            }
        }
    };
    let how = match &report.ended {
        Some(ended) if ended.how == Ending::Complete => None,
        Some(ended) => Some(format!(
            "In phase `{}` it was {}.",
            ended.phase,
            ending(&ended.how)
        )),
        None => Some("The journal ends before the drill did: it crashed or was killed.".to_owned()),
    };
    let team = match count(CheckKind::Team, Some(CheckResult::Void)) {
        0 => line(CheckKind::Team, "The service recovered"),
        _ => Some("The incident was not reproduced, so what the team reached says nothing.".to_owned()),
    };
    let sentences = [
        how,
        line(CheckKind::Fidelity, "The incident was reproduced"),
        team,
    ];
    sentences.into_iter().flatten().collect::<Vec<_>>().join(" ")
}

/// What somebody who watched says of an objective.
pub(super) fn opinion(said: &Assessed) -> String {
    let why = said.why.as_ref().map(|why| format!(": “{why}”"));
    format!("{}, says {}{}", said.rating, said.by, why.unwrap_or_default())
}

/// A share as people say it, however it was written: `99.9%`.
pub(super) fn target(share: Probability) -> String {
    format!("{}%", (share.get() * 1e6).round() / 1e4)
}

/// A kind of check.
pub(super) const fn kind_name(kind: CheckKind) -> &'static str {
    match kind {
        CheckKind::Fidelity => "fidelity",
        CheckKind::Team => "team",
    }
}

/// What came of an act.
pub(super) const fn result(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Ok => "done",
        Outcome::Refused => "refused",
    }
}

/// A short time, given in microseconds.
pub(super) fn micros(us: u64) -> String {
    match us {
        0..1000 => "less than 1 ms".into(),
        _ => format!("{} ms", us / 1000),
    }
}

/// What became of what was held to the end.
pub(super) fn let_go(lifted: &Lifted) -> String {
    match lifted.released {
        0 => String::new(),
        1 => " One exchange that was held to the end went on.".into(),
        n => format!(" {n} exchanges that were held to the end went on."),
    }
}

/// What is said where nothing is on record of the faults being lifted.
pub(super) const fn not_lifted(report: &Report) -> &'static str {
    if report.running {
        "Faults are lifted when it ends."
    } else {
        "Nothing is on record of the faults being lifted; they end with their lease."
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whom_people_turned_away_the_proxy_has_not_failed() {
        let check = |proxy, turned_away, told: &str| {
            let counts = Counts {
                proxy,
                turned_away,
                ..Counts::default()
            };
            assert_eq!(by_the_proxy(&counts), told);
        };
        check(7, 0, "7");
        check(7, 5, "2, and 5 turned away");
    }
}
