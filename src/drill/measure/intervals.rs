//! Intervals of this run beside the original's. No means, no trends, no score: one run says nothing of the next.

use std::{collections::BTreeSet, time::Duration};

use serde::{Deserialize, Serialize};

use super::{Bucket, Original, buckets, good_while_by, mix};
use crate::{
    drill::{
        event::{Event, Stamp},
        facts::Counts,
        ledger::Ledger,
        profile::{Outcome, Sight, Slo, When},
        signal::{ACKNOWLEDGE, PAGE},
    },
    units::Span,
};

/// One interval, in story time, on the wall, and in the original.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// What it is.
    pub name: String,
    /// Its length in story time.
    pub story: Option<Span>,
    /// Its length on the wall.
    pub wall: Option<Span>,
    /// Its length in the original.
    pub original: Option<Span>,
    /// Why it could not be measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// What a run cost and how long its parts took.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    /// The intervals.
    pub rows: Vec<Row>,
    /// Minutes of story time, weighed by the share of requests that failed; nothing where no request of HTTP was counted.
    pub bad_minutes: Option<f64>,
    /// The same of the original, at the mix of this run.
    pub original_bad_minutes: Option<f64>,
    /// The share of the error budget of the whole window that this run would have burnt.
    pub budget: Option<f64>,
    /// The same of the original.
    pub original_budget: Option<f64>,
}

/// Service counts as good again once it was so for this long in story time.
const GOOD_FOR: Duration = Duration::from_secs(60);

/// The figures of a run.
pub fn figures(ledger: &Ledger) -> Figures {
    let Some(started) = &ledger.started else {
        return Figures::default();
    };
    let slo = &started.profile.slo;
    let original = Original::new(&started.profile.yardstick, mix(ledger));
    let bad_minutes = bad_minutes(ledger);
    let original_bad_minutes = original.as_ref().map(Original::bad_minutes);
    Figures {
        rows: rows(ledger, slo, original.as_ref()),
        bad_minutes,
        original_bad_minutes,
        budget: bad_minutes.and_then(|minutes| budget(minutes, slo)),
        original_budget: original_bad_minutes.and_then(|minutes| budget(minutes, slo)),
    }
}

fn bad_minutes(ledger: &Ledger) -> Option<f64> {
    let buckets = buckets(ledger, None);
    let bad = buckets.iter().filter_map(|bucket| {
        let failed = 1.0 - bucket.counts.ok_share()?;
        Some(failed * (bucket.to.story - bucket.from.story).as_secs_f64() / 60.0)
    });
    bad.reduce(|sum, minutes| sum + minutes)
}

/// The share of the budget that so many bad minutes burn; a target of 100% has no budget to burn.
fn budget(bad_minutes: f64, slo: &Slo) -> Option<f64> {
    let minutes = (1.0 - slo.target.get()) * slo.window.0.as_secs_f64() / 60.0;
    (minutes > 0.0).then(|| bad_minutes / minutes)
}

fn rows(ledger: &Ledger, slo: &Slo, original: Option<&Original<'_>>) -> Vec<Row> {
    let target = slo.target.get();
    let all = buckets(ledger, None);
    let bad = |bucket: &&Bucket| bucket.counts.ok_share().is_some_and(|ok| ok < target);
    let damage = all.iter().find(bad).map(|bucket| bucket.from);
    let restored = all.iter().rev().find(bad).map(|bucket| bucket.to);
    // A last bad bucket at the very end is no recovery.
    let restored = restored.filter(|at| at.story < ledger.end().story);
    let first_good = damage.and_then(|at| {
        // Those whom people turned away wait their turn: it is those who were let in that count.
        good_while_by(Counts::admitted_ok_share, &all, at.story, target, GOOD_FOR)
    });
    let broke = original.and_then(|original| original.damage(target));
    let since_broke = |moment: Option<Duration>| Some(moment?.saturating_sub(broke?));
    let mended = since_broke(original.and_then(|original| original.restored(target)));
    let admitted = admitted(ledger);
    let mitigated = since_broke(original.and_then(|original| original.mitigated(target, &admitted)));
    // Of what never broke nobody can say that it was not mended.
    let unhurt = match all.iter().any(|bucket| bucket.counts.ok_share().is_some()) {
        true => "no request failed",
        false => "no request of HTTP was counted",
    };
    let unless_unhurt = |why| if damage.is_some() { why } else { unhurt };
    let mut rows = vec![row(
        "first damage, after T0",
        Some(Stamp::default()),
        damage,
        broke,
        unhurt,
    )];
    rows.extend(alerts(ledger, damage, broke));
    rows.push(attempt(ledger, damage, broke));
    rows.extend(refusals(ledger));
    rows.push(row(
        "mitigate: good for a minute, for those let in",
        damage,
        first_good,
        mitigated,
        unless_unhurt(never_mitigated(ledger, &all, target)),
    ));
    rows.push(row(
        "restore: good to the end",
        damage,
        restored,
        mended,
        unless_unhurt("service was not good at the end"),
    ));
    rows.push(Row {
        name: "clean up: from the order to no fault".into(),
        story: None,
        wall: ledger
            .lifted
            .map(|lifted| Span(Duration::from_micros(lifted.took_us))),
        original: None,
        why: None,
    });
    rows
}

/// Why no good minute was found after the first damage: what was good to the end and not for long enough was not bad.
fn never_mitigated(ledger: &Ledger, all: &[Bucket], target: f64) -> &'static str {
    let last = all
        .iter()
        .rev()
        .find_map(|bucket| bucket.counts.admitted_ok_share());
    match (last.is_some_and(|ok| ok >= target), &ledger.ended) {
        (false, _) => "service was never good again",
        (true, Some(_)) => "the drill ended before it was good for a minute",
        (true, None) => "it has not been good for a minute",
    }
}

