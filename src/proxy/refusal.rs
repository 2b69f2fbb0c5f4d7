//! Requests that never became one: what their clients are told, and what is kept of them.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Response};

use super::{client::Client, error::Reason, headers::REASON};
use crate::{
    telemetry::{Class, Origin, access},
    wire::http1::{Flaw, Serving},
};

/// The answer to a request that cannot be understood, with the reason for machines beside the one for people.
pub(super) fn answer(flaw: Flaw) -> Response<Bytes> {
    let mut response = Serving::plain(flaw);
    let reason = HeaderValue::from_static(Reason::of_flaw(flaw).as_str());
    response.headers_mut().insert(&REASON, reason);
    response
}

/// Counts and logs a request that never became one.
pub(super) fn record(client: &Client, flaw: Flaw) {
    tracing::debug!(peer = %client.peer, %flaw, "request refused");
    let (_, listener) = client.seen();
    let (worker, status) = (&client.worker, flaw.status().as_u16());
    let lane = listener.no_route.lane(worker.index, None);
    lane.answered(Class::of(status), Origin::Proxy);
    let Some(pen) = &worker.pen else { return };
    pen.write(access::Entry {
        client: client.peer,
        listener: &listener.name,
        route: None,
        method: None,
        path: None,
        status: Some(status),
        received: 0,
        sent: 0,
        duration: Duration::ZERO,
        backend: None,
        attempts: 0,
        origin: Origin::Proxy,
        faults: &mut std::iter::empty(),
        reason: Some(Reason::of_flaw(flaw).as_str()),
        request_id: None,
        blind: false,
    });
}
