//! Why a check could not be evaluated, and what somebody does who wants to know next time.

use std::time::Duration;

use super::FEWEST;
use crate::{
    drill::{
        clock::Mode,
        event::{Ending, Stamp},
        ledger::{Ledger, Visit},
        measure::SETTLE,
        profile::{Check, Outcome, Phase, Target, When},
        verdict::Hindrance,
    },
    units::Span,
};

/// Why a check could not be evaluated, that rests on so many requests.
pub(super) fn hindrance(ledger: &Ledger, check: &Check, requests: u64) -> Hindrance {
    let visits = ledger.visits.iter().enumerate();
    let stays: Vec<_> = visits.filter(|(_, visit)| visit.phase == check.phase).collect();
    let longest = stays.iter().max_by_key(|(_, visit)| lasted(visit));
    match longest {
        None => never_entered(ledger),
        Some((place, visit)) if counts_from_settled(&check.that) && is_short(visit, requests) => {
            too_short(ledger, *place, visit)
        }
        Some(_) => too_little_asked(check, requests),
    }
}

fn lasted(visit: &Visit) -> Duration {
    visit.to.wall.saturating_sub(visit.from.wall)
}

/// Whether too little of a stay is counted to say anything: nothing, or no more than lies between two looks at traffic.
fn is_short(visit: &Visit, requests: u64) -> bool {
    lasted(visit) <= if requests == 0 { SETTLE * 2 } else { SETTLE }
}

/// Whether what it counts begins a while after its phase.
const fn counts_from_settled(target: &Target) -> bool {
    matches!(target, Target::Ok { .. } | Target::Status { .. })
}

fn never_entered(ledger: &Ledger) -> Hindrance {
    let last = ledger.visits.last().map_or("", |visit| visit.phase.as_str());
    let (why, next) = match ledger.ended.as_ref().map(|(_, ended)| &ended.how) {
        None => (
            format!("the drill is in phase `{last}` and has not come there"),
            None,
        ),
        Some(Ending::Complete) => (
            "the story took another way to its end".to_owned(),
            Some("write `if_entered: true` beside the check if that way is as good".to_owned()),
        ),
        Some(_) => (
            format!("the drill ended in phase `{last}`, before it came there"),
            None,
        ),
    };
    Hindrance { why, next }
}

fn too_short(ledger: &Ledger, place: usize, visit: &Visit) -> Hindrance {
    let next_visit = ledger.visits.get(place + 1);
    if let Some(act) = next_visit.and_then(|next| opened_before(ledger, visit, next)) {
        return Hindrance {
            why: format!(
                "the phase was left at once: `{act}`, which leads out of it, had been done before it began"
            ),
            next: Some(format!(
                "undo `{act}`, and do it again only once the phase has begun"
            )),
        };
    }
    let counts = format!(
        "the phase lasted {}, and what is counted begins {} after it did",
        in_tenths(lasted(visit)),
        Span(SETTLE)
    );
    let why = match next_visit {
        Some(next) => format!("{counts} ({})", next.because),
        None => counts,
    };
    let is_replay = ledger
        .started
        .as_ref()
        .is_some_and(|started| started.mode == Mode::Replay);
    let next = match is_replay {
        true => "let the story run slower: a smaller `--wait`",
        false => "let some seconds pass in it before you act",
    };
    Hindrance {
        why,
        next: Some(next.to_owned()),
    }
}

/// The act that led out of a stay, where it was done before that began.
fn opened_before<'a>(ledger: &'a Ledger, visit: &Visit, next: &Visit) -> Option<&'a str> {
    let phases = ledger.started.iter().flat_map(|started| &started.profile.phases);
    let mut here = phases.filter(|phase| phase.name == visit.phase);
    let leads = |phase: &'a Phase| {
        let mut ways = phase.leave.iter().filter(|leave| leave.to == next.phase);
        ways.find_map(|leave| match &leave.when {
            When::Done(act) if was_done(ledger, act, visit.from) => Some(act.as_str()),
            _ => None,
        })
    };
    here.find_map(leads)
}

fn was_done(ledger: &Ledger, act: &str, before: Stamp) -> bool {
    let mut acts = ledger.acts();
    acts.any(|(at, ended)| ended.act == act && ended.result == Outcome::Ok && at < before)
}

fn too_little_asked(check: &Check, requests: u64) -> Hindrance {
    let asked = match (requests, class(&check.that)) {
        (0, None) => "nobody asked anything in it".to_owned(),
        (0, Some(class)) => format!("nobody asked for `{class}` in it"),
        (n, None) => format!("{n} requests are too few: it takes {FEWEST}"),
        (n, Some(class)) => format!("{n} requests of `{class}` are too few: it takes {FEWEST}"),
    };
    match check.that {
        Target::Hits(ref fault) if requests >= FEWEST => Hindrance {
            why: format!("`{fault}` never stood in it"),
            next: Some("name a fault that the phase lists".to_owned()),
        },
        _ => Hindrance {
            why: asked,
            next: Some(
                "have more traffic come through the proxy while it lasts, or let it last longer".to_owned(),
            ),
        },
    }
}

fn class(target: &Target) -> Option<&str> {
    match target {
        Target::Ok { class, .. } => class.as_deref(),
        Target::Status { .. } | Target::Hits(_) => None,
    }
}

/// A short time with a decimal: `0.2s`.
fn in_tenths(span: Duration) -> String {
    format!("{:.1}s", span.as_secs_f64())
}
