//! Toxiproxy's API on our port: one door for all its paths.

use std::time::Duration;

use axum::{
    body::{self, Body},
    extract::{Request, State},
    response::{IntoResponse, Response},
};
use http::{HeaderValue, Method, header, request};
use tokio::time;

use super::{
    Desk,
    clearance::Secrecy,
    guard::Guard,
    refusal::{Kind, Refusal},
    tokens::Role,
};
use crate::toxiproxy::{self, Reply};

/// The largest body of most requests.
const LARGEST_BODY: usize = 1 << 20;

/// The largest list of `/populate`, which Toxiproxy does not limit: as many proxies and toxics as there may be need far less, but
/// a list may carry fields that nobody knows.
const LARGEST_LIST: usize = 16 << 20;

/// Where a list is sent.
const POPULATE: &str = "/populate";

/// Workers look at once; an answer waits no longer for them.
const FOLLOWED_WITHIN: Duration = Duration::from_millis(250);

/// How often it is looked whether they have.
const LOOK: Duration = Duration::from_millis(1);

/// The paths that need a route of their own; every other one of them is a 404.
pub(super) const PATHS: [&str; 5] = ["/version", "/proxies", "/proxies/{*rest}", POPULATE, "/reset"];

/// Answers a request as Toxiproxy does, if the guard lets it pass.
pub(super) async fn answer(State((desk, guard)): State<(Desk, Guard)>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let role = match head.method {
        Method::GET => Role::Observer,
        _ => Role::Facilitator,
    };
    if let Err(refusal) = may_know(&desk, &guard, &head, role) {
        return refusal.into_response();
    }
    let most = match head.uri.path() {
        POPULATE => LARGEST_LIST,
        _ => LARGEST_BODY,
    };
    let Ok(body) = body::to_bytes(body, most).await else {
        let detail = format!("the body has more than {most} bytes, or was cut off");
        return Refusal::new(Kind::TooLarge, detail, "send less").into_response();
    };
    let agent = head.headers.get(header::USER_AGENT);
    let agent = agent.and_then(|agent| agent.to_str().ok()).unwrap_or_default();
    let answer = desk.toxiproxy.answer(&head.method, head.uri.path(), agent, &body);
    let reply = answer.await;
    if head.method != Method::GET {
        // A worker that is stuck holds nobody up for long.
        let _ = time::timeout(FOLLOWED_WITHIN, followed(&desk)).await;
    }
    response(reply)
}

/// Lets those in who may do what this role may, and know what toxics are set.
fn may_know(desk: &Desk, guard: &Guard, head: &request::Parts, role: Role) -> Result<(), Refusal> {
    let caller = guard.caller(head, role)?;
    Secrecy::Kept.allows(desk.clearance(caller.role), desk.is_drilling())
}

/// Waits until traffic goes by what was changed: a client that has its answer counts on it.
async fn followed(desk: &Desk) {
    let generation = desk.control.snapshot().generation;
    while !desk.metrics.is_followed(generation) {
        time::sleep(LOOK).await;
    }
}

/// Shows Toxiproxy's numbers in its format, to any method.
pub(super) async fn metrics(State((desk, guard)): State<(Desk, Guard)>, request: Request) -> Response {
    let (head, _) = request.into_parts();
    if let Err(refusal) = may_know(&desk, &guard, &head, Role::Observer) {
        return refusal.into_response();
    }
    let text = desk.toxiproxy.metrics();
    ([(header::CONTENT_TYPE, toxiproxy::METRICS_MEDIA)], text).into_response()
}

/// A refusal in the form in which Toxiproxy's clients read one; what is said besides, in fields, stays.
pub(super) fn refused(response: Response) -> Response {
    let (mut head, body) = response.into_parts();
    let Some(refusal) = head.extensions.remove::<Refusal>() else {
        return Response::from_parts(head, body);
    };
    let told = [refusal.detail, refusal.mend];
    let told: Vec<&str> = told
        .iter()
        .map(String::as_str)
        .filter(|part| !part.is_empty())
        .collect();
    let Reply { media, body, .. } = Reply::refused(refusal.status, &told.join("; "));
    head.headers.remove(header::CONTENT_LENGTH);
    if let Some(media) = media {
        head.headers
            .insert(header::CONTENT_TYPE, HeaderValue::from_static(media));
    }
    Response::from_parts(head, Body::from(body))
}

fn response(reply: Reply) -> Response {
    let mut response = Response::new(Body::from(reply.body));
    *response.status_mut() = reply.status.try_into().unwrap_or_default();
    let headers = response.headers_mut();
    if let Some(media) = reply.media {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media));
    }
    if let Some(location) = reply.location.and_then(|to| to.try_into().ok()) {
        headers.insert(header::LOCATION, location);
    }
    response
}
