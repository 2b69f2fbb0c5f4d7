//! What faults on bodies do to the client when they cut.

use std::{rc::Rc, time::Duration};

use http::{HeaderMap, header};

use super::{
    body::Cover,
    client::{Client, Kind},
};
use crate::faults::{Chain, Leg};

/// A stream of HTTP/2 that is reset drops what of it is not out, and nobody says when it is: it gets so long before.
const STREAM_FLUSHING: Duration = Duration::from_millis(100);

/// Whether a head announces bytes. Where the body has none, a fault has promised them and gives them yet.
pub fn is_promised(headers: &HeaderMap) -> bool {
    headers
        .get(header::CONTENT_LENGTH)
        .is_some_and(|length| length != "0")
}

/// Faults around a request's body. Where the backend's end of it breaks, the attempt is over and not the client. Whose client has gone
/// is over at once.
pub fn of_request(chain: Chain, leg: Leg, client: &Rc<Client>) -> Cover {
    let client = (leg == Leg::Client).then(|| client.clone());
    let on_cut = Box::new(move |cut| {
        if let Some(client) = &client {
            client.cut_exchange(cut);
        }
    });
    Cover {
        chain,
        leg,
        on_cut,
        linger: Duration::ZERO,
        in_order: false,
    }
}

/// Faults around an answer's body. Where the backend's end of it breaks, the client is not cut but gets an answer that breaks
/// off.
pub fn of_reply(chain: Chain, leg: Leg, client: &Rc<Client>) -> Cover {
    let linger = match client.kind() {
        Kind::Http2 => STREAM_FLUSHING,
        Kind::Http1 | Kind::Bytes => Duration::ZERO,
    };
    let client = (leg == Leg::Client).then(|| client.clone());
    let on_cut = Box::new(move |cut| {
        if let Some(client) = &client {
            client.cut_after_answer(cut);
        }
    });
    Cover {
        chain,
        leg,
        on_cut,
        linger,
        in_order: true,
    }
}
