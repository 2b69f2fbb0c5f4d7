//! `rewrite`: heads are changed on their way.

use std::str::FromStr;

use http::{
    HeaderMap, Uri, request, response,
    uri::{Parts, PathAndQuery},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    answer::{Fields, Status},
    doc::Doc,
    entry::is_default,
    hook::{Acts, Ask, Hook, Verdict},
};
use crate::{
    route::name::FieldName,
    units::{BadUnit, as_text},
};

/// Changes the head of the request, of the answer, or of both.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rewrite {
    /// What changes in the request.
    #[serde(default, skip_serializing_if = "is_default")]
    pub request: RequestHead,
    /// What changes in the answer.
    #[serde(default, skip_serializing_if = "is_default")]
    pub reply: ReplyHead,
}

/// What changes in the head of a request.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RequestHead {
    /// The path that takes the place of the request's; the query stays unless this has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<NewPath>,
    /// Header fields that are set.
    #[serde(default, skip_serializing_if = "Fields::is_empty")]
    pub set: Fields,
    /// Header fields that are removed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remove: Vec<FieldName>,
}

/// What changes in the head of an answer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReplyHead {
    /// The status that takes the place of the backend's, 200 to 599.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<Status>,
    /// Header fields that are set.
    #[serde(default, skip_serializing_if = "Fields::is_empty")]
    pub set: Fields,
    /// Header fields that are removed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remove: Vec<FieldName>,
}

/// A path for a request, with a query if wanted: `/v2/orders?debug=1`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewPath(PathAndQuery);

impl FromStr for NewPath {
    type Err = BadUnit;

    fn from_str(text: &str) -> Result<Self, BadUnit> {
        match text.parse() {
            Ok(path) if text.starts_with('/') => Ok(Self(path)),
            _ => Err(BadUnit::new(format!(
                "`{text}` is no path: write it as `/v2/orders`"
            ))),
        }
    }
}

impl std::fmt::Display for NewPath {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

as_text! {
    NewPath, "NewPath", "^/";
}

/// The page of `rewrite`.
pub(super) const DOC: Doc = Doc {
    kind: "rewrite",
    does: "Changes the head of the request, of the answer, or of both",
    acts_at: &[Hook::Open, Hook::Reply],
    settings: &[
        (
            "request.path",
            "the path that takes the place of the request's (unchanged)",
        ),
        ("request.set, reply.set", "header fields that are set (none)"),
        (
            "request.remove, reply.remove",
            "header fields that are removed (none)",
        ),
        (
            "reply.status",
            "the status that takes the place of the backend's (unchanged)",
        ),
    ],
    examples: &[
        r#"{do: {rewrite: {request: {path: /v1/orders, remove: [authorization]}}}}"#,
        r#"{do: {rewrite: {reply: {status: 404, set: {cache-control: "max-age=3600"}}}}}"#,
    ],
};

impl Acts for Rewrite {
    fn doc(&self) -> &'static Doc {
        &DOC
    }

    fn open(&self, ask: &mut Ask, head: Option<&mut request::Parts>) -> Verdict {
        if let Some(head) = head.filter(|_| !is_default(&self.request)) {
            if let Some(path) = &self.request.path {
                path.replace_in(&mut head.uri);
            }
            change(&mut head.headers, &self.request.set, &self.request.remove);
            ask.touched = true;
        }
        Verdict::Pass
    }

    fn reply(&self, ask: &mut Ask, head: &mut response::Parts) -> Verdict {
        if !is_default(&self.reply) {
            if let Some(status) = self.reply.status {
                head.status = status.code();
            }
            change(&mut head.headers, &self.reply.set, &self.reply.remove);
            ask.touched = true;
        }
        Verdict::Pass
    }
}

impl NewPath {
    fn replace_in(&self, uri: &mut Uri) {
        let kept = uri.query().filter(|_| self.0.query().is_none());
        let path = match kept {
            Some(query) => PathAndQuery::try_from(format!("{}?{query}", self.0.path())),
            None => Ok(self.0.clone()),
        };
        let mut parts = Parts::from(std::mem::take(uri));
        let before = parts.path_and_query.take();
        parts.path_and_query = path.ok().or(before);
        *uri = Uri::from_parts(parts).unwrap_or_default();
    }
}

fn change(headers: &mut HeaderMap, set: &Fields, remove: &[FieldName]) {
    for FieldName(name) in remove {
        headers.remove(name);
    }
    for (name, value) in set.map() {
        headers.insert(name.clone(), value.clone());
    }
}
