//! What a kind can act on at all: what the checks of a document ask, so that no fault stands where it can hit nothing.

use tokio::time::Instant;

use super::{
    ByHand, DatabaseError, Deadlocks, Do, Flow, MissedMigration, MissingDatabase, SlowQueries, Standing,
    Unit, catalogue_of, hang, latency,
};
use crate::{
    route::{Dialect, Session, Sql},
    wire::{errors::KnownError, redis},
};

/// A session whose client has not said who it is: what faults of the opening see where that comes later.
pub fn unnamed(dialect: Dialect) -> Session {
    let (user, database) = match dialect {
        Dialect::Postgres | Dialect::Mysql => ("", ""),
        Dialect::Redis => (redis::DEFAULT_USER, redis::DEFAULT_DATABASE),
    };
    Session {
        dialect,
        user: user.to_owned(),
        database: database.to_owned(),
    }
}

impl Do {
    /// Whether it means something only where a database is spoken.
    pub const fn is_of_database(&self) -> bool {
        matches!(
            self,
            Self::Failover(_)
                | Self::ReadOnly(_)
                | Self::TooManyConnections(_)
                | Self::PoolExhausted(_)
                | Self::BadCredentials(_)
                | Self::MissingDatabase(_)
                | Self::MissedMigration(_)
                | Self::SlowQueries(_)
                | Self::Deadlocks(_)
                | Self::Disconnect(_)
        )
    }

    /// Whether it is for sessions of a database alone.
    pub fn is_for_sessions(&self) -> bool {
        self.is_of_database() || matches!(self, Self::Abort(abort) if abort.is_for_sessions())
    }

    /// Whether it can do something to sessions of this database: one that does not know its error is left alone. A failover is
    /// one to any of them.
    pub fn is_said_in(&self, dialect: Dialect) -> bool {
        let is_known = |error| catalogue_of(dialect).iter().any(|known| known.name == error);
        let is_named = matches!(self, Self::Failover(_)) || self.error().is_none_or(is_known);
        is_named
            && self
                .error_by_hand()
                .is_none_or(|written| written.flaw(dialect).is_none())
    }

    /// Whether it goes by what is said in a session of a database, and can do nothing to one that passes unread. A server that is
    /// away is away for all.
    pub fn needs_words(&self) -> bool {
        self.is_of_answers() || (self.is_for_sessions() && !matches!(self, Self::Failover(_)))
    }

    /// The error of the catalogue that it gives to databases by name, where not each of them may have it.
    pub fn error(&self) -> Option<&str> {
        match self {
            Self::Abort(abort) => match abort.error.as_deref()? {
                DatabaseError::Named(name) => Some(name),
                DatabaseError::ByHand(_) => None,
            },
            Self::MissingDatabase(_) => Some(MissingDatabase::ERROR),
            Self::MissedMigration(_) => Some(MissedMigration::ERROR),
            Self::Deadlocks(_) => Some(Deadlocks::ERROR),
            Self::SlowQueries(slow) => slow.limit().map(|_| SlowQueries::ERROR),
            Self::Failover(failover) => failover.error(),
            _ => None,
        }
    }

    /// The error that it gives to databases, where that is written by hand.
    pub fn error_by_hand(&self) -> Option<&ByHand> {
        match self {
            Self::Abort(abort) => match abort.error.as_deref()? {
                DatabaseError::ByHand(written) => Some(written),
                DatabaseError::Named(_) => None,
            },
            _ => None,
        }
    }

    /// Whether it acts when an answer comes, and at no other time.
    pub fn is_of_answers(&self) -> bool {
        match self {
            Self::Hang(hang) => hang.at == hang::At::Reply,
            Self::Latency(latency) => latency.at == latency::At::Reply,
            _ => false,
        }
    }

    /// What it acts on where a match asks for something that only a command of a database has, and it cannot: then it would
    /// hit nothing.
    pub fn misses_commands(&self) -> Option<&'static str> {
        const SESSIONS: &str = "acts on sessions that begin";
        const CONNECTIONS: &str = "acts on whole connections";
        const REQUESTS: &str = "would shape commands, of which only the answers can be shaped";
        let shapes = |flow: Flow| (flow == Flow::Request).then_some(REQUESTS);
        match self {
            _ if self.is_of_openings() => Some(SESSIONS),
            Self::IdleCut(_) | Self::Timeout(_) | Self::SlowClose(_) => Some(CONNECTIONS),
            Self::Latency(latency) => shapes(latency.flow),
            Self::Throttle(throttle) => shapes(throttle.flow),
            Self::Slice(slice) => shapes(slice.flow),
            Self::Stall(stall) => shapes(stall.flow),
            Self::Truncate(truncate) => shapes(truncate.flow),
            Self::Corrupt(corrupt) => shapes(corrupt.flow),
            Self::Lose(lose) => shapes(lose.flow),
            Self::LimitData(limit) => shapes(limit.flow),
            Self::Reset(reset) => shapes(reset.flow),
            Self::Close(close) => shapes(close.flow),
            _ => None,
        }
    }

    /// Whether its kind acts where a session of a database begins, and nowhere else.
    const fn is_of_openings(&self) -> bool {
        matches!(
            self,
            Self::Misroute(_)
                | Self::Tls(_)
                | Self::TooManyConnections(_)
                | Self::PoolExhausted(_)
                | Self::BadCredentials(_)
                | Self::MissingDatabase(_)
        )
    }

    /// What a command must ask of the data to be met; `None`: each may be.
    pub const fn meets_only(&self) -> Option<&'static [Sql]> {
        match self {
            Self::MissedMigration(_) => Some(MissedMigration::MEETS),
            Self::SlowQueries(_) => Some(SlowQueries::MEETS),
            Self::Deadlocks(_) => Some(Deadlocks::MEETS),
            _ => None,
        }
    }

    /// Whether it meets sessions of a database that begin, whatever else it meets.
    pub fn meets_openings(&self, dialect: Dialect) -> bool {
        let acts = self.compile(Instant::now());
        acts.meets(Unit::Session, dialect) || acts.meets(Unit::Proof, dialect)
    }

    /// Whether all that it meets of a database are sessions that begin.
    pub fn meets_only_openings(&self, dialect: Dialect) -> bool {
        let is_opening = |known: &KnownError| known.moment.is_opening();
        match self {
            _ if self.is_of_openings() => true,
            // It ends what stands once too much has come, and what comes are sessions.
            Self::Capacity(_) => true,
            Self::Refuse(refuse) => refuse.standing == Standing::Keep,
            Self::Abort(abort) => {
                let known = abort.error.as_ref().and_then(|error| error.known(dialect));
                known.is_some_and(is_opening)
            }
            _ => false,
        }
    }
}
