//! PagerDuty's webhook, version 3.

use serde::Deserialize;

use super::{ACKNOWLEDGE, PAGE, RESOLVE, Signal, Unreadable, json};

#[derive(Deserialize)]
struct Webhook {
    event: Event,
}

/// An event. What a drill does not need is left unread.
#[derive(Deserialize)]
struct Event {
    event_type: String,
    #[serde(default)]
    agent: Option<Named>,
    #[serde(default)]
    data: Data,
}

#[derive(Default, Deserialize)]
struct Data {
    #[serde(default)]
    title: Option<String>,
}

#[derive(Deserialize)]
struct Named {
    #[serde(default)]
    summary: Option<String>,
}

/// Reads an event of PagerDuty. Of the life of an incident only its beginning, its acknowledgement and its end are signals.
pub fn pagerduty(text: &str) -> Result<Option<Signal>, Unreadable> {
    let Webhook { event } = json(text)?;
    let name = match event.event_type.as_str() {
        "incident.triggered" => PAGE,
        "incident.acknowledged" => ACKNOWLEDGE,
        "incident.resolved" => RESOLVE,
        _ => return Ok(None),
    };
    let title = event.data.title.unwrap_or_default();
    let who = event.agent.and_then(|agent| agent.summary);
    let about = match who {
        Some(who) if name != PAGE => format!("{title} ({who})"),
        _ => title,
    };
    Ok(Some(Signal::new(name, "PagerDuty", &about)))
}
