//! The verdict: every check evaluated on the ledger, and what they say together with how the drill ended.

mod hindrance;

use self::hindrance::hindrance;
use super::{
    clock::Mode,
    event::{Ended, Ending, ORIGINAL},
    facts::share,
    ledger::Ledger,
    measure::{settled, whole},
    profile::{Check, Of, Target},
    verdict::{CheckKind, CheckResult, Checked, Judgement, Unit, Verdict},
};
use crate::units::Probability;

/// A share of fewer requests than this is an accident, not a measurement.
const FEWEST: u64 = 10;

/// Judges a drill by its ledger.
pub fn judge(ledger: &Ledger) -> Judgement {
    let mut checks = Vec::new();
    if let Some(started) = &ledger.started {
        let asked = &started.profile.checks;
        checks.extend(
            asked
                .fidelity
                .iter()
                .map(|check| evaluate(ledger, CheckKind::Fidelity, check)),
        );
        checks.extend(
            asked
                .team
                .iter()
                .map(|check| evaluate(ledger, CheckKind::Team, check)),
        );
    }
    let faithful = !any(&checks, CheckKind::Fidelity, CheckResult::Failed);
    for check in checks
        .iter_mut()
        .filter(|check| check.kind == CheckKind::Team && !faithful)
    {
        check.result = CheckResult::Void;
    }
    let verdict = verdict(ledger, &checks);
    Judgement {
        verdict,
        exit: verdict.exit(),
        checks,
    }
}

fn any(checks: &[Checked], kind: CheckKind, result: CheckResult) -> bool {
    checks
        .iter()
        .any(|check| check.kind == kind && check.result == result)
}

fn verdict(ledger: &Ledger, checks: &[Checked]) -> Verdict {
    let has = |result| checks.iter().any(|check| check.result == result);
    let complete = match ledger.ended.as_ref().map(|(_, Ended { how, .. })| how) {
        Some(Ending::Panicked(_)) => return Verdict::Panicked,
        Some(Ending::Stopped(_)) => return Verdict::Stopped,
        None | Some(Ending::Interrupted(_)) => return Verdict::Incomplete,
        Some(Ending::Overdue(_)) => false,
        Some(Ending::Complete) => true,
    };
    if has(CheckResult::Failed) {
        return Verdict::Failed;
    }
    // A team that never came to the end has failed, whatever could not be evaluated for that reason; an incident that
    // was never seen is no incident.
    if !complete && !any(checks, CheckKind::Fidelity, CheckResult::NotEvaluated) {
        return Verdict::Failed;
    }
    if has(CheckResult::NotEvaluated) || !has(CheckResult::Held) {
        return Verdict::Incomplete;
    }
    Verdict::Held
}

fn evaluate(ledger: &Ledger, kind: CheckKind, check: &Check) -> Checked {
    let entered = ledger.visits.iter().any(|visit| visit.phase == check.phase);
    let (what, wanted) = words(check);
    let (measured, requests, held) = measure(ledger, check);
    let result = match held {
        _ if !entered && check.if_entered && !is_due(ledger, &check.phase) => CheckResult::NotAsked,
        None => CheckResult::NotEvaluated,
        Some(true) => CheckResult::Held,
        Some(false) => CheckResult::Failed,
    };
    Checked {
        kind,
        phase: check.phase.clone(),
        what,
        wanted,
        measured,
        unit: match check.that {
            Target::Ok { .. } | Target::Status { .. } => Unit::Share,
            Target::Hits(_) => Unit::Exchanges,
        },
        requests,
        result,
        why: check.why.clone(),
        hindrance: (result == CheckResult::NotEvaluated).then(|| hindrance(ledger, check, requests)),
    }
}

/// Whether the run had to go through the phase: the original did, and nobody has done otherwise.
fn is_due(ledger: &Ledger, phase: &str) -> bool {
    let Some(started) = &ledger.started else {
        return false;
    };
    let repeats = started.mode == Mode::Replay && ledger.acts().all(|(_, act)| act.by == ORIGINAL);
    let mut phases = started.profile.phases.iter();
    repeats && phases.any(|known| known.name == phase && known.at.is_some())
}

/// What was measured, on how many requests, and whether that is what was wanted.
fn measure(ledger: &Ledger, check: &Check) -> (Option<f64>, u64, Option<bool>) {
    match &check.that {
        Target::Ok { class, min, max, of } => {
            let counts = settled(ledger, &check.phase)
                .unwrap_or_default()
                .traffic
                .of(class.as_deref());
            let (requests, share) = match of {
                Of::All => (counts.requests(), counts.ok_share()),
                Of::Admitted => (counts.admitted(), counts.admitted_ok_share()),
            };
            let share = share.filter(|_| requests >= FEWEST);
            (share, requests, share.map(|share| within(share, *min, *max)))
        }
        Target::Status { of, min, max } => {
            let seen = settled(ledger, &check.phase).unwrap_or_default();
            let requests = seen.traffic.of(None).requests();
            let these = of
                .iter()
                .filter_map(|status| seen.statuses.get(&status.to_string()))
                .sum();
            let share = share(these, requests).filter(|_| requests >= FEWEST);
            (share, requests, share.map(|share| within(share, *min, *max)))
        }
        Target::Hits(fault) => {
            let phase = whole(ledger, &check.phase);
            // Where a role is not bound, another fault stands in.
            let replaced = ledger
                .started
                .as_ref()
                .and_then(|started| started.replaced.get(fault));
            let fault = replaced.unwrap_or(fault);
            let requests = phase.traffic.of(None).requests();
            let hits = phase.hits.get(fault).copied();
            #[expect(
                clippy::cast_precision_loss,
                reason = "counts of one drill are far below 2^53"
            )]
            let measured = hits.map(|hits| hits as f64);
            // Without traffic there was nothing to touch.
            let held = hits
                .filter(|hits| *hits > 0 || requests >= FEWEST)
                .map(|hits| hits > 0);
            (measured, requests, held)
        }
    }
}

fn within(share: f64, min: Option<Probability>, max: Option<Probability>) -> bool {
    min.is_none_or(|min| share >= min.get()) && max.is_none_or(|max| share <= max.get())
}

/// What a check measures and what it wants.
fn words(check: &Check) -> (String, String) {
    let bounds = |min: &Option<Probability>, max: &Option<Probability>| match (min, max) {
        (Some(min), Some(max)) => format!("{min} to {max}"),
        (Some(min), None) => format!("at least {min}"),
        (None, Some(max)) => format!("at most {max}"),
        (None, None) => "any share".into(),
    };
    match &check.that {
        Target::Ok { class, min, max, of } => {
            let what = match (class, of) {
                (Some(class), Of::All) => format!("`{class}` succeeds"),
                (Some(class), Of::Admitted) => format!("`{class}` succeeds, of what was admitted"),
                (None, Of::All) => "requests succeed".into(),
                (None, Of::Admitted) => "admitted requests succeed".into(),
            };
            (what, bounds(min, max))
        }
        Target::Status { of, min, max } => {
            let these: Vec<_> = of.iter().map(ToString::to_string).collect();
            (format!("requests get {}", these.join(" or ")), bounds(min, max))
        }
        Target::Hits(fault) => (format!("`{fault}` touches exchanges"), "at least 1".into()),
    }
}
