//! Alertmanager's webhook, version 4, and Grafana's, which is of the same shape.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{PAGE, RESOLVE, Signal, Unreadable, json};

/// A notification: a group of alerts. What a drill does not need is left unread.
#[derive(Deserialize)]
struct Notification {
    alerts: Vec<Alert>,
    /// Grafana's own line about the group.
    #[serde(default)]
    title: Option<String>,
}

#[derive(Deserialize)]
struct Alert {
    status: Status,
    #[serde(default)]
    labels: BTreeMap<String, String>,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Status {
    Firing,
    Resolved,
}

/// Reads a notification of Alertmanager or Grafana. It is a page as long as one of its alerts fires.
pub fn alerts(tool: &str, text: &str) -> Result<Option<Signal>, Unreadable> {
    let notification: Notification = json(text)?;
    if notification.alerts.is_empty() {
        return Ok(None);
    }
    let fires = notification
        .alerts
        .iter()
        .any(|alert| alert.status == Status::Firing);
    let status = if fires { Status::Firing } else { Status::Resolved };
    let alerts = notification.alerts.iter().filter(|alert| alert.status == status);
    let mut names: Vec<&str> = alerts
        .filter_map(|alert| alert.labels.get("alertname").map(String::as_str))
        .collect();
    names.dedup();
    let named = names.join(", ");
    let about = if named.is_empty() {
        notification.title.unwrap_or_default()
    } else {
        named
    };
    Ok(Some(Signal::new(
        if fires { PAGE } else { RESOLVE },
        tool,
        &about,
    )))
}
