//! `abort`: an answer in the backend's place.

use std::sync::Arc;

use bytes::Bytes;
use http::{StatusCode, request};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    answer::{Answer, Fields, Grpc, Status, grpc_message},
    doc::Doc,
    entry::is_default,
    hook::{Acts, Ask, Hook, Verdict},
};

/// Answers in the backend's place.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Abort {
    /// The status of the answer, 200 to 599. Default: 503.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<Status>,
    /// Its header fields.
    #[serde(default, skip_serializing_if = "Fields::is_empty")]
    pub headers: Fields,
    /// Its body. Default: none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub body: String,
    /// The status that a gRPC client gets, 0 to 16. Default: the one that fits the HTTP status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = 16))]
    pub grpc_status: Option<u8>,
    /// The message that goes with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grpc_message: Option<String>,
    /// Asks the backend all the same and throws its answer away: **what the request does is done**. Default: false.
    #[serde(default, skip_serializing_if = "is_default")]
    pub after: bool,
}

/// The page of `abort`.
pub(super) const DOC: Doc = Doc {
    kind: "abort",
    does: "Answers in the backend's place, without asking it unless `after: true` says so",
    acts_at: &[Hook::Open],
    settings: &[
        ("status", "the status of the answer, 200 to 599 (503)"),
        ("headers", "its header fields (none)"),
        ("body", "its body (none)"),
        (
            "grpc_status",
            "the status that a gRPC client gets, 0 to 16 (what fits `status`)",
        ),
        ("grpc_message", "the message that goes with it (none)"),
        (
            "after",
            "asks the backend all the same: a write then has happened (false)",
        ),
    ],
    examples: &[
        r#"{odds: 5%, do: {abort: {status: 500, body: "Fatal error: failed opening required file"}}}"#,
        r#"{do: {abort: {status: 429, headers: {retry-after: "30"}}}}"#,
        r#"{do: {abort: {grpc_status: 14, grpc_message: "no healthy backend"}}}"#,
        r#"{do: {abort: {status: 500, after: true}}}"#,
    ],
};

impl Abort {
    pub(super) fn compile(&self) -> Compiled {
        let grpc = self.grpc_status.map(|code| Grpc {
            code,
            message: self.grpc_message.as_deref().map(grpc_message),
        });
        Compiled(Arc::new(Answer {
            status: self.status.map_or(StatusCode::SERVICE_UNAVAILABLE, Status::code),
            headers: self.headers.map().clone(),
            body: Bytes::copy_from_slice(self.body.as_bytes()),
            grpc,
            after: self.after,
        }))
    }
}

/// An abort with its answer made once.
#[derive(Debug)]
pub(super) struct Compiled(Arc<Answer>);

impl Acts for Compiled {
    fn doc(&self) -> &'static Doc {
        &DOC
    }

    fn ends(&self) -> bool {
        true
    }

    fn open(&self, _: &mut Ask, _: Option<&mut request::Parts>) -> Verdict {
        Verdict::Answer(Arc::clone(&self.0))
    }
}
