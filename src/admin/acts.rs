//! `/api/v1/acts`: what the responders do, declared.

use axum::Json;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Desk, Drill,
    ask::{Ask, Fields, Nothing},
    refusal::{Kind, Refusal},
    report,
};
use crate::drill::{
    Answer, Ledger,
    event::{Event, Known},
    lead::Verb,
    plain::menu,
    profile::Outcome,
};

/// An act of the drill.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ActStatus {
    /// Its name.
    pub name: String,
    /// What it is, in a few words.
    pub say: String,
    /// Whether it can be declared; otherwise the proxy must see it.
    pub declare: bool,
    /// Where it stands: `open`, `under way`, `refused` or `done`.
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
    /// Where it stands: `done`, or `under way until +82m of the story`.
    pub state: String,
    /// What the proxy has done itself in the caller's place, as commands; left out where it has done nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by_proxy: Option<String>,
}

impl Declared {
    /// How the state of an act begins that takes its time.
    pub(super) const UNDER_WAY: &str = "under way";
}

/// Lists the acts; to those who must not know what the drill is about, the acts of all profiles.
pub(super) async fn list(desk: Desk, ask: Ask) -> Result<Json<Vec<ActStatus>>, Refusal> {
    let drill = desk.drill()?;
    let ledger = report::ledger(&desk, &drill.name).await?;
    if desk.clearance(ask.caller.role).is_blind() {
        let acts = menu(&drill.profile).into_iter();
        return Ok(Json(acts.map(|(name, say)| listed(&ledger, name, say)).collect()));
    }
    let acts = drill.profile.acts.iter().map(|(name, act)| ActStatus {
        name: name.to_owned(),
        say: act.say.clone(),
        declare: act.declare,
        state: state(&ledger, name, |_| true).to_owned(),
    });
    Ok(Json(acts.collect()))
}

/// Declares an act; a gate may refuse it.
pub(super) async fn declare(
    desk: Desk,
    ask: Ask<Nothing, Fields<Declare>>,
) -> Result<Json<Declared>, Refusal> {
    let drill = desk.drill()?;
    let blind = desk.clearance(ask.caller.role).is_blind();
    let Declare { name, text } = ask.body.0;
    let counts = match blind {
        true => drill.profile.acts.get(&name).is_some_and(|act| act.declare),
        false => drill.profile.acts.has(&name),
    };
    let by = &ask.caller.name;
    let answer = match counts {
        true => drill.remote.act(&name, by, text).await,
        false if blind && menu(&drill.profile).contains_key(&name) => {
            let note = Verb::Note(foreign(&name, text.as_deref()));
            drill.remote.lead(note, by).await
        }
        false => return Err(unknown(&drill, blind, &name)),
    };
    let mut by_proxy = None;
    let state = match answer {
        Ok(Answer::Done) => "done".to_owned(),
        Ok(Answer::Performed(commands)) => {
            by_proxy = Some(commands);
            "done".to_owned()
        }
        Ok(Answer::UnderWay(until)) => {
            format!("{} until {} of the story", Declared::UNDER_WAY, until.rounded())
        }
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
    Ok(Json(Declared {
        name,
        state,
        by_proxy,
    }))
}

fn unknown(drill: &Drill, blind: bool, name: &str) -> Refusal {
    let known: Vec<_> = match blind {
        true => menu(&drill.profile).into_keys().collect(),
        false => drill.profile.acts.names().map(str::to_owned).collect(),
    };
    Refusal::new(
        Kind::NotFound,
        format!("the drill has no act `{name}`"),
        format!("there are {}", known.join(", ")),
    )
}

/// What the journal says where somebody declares an act that the profile does not know, and must not find that out.
fn foreign(name: &str, text: Option<&str>) -> String {
    let text = text.map(|text| format!(": {text}")).unwrap_or_default();
    format!("act `{name}`{text}")
}

/// An act on the menu. What the proxy saw of it is no secret, but that it looked for it is.
fn listed(ledger: &Ledger, name: String, say: String) -> ActStatus {
    let begins = foreign(&name, None);
    let noted = ledger.moments.iter().any(|moment| match &moment.event {
        Event::Noted(note) => note.text.starts_with(&begins),
        _ => false,
    });
    let state = match noted {
        true => "done",
        false => state(ledger, &name, |known| known == Known::Declared),
    };
    ActStatus {
        name,
        say,
        declare: true,
        state: state.to_owned(),
    }
}

/// Where an act stands: what came of the last time it was tried, of those times that are known like this.
fn state(ledger: &Ledger, name: &str, counts: impl Fn(Known) -> bool) -> &'static str {
    let stands = |event: &Event| match event {
        Event::ActStarted(act) if act.act == name && counts(act.known) => Some(Declared::UNDER_WAY),
        Event::ActEnded(act) if act.act == name && counts(act.known) => Some(match act.result {
            Outcome::Refused => "refused",
            Outcome::Ok => "done",
        }),
        _ => None,
    };
    let moments = ledger.moments.iter().rev();
    moments
        .map(|moment| &moment.event)
        .find_map(stands)
        .unwrap_or("open")
}
