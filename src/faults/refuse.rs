//! `refuse`: connections are refused, as if nobody listened.

use http::request;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    cutting::Moment,
    doc::{Doc, Hook},
    entry::is_default,
    hook::{Acts, Ask, Flow, Verdict},
    line::{Cut, Shape},
};
use crate::units::Span;

/// Refuses connections, as if nobody listened.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Refuse {
    /// What becomes of connections that stand already. Default: `keep`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub standing: Standing,
}

/// What becomes of connections that stand already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// They go on.
    #[default]
    Keep,
    /// They end with RST.
    Reset,
    /// They end with FIN.
    Close,
}

/// The page of `refuse`.
pub(super) const DOC: Doc = Doc {
    kind: "refuse",
    does: "Refuses connections, as if nobody listened; those that stand are kept, reset or closed",
    acts_at: &[Hook::Connection, Hook::Open, Hook::Flow],
    settings: &[(
        "standing",
        "what becomes of connections that stand: keep, reset or close (keep)",
    )],
    examples: &[
        r#"{where: {cluster: orders-db}, do: {refuse: {standing: reset}}}"#,
        r#"{odds: 30%, do: refuse}"#,
    ],
};

impl Acts for Refuse {
    fn doc(&self) -> &'static Doc {
        &DOC
    }

    fn ends(&self) -> bool {
        true
    }

    fn open(&self, _: &mut Ask, _: Option<&mut request::Parts>) -> Verdict {
        Verdict::Cut(Cut::Refuse)
    }

    fn ends_silence(&self) -> Option<(Cut, Span)> {
        self.standing_ends()?.ends_silence()
    }

    fn flow(&self, ask: &mut Ask, direction: Flow) -> Option<Box<dyn Shape>> {
        self.standing_ends()?.shaper(ask.since, direction)
    }
}

impl Refuse {
    /// A new connection is refused at `open`, so a flow that asks belongs to one that stood already.
    fn standing_ends(&self) -> Option<Moment> {
        let cut = match self.standing {
            Standing::Keep => return None,
            Standing::Reset => Cut::Reset,
            Standing::Close => Cut::Close,
        };
        Some(Moment {
            cut,
            after_bytes: None,
            after: None,
            flow: Flow::Reply,
        })
    }
}
