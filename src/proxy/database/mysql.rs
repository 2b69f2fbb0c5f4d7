//! MySQL: the server speaks first, so a backend is dialled before the client has said who it is.

use std::rc::Rc;

use super::opened;
use crate::{
    config::Encryption,
    net::Stream,
    proxy::{client::Client, tcp},
    route::{Dialect, Session},
    wire::mysql,
};

/// Serves one connection.
pub(super) async fn serve(client: Rc<Client>, stream: Stream) {
    let (_, listener) = client.seen();
    // The greeting would have to be changed to see anything of the session.
    if listener.settings.encryption() == Encryption::Pass {
        return tcp::serve(client, stream).await;
    }
    drop(listener);
    let dialogue = Box::new(mysql::Session::new());
    let session = Session {
        dialect: Dialect::Mysql,
        user: String::new(),
        database: String::new(),
    };
    opened::from_the_first_byte(client, stream, session, dialogue).await;
}
