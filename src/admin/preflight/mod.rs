//! `/api/v1/drill/check`: what a drill needs, looked at before it begins, against the proxy that runs.
//!
//! A file for each thing that is looked at; each gives one line with its state and the next step. Looking changes nothing,
//! but for the emergency button, which is pressed only where that is asked for.

mod button;
mod people;
mod quiet;
mod reach;
mod roles;
mod traffic;

use axum::Json;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Desk,
    ask::{Ask, Nothing, Settings},
    refusal::{Kind, Refusal},
    start::{self, Start},
};
use crate::{
    config::Document,
    drill::{Mode, profile::Profile},
    units::Span,
};

/// A drill that is thought of.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Preflight {
    /// The drill, as it would be started.
    pub drill: Start,
    /// How long an alert takes to come in, by the rules of the monitoring; 5m unless said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alert_after: Option<Span>,
    /// Presses the emergency button for a moment, over one fault that hits nothing.
    #[serde(default)]
    pub test_panic: bool,
}

/// Whether a drill can begin.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Readiness {
    /// The profile.
    pub profile: String,
    /// Who would drive.
    pub mode: Mode,
    /// Whether nothing failed.
    pub ready: bool,
    /// What was looked at.
    pub lines: Vec<Line>,
}

/// Something that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Line {
    /// What.
    pub point: Point,
    /// How it stands.
    pub state: State,
    /// What was found.
    pub says: String,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub next: String,
}

/// What is looked at before a drill.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Point {
    /// Nothing else is under way: no drill, no fault, no panic.
    Quiet,
    /// The document binds what the profile needs, and lets its faults in.
    Roles,
    /// Users are served as they should be.
    Traffic,
    /// Backends are well.
    Health,
    /// How far the faults go, and the limits.
    Reach,
    /// Alerts come in here.
    Alert,
    /// An alert has the time to come.
    Pace,
    /// Somebody may do what must be done.
    People,
    /// The journal can be written.
    Journal,
    /// The emergency button works.
    Panic,
}

/// How something stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// As it should.
    Ok,
    /// The drill can begin, and will not show all that it could.
    Warning,
    /// The drill should not begin.
    Failed,
}

impl Line {
    fn ok(point: Point, says: impl Into<String>) -> Self {
        Self {
            point,
            state: State::Ok,
            says: says.into(),
            next: String::new(),
        }
    }

    fn warning(point: Point, says: impl Into<String>, next: impl Into<String>) -> Self {
        Self {
            state: State::Warning,
            next: next.into(),
            ..Self::ok(point, says)
        }
    }

    fn failed(point: Point, says: impl Into<String>, next: impl Into<String>) -> Self {
        Self {
            state: State::Failed,
            ..Self::warning(point, says, next)
        }
    }
}

/// A drill before it begins.
struct Plan<'a> {
    desk: &'a Desk,
    document: Document,
    profile: Profile,
    mode: Mode,
    /// Whether people are to act: not in a replay, nor where a runbook acts in their place.
    peopled: bool,
    /// Whether those who take part must not know what it is about.
    blind: bool,
}

/// Looks at all that a drill needs.
pub(super) async fn check(
    desk: Desk,
    ask: Ask<Nothing, Settings<Preflight>>,
) -> Result<Json<Readiness>, Refusal> {
    let Preflight {
        drill,
        alert_after,
        test_panic,
    } = ask.body.0;
    let asked = drill.clone();
    let profile = start::chosen(asked.profile, asked.story, asked.sealed, asked.wheel)?;
    let profile = profile.ok_or_else(|| {
        Refusal::new(
            Kind::Invalid,
            "the wheel finds its incident only when the drill begins",
            "check those that may come by their names",
        )
    })?;
    let plan = Plan {
        document: desk.control.document(),
        profile: profile.expand(),
        mode: drill.mode,
        peopled: drill.mode != Mode::Replay && drill.runbook.is_none(),
        blind: drill.blind || drill.sealed.is_some(),
        desk: &desk,
    };
    let quiet = quiet::quiet(&desk);
    let (script, roles) = roles::roles(&plan, &drill);
    let seen = traffic::watch(&plan).await;
    let mut lines = vec![
        roles,
        traffic::traffic(&seen),
        traffic::health(&plan),
        reach::reach(&plan, &seen),
        people::alert(&desk),
        people::pace(&plan, script.as_ref(), alert_after),
        people::people(&plan),
        quiet::journal(&desk),
        button::panic(&desk, &ask.caller, &quiet, test_panic).await,
    ];
    lines.insert(0, quiet);
    Ok(Json(Readiness {
        profile: plan.profile.name.clone(),
        mode: plan.mode,
        ready: lines.iter().all(|line| line.state != State::Failed),
        lines,
    }))
}
