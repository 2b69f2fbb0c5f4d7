//! A route as written in the document.

use std::{borrow::Cow, collections::BTreeMap, fmt, num::NonZeroU32, str::FromStr};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::{
    many::OneOrMany,
    matcher::Match,
    name::{FieldName, FieldValue, PathPrefix},
    statuses::Statuses,
};
use crate::units::{BadUnit, ByteSize, Probability, Rate, Span};

/// A rule that sends exchanges to a cluster. Routes are tried in the order written; the first whose match holds is taken.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RouteSettings {
    /// What the route is called in faults, logs and metrics. Default: the listener's name and the route's number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Which requests take it. Default: all.
    #[serde(default, skip_serializing_if = "Match::is_empty")]
    pub r#match: Match,
    /// The cluster that they go to.
    pub cluster: String,
    /// The whole request, from its head to the last byte of its answer, retries included. Default: no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Span>,
    /// How long a backend may take for the head of its answer. Default: the cluster's `answer_timeout`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer_timeout: Option<Span>,
    /// How long a body or a tunnel may stand still. Default: the cluster's `idle_timeout`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle_timeout: Option<Span>,
    /// Whether and when a failed request is tried again. Default: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<RetrySettings>,
    /// Changes to the request's target.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rewrite: Option<Rewrite>,
    /// Changes to the request's headers.
    #[serde(default, skip_serializing_if = "HeaderEdits::is_empty")]
    pub request_headers: HeaderEdits,
    /// Changes to the answer's headers.
    #[serde(default, skip_serializing_if = "HeaderEdits::is_empty")]
    pub answer_headers: HeaderEdits,
}

/// When a failed request is tried again, and how often: on a backend that was not tried yet where there is one; never once
/// a byte of the answer has gone to the client, never with a body that is not kept, and never a request that is not
/// idempotent (RFC 9110 section 9.2.2) and may have run.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RetrySettings {
    /// Tries in all, the first included. Default: 2.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attempts: Option<NonZeroU32>,
    /// The failures that are worth another try: `connect`, `refused`, `reset`, `timeout`, `garbage`, and statuses such as
    /// `503`, `"500-504"`, `5xx`. Default: `[connect, reset]`.
    #[serde(skip_serializing_if = "OneOrMany::is_empty")]
    pub on: OneOrMany<RetryOn>,
    /// Retries as a share of requests: what keeps retries from making an overload worse. Default: 20%.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub budget: Option<Probability>,
    /// Retries that are allowed beside the budget, so that quiet routes have some too. Default: `10/s`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub budget_floor: Option<Rate>,
    /// How long one try may take for the head of its answer. Default: the route's `answer_timeout`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub per_try_timeout: Option<Span>,
    /// The wait before the second retry is drawn between nothing and this, and the span doubles with each retry; the first
    /// retry of a request of which nothing was sent goes at once. Default: 25ms.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backoff: Option<Span>,
    /// The longest wait. An answer whose `Retry-After` asks for more is passed on instead of retried. Default: 1s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_backoff: Option<Span>,
    /// The largest request body that is kept so that it can be sent again. Default: 64KiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<ByteSize>,
}

/// A failure that is worth another try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetryOn {
    /// No connection came about: refused, unreachable, no such name, too slow, no TLS.
    Connect,
    /// The connection was refused.
    Refused,
    /// The connection ended before the head of the answer.
    Reset,
    /// The head of the answer did not come in time.
    Timeout,
    /// What came was no HTTP.
    Garbage,
    /// The answer has such a status.
    Status(Statuses),
}

/// Changes to a request's target. The prefix is taken off first, then the new one is put before what is left.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Rewrite {
    /// The host that the backend is asked for, instead of what the cluster's `host` says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<FieldValue>,
    /// A beginning of the path to take off, whole segments only: `/api` makes `/api/users` into `/users`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub strip_prefix: Option<PathPrefix>,
    /// A beginning to put before the path: `/v2` makes `/users` into `/v2/users`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub add_prefix: Option<PathPrefix>,
}

/// Changes to headers: first what is removed, then what is set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct HeaderEdits {
    /// Headers to set, in place of any of that name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub set: BTreeMap<FieldName, FieldValue>,
    /// Headers to take out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub remove: Vec<FieldName>,
}

