//! `abort`: an answer in the backend's place.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{StatusCode, request};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    answer::{Answer, Grpc, GrpcCode, Status, grpc_message, has_body},
    database_error::DatabaseError,
    doc::{Doc, Hook},
    entry::is_default,
    hook::{Acts, Ask, Unit, Verdict},
    openings,
};
use crate::{
    route::{
        Command, Dialect, Facts,
        name::{FieldName, FieldValue},
    },
    wire::errors::Moment,
};

/// Answers in the backend's place.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Abort {
    /// The status of the answer, 200 to 599. Default: 503.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<Status>,
    /// Its header fields.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<FieldName, FieldValue>,
    /// Its body. Default: none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub body: String,
    /// The status that a gRPC client gets, 0 to 16. Default: the one that fits the HTTP status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grpc_status: Option<GrpcCode>,
    /// The message that goes with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grpc_message: Option<String>,
    /// The error that a database session gets: `deadlock`, `too_many_connections`, or one by hand. Default: `internal_error`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Box<DatabaseError>>,
    /// Asks the backend all the same and throws its answer away: **what the request does is done**. Default: false.
    #[serde(default, skip_serializing_if = "is_default")]
    pub after: bool,
    /// Answers only where no backend has: none was to be had, or it refused, broke off or took too long. It then stands in the
    /// place of the proxy's own answer, as a balancer's page for errors does. Only on the client's leg. Default: false.
    #[serde(default, skip_serializing_if = "is_default")]
    pub unanswered: bool,
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
            "error",
            "the error that a database session gets, by its name or as {code, message, fatal} (internal_error)",
        ),
        (
            "after",
            "asks the backend all the same: a write then has happened (false)",
        ),
        (
            "unanswered",
            "answers only where no backend has, in place of the proxy's own answer; on the client's leg (false)",
        ),
    ],
    examples: &[
        r#"{odds: 5%, do: {abort: {status: 500, body: "Fatal error: failed opening required file"}}}"#,
        r#"{do: {abort: {status: 429, headers: {retry-after: "30"}}}}"#,
        r#"{do: {abort: {grpc_status: 14, grpc_message: "no healthy backend"}}}"#,
        r#"{do: {abort: {status: 500, after: true}}}"#,
        r#"{where: {cluster: app, leg: client}, odds: 30%, do: {abort: {status: 404, unanswered: true}}}"#,
        r#"{where: {match: {sql: write}}, odds: 5%, do: {abort: {error: deadlock}}}"#,
        r#"{do: {abort: {error: {code: "42704", message: "type \"mood\" does not exist"}}}}"#,
    ],
};

impl Abort {
    /// The status of its answer, where that is one without a body.
    pub fn bodiless(&self) -> Option<u16> {
        let status = self.status.map(Status::code)?;
        (!has_body(status)).then_some(status.as_u16())
    }

    /// Whether an error is all that is written: it is for sessions of a database alone.
    pub const fn is_for_sessions(&self) -> bool {
        let for_http = self.status.is_some() || self.grpc_status.is_some() || !self.body.is_empty();
        self.error.is_some() && !for_http
    }

    pub(super) fn compile(&self) -> Compiled {
        let grpc = self.grpc_status.map(|code| Grpc {
            code: code.into(),
            message: self.grpc_message.as_deref().map(grpc_message),
        });
        let answer = Answer {
            body: Bytes::copy_from_slice(self.body.as_bytes()),
            grpc,
            error: self.error.clone(),
            after: self.after,
            ..Answer::new(self.status.map_or(StatusCode::SERVICE_UNAVAILABLE, Status::code))
        };
        Compiled {
            answer: Arc::new(answer.with_headers(&self.headers)),
            unanswered: self.unanswered,
        }
    }
}

/// An abort with its answer made once.
#[derive(Debug)]
pub(super) struct Compiled {
    answer: Arc<Answer>,
    unanswered: bool,
}

