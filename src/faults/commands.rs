//! What meets the commands of a database session: `read_only`, `missed_migration`, `slow_queries` and `deadlocks`.

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
    route::{Command, Dialect, Sql, Wording, matcher::Facts},
    units::Span,
};

/// Refuses what changes something.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReadOnly {}

/// Lets changes of rows meet a deadlock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Deadlocks {}

/// Knows no such table.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MissedMigration {
    /// The table that is missing. Default: each that a command names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table: Option<Wording>,
}

/// Lets commands take time, or run into the server's limit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SlowQueries {
    /// How much time a command takes.
    pub add: Span,
    /// The server's limit: a command that would take longer fails after it. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub statement_timeout: Option<Span>,
}

/// The page of `read_only`.
pub(super) const READ_ONLY: Doc = Doc {
    kind: "read_only",
    does: "A database refuses what would change something, as a replica does; reads go on",
    acts_at: &[Hook::Open],
    settings: &[],
    examples: &[r#"{do: read_only}"#],
};

/// The page of `deadlocks`.
pub(super) const DEADLOCKS: Doc = Doc {
    kind: "deadlocks",
    does: "Commands that change rows meet a deadlock, which ends their transaction",
    acts_at: &[Hook::Open],
    settings: &[],
    examples: &[r#"{odds: 5%, do: deadlocks}"#],
};

/// The page of `missed_migration`.
pub(super) const MISSED_MIGRATION: Doc = Doc {
    kind: "missed_migration",
    does: "A table that commands name does not exist",
    acts_at: &[Hook::Open],
    settings: &[("table", "the table that is missing (each that a command names)")],
    examples: &[r#"{do: {missed_migration: {table: orders}}}"#],
};

/// The page of `slow_queries`.
pub(super) const SLOW_QUERIES: Doc = Doc {
    kind: "slow_queries",
    does: "Commands that read or change rows take time, or fail at the server's limit",
    acts_at: &[Hook::Open],
    settings: &[
        ("add", "how much time a command takes"),
        (
            "statement_timeout",
            "the server's limit: a command that would take longer fails after it (none)",
        ),
    ],
    examples: &[
        r#"{where: {match: {table: orders}}, do: {slow_queries: {add: 2s}}}"#,
        r#"{odds: 10%, do: {slow_queries: {add: 30s, statement_timeout: 5s}}}"#,
    ],
};

/// What meets the commands of some kind.
#[derive(Debug)]
pub(super) struct Commands {
    doc: &'static Doc,
    of: Of,
    table: Option<Wording>,
    does: Does,
}

#[derive(Clone, Copy, Debug)]
enum Of {
    Changes,
    Rows,
    Writes,
    Tables,
}

#[derive(Debug)]
enum Does {
    Answer(Arc<Answer>),
    Wait(Duration),
    Fail(Duration, Arc<Answer>),
}

impl ReadOnly {
    pub(super) fn compile() -> Commands {
        Commands::answering(&READ_ONLY, Of::Changes, "read_only")
    }
}

impl Deadlocks {
    /// The error that it gives.
    pub(super) const ERROR: &str = "deadlock";
    /// What commands must ask of the data to get it.
    pub(super) const MEETS: &[Sql] = &[Sql::Write];

    pub(super) fn compile() -> Commands {
        Commands::answering(&DEADLOCKS, Of::Writes, Self::ERROR)
    }
}

impl MissedMigration {
    /// The error that it gives.
    pub(super) const ERROR: &str = "missing_table";
    /// What commands must ask to get it: others name no table.
    pub(super) const MEETS: &[Sql] = &[Sql::Read, Sql::Write, Sql::Ddl];

    pub(super) fn compile(&self) -> Commands {
        Commands {
            table: self.table.clone(),
            ..Commands::answering(&MISSED_MIGRATION, Of::Tables, Self::ERROR)
        }
    }
}

impl SlowQueries {
    /// The error that it gives to what would take longer than the limit.
    pub(super) const ERROR: &str = "statement_timeout";
    /// What commands must ask of the data to take time.
    pub(super) const MEETS: &[Sql] = &[Sql::Read, Sql::Write];

    /// The limit, where commands run into it.
    pub(super) fn limit(&self) -> Option<Span> {
        self.statement_timeout.filter(|limit| *limit < self.add)
    }

    pub(super) fn compile(&self) -> Commands {
        let does = match self.limit() {
            Some(limit) => Does::Fail(limit.into(), Answer::of_error(Self::ERROR)),
            None => Does::Wait(self.add.into()),
        };
        Commands {
            doc: &SLOW_QUERIES,
            of: Of::Rows,
            table: None,
            does,
        }
    }
}

impl Commands {
    fn answering(doc: &'static Doc, of: Of, error: &str) -> Self {
        Self {
            doc,
            of,
            table: None,
            does: Does::Answer(Answer::of_error(error)),
        }
    }
}

impl Acts for Commands {
    fn doc(&self) -> &'static Doc {
        self.doc
    }

    fn unit(&self, _: Dialect) -> Unit {
        Unit::Command
    }

    fn meets_preparation(&self, dialect: Dialect) -> bool {
        matches!(&self.does, Does::Answer(answer) if answer.is_of_preparation(dialect))
    }

    /// A server that refuses every change is a replica.
    fn stands_by(&self, _: Duration) -> bool {
        matches!(self.of, Of::Changes)
    }

    fn meets_queued(&self, _: Dialect) -> bool {
        matches!(self.of, Of::Changes)
    }

    fn concerns(&self, facts: &Facts<'_>) -> bool {
        facts.command.is_some_and(|command| match self.of {
            Of::Changes => command.meaning().changes(),
            Of::Rows => command.meaning().is_about_rows(),
            Of::Writes => command.meaning().is(Sql::Write),
            Of::Tables => self.subject(command).is_some(),
        })
    }

    fn subject<'c>(&self, command: &'c Command) -> Option<&'c str> {
        match self.of {
            Of::Tables => command.meaning().needs(self.table.as_ref()),
            Of::Changes | Of::Rows | Of::Writes => None,
        }
    }

    fn open(&self, _: &mut Ask, _: Option<&mut request::Parts>) -> Verdict {
        match &self.does {
            Does::Answer(answer) => Verdict::Answer(answer.clone()),
            Does::Wait(time) => Verdict::Wait(*time),
            // Nobody gets a place where there is none, so the answer comes after the limit.
            Does::Fail(limit, answer) => Verdict::Queue(Queue {
                place: Place::take(Pool::new(0)),
                hangs: false,
                limit: Some((*limit, answer.clone())),
            }),
        }
    }
}
