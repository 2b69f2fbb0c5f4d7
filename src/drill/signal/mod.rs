//! Signals from outside: what an alerting tool, a pager or any other tool says, read from the body of its webhook.
//!
//! Each reader is pure, from text to [`Signal`]; bodies are those of the tools' public documentation. A webhook that says
//! nothing that a drill measures, such as a comment on an incident, is no signal and no error.

mod alerts;
mod mapped;
mod pagerduty;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::{
    alerts::alerts,
    mapped::{Mapping, is_name, mapped},
    pagerduty::pagerduty,
};

/// An alert reached people: the time to detect ends with it.
pub const PAGE: &str = "page";
/// Somebody took it on: the time to acknowledge ends with it.
pub const ACKNOWLEDGE: &str = "acknowledge";
/// The alert has gone.
pub const RESOLVE: &str = "resolve";

/// The names of alerts are shown; more than this of them is left out.
const LONGEST: usize = 200;

/// Something that a tool outside says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Signal {
    /// What it means to a drill: [`PAGE`], [`ACKNOWLEDGE`], [`RESOLVE`], or a word of one's own.
    pub name: String,
    /// The tool that said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// What it is about, in the tool's own words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

impl Signal {
    /// A signal with a text, shortened where it is long; an empty one is left out.
    fn new(name: &str, from: &str, text: &str) -> Self {
        let text = shortened(text.trim());
        Self {
            name: name.to_owned(),
            from: Some(from.to_owned()),
            text: (!text.is_empty()).then_some(text),
        }
    }
}

impl Signal {
    /// Who said so, and what it is about.
    pub fn about(&self) -> Option<String> {
        match (&self.from, &self.text) {
            (Some(from), Some(text)) => Some(format!("{from}: {text}")),
            (one, None) | (None, one) => one.clone(),
        }
    }
}

impl From<&str> for Signal {
    fn from(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            ..Self::default()
        }
    }
}

/// The body of a webhook is not what the tool is known to send.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unreadable(String);

fn json<'de, T: Deserialize<'de>>(text: &'de str) -> Result<T, Unreadable> {
    serde_json::from_str(text).map_err(|error| Unreadable(error.to_string()))
}

/// A text without control characters and no longer than it may be.
fn shortened(text: &str) -> String {
    let plain = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    let mut kept: String = plain.take(LONGEST + 1).collect();
    if kept.chars().count() > LONGEST {
        kept = kept.chars().take(LONGEST - 1).chain(['…']).collect();
    }
    kept
}

#[cfg(test)]
mod tests;
