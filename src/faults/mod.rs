//! What can go wrong, by decision only: the catalogue of fault kinds, and what an exchange will suffer.
//!
//! A [`Fault`] is an [`Entry`] compiled. An exchange rolls a [`Plan`] from the faults in its scope and asks it at three
//! hooks: `open` and `reply` give a [`Verdict`], `flow` a [`Chain`] of shapers. Kinds hold no socket, task or clock.
//!
//! To add a kind: write `<kind>.rs` with its settings, its `DOC` and what it `Acts`; then add it to the list of files, to
//! [`Do`], to `Do::compile` and to [`catalogue`].

mod abort;
mod answer;
mod bad_reload;
mod body;
mod bond;
mod bounds;
mod capacity;
mod chain;
mod close;
mod commands;
mod corrupt;
mod crash_loop;
mod cutting;
mod database_error;
mod disconnect;
mod doc;
mod drive;
mod effect;
mod effective;
mod entry;
mod failover;
mod fault;
mod hang;
mod health;
mod hook;
mod idle_cut;
mod latency;
mod limit_data;
mod line;
mod lineup;
mod lose;
mod misroute;
mod openings;
mod pace;
mod plan;
mod queue;
mod ramp;
mod rate_limit;
mod reading;
mod refuse;
mod reset;
mod rewrite;
mod server;
mod slice;
mod slow_close;
mod stall;
mod stands;
mod strike;
#[cfg(test)]
mod tests;
mod threads;
mod throttle;
mod timeout;
mod tls;
mod track;
#[cfg(test)]
pub(crate) mod trial;
mod truncate;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use self::hook::Acts;
pub use self::{
    abort::Abort,
    answer::{Answer, Grpc, GrpcCode, Status},
    bad_reload::{BadReload, Misspell},
    body::Body,
    bounds::unnamed,
    capacity::{Beyond, Capacity},
    chain::{Chain, MOST_HELD, MOST_ON_THE_WAY},
    close::Close,
    commands::{Deadlocks, MissedMigration, ReadOnly, SlowQueries},
    corrupt::Corrupt,
    crash_loop::CrashLoop,
    cutting::Since,
    database_error::{ByHand, DatabaseError, catalogue_of},
    disconnect::{Disconnect, With},
    doc::{Doc, Hook},
    drive::{Driven, drive_chain},
    effect::Effect,
    effective::{Effective, Overlap, effective},
    entry::{Entry, Sticky, Where},
    failover::Failover,
    fault::{Fault, Scope},
    hang::Hang,
    hook::{Dial, Flow, Handshake, Hold, Leg, Release, Told, Unit, Verdict},
    idle_cut::IdleCut,
    latency::{Distribution, Latency},
    limit_data::LimitData,
    line::{Cut, Piece},
    lineup::Lineup,
    lose::Lose,
    misroute::Misroute,
    openings::{BadCredentials, MissingDatabase, PoolExhausted, TooManyConnections},
    plan::{Due, Plan, told},
    queue::{Guard, Queue},
    ramp::{Load, Ramp},
    rate_limit::RateLimit,
    refuse::{Refuse, Standing},
    reset::Reset,
    rewrite::{ReplyHead, RequestHead, Rewrite},
    slice::Slice,
    slow_close::SlowClose,
    stall::Stall,
    strike::stands_by,
    threads::{MOST_WAITING, Threads},
    throttle::Throttle,
    timeout::Timeout,
    tls::Tls,
    truncate::Truncate,
};

/// What a fault does: one kind with its settings. A kind whose settings may all be left out may be written as its bare
/// name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", remote = "Self")]
#[schemars(transform = reading::add_short_form)]
pub enum Do {
    /// Adds time.
    Latency(Latency),
    /// Answers in the backend's place.
    Abort(Abort),
    /// Never answers.
    Hang(Hang),
    /// Refuses connections.
    Refuse(Refuse),
    /// Ends connections with RST.
    Reset(Reset),
    /// Ends connections with FIN.
    Close(Close),
    /// Lets bytes pass at a rate.
    Throttle(Throttle),
    /// Cuts bytes into small slices.
    Slice(Slice),
    /// Lets nothing pass until it is lifted.
    Stall(Stall),
    /// Ends a stream too early.
    Truncate(Truncate),
    /// Changes single bytes.
    Corrupt(Corrupt),
    /// Loses chunks of a stream.
    Lose(Lose),
    /// Keeps the end of a stream back.
    SlowClose(SlowClose),
    /// Lets no data pass and closes after a time.
    Timeout(Timeout),
    /// Closes the connection after so many bytes.
    LimitData(LimitData),
    /// Forgets connections that stand idle.
    IdleCut(IdleCut),
    /// Changes heads.
    Rewrite(Rewrite),
    /// Changes bodies.
    Body(Body),
    /// Refuses exchanges beyond a rate, or delays them.
    RateLimit(RateLimit),
    /// Gives each backend so many serving threads.
    Threads(Box<Threads>),
    /// Limits what each backend carries.
    Capacity(Capacity),
    /// Lets each backend start and die in turn.
    CrashLoop(CrashLoop),
    /// Sends traffic to a wrong address.
    Misroute(Misroute),
    /// Tells health checks what is not so.
    Health(Told),
    /// Spoils the TLS handshake.
    Tls(Tls),
    /// Puts a broken document live.
    BadReload(BadReload),
    /// Ends all sessions, lets nobody in, comes back read-only.
    Failover(Failover),
    /// Refuses what changes something.
    ReadOnly(ReadOnly),
    /// Refuses sessions beyond a number.
    TooManyConnections(TooManyConnections),
    /// Keeps sessions beyond a number waiting.
    PoolExhausted(PoolExhausted),
    /// Refuses passwords.
    BadCredentials(BadCredentials),
    /// Knows no such database.
    MissingDatabase(MissingDatabase),
    /// Knows no such table.
    MissedMigration(MissedMigration),
    /// Lets commands take time.
    SlowQueries(SlowQueries),
    /// Lets changes meet a deadlock.
    Deadlocks(Deadlocks),
    /// Breaks connections in the middle of an answer.
    Disconnect(Disconnect),
}

