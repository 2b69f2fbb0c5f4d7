//! A connection that was upgraded (RFC 9110 section 7.8): from its 101 on it is bytes, like any TCP connection.

use std::{rc::Rc, time::Duration};

use bytes::Bytes;

use super::{
    client::Client,
    follow::Legs,
    record::Record,
    relay::{Joint, Place},
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
    // Faults that were added since the request was rolled for meet the tunnel at once; those that ask about a head do not,
    // for there is none any more.
    let (known, place) = faults(client, &record);
    let joint = Joint::new(
        client,
        &upstream,
        record.number,
        record.view.generation,
        known,
        place,
        plans,
    );
    let parted = joint.run(stream, upstream, idle).await;
    record.tunnelled(parted);
}

/// The faults that could touch the request when it was rolled for, and those that may touch its tunnel later.
fn faults(client: &Rc<Client>, record: &Record) -> (Legs, Option<Place>) {
    let (Some(place), Some(tried)) = (record.route, &record.backend) else {
        return (Legs::default(), None);
    };
    let route = &record.listener.routes[place];
    let known = Legs {
        client: route.faults.to_vec(),
        upstream: route.upstream[tried.index].to_vec(),
    };
    let place = Place::new(client, route, &tried.target, tried.index);
    (known, Some(place))
}
