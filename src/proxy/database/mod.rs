//! Databases: the opening of a session by its protocol, then commands as exchanges.
//!
//! `postgres` opens sessions, `talk` passes them on and performs what faults decide about their commands, `answers` puts
//! errors into the protocol's words, `side` moves bytes. What the bytes mean is told by a `wire::dialogue`.

mod answers;
mod cancels;
mod opened;
mod postgres;
mod side;
mod talk;

use std::rc::Rc;

pub use self::cancels::Cancels;
use super::{client::Client, tcp};
use crate::{net::Stream, route::Dialect};

/// Serves one connection of a database listener.
pub async fn serve(client: Rc<Client>, stream: Stream, dialect: Dialect) {
    match dialect {
        Dialect::Postgres => postgres::serve(client, stream).await,
        // The document's check does not let these through yet.
        Dialect::Mysql | Dialect::Redis => tcp::serve(client, stream).await,
    }
}
