//! `hang`: no answer ever comes.

use http::{request, response};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    doc::{Doc, Hook},
    entry::is_default,
    hook::{Acts, Ask, Hold, Release, Verdict},
};

/// Never answers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Hang {
    /// When it hangs. Default: `open`, before anything is sent; with `reply` what the request does is done.
    #[serde(default, skip_serializing_if = "is_default")]
    pub at: At,
    /// What held exchanges do once the fault is lifted: `go_on`, or end as `unavailable` with 503. Default: `go_on`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub on_lift: Release,
}

/// When an exchange hangs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum At {
    /// Before anything is sent.
    #[default]
    Open,
    /// When the head of the answer is there.
    Reply,
}

/// The page of `hang`.
pub(super) const DOC: Doc = Doc {
    kind: "hang",
    does: "Never answers; when it is lifted, held exchanges go on in order or end with 503 (commands of databases with `internal_error`)",
    acts_at: &[Hook::Open, Hook::Reply],
    settings: &[
        ("at", "open, or reply: then what the request does is done (open)"),
        (
            "on_lift",
            "what held exchanges do when it is lifted: go_on or unavailable (go_on)",
        ),
    ],
    examples: &[
        r#"{where: {match: {path: /auth/**}}, do: hang}"#,
        r#"{do: {hang: {at: reply, on_lift: unavailable}}}"#,
    ],
};

impl Hang {
    fn verdict(&self, at: At) -> Verdict {
        if self.at == at {
            Verdict::Hold(Hold {
                release: self.on_lift,
            })
        } else {
            Verdict::Pass
        }
    }
}

impl Acts for Hang {
    fn doc(&self) -> &'static Doc {
        &DOC
    }

    fn ends(&self) -> bool {
        self.at == At::Open
    }

    fn open(&self, _: &mut Ask, _: Option<&mut request::Parts>) -> Verdict {
        self.verdict(At::Open)
    }

    fn reply(&self, _: &mut Ask, _: &mut response::Parts) -> Verdict {
        self.verdict(At::Reply)
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;
    use crate::faults::trial::{fault, open, plan, reply};

    #[test]
    fn an_exchange_is_held_where_it_is_written_and_released_as_it_is_written() {
        let now = Instant::now();
        let check = |kind: &str, at: At, release: Release| {
            let fault = fault(kind, now);
            let verdict = match at {
                At::Open => open(&fault, 1, now),
                At::Reply => plan(&[fault], 1).reply(0, now, &mut reply(200)),
            };
            assert!(
                matches!(verdict, Verdict::Hold(hold) if hold.release == release),
                "{kind}"
            );
        };
        check("hang", At::Open, Release::GoOn);
        check("{hang: {on_lift: unavailable}}", At::Open, Release::Unavailable);
        check("{hang: {at: reply}}", At::Reply, Release::GoOn);
    }
}
