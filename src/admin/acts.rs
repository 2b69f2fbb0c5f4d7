//! `/api/v1/acts`: what the responders do, declared.

use axum::Json;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Desk,
    ask::{Ask, Fields, Nothing},
    refusal::{Kind, Refusal},
    report,
};
use crate::drill::{Answer, Ledger, profile::Outcome};

/// An act of the drill.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ActStatus {
    /// Its name.
    pub name: String,
    /// What it is, in a few words.
    pub say: String,
    /// Whether it can be declared; otherwise the proxy must see it.
    pub declare: bool,
    /// Where it stands: `open`, `refused` or `done`.
    pub state: String,
}

/// An act to be declared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Declare {
    /// The act.
    pub name: String,
    /// What the journal should say with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

/// An act that was let through.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Declared {
    /// The act.
    pub name: String,
    /// Where it stands: `done`, or `under way until +82m`.
    pub state: String,
}

/// Lists the acts.
pub(super) async fn list(desk: Desk, _: Ask) -> Result<Json<Vec<ActStatus>>, Refusal> {
    let drill = desk.drill()?;
    let ledger = report::ledger(&desk, &drill.name).await?;
    let acts = drill.profile.acts.iter().map(|(name, act)| ActStatus {
        name: name.to_owned(),
        say: act.say.clone(),
        declare: act.declare,
        state: state(&ledger, name).to_owned(),
    });
    Ok(Json(acts.collect()))
}

/// Declares an act; a gate may refuse it.
pub(super) async fn declare(
    desk: Desk,
    ask: Ask<Nothing, Fields<Declare>>,
) -> Result<Json<Declared>, Refusal> {
    let drill = desk.drill()?;
    let Declare { name, text } = ask.body.0;
    if !drill.profile.acts.has(&name) {
        let known: Vec<_> = drill.profile.acts.names().collect();
        let mend = format!("there are {}", known.join(", "));
        return Err(Refusal::new(
            Kind::NotFound,
            format!("the drill has no act `{name}`"),
            mend,
        ));
    }
    let state = match drill.remote.act(&name, &ask.caller.name, text).await {
        Ok(Answer::Done) => "done".to_owned(),
        Ok(Answer::UnderWay(until)) => format!("under way until {}", until.rounded()),
        Ok(Answer::Waits { needs, by }) => format!(
            "declared by {}, and needs {} more",
            by.join(", "),
            needs.saturating_sub(by.len())
        ),
        Ok(Answer::Refused(words)) => {
            return Err(Refusal::new(
                Kind::ActRefused,
                words,
                "find out what is missing, and do that first",
            ));
        }
        Err(gone) => {
            return Err(Refusal::new(
                Kind::Conflict,
                gone.to_string(),
                "start the next one",
            ));
        }
    };
    Ok(Json(Declared { name, state }))
}

/// Where an act stands: what came of the last time it was tried.
fn state(ledger: &Ledger, name: &str) -> &'static str {
    match ledger.acts().filter(|(_, act)| act.act == name).last() {
        None => "open",
        Some((_, act)) if act.result == Outcome::Refused => "refused",
        Some(_) => "done",
    }
}
