//! `reset`: connections end with RST, and what is on its way is lost.

use http::request;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    cutting::{Moment, Since, Trap},
    doc::{Doc, Hook},
    entry::is_default,
    hook::{Acts, Ask, Flow, Verdict},
    line::{Cut, Shape},
};
use crate::units::{ByteSize, Span};

/// Ends connections with RST, standing ones too.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Reset {
    /// Only once so many bytes have passed. Default: at the start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after_bytes: Option<ByteSize>,
    /// Only so long after bytes could begin to flow. Default: at the start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Span>,
    /// From when `after` counts: the `start`, or the first `data` in `flow`, which is lost with all that follows; until some
    /// comes, nothing happens. Default: `start`.
    #[serde(default = "at_start", skip_serializing_if = "is_at_start")]
    pub since: Since,
    /// With `after_bytes` or `since: data`, the direction that is looked at. Default: `reply`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub flow: Flow,
}

const fn at_start() -> Since {
    Since::Start
}

fn is_at_start(since: &Since) -> bool {
    *since == Since::Start
}

impl Default for Reset {
    fn default() -> Self {
        Self {
            after_bytes: None,
            after: None,
            since: Since::Start,
            flow: Flow::default(),
        }
    }
}

/// The page of `reset`.
pub(super) const DOC: Doc = Doc {
    kind: "reset",
    does: "Ends connections with RST, standing ones too: at the start, after some bytes or after a time",
    acts_at: &[Hook::Open, Hook::Flow],
    settings: &[
        (
            "after_bytes",
            "only once so many bytes have passed (at the start)",
        ),
        ("after", "only after so long (at the start)"),
        (
            "since",
            "from when `after` counts: start, or the first data, which is lost (start)",
        ),
        (
            "flow",
            "with `after_bytes` or `since: data`, the direction: request or reply (reply)",
        ),
    ],
    examples: &[
        r#"{odds: 10%, do: reset}"#,
        r#"{do: {reset: {after_bytes: 4KiB}}}"#,
        r#"{do: {reset: {after: 2s}}}"#,
        r#"{do: {reset: {since: data, flow: request}}}"#,
    ],
};

impl Reset {
    fn moment(&self) -> Moment {
        Moment {
            cut: Cut::Reset,
            after_bytes: self.after_bytes,
            after: self.after,
            flow: self.flow,
        }
    }
}

impl Acts for Reset {
    fn doc(&self) -> &'static Doc {
        &DOC
    }

    fn ends(&self) -> bool {
        self.moment().is_at_start() && self.since == Since::Start
    }

    fn open(&self, _: &mut Ask, _: Option<&mut request::Parts>) -> Verdict {
        if self.since == Since::Data {
            return Verdict::Pass;
        }
        self.moment().open()
    }

    fn ends_silence(&self) -> Option<(Cut, Span)> {
        match self.since {
            Since::Start => self.moment().ends_silence(),
            Since::Data => None,
        }
    }

    fn flow(&self, ask: &mut Ask, direction: Flow) -> Option<Box<dyn Shape>> {
        if self.since == Since::Data && self.after_bytes.is_none() {
            let after = self.after.unwrap_or(Span::ZERO);
            return (self.flow == direction).then(|| Box::new(Trap::new(Cut::Reset, after)) as _);
        }
        self.moment().shaper(ask.since, direction)
    }
}
