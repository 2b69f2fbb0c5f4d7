//! `failover`: a database whose sessions all end, that is away for a while, comes back read-only, and is well again.

use std::{sync::Arc, time::Duration};

use http::request;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    answer::Answer,
    cutting::Moment,
    doc::{Doc, Hook},
    entry::is_default,
    hook::{Acts, Ask, Flow, Unit, Verdict},
    line::{Cut, Shape},
};
use crate::{
    route::{Command, Dialect, matcher::Facts},
    units::Span,
};

/// A database that fails over to another server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Failover {
    /// How sessions that stand end. Default: `shutdown`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub ends: Ends,
    /// How long nobody is let in. Default: 10s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub down: Option<Span>,
    /// What new sessions meet in that time. Default: `refuse`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub meets: Meets,
    /// How long it refuses changes after that, as the stale primary that clients still find. Default: 0s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read_only: Option<Span>,
}

/// How sessions that stand end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Ends {
    /// They are told that an administrator ends them; Redis only closes.
    #[default]
    Shutdown,
    /// They are told that the server has crashed; MySQL and Redis only close.
    Crash,
    /// They end with RST.
    Reset,
}

/// What new sessions meet while the database is away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Meets {
    /// Their connections are refused.
    #[default]
    Refuse,
    /// They are told that the server is starting up: in PostgreSQL when they begin, in Redis at each command. MySQL has no such error.
    StartingUp,
}

/// The page of `failover`.
pub(super) const DOC: Doc = Doc {
    kind: "failover",
    does: "A database ends all its sessions, lets nobody in for a while, refuses changes for another while, and is well again",
    acts_at: &[Hook::Open, Hook::Flow],
    settings: &[
        (
            "ends",
            "how sessions that stand end: shutdown, crash or reset (shutdown)",
        ),
        ("down", "how long nobody is let in (10s)"),
        (
            "meets",
            "what new sessions meet in that time: refuse or starting_up (refuse)",
        ),
        ("read_only", "how long it refuses changes after that (0s)"),
    ],
    examples: &[
        r#"{where: {cluster: orders-db}, do: failover}"#,
        r#"{do: {failover: {ends: reset, down: 30s, meets: starting_up, read_only: 20s}}}"#,
    ],
};

/// How long nobody is let in where nothing is said.
const DOWN: Duration = Duration::from_secs(10);

/// What a server says that starts.
const STARTING_UP: &str = "starting_up";

impl Failover {
    /// The error that it gives to sessions that begin while the database is away.
    pub(super) fn error(&self) -> Option<&'static str> {
        (self.meets == Meets::StartingUp).then_some(STARTING_UP)
    }

    pub(super) fn compile(&self) -> Compiled {
        Compiled {
            ends: self.ends,
            down: self.down.map_or(DOWN, Duration::from),
            meets: self.meets,
            read_only: self.read_only.map_or(Duration::ZERO, Duration::from),
            farewell: Answer::of_error(match self.ends {
                Ends::Crash => "crash",
                Ends::Shutdown | Ends::Reset => "admin_shutdown",
            }),
            starting: Answer::of_error(STARTING_UP),
            refused: Answer::of_error("read_only"),
        }
    }

    /// The same in less time.
    pub(super) fn compressed(&self, by: f64) -> Self {
        let shorter = |span: Span| Span(span.0.div_f64(by));
        Self {
            down: Some(shorter(self.down.unwrap_or(Span(DOWN)))),
            read_only: self.read_only.map(shorter),
            ..self.clone()
        }
    }
}

/// A failover with its answers made once.
#[derive(Debug)]
pub(super) struct Compiled {
    ends: Ends,
    down: Duration,
    meets: Meets,
    read_only: Duration,
    farewell: Arc<Answer>,
    starting: Arc<Answer>,
    refused: Arc<Answer>,
}

impl Compiled {
    /// What a server does that starts: one that has no words for it does not listen yet, and one that has them for commands
    /// alone lets sessions in.
    fn starts(&self, ask: &Ask) -> Verdict {
        let said = Verdict::Answer(self.starting.clone());
        let Some((dialect, unit)) = ask.begins else {
            return said;
        };
        let known = self
            .starting
            .error
            .as_ref()
            .and_then(|error| error.known(dialect));
        match known.map(|known| known.moment.is_opening()) {
            None => Verdict::Cut(Cut::Refuse),
            Some(false) if unit == Unit::Session => Verdict::Pass,
            Some(_) => said,
        }
    }
}

impl Acts for Compiled {
    fn doc(&self) -> &'static Doc {
        &DOC
    }

    fn meets(&self, _: Unit, _: Dialect) -> bool {
        true
    }

    fn meets_queued(&self, _: Dialect) -> bool {
        true
    }

    fn stands_by(&self, age: Duration) -> bool {
        (self.down..self.down + self.read_only).contains(&age)
    }

    /// Marked is a command that changes something.
    fn marks(&self, facts: &Facts<'_>) -> bool {
        facts.command.is_some_and(Command::changes)
    }

    fn open(&self, ask: &mut Ask, _: Option<&mut request::Parts>) -> Verdict {
        if ask.age < self.down {
            return match self.meets {
                Meets::Refuse => Verdict::Cut(Cut::Refuse),
                Meets::StartingUp => self.starts(ask),
            };
        }
        if ask.marked && ask.age < self.down + self.read_only {
            return Verdict::Answer(self.refused.clone());
        }
        Verdict::Pass
    }

    fn flow(&self, ask: &mut Ask, direction: Flow) -> Option<Box<dyn Shape>> {
        let cut = Moment {
            cut: Cut::Reset,
            after_bytes: None,
            after: None,
            flow: Flow::Reply,
        };
        // A session that is let in meanwhile is not one of those that stood.
        (self.ends == Ends::Reset && ask.age < self.down && ask.begins.is_none())
            .then(|| cut.shaper(ask.now, direction))
            .flatten()
    }

    fn farewell(&self, age: Duration, _: Dialect) -> Option<Arc<Answer>> {
        (self.ends != Ends::Reset && age < self.down).then(|| self.farewell.clone())
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;
    use crate::{
        faults::{Plan, trial},
        route::Session,
        units::Dice,
    };

    #[test]
    fn a_server_that_starts_does_as_its_kind_does() {
        let now = Instant::now();
        let fault = trial::fault("{failover: {ends: reset, meets: starting_up}}", now);
        let begins = |dialect, unit| {
            let session = Session {
                dialect,
                user: "web".to_owned(),
                database: "shop".to_owned(),
            };
            let facts = Facts {
                session: Some(&session),
                ..trial::facts(None)
            };
            let mut plan = Plan::of_database(std::slice::from_ref(&fault), Dice::new(7), 1, &facts, unit);
            let verdict = plan.open(0, now, None);
            assert!(plan.flow(Flow::Reply, now).is_none(), "it did not stand");
            verdict
        };
        let says = |dialect, unit| matches!(begins(dialect, unit), Verdict::Answer(_));
        assert!(says(Dialect::Postgres, Unit::Session));
        assert!(says(Dialect::Redis, Unit::Command));
        assert!(matches!(begins(Dialect::Redis, Unit::Session), Verdict::Pass));
        assert!(matches!(
            begins(Dialect::Mysql, Unit::Session),
            Verdict::Cut(Cut::Refuse)
        ));
    }
}
