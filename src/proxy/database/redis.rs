//! Redis: a session begins with the connection; whoever it belongs to may be said later, or never.

use std::rc::Rc;

use super::opened;
use crate::{faults::unnamed, net::Stream, proxy::client::Client, route::Dialect, wire::redis};

/// Serves one connection.
pub(super) async fn serve(client: Rc<Client>, stream: Stream) {
    let dialogue = Box::new(redis::Session::new());
    opened::from_the_first_byte(client, stream, unnamed(Dialect::Redis), dialogue).await;
}