impl Do {
    fn compile(&self, now: Instant) -> Box<dyn Acts> {
        match self {
            Self::Latency(latency) => Box::new(latency.clone()),
            Self::Abort(abort) => Box::new(abort.compile()),
            Self::Hang(hang) => Box::new(hang.clone()),
            Self::Refuse(refuse) => Box::new(refuse.clone()),
            Self::Reset(reset) => Box::new(reset.clone()),
            Self::Close(close) => Box::new(close.clone()),
            Self::Throttle(throttle) => Box::new(throttle.compile(now)),
            Self::Slice(slice) => Box::new(slice.clone()),
            Self::Stall(stall) => Box::new(stall.clone()),
            Self::Truncate(truncate) => Box::new(truncate.clone()),
            Self::Corrupt(corrupt) => Box::new(corrupt.clone()),
            Self::Lose(lose) => Box::new(lose.clone()),
            Self::SlowClose(slow_close) => Box::new(slow_close.clone()),
            Self::Timeout(timeout) => Box::new(timeout.clone()),
            Self::LimitData(limit_data) => Box::new(limit_data.clone()),
            Self::IdleCut(idle) => Box::new(idle.clone()),
            Self::Rewrite(rewrite) => Box::new(rewrite.clone()),
            Self::Body(body) => Box::new(body.clone()),
            Self::RateLimit(rate_limit) => Box::new(rate_limit.compile(now)),
            Self::Threads(threads) => Box::new(threads.compile()),
            Self::Capacity(capacity) => Box::new(capacity.compile(now)),
            Self::CrashLoop(crash_loop) => Box::new(crash_loop.compile(now)),
            Self::Misroute(misroute) => Box::new(misroute.clone()),
            Self::Health(told) => Box::new(*told),
            Self::Tls(tls) => Box::new(*tls),
            Self::BadReload(bad_reload) => Box::new(bad_reload.clone()),
            Self::Failover(failover) => Box::new(failover.compile()),
            Self::ReadOnly(_) => Box::new(ReadOnly::compile()),
            Self::TooManyConnections(most) => Box::new(most.compile()),
            Self::PoolExhausted(pool) => Box::new(pool.compile()),
            Self::BadCredentials(_) => Box::new(BadCredentials::compile()),
            Self::MissingDatabase(_) => Box::new(MissingDatabase::compile()),
            Self::MissedMigration(missed) => Box::new(missed.compile()),
            Self::SlowQueries(slow) => Box::new(slow.compile()),
            Self::Deadlocks(_) => Box::new(Deadlocks::compile()),
            Self::Disconnect(disconnect) => Box::new(disconnect.clone()),
        }
    }

    /// Whether it touches exchanges, which are then counted. A broken document is in force for all of them, and asked by none.
    pub const fn touches_exchanges(&self) -> bool {
        !matches!(self, Self::BadReload(_))
    }

    /// The same in less time, for a drill that compresses its story: curves, lives and deaths. What a client waits for stays
    /// as it is, for clients do not compress.
    #[must_use]
    pub fn compressed(&self, by: f64) -> Self {
        match self {
            Self::Threads(threads) => Self::Threads(Box::new(threads.compressed(by))),
            Self::Capacity(capacity) => Self::Capacity(capacity.compressed(by)),
            Self::CrashLoop(crash_loop) => Self::CrashLoop(crash_loop.compressed(by)),
            Self::Failover(failover) => Self::Failover(failover.compressed(by)),
            other => other.clone(),
        }
    }
}

/// The page of every kind, in the order of the design's table.
pub const fn catalogue() -> &'static [&'static Doc] {
    &[
        &latency::DOC,
        &abort::DOC,
        &hang::DOC,
        &refuse::DOC,
        &reset::DOC,
        &close::DOC,
        &throttle::DOC,
        &slice::DOC,
        &stall::DOC,
        &truncate::DOC,
        &corrupt::DOC,
        &lose::DOC,
        &slow_close::DOC,
        &timeout::DOC,
        &limit_data::DOC,
        &idle_cut::DOC,
        &rewrite::DOC,
        &body::DOC,
        &rate_limit::DOC,
        &threads::DOC,
        &capacity::DOC,
        &crash_loop::DOC,
        &misroute::DOC,
        &health::DOC,
        &tls::DOC,
        &bad_reload::DOC,
        &failover::DOC,
        &commands::READ_ONLY,
        &openings::TOO_MANY_CONNECTIONS,
        &openings::POOL_EXHAUSTED,
        &openings::BAD_CREDENTIALS,
        &openings::MISSING_DATABASE,
        &commands::MISSED_MIGRATION,
        &commands::SLOW_QUERIES,
        &commands::DEADLOCKS,
        &disconnect::DOC,
    ]
}
