//! `rewrite`: heads are changed on their way.

use std::collections::BTreeMap;

use http::{
    HeaderMap, Uri, request, response,
    uri::{Parts, PathAndQuery},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    answer::Status,
    doc::{Doc, Hook},
    entry::is_default,
    hook::{Acts, Ask, Verdict},
};
use crate::route::name::{FieldName, FieldValue, Target};

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
    pub path: Option<Target>,
    /// Header fields that are set.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub set: BTreeMap<FieldName, FieldValue>,
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
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub set: BTreeMap<FieldName, FieldValue>,
    /// Header fields that are removed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remove: Vec<FieldName>,
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
            let path = self.request.path.as_ref();
            let moved = path.is_some_and(|path| replace_path(&mut head.uri, &path.0));
            let changed = change(&mut head.headers, &self.request.set, &self.request.remove);
            ask.touched |= moved || changed;
        }
        Verdict::Pass
    }

    fn reply(&self, ask: &mut Ask, head: &mut response::Parts) -> Verdict {
        if !is_default(&self.reply) {
            let before = head.status;
            if let Some(status) = self.reply.status {
                head.status = status.code();
            }
            let changed = change(&mut head.headers, &self.reply.set, &self.reply.remove);
            ask.touched |= changed || head.status != before;
        }
        Verdict::Pass
    }
}

/// Replaces the path of a target, and says whether it is another one; its query stays unless the new one has one.
fn replace_path(uri: &mut Uri, new: &PathAndQuery) -> bool {
    let kept = uri.query().filter(|_| new.query().is_none());
    let path = match kept {
        Some(query) => PathAndQuery::try_from(format!("{}?{query}", new.path())),
        None => Ok(new.clone()),
    };
    let mut parts = Parts::from(std::mem::take(uri));
    let before = parts.path_and_query.take();
    let path = path.ok().or_else(|| before.clone());
    let is_other = path != before;
    parts.path_and_query = path;
    *uri = Uri::from_parts(parts).unwrap_or_default();
    is_other
}

/// Removes and sets fields, and says whether any is another one than before.
fn change(headers: &mut HeaderMap, set: &BTreeMap<FieldName, FieldValue>, remove: &[FieldName]) -> bool {
    let mut changed = false;
    for FieldName(name) in remove {
        changed |= headers.remove(name).is_some();
    }
    for (FieldName(name), FieldValue(value)) in set {
        let is_alone = headers.get_all(name).iter().nth(1).is_none();
        let before = headers.insert(name.clone(), value.clone());
        changed |= !is_alone || before.as_ref() != Some(value);
    }
    changed
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;
    use crate::faults::trial::{fault, plan, reply, request};

    #[test]
    fn a_path_is_replaced_and_the_rest_of_the_target_kept() {
        let check = |path: &str, target: &str, expected: &str| {
            let now = Instant::now();
            let kind = format!("{{rewrite: {{request: {{path: '{path}'}}}}}}");
            let mut head = request(target);
            let verdict = plan(&[fault(&kind, now)], 1).open(0, now, Some(&mut head));
            assert!(matches!(verdict, Verdict::Pass));
            assert_eq!(head.uri.to_string(), expected);
        };
        check("/v1", "/v2/orders?id=3", "/v1?id=3");
        check("/v1?id=4", "/v2/orders?id=3", "/v1?id=4");
        check("/v1", "http://shop.example.com/v2", "http://shop.example.com/v1");
    }

    #[test]
    fn fields_are_set_and_removed_on_their_side_only() {
        let now = Instant::now();
        let kind = "{rewrite: {reply: {status: 404, set: {etag: w}, remove: [x-old]}}}";
        let faults = [fault(kind, now)];
        let mut plan = plan(&faults, 1);
        let (mut asked, mut answered) = (request("/"), reply(200));
        answered
            .headers
            .insert("x-old", http::HeaderValue::from_static("1"));
        plan.open(0, now, Some(&mut asked));
        assert!(asked.headers.is_empty() && plan.touched().count() == 0);
        plan.reply(0, now, &mut answered);
        assert_eq!((answered.status.as_u16(), answered.headers.len()), (404, 1));
        assert_eq!(answered.headers["etag"], "w");
        assert_eq!(faults[0].hits(), 1);
    }

    #[test]
    fn a_head_that_is_as_it_shall_be_is_not_touched() {
        let now = Instant::now();
        let touches = |kind: &str, target: &str, header: Option<(&'static str, &'static str)>| {
            let faults = [fault(&format!("{{rewrite: {kind}}}"), now)];
            let (mut plan, mut asked, mut answered) = (plan(&faults, 1), request(target), reply(200));
            if let Some((name, value)) = header {
                answered
                    .headers
                    .insert(name, http::HeaderValue::from_static(value));
            }
            plan.open(0, now, Some(&mut asked));
            plan.reply(0, now, &mut answered);
            faults[0].hits() == 1
        };
        assert!(touches("{request: {path: /v1}}", "/v2", None));
        assert!(!touches("{request: {path: /v1}}", "/v1?id=3", None));
        assert!(touches("{reply: {status: 404}}", "/", None));
        assert!(!touches("{reply: {status: 200}}", "/", None));
        assert!(touches("{reply: {set: {etag: w}}}", "/", Some(("etag", "v"))));
        assert!(!touches("{reply: {set: {etag: w}}}", "/", Some(("etag", "w"))));
        assert!(touches("{reply: {remove: [etag]}}", "/", Some(("etag", "v"))));
        assert!(!touches("{reply: {remove: [etag]}}", "/", None));
    }
}
