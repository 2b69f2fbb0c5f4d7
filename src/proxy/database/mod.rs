//! Databases: the opening of a session by its protocol, then commands as exchanges.
//!
//! `postgres`, `mysql` and `redis` open sessions, `talk` passes them on, `commands` asks the faults about each command, `held` lets it be
//! cancelled meanwhile, `answered` asks them about its answer, `answers` puts errors into the protocol's words, `greeting` begins TLS of MySQL, `side` moves bytes. What the bytes mean is told by a `wire::dialogue`.

mod answered;
mod answers;
mod cancels;
mod commands;
mod greeting;
mod held;
mod input;
mod mysql;
mod opened;
mod postgres;
mod redis;
mod side;
mod talk;

use std::rc::Rc;

pub use self::cancels::Cancels;
use super::client::Client;
use crate::{
    faults::Answer,
    net::Stream,
    route::{Dialect, Session},
};

/// What a fault says to whoever opens a session, as people read it.
pub(super) fn words(answer: &Answer, session: &Session) -> String {
    answers::words(answer, session)
}

/// Serves one connection of a database listener.
pub async fn serve(client: Rc<Client>, stream: Stream, dialect: Dialect) {
    match dialect {
        Dialect::Postgres => postgres::serve(client, stream).await,
        Dialect::Mysql => mysql::serve(client, stream).await,
        Dialect::Redis => redis::serve(client, stream).await,
    }
}
