//! `/api/v1/drill` and `/api/v1/verdict`: the drill that runs, or ran last, and what it comes to.

use axum::Json;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Desk,
    ask::Ask,
    refusal::{Kind, Refusal},
    report,
};
use crate::drill::{Judgement, Ledger, Verdict, View, verdict::CheckResult};

/// A drill now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DrillStatus {
    /// Its name.
    pub drill: String,
    /// The profile.
    pub profile: String,
    /// Whether those who take part must not know what it is about.
    #[serde(default)]
    pub blind: bool,
    /// Whether it is over.
    #[serde(default)]
    pub over: bool,
    /// Whether what it is about is kept from whoever asks.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub sealed: bool,
    /// What there is to see; nothing before it has begun.
    pub view: Option<View>,
    /// The hint that was given just now, for whoever gave it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

/// What a drill comes to, as far as that can be said.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Judged {
    /// Its name.
    pub drill: String,
    /// Whether it is over. Before that, what has not been evaluated yet counts neither way.
    pub over: bool,
    /// The verdict with its checks.
    pub judgement: Judgement,
}

/// Shows the drill.
pub(super) fn show(desk: &Desk, _: &Ask) -> Result<Json<DrillStatus>, Refusal> {
    now(desk).map(Json)
}

/// How the verdict is wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
pub(super) struct Wanted {
    /// Only once the drill is over: before that, the answer is 409, whatever holds so far.
    #[serde(default)]
    over: bool,
}

/// Answers 200 when the checks hold and 409 when one does not, so that the status alone is enough.
pub(super) async fn verdict(desk: Desk, ask: Ask<Wanted>) -> Result<Json<Judged>, Refusal> {
    let drill = desk.drill()?.name;
    let judged = judged(drill.clone(), &report::ledger(&desk, &drill).await?);
    if ask.at.over && !judged.over {
        return Err(Refusal::new(
            Kind::NotHeld,
            "the drill is not over, so there is no verdict yet",
            "ask again when it is, or without `over` for what holds so far",
        ));
    }
    match objection(&judged) {
        None => Ok(Json(judged)),
        Some(objection) => Err(Refusal::new(
            Kind::NotHeld,
            objection,
            format!("`chaosproxy report {drill}` (GET /api/v1/report) tells what was measured"),
        )),
    }
}

pub(super) fn now(desk: &Desk) -> Result<DrillStatus, Refusal> {
    let drill = desk.drill()?;
    Ok(DrillStatus {
        drill: drill.name,
        profile: drill.profile.name.clone(),
        blind: drill.blind,
        over: drill.remote.is_over(),
        sealed: false,
        view: drill.remote.view(),
        hint: None,
    })
}

fn judged(drill: String, ledger: &Ledger) -> Judged {
    Judged {
        drill,
        over: ledger.ended.is_some(),
        judgement: crate::drill::judge::judge(ledger),
    }
}

/// Why the checks do not hold; nothing when they do.
fn objection(judged: &Judged) -> Option<String> {
    let Judged { over, judgement, .. } = judged;
    if *over && judgement.verdict != Verdict::Held {
        return Some(format!("the verdict is `{}`", word(judgement.verdict)));
    }
    let failed = judgement
        .checks
        .iter()
        .filter(|check| check.result == CheckResult::Failed);
    let failed: Vec<_> = failed
        .map(|check| format!("{} in {}: wanted {}", check.what, check.phase, check.wanted))
        .collect();
    (!failed.is_empty()).then(|| failed.join("; "))
}

/// A verdict as the API writes it.
fn word(verdict: Verdict) -> String {
    serde_json::to_value(verdict)
        .ok()
        .and_then(|word| word.as_str().map(str::to_owned))
        .unwrap_or_default()
}
