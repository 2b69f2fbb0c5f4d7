//! Redis: a session begins with the connection; whoever it belongs to may be said later, or never.

use std::rc::Rc;

use super::opened;
use crate::{
    net::Stream,
    proxy::client::Client,
    route::{Dialect, Session},
    wire::redis,
};

/// Serves one connection.
pub(super) async fn serve(client: Rc<Client>, stream: Stream) {
    let dialogue = Box::new(redis::Session::new());
    let session = Session {
        dialect: Dialect::Redis,
        user: redis::DEFAULT_USER.to_owned(),
        database: redis::DEFAULT_DATABASE.to_owned(),
    };
    opened::from_the_first_byte(client, stream, session, dialogue).await;
}
