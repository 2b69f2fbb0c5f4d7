//! `close`: connections end in good order, with FIN, but too early.

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
use crate::units::{ByteSize, Span};

/// Ends connections with FIN, standing ones too: what is on its way arrives.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Close {
    /// Only once so many bytes have passed. Default: at the start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after_bytes: Option<ByteSize>,
    /// Only so long after bytes could begin to flow. Default: at the start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Span>,
    /// With `after_bytes`, the direction of the bytes that are counted. Default: `reply`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub flow: Flow,
}

/// The page of `close`.
pub(super) const DOC: Doc = Doc {
    kind: "close",
    does: "Ends connections with FIN, standing ones too: at the start, after some bytes or after a time",
    acts_at: &[Hook::Open, Hook::Flow],
    settings: &[
        (
            "after_bytes",
            "only once so many bytes have passed (at the start)",
        ),
        ("after", "only after so long (at the start)"),
        (
            "flow",
            "with `after_bytes`, the direction that is counted: request or reply (reply)",
        ),
    ],
    examples: &[
        r#"{odds: 10%, do: close}"#,
        r#"{do: {close: {after_bytes: 4KiB}}}"#,
        r#"{do: {close: {after: 2s}}}"#,
    ],
};

impl Close {
    fn moment(&self) -> Moment {
        Moment {
            cut: Cut::Close,
            after_bytes: self.after_bytes,
            after: self.after,
            flow: self.flow,
        }
    }
}

impl Acts for Close {
    fn doc(&self) -> &'static Doc {
        &DOC
    }

    fn ends(&self) -> bool {
        self.moment().is_at_start()
    }

    fn open(&self, _: &mut Ask, _: Option<&mut request::Parts>) -> Verdict {
        self.moment().open()
    }

    fn ends_silence(&self) -> Option<(Cut, Span)> {
        self.moment().ends_silence()
    }

    fn flow(&self, ask: &mut Ask, direction: Flow) -> Option<Box<dyn Shape>> {
        self.moment().shaper(ask.since, direction)
    }
}