/// The shares that the original team admitted, with the moments from which on it did.
fn admitted(ledger: &Ledger) -> Vec<(Duration, f64)> {
    let profile = ledger.started.as_ref().map(|started| &started.profile);
    let acts = profile.into_iter().flat_map(|profile| profile.acts.iter());
    let mut admitted: Vec<_> = acts
        .flat_map(|(_, act)| {
            let shares = act.seen_by.iter().filter_map(|sight| match sight {
                Sight::Admitted(admission) => Some(admission.share.get()),
                _ => None,
            });
            let done = act.original.iter().filter(|tried| tried.result == Outcome::Ok);
            let takes = act.takes.unwrap_or_default().0;
            done.zip(shares)
                .map(move |(tried, share)| (tried.at.0 + takes, share))
        })
        .collect();
    admitted.sort_by_key(|(from, _)| *from);
    admitted
}

fn row(name: &str, from: Option<Stamp>, to: Option<Stamp>, original: Option<Duration>, why: &str) -> Row {
    let both = from.zip(to);
    Row {
        name: name.into(),
        story: both.map(|(from, to)| Span(to.story.saturating_sub(from.story))),
        wall: both.map(|(from, to)| Span(to.wall.saturating_sub(from.wall))),
        original: original.map(Span),
        why: both.is_none().then(|| why.to_owned()),
    }
}

/// From the first damage to the first alert that reached the proxy, and from there to its acknowledgement.
fn alerts(ledger: &Ledger, damage: Option<Stamp>, broke: Option<Duration>) -> [Row; 2] {
    let heard = |name: &str, since: Option<Stamp>| {
        let said = ledger.moments.iter().filter(|moment| match &moment.event {
            Event::Signalled(signal) => signal.name == name,
            Event::ActEnded(act) => act.act == name,
            _ => false,
        });
        said.map(|moment| moment.at)
            .find(|at| since.is_some_and(|since| *at >= since))
    };
    let named = |mark: &str| {
        let started = ledger.started.as_ref()?;
        started.profile.yardstick.marks.get(mark).map(|at| at.0)
    };
    let page = heard(PAGE, damage);
    let paged = named(PAGE);
    let answered = named("on_call").or_else(|| named(ACKNOWLEDGE));
    let between =
        |from: Option<Duration>, to: Option<Duration>| from.zip(to).map(|(from, to)| to.saturating_sub(from));
    [
        row(
            "detect: until an alert came in",
            damage,
            page,
            between(broke, paged),
            "no alert reached the proxy",
        ),
        row(
            "acknowledge: from the alert until somebody took it on",
            page,
            heard(ACKNOWLEDGE, page),
            between(paged, answered),
            match page {
                Some(_) => "nobody said so to the proxy",
                None => "no alert reached the proxy",
            },
        ),
    ]
}

/// From the first damage to the first try of an act that leads out of a phase, whatever came of it.
fn attempt(ledger: &Ledger, damage: Option<Stamp>, broke: Option<Duration>) -> Row {
    let profile = ledger.started.as_ref().map(|started| &started.profile);
    let ways = profile.into_iter().flat_map(|profile| &profile.phases);
    let cures: BTreeSet<&str> = ways
        .flat_map(|phase| &phase.leave)
        .filter_map(|leave| match &leave.when {
            When::Done(act) => Some(act.as_str()),
            _ => None,
        })
        .collect();
    let tries = ledger.moments.iter().filter(|moment| match &moment.event {
        Event::ActStarted(act) => cures.contains(act.act.as_str()),
        Event::ActEnded(act) => cures.contains(act.act.as_str()),
        _ => false,
    });
    let tries: Vec<_> = tries.map(|moment| moment.at).collect();
    // What was done before nobody had anything to cure.
    let first = tries
        .iter()
        .copied()
        .find(|at| damage.is_some_and(|damage| *at >= damage));
    let why = match (tries.as_slice(), damage) {
        ([], _) => "nothing was tried that leads out of a phase",
        (_, Some(_)) => "what was tried came before the first damage",
        (_, None) => "there was no damage",
    };
    let original = profile.and_then(|profile| {
        let acts = profile.acts.iter().filter(|(name, _)| cures.contains(*name));
        acts.flat_map(|(_, act)| act.original.iter().map(|tried| tried.at.0))
            .min()
    });
    row(
        "first attempt at a cure",
        damage,
        first,
        original.zip(broke).map(|(at, broke)| at.saturating_sub(broke)),
        why,
    )
}

/// From the first refusal of an act to the moment it was done.
fn refusals(ledger: &Ledger) -> Vec<Row> {
    let Some(started) = &ledger.started else {
        return Vec::new();
    };
    let first = |name: &str, result: Outcome| {
        let mut acts = ledger
            .acts()
            .filter(|(_, act)| act.act == name && act.result == result);
        acts.next().map(|(at, _)| at)
    };
    let refused = started.profile.acts.iter().filter_map(|(name, act)| {
        let refused = first(name, Outcome::Refused)?;
        let tried = |result| {
            act.originals()
                .find(|(.., came)| *came == result)
                .map(|(_, at, _)| at.0)
        };
        let original = tried(Outcome::Refused)
            .zip(tried(Outcome::Ok))
            .map(|(no, yes)| yes.saturating_sub(no));
        let title = format!("refused until done: `{name}`");
        Some(row(
            &title,
            Some(refused),
            first(name, Outcome::Ok),
            original,
            "it was never done",
        ))
    });
    refused.collect()
}
