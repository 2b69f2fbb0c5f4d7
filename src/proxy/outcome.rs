//! What a client gets: a backend's answer, a tunnel, the proxy's own answer, or an end without any.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header, response};

use super::{
    asked::{Asked, Ending},
    body::Source,
    deadline::Deadline,
    download::Download,
    error::{Failure, Reason},
    headers::REASON,
    idle::Idle,
    passed,
    record::Record,
    tunnel::Tunnel,
};
use crate::{
    faults::{self, Cut, Plan},
    net::Stream,
    telemetry::Origin,
    wire::http1::{Reply, has_no_body},
};

/// What becomes of a request.
pub type Outcome = Reply<Download<Box<Record>>, After>;

/// What becomes of a connection that no longer speaks HTTP.
pub enum After {
    /// Bytes pass between the client and a backend.
    Tunnel(Box<Tunnel>),
    /// It is ended.
    Cut(Cut),
}

/// What a backend made of a request.
pub enum Made {
    /// An answer.
    Response {
        /// Its head.
        head: response::Parts,
        /// Its body.
        body: Source,
        /// How long the body may stand still.
        idle: Option<Idle>,
        /// When the whole request must have ended.
        whole: Option<Deadline>,
    },
    /// It is no longer HTTP.
    Tunnel {
        /// The head that says so.
        response: Response<()>,
        /// The backend's connection.
        upstream: Stream,
        /// What the backend sent right after it.
        early: Bytes,
        /// How long nothing may move.
        idle: Duration,
        /// The faults of both legs.
        plans: [Plan; 2],
    },
}

impl Made {
    /// Hands the record over to the answer's body, or to the tunnel: the exchange is over when they are.
    pub fn outcome(self, asked: Asked<'_>) -> Outcome {
        let (record, to_head) = (asked.record, asked.to_head);
        match self {
            Self::Response {
                mut head,
                body,
                idle,
                whole,
            } => {
                let body = fitting(to_head, &mut head, body);
                let idle = idle.filter(|_| !http_body::Body::is_end_stream(&body));
                Reply::Response(Response::from_parts(
                    head,
                    Download::new(body, idle, whole, record),
                ))
            }
            Self::Tunnel {
                response,
                upstream,
                early,
                idle,
                plans,
            } => {
                let tunnel = Tunnel {
                    upstream,
                    early,
                    idle,
                    record,
                    plans,
                };
                Reply::Tunnel(response, After::Tunnel(Box::new(tunnel)))
            }
        }
    }
}

/// The body that goes with a head: none where HTTP has no place for it (RFC 9110, sections 6.4.1 and 9.3.2), whatever a backend
/// or a fault gives.
fn fitting(to_head: bool, head: &mut response::Parts, body: Source) -> Source {
    if !to_head && !has_no_body(head.status) {
        return body;
    }
    if head.status == StatusCode::NO_CONTENT {
        head.headers.remove(header::CONTENT_LENGTH);
    }
    Source::Empty
}

impl Asked<'_> {
    /// Ends a request without a backend's answer.
    pub fn end(mut self, ending: Ending) -> Outcome {
        let (response, reason) = match ending {
            Ending::Cut(cut) => {
                self.record.cut();
                return Reply::Abort(After::Cut(cut));
            }
            Ending::Injected(answer) => (self.injected(&answer), Reason::Injected),
            Ending::Failed(failure) => {
                let instead = self.instead(failure.reason);
                let failure = match self.view.blind {
                    true => failure.plain(),
                    false => failure,
                };
                self.log(&failure);
                self.record.failed(&failure);
                match instead {
                    // It remains a failure, whatever the status says.
                    Some(answer) => (self.injected(&answer), Reason::Injected),
                    None => (own_answer(failure.reason, self.to_grpc), failure.reason),
                }
            }
        };
        let (mut head, body) = response.into_parts();
        self.say(&mut head.headers, reason);
        if self.is_half_read(reason) {
            head.headers
                .insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        Made::Response {
            head,
            body: Source::Whole(body),
            idle: None,
            whole: None,
        }
        .outcome(self)
    }

    /// A fault's answer, as the client gets it; in a blind drill it looks like a backend's that has been passed on.
    fn injected(&mut self, answer: &faults::Answer) -> Response<Bytes> {
        let mut response = answer.response(self.to_grpc);
        self.record.answered(response.status(), Origin::Injected);
        if self.view.blind {
            let (version, headers) = (response.version(), response.headers_mut());
            headers.entry(header::DATE).or_insert_with(passed::date);
            let route = self.record.route.map(|place| &self.listener.routes[place]);
            passed::passed_on(headers, version, self.listener, route);
        }
        response
    }

    /// What a fault answers where no backend has.
    fn instead(&mut self, reason: Reason) -> Option<std::sync::Arc<faults::Answer>> {
        let plan = self.record.kept.client.as_mut()?;
        reason.is_unanswered().then(|| plan.unanswered()).flatten()
    }

    fn say(&self, headers: &mut HeaderMap, reason: Reason) {
        let is_secret = self.view.blind && reason == Reason::Injected;
        if self.listener.settings.headers.reason && !is_secret {
            headers.insert(&REASON, HeaderValue::from_static(reason.as_str()));
        }
    }

    fn origin(&self, failure: &Failure) -> Origin {
        match self.view.blind {
            true => failure.origin().plain(true),
            false => failure.origin(),
        }
    }

    fn log(&self, failure: &Failure) {
        let backend = self
            .record
            .backend
            .as_ref()
            .map_or("none", |tried| tried.backend().name());
        tracing::debug!(listener = &*self.listener.name, backend, reason = failure.reason.as_str(),
            origin = self.origin(failure).as_str(), detail = %failure.detail, "request failed");
    }
}

/// The proxy's own answer to a request that failed.
fn own_answer(reason: Reason, to_grpc: bool) -> Response<Bytes> {
    if to_grpc {
        let mut answer = faults::Answer::new(reason.status());
        answer.grpc = None;
        return answer.response(true);
    }
    let mut response = Response::new(Bytes::from(format!("{reason}: {}\n", reason.explanation())));
    *response.status_mut() = reason.status();
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    if response.status() == StatusCode::SERVICE_UNAVAILABLE {
        response
            .headers_mut()
            .insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    }
    response
}
