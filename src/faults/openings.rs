//! What meets the opening of a database session: `too_many_connections`, `pool_exhausted`, `bad_credentials` and
//! `missing_database`. Sessions that stand go on.

use std::{sync::Arc, time::Duration};

use http::request;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    answer::Answer,
    doc::{Doc, Hook},
    hook::{Acts, Ask, Unit, Verdict},
    queue::{Place, Pool, Queue},
};
use crate::{
    route::{Dialect, matcher::Facts},
    units::Span,
};

/// Lets so many sessions in and refuses the rest.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TooManyConnections {
    /// How many sessions that begin now may be open at a time. Default: 0, every new one is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sessions: Option<usize>,
}

/// Lets so many sessions in and keeps the rest waiting.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PoolExhausted {
    /// How many sessions that begin now may be open at a time.
    pub sessions: usize,
    /// How long the others wait before they are refused. Default: for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait: Option<Span>,
}

/// Refuses the password of whoever comes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BadCredentials {}

/// Knows no database of that name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MissingDatabase {}

/// The page of `too_many_connections`.
pub(super) const TOO_MANY_CONNECTIONS: Doc = Doc {
    kind: "too_many_connections",
    does: "A database lets so many sessions in and refuses the rest; those that stand go on and are not counted",
    acts_at: &[Hook::Open],
    settings: &[(
        "sessions",
        "how many sessions that begin now may be open at a time, before each backend (0)",
    )],
    examples: &[
        r#"{do: too_many_connections}"#,
        r#"{where: {cluster: orders-db}, do: {too_many_connections: {sessions: 10}}}"#,
    ],
};

/// The page of `pool_exhausted`.
pub(super) const POOL_EXHAUSTED: Doc = Doc {
    kind: "pool_exhausted",
    does: "A database lets so many sessions in; the rest wait, and are refused after a time where one is set",
    acts_at: &[Hook::Open],
    settings: &[
        (
            "sessions",
            "how many sessions that begin now may be open at a time, before each backend",
        ),
        (
            "wait",
            "how long the others wait before they are refused (for ever)",
        ),
    ],
    examples: &[r#"{do: {pool_exhausted: {sessions: 5, wait: 30s}}}"#],
};

/// The page of `bad_credentials`.
pub(super) const BAD_CREDENTIALS: Doc = Doc {
    kind: "bad_credentials",
    does: "A database refuses the password of each session that begins",
    acts_at: &[Hook::Open],
    settings: &[],
    examples: &[r#"{where: {cluster: orders-db}, odds: 50%, do: bad_credentials}"#],
};

/// The page of `missing_database`.
pub(super) const MISSING_DATABASE: Doc = Doc {
    kind: "missing_database",
    does: "A database server does not know the database of each session that begins",
    acts_at: &[Hook::Open],
    settings: &[],
    examples: &[r#"{where: {cluster: orders-db}, do: missing_database}"#],
};

/// An opening that is refused, or waits for a place.
#[derive(Debug)]
pub(super) struct Opening {
    doc: &'static Doc,
    answer: Arc<Answer>,
    places: Option<(Arc<Pool>, Option<Duration>)>,
}

impl TooManyConnections {
    pub(super) fn compile(&self) -> Opening {
        Opening {
            doc: &TOO_MANY_CONNECTIONS,
            answer: Answer::of_error("too_many_connections"),
            places: Some((Pool::new(self.sessions.unwrap_or(0)), Some(Duration::ZERO))),
        }
    }
}

impl PoolExhausted {
    pub(super) fn compile(&self) -> Opening {
        Opening {
            doc: &POOL_EXHAUSTED,
            answer: Answer::of_error("too_many_connections"),
            places: Some((Pool::new(self.sessions), self.wait.map(Duration::from))),
        }
    }
}

impl BadCredentials {
    pub(super) fn compile() -> Opening {
        Opening {
            doc: &BAD_CREDENTIALS,
            answer: Answer::of_error("bad_credentials"),
            places: None,
        }
    }
}

impl MissingDatabase {
    /// The error that it gives.
    pub(super) const ERROR: &str = "missing_database";

    pub(super) fn compile() -> Opening {
        Opening {
            doc: &MISSING_DATABASE,
            answer: Answer::of_error(Self::ERROR),
            places: None,
        }
    }
}

/// What of a session an error of the opening answers.
pub(super) fn unit_of(error: &Answer, dialect: Dialect) -> Unit {
    // A client of Redis may show a password at any time, or never.
    if dialect == Dialect::Redis && error.is_late(dialect) {
        Unit::Proof
    } else {
        Unit::Session
    }
}

impl Acts for Opening {
    fn doc(&self) -> &'static Doc {
        self.doc
    }

    fn ends(&self) -> bool {
        self.places.is_none()
    }

    fn unit(&self, dialect: Dialect) -> Unit {
        unit_of(&self.answer, dialect)
    }

    fn is_of_databases(&self, dialect: Dialect) -> bool {
        self.answer.is_of_databases(dialect)
    }

    fn marks(&self, facts: &Facts<'_>) -> bool {
        facts.session.is_some()
    }

    fn is_per_backend(&self) -> bool {
        self.places.is_some()
    }

    fn open(&self, ask: &mut Ask, _: Option<&mut request::Parts>) -> Verdict {
        match &self.places {
            _ if !ask.marked => Verdict::Pass,
            None => Verdict::Answer(self.answer.clone()),
            Some((pool, patience)) => Verdict::Queue(Queue {
                place: Place::take(pool.clone()),
                hangs: false,
                limit: patience.map(|patience| (patience, self.answer.clone())),
            }),
        }
    }
}
