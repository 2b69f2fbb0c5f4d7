//! A connection that was upgraded (RFC 9110 section 7.8): from its 101 on it is bytes, like any TCP connection.

use std::{rc::Rc, time::Duration};

use bytes::Bytes;

use super::{
    client::Client,
    record::Record,
    relay::{Joint, Legs},
};
use crate::{faults::Plan, net::Stream};

/// The backend's side of an upgraded connection.
pub struct Tunnel {
    /// The connection to the backend.
    pub upstream: Stream,
    /// What the backend sent right after its head.
    pub early: Bytes,
    /// How long nothing may move.
    pub idle: Duration,
    /// The request that it was, recorded when the tunnel ends.
    pub record: Box<Record>,
    /// The faults of both legs whose byte part goes on in the tunnel.
    pub plans: [Plan; 2],
}

/// Joins both sides until they end.
pub async fn run(client: &Rc<Client>, tunnel: Tunnel, mut stream: Stream, early: Bytes) {
    let Tunnel {
        mut upstream,
        early: from_backend,
        idle,
        mut record,
        plans,
    } = tunnel;
    stream.unread(early);
    upstream.unread(from_backend);
    let view = client.worker.view();
    // The faults of a request are rolled once, when it opens: those that are added later meet new requests.
    let candidates = Box::new(|| None);
    let joint = Joint::new(
        client,
        &upstream,
        record.number,
        view.generation,
        Legs::default(),
        candidates,
        plans,
    );
    drop(view);
    let parted = joint.run(stream, upstream, idle).await;
    record.tunnelled(parted);
}
