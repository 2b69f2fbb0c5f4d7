//! Any other tool's webhook, with a rule that says where in its JSON to look.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Signal, Unreadable, json};

/// Where in a body to look. Places are JSON pointers (RFC 6901), such as `/alert/state`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Mapping {
    /// What it means: `page`, `acknowledge`, `resolve`, or a word of one's own.
    pub signal: String,
    /// The place that decides whether it means that; left out: whatever comes does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
    /// What must stand there; left out: anything but `false`, `null` and nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub is: Option<String>,
    /// The place of a text to keep with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// What the tool is called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
}

/// Whether a signal may be called so.
pub fn is_name(signal: &str) -> bool {
    let word_like = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    (1..=64).contains(&signal.len()) && signal.chars().all(word_like)
}

/// Reads a body by a rule.
pub fn mapped(mapping: &Mapping, text: &str) -> Result<Option<Signal>, Unreadable> {
    let Mapping {
        signal,
        at,
        is,
        text: about,
        from,
    } = mapping;
    for pointer in at.iter().chain(about) {
        if !pointer.is_empty() && !pointer.starts_with('/') {
            return Err(Unreadable(format!(
                "`{pointer}` is no JSON pointer: it begins with `/`, as in `/alert/state`"
            )));
        }
    }
    if is.is_some() && at.is_none() {
        return Err(Unreadable(
            "`is` says what must stand at a place, and `at` is missing".to_owned(),
        ));
    }
    if !is_name(signal) {
        return Err(Unreadable(format!(
            "`{signal}` is no name of a signal: use letters, digits, `-` and `_`"
        )));
    }
    let body: Value = if text.trim().is_empty() {
        Value::Null
    } else {
        json(text)?
    };
    if let Some(at) = at {
        let found = body.pointer(at).map(plain);
        let meant = match is {
            Some(is) => found.as_ref() == Some(is),
            None => found.is_some_and(|found| !matches!(found.as_str(), "" | "false" | "null")),
        };
        if !meant {
            return Ok(None);
        }
    }
    let about = about.as_ref().and_then(|about| body.pointer(about)).map(plain);
    let from = from.as_deref().unwrap_or("webhook");
    Ok(Some(Signal::new(
        signal,
        &super::shortened(from),
        &about.unwrap_or_default(),
    )))
}

/// A value as a text: strings without their quotes.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
