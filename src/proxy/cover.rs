//! What faults on bodies do to the client when they cut.

use std::rc::Rc;

use super::{body::Cover, client::Client};
use crate::faults::{Chain, Leg};

/// Faults around a request's body. Where the backend's end of it breaks, the attempt is over and not the client.
pub fn of_request(chain: Chain, leg: Leg, client: &Rc<Client>) -> Cover {
    let client = (leg == Leg::Client).then(|| client.clone());
    let on_cut = Box::new(move |cut| {
        if let Some(client) = &client {
            client.cut_exchange(cut);
        }
    });
    Cover { chain, leg, on_cut }
}

/// Faults around an answer's body. Where the backend's end of it breaks, the client is not cut but gets an answer that breaks
/// off.
pub fn of_reply(chain: Chain, leg: Leg, client: &Rc<Client>) -> Cover {
    let client = (leg == Leg::Client).then(|| client.clone());
    let on_cut = Box::new(move |cut| {
        if let Some(client) = &client {
            client.cut_after_answer(cut);
        }
    });
    Cover { chain, leg, on_cut }
}
