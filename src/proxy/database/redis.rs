//! Redis: a session begins with the connection; whoever it belongs to may be said later, or never.

use std::rc::Rc;

use super::opened::{self, Opened};
use crate::{
    net::Stream,
    proxy::client::Client,
    route::{Dialect, Session},
    wire::redis,
};

/// Serves one connection.
pub(super) async fn serve(client: Rc<Client>, stream: Stream) {
    let session = Session {
        dialect: Dialect::Redis,
        user: String::new(),
        database: String::new(),
    };
    client.starts(session.clone());
    let opened = Opened {
        session,
        stream,
        first: bytes::Bytes::new(),
        dialogue: Box::new(redis::Session::new()),
    };
    opened::serve(client, opened).await;
}
