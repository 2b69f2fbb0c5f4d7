//! `/api/v1/drill/start`: a drill on a proxy that runs.

use std::num::NonZeroU32;

use axum::Json;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use super::{
    Begin, Desk,
    ask::{Ask, Nothing, Settings},
    drill::{self, DrillStatus},
    refusal::{Kind, Refusal},
};
use crate::{
    control::ChangeError,
    drill::{Mode, Runbook, profile::Profile, profiles, sealed::Sealed},
    units::{Span, nearest},
};

/// A drill to be started.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Start {
    /// A profile that ships, by its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// A profile of one's own, in place of a name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub story: Option<Box<Profile>>,
    /// A profile under seal, in place of a name; such a drill is blind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sealed: Option<Sealed>,
    /// Whether one of those that ship is found by the seed, in place of a name.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub wheel: bool,
    /// Who drives.
    #[serde(default)]
    pub mode: Mode,
    /// Minutes of the story in a minute on the wall; by default what the profile says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait: Option<NonZeroU32>,
    /// A tighter limit on how long it may last on the wall.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_wall: Option<Span>,
    /// What is done in the team's place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runbook: Option<Runbook>,
    /// Whether those who take part must not know what it is about, until it is over.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub blind: bool,
    /// The seed of the wheel, and of what is varied in a blind drill; by default a new one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
}

/// Starts a drill.
pub(super) async fn start(
    desk: Desk,
    ask: Ask<Nothing, Settings<Start>>,
) -> Result<Json<DrillStatus>, Refusal> {
    if desk.control.panicked().is_some() {
        return Err(ChangeError::Panicked.into());
    }
    if let Ok(running) = desk.drill()
        && !running.remote.is_over()
    {
        return Err(Refusal::new(
            Kind::Conflict,
            format!("drill `{}` runs, and there is one at a time", running.name),
            "let it come to its end, or end it with `chaosproxy drill clear` (POST /api/v1/drill/clear)",
        ));
    }
    let sealed = ask.body.0.sealed.as_ref().map(|sealed| sealed.id.clone());
    let Start {
        profile,
        story,
        sealed: under_seal,
        wheel,
        mode,
        wait,
        max_wall,
        runbook,
        blind,
        seed,
    } = ask.body.0;
    let (answer, answered) = oneshot::channel();
    let begin = Begin {
        profile: chosen(profile, story, under_seal, wheel)?,
        blind: blind || sealed.is_some(),
        sealed,
        seed,
        mode,
        wait,
        max_wall,
        runbook,
        answer,
    };
    desk.starts.try_send(begin).map_err(|_| busy())?;
    answered.await.map_err(|_| busy())?.map_err(|why| {
        Refusal::new(
            Kind::Invalid,
            why,
            "`chaosproxy profiles show NAME` tells what a profile needs of the document",
        )
    })?;
    // A drill that has ended by now has shown itself, too.
    let _ = desk.drill()?.remote.views().wait_for(Option::is_some).await;
    drill::now(&desk).map(Json)
}

/// The profile that is asked for; nothing where the wheel is to find one.
pub(super) fn chosen(
    name: Option<String>,
    story: Option<Box<Profile>>,
    sealed: Option<Sealed>,
    wheel: bool,
) -> Result<Option<Profile>, Refusal> {
    match (name, story, sealed, wheel) {
        (None, None, None, true) => Ok(None),
        (None, Some(story), None, false) => Ok(Some(*story)),
        (None, None, Some(sealed), false) => sealed
            .open("sealed")
            .map(Some)
            .map_err(|problems| Refusal::problems("the profile", problems)),
        // A name is never taken for a file of this machine.
        (Some(name), None, None, false) if profiles::find(&name).is_some() => profiles::load(&name)
            .map(Some)
            .map_err(|problems| Refusal::problems("the profile", problems)),
        (Some(name), None, None, false) => {
            let known: Vec<_> = profiles::SHIPPED.iter().map(|shipped| shipped.name).collect();
            let near = nearest(&name, known.iter().copied());
            let near = near.map_or_else(String::new, |near| format!("did you mean `{near}`? "));
            Err(Refusal::new(
                Kind::NotFound,
                format!("no profile `{name}` ships with this proxy"),
                format!(
                    "{near}there are {}; send one of your own as `story`",
                    known.join(", ")
                ),
            ))
        }
        _ => Err(Refusal::new(
            Kind::Invalid,
            "a drill has one profile",
            "send one of `profile`, a name, `story`, a profile of your own, `sealed`, or `wheel`",
        )),
    }
}

fn busy() -> Refusal {
    Refusal::new(
        Kind::Conflict,
        "the proxy starts no drill now: it ends, or writes the report of the one before",
        "try again in a few seconds",
    )
}
