//! `/api/v1/webhooks/...`: what alerting tools, pagers and other tools say while a drill runs.
//!
//! A receiver is set up once and stays: outside a drill what it says is heard and not noted. An observer's token is enough,
//! so that a tool's token can change nothing.

use axum::Json;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};

use super::{
    Desk,
    ask::{Ask, Body, Nothing},
    heard::Tool,
    refusal::{Kind, Refusal},
};
use crate::drill::signal::{self, Mapping, Signal, Unreadable};

/// The body of a tool's webhook, as it came.
#[derive(Clone, Debug)]
pub(super) struct Foreign(String);

impl Body for Foreign {
    const MEDIA: &'static [&'static str] = &["application/json"];

    fn take(_: &str, text: &str) -> Result<Self, Refusal> {
        Ok(Self(text.to_owned()))
    }

    fn schema(_: &mut SchemaGenerator) -> Option<Schema> {
        Some(schemars::json_schema!({"type": "object", "description": "what the tool sends"}))
    }
}

/// What was made of a webhook.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Heard {
    /// What it says; nothing where it says nothing that a drill measures.
    pub signal: Option<Signal>,
    /// Whether it stands in a drill's journal now: only while one runs.
    pub noted: bool,
}

/// Lists the tools that were heard since the proxy began.
pub(super) fn list(desk: &Desk, _: &Ask) -> Result<Json<Vec<Tool>>, Refusal> {
    Ok(Json(desk.heard.tools()))
}

/// Hears Alertmanager.
pub(super) fn alertmanager(desk: &Desk, ask: &Ask<Nothing, Foreign>) -> Result<Json<Heard>, Refusal> {
    hear(desk, "Alertmanager", signal::alerts("Alertmanager", &ask.body.0))
}

/// Hears Grafana.
pub(super) fn grafana(desk: &Desk, ask: &Ask<Nothing, Foreign>) -> Result<Json<Heard>, Refusal> {
    hear(desk, "Grafana", signal::alerts("Grafana", &ask.body.0))
}

/// Hears PagerDuty.
pub(super) fn pagerduty(desk: &Desk, ask: &Ask<Nothing, Foreign>) -> Result<Json<Heard>, Refusal> {
    hear(desk, "PagerDuty", signal::pagerduty(&ask.body.0))
}

/// Hears any other tool, by the rule in the query.
pub(super) fn mapped(desk: &Desk, ask: &Ask<Mapping, Foreign>) -> Result<Json<Heard>, Refusal> {
    hear(desk, RULE, signal::mapped(&ask.at, &ask.body.0))
}

/// Any tool that is read by a rule.
const RULE: &str = "the rule";

fn hear(
    desk: &Desk,
    tool: &'static str,
    read: Result<Option<Signal>, Unreadable>,
) -> Result<Json<Heard>, Refusal> {
    let signal = read.map_err(|why| {
        Refusal::new(
            Kind::Invalid,
            format!("that is not what {tool} sends: {why}"),
            "see docs/drills.md for how each tool is set up",
        )
    })?;
    desk.heard.note(tool, signal.clone());
    let drill = desk.stage.borrow().clone();
    let noted = match (&signal, drill) {
        (Some(signal), Some(drill)) => drill.remote.signal(signal.clone()).is_ok(),
        _ => false,
    };
    Ok(Json(Heard { signal, noted }))
}