/// The words for failures without a status.
const WORDS: [(&str, RetryOn); 5] = [
    ("connect", RetryOn::Connect),
    ("refused", RetryOn::Refused),
    ("reset", RetryOn::Reset),
    ("timeout", RetryOn::Timeout),
    ("garbage", RetryOn::Garbage),
];

impl FromStr for RetryOn {
    type Err = BadUnit;

    fn from_str(text: &str) -> Result<Self, BadUnit> {
        if let Some((_, on)) = WORDS.iter().find(|(word, _)| *word == text) {
            return Ok(*on);
        }
        text.parse().map(Self::Status).map_err(|_| {
            BadUnit::new(format!(
                "`{text}` is no failure: write connect, refused, reset, timeout, garbage or a status such as `503` or `5xx`"
            ))
        })
    }
}

impl fmt::Display for RetryOn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(statuses) => statuses.fmt(f),
            word => f.write_str(
                WORDS
                    .iter()
                    .find(|(_, on)| on == word)
                    .map_or("", |(text, _)| text),
            ),
        }
    }
}

impl Serialize for RetryOn {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Status(statuses) => statuses.serialize(serializer),
            word => serializer.collect_str(word),
        }
    }
}

impl<'de> Deserialize<'de> for RetryOn {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(WordOrStatus)
    }
}

struct WordOrStatus;

impl de::Visitor<'_> for WordOrStatus {
    type Value = RetryOn;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a failure such as connect, reset or 503")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<RetryOn, E> {
        text.parse().map_err(E::custom)
    }

    fn visit_u64<E: de::Error>(self, status: u64) -> Result<RetryOn, E> {
        self.visit_str(&status.to_string())
    }
}

impl JsonSchema for RetryOn {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "RetryOn".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let words = WORDS.map(|(word, _)| word);
        let statuses = generator.subschema_for::<Statuses>();
        json_schema!({"anyOf": [{"enum": words}, statuses]})
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn what_is_written_reads_back() {
        let check = |written: Value| {
            let read: RouteSettings = serde_json::from_value(written.clone()).unwrap();
            assert_eq!(serde_json::to_value(&read).unwrap(), written);
        };
        check(json!({"cluster": "app"}));
        check(json!({
            "name": "orders", "match": {"method": ["POST", "PUT"], "path": "/orders/**"}, "cluster": "app",
            "timeout": "15s", "answer_timeout": "5s", "idle_timeout": "1m",
            "retry": {"attempts": 2, "on": ["connect", "refused", "reset", 502, "503-504", "5xx"], "budget": "20%",
                      "budget_floor": "10/s", "per_try_timeout": "1s", "backoff": "25ms", "max_backoff": "1s", "body": "64KiB"},
            "rewrite": {"host": "shop", "strip_prefix": "/api", "add_prefix": "/v2"},
            "request_headers": {"set": {"x-a": "1"}, "remove": ["x-b"]},
            "answer_headers": {"remove": ["server"]},
        }));
    }

    #[test]
    fn what_is_no_route_is_refused_with_the_way_to_mend_it() {
        let check = |written: Value, mend: &str| {
            let error = serde_json::from_value::<RouteSettings>(written)
                .unwrap_err()
                .to_string();
            assert!(error.contains(mend), "{error}");
        };
        let retry = |retry: Value| json!({"cluster": "app", "retry": retry});
        check(json!({}), "missing field `cluster`");
        check(json!({"cluster": "app", "retries": 2}), "unknown field `retries`");
        check(retry(json!({"attempts": 0})), "nonzero");
        check(retry(json!({"on": "sometimes"})), "connect, refused, reset");
        check(retry(json!({"on": 700})), "such as `503`");
        check(retry(json!({"budget": "200%"})), "between 0% and 100%");
        check(
            json!({"cluster": "app", "rewrite": {"strip_prefix": "api"}}),
            "`/api`",
        );
        check(json!({"cluster": "app", "rewrite": {"host": "a\nb"}}), "one line");
        check(json!({"cluster": "app", "timeout": 15}), "string");
    }
}