impl Acts for Compiled {
    fn doc(&self) -> &'static Doc {
        &DOC
    }

    fn unit(&self, dialect: Dialect) -> Unit {
        let known = self.answer.error.as_ref().and_then(|error| error.known(dialect));
        match known {
            Some(error) if error.moment.is_opening() => openings::unit_of(&self.answer, dialect),
            _ => Unit::Command,
        }
    }

    fn meets_preparation(&self, dialect: Dialect) -> bool {
        !self.answer.after && self.answer.is_of_preparation(dialect)
    }

    fn is_of_databases(&self, dialect: Dialect) -> bool {
        self.answer.is_of_databases(dialect)
    }

    fn meets_queued(&self, dialect: Dialect) -> bool {
        let error = self.answer.error.as_ref();
        !self.answer.after && error.is_some_and(|error| error.is_met_at_exec(dialect))
    }

    /// What a server may say unasked, it says to the sessions that stand.
    fn farewell(&self, _: Duration, dialect: Dialect) -> Option<Arc<Answer>> {
        let known = self.answer.error.as_ref()?.known(dialect)?;
        matches!(known.moment, Moment::Any | Moment::InTransaction).then(|| Arc::clone(&self.answer))
    }

    /// What a server says within a transaction it says nowhere else.
    fn concerns(&self, facts: &Facts<'_>) -> bool {
        let known = |dialect| self.answer.error.as_ref()?.known(dialect);
        let known = facts.session.and_then(|session| known(session.dialect));
        known.is_none_or(|known| known.moment != Moment::InTransaction)
            || facts.command.is_some_and(Command::is_in_transaction)
    }

    fn ends(&self) -> bool {
        true
    }

    fn open(&self, _: &mut Ask, _: Option<&mut request::Parts>) -> Verdict {
        if self.unanswered {
            return Verdict::Pass;
        }
        Verdict::Answer(Arc::clone(&self.answer))
    }

    fn unanswered(&self) -> Option<Arc<Answer>> {
        self.unanswered.then(|| Arc::clone(&self.answer))
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;
    use crate::faults::trial::{fault, open};

    fn answer(kind: &str) -> Arc<Answer> {
        let now = Instant::now();
        match open(&fault(kind, now), 1, now) {
            Verdict::Answer(answer) => answer,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_answer_is_as_written() {
        let answer = answer("{abort: {status: 429, headers: {Retry-After: '30'}, body: slow down}}");
        let response = answer.response(false);
        assert_eq!(
            (response.status().as_u16(), response.body().as_ref()),
            (429, &b"slow down"[..])
        );
        assert_eq!(response.headers()["retry-after"], "30");
        assert!(!answer.after);
    }

    #[test]
    fn the_backend_is_asked_only_if_that_is_written() {
        assert!(answer("{abort: {after: true}}").after);
        assert_eq!(answer("abort").status, StatusCode::SERVICE_UNAVAILABLE);
    }

    #[test]
    fn where_a_backend_has_answered_it_may_have_nothing_to_say() {
        let now = Instant::now();
        let page = fault("{abort: {status: 404, unanswered: true}}", now);
        assert!(matches!(open(&page, 1, now), Verdict::Pass));
        assert_eq!(page.hits(), 0);
        let mut plan = crate::faults::trial::plan(std::slice::from_ref(&page), 1);
        assert_eq!(plan.unanswered().unwrap().status, StatusCode::NOT_FOUND);
        assert_eq!(page.hits(), 1);
        page.lift();
        assert!(plan.unanswered().is_none());
        let always = fault("{abort: {status: 404}}", now);
        assert!(crate::faults::trial::plan(&[always], 1).unanswered().is_none());
    }

    #[test]
    fn a_grpc_client_gets_a_grpc_status() {
        let check = |kind: &str, code: &str, message: Option<&str>| {
            let response = answer(kind).response(true);
            assert_eq!(
                (response.status().as_u16(), response.body().len()),
                (200, 0),
                "{kind}"
            );
            assert_eq!(response.headers()["grpc-status"], code, "{kind}");
            assert_eq!(
                response
                    .headers()
                    .get("grpc-message")
                    .map(|m| m.to_str().unwrap()),
                message,
                "{kind}"
            );
        };
        check(
            "{abort: {grpc_status: 8, grpc_message: 50% gone}}",
            "8",
            Some("50%25 gone"),
        );
        check("{abort: {status: 503, body: text}}", "14", None);
        check("{abort: {status: 401}}", "16", None);
        check("{abort: {status: 500}}", "2", None);
    }
}
