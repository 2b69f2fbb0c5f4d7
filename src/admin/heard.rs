//! Which tools have said something since the proxy began: whoever plans a drill wants to know that alerts come in.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::{
    drill::signal::{PAGE, Signal},
    units::Span,
};

/// A tool that was heard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Tool {
    /// Which.
    pub tool: String,
    /// How many alerts it sent.
    pub pages: u64,
    /// When it said something last.
    pub ago: Span,
    /// What that was; nothing where it said nothing that a drill measures.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signal: Option<Signal>,
}

/// What every tool said last. There are as many as there are webhooks.
#[derive(Debug, Default)]
pub(super) struct Heard(Mutex<BTreeMap<&'static str, Voice>>);

#[derive(Debug)]
struct Voice {
    at: Instant,
    signal: Option<Signal>,
    pages: u64,
}

impl Heard {
    /// Remembers that a tool said something.
    pub(super) fn note(&self, tool: &'static str, signal: Option<Signal>) {
        let mut heard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let earlier = heard.get(tool).map_or(0, |voice| voice.pages);
        let page = signal.as_ref().is_some_and(|signal| signal.name == PAGE);
        let voice = Voice {
            at: Instant::now(),
            signal,
            pages: earlier + u64::from(page),
        };
        heard.insert(tool, voice);
    }

    /// The tools that were heard.
    pub(super) fn tools(&self) -> Vec<Tool> {
        let heard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let tool = |(tool, voice): (&&str, &Voice)| Tool {
            tool: (*tool).to_owned(),
            pages: voice.pages,
            ago: Span::secs(voice.at.elapsed().as_secs()),
            signal: voice.signal.clone(),
        };
        heard.iter().map(tool).collect()
    }
}
