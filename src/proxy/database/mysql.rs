//! MySQL: the server speaks first, so a backend is dialled before the client has said who it is.

use std::rc::Rc;

use super::opened;
use crate::{
    config::Encryption,
    faults::unnamed,
    net::Stream,
    proxy::{client::Client, tcp},
    route::Dialect,
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
    opened::from_the_first_byte(client, stream, unnamed(Dialect::Mysql), dialogue).await;
}
