//! What an exchange can fail from: whose fault it is, what the client sees, and the word that logs and metrics use.

use std::fmt;

use http::StatusCode;
use serde::Serialize;

use crate::{telemetry::Origin, upstream::Outcome, wire::http1::Flaw};

/// Why there is no answer of a backend to pass on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// No route of the listener matches.
    NoRoute,
    /// The route's cluster does not exist: a document that went live without validation.
    BadConfiguration,
    /// No backend of the cluster is usable.
    NoBackend,
    /// A limit of the cluster is reached.
    ClusterFull,
    /// The cluster admits only a share of the traffic, and this request is not in it.
    NotAdmitted,
    /// The backend's name has no address.
    Resolve,
    /// Nobody listens at the backend's address.
    ConnectRefused,
    /// The backend did not accept the connection in time.
    ConnectTimeout,
    /// The network has no way to the backend.
    Unreachable,
    /// The proxy itself is out of descriptors, memory or ports.
    Exhausted,
    /// The TLS handshake with the backend failed.
    TlsHandshake,
    /// The backend ended the connection before or within its answer.
    UpstreamReset,
    /// The backend's answer is no HTTP, or more than the limits allow.
    UpstreamGarbage,
    /// The backend did not begin its answer in time.
    AnswerTimeout,
    /// The request took longer than its route allows.
    RequestTimeout,
    /// The request is larger than the listener allows.
    BodyTooLarge,
    /// The request is not one that this proxy serves.
    BadRequest,
    /// The client stopped sending its request.
    ClientTimeout,
    /// The client went away.
    ClientGone,
    /// A fault answered or cut.
    Injected,
}

impl Reason {
    /// What a malformed or oversized request is refused for.
    pub const fn of_flaw(flaw: Flaw) -> Self {
        match flaw {
            Flaw::BodyTooLarge => Self::BodyTooLarge,
            Flaw::Late => Self::ClientTimeout,
            _ => Self::BadRequest,
        }
    }

    /// Whether no backend has answered, though one should have.
    pub const fn is_unanswered(self) -> bool {
        matches!(
            self,
            Self::NoBackend
                | Self::Resolve
                | Self::ConnectRefused
                | Self::ConnectTimeout
                | Self::Unreachable
                | Self::TlsHandshake
                | Self::UpstreamReset
                | Self::AnswerTimeout
        )
    }

    /// What it looks like to those who must not know what was injected: a reason of the same status.
    #[must_use]
    pub const fn plain(self) -> Self {
        match self {
            Self::Injected => Self::NoBackend,
            seen => seen,
        }
    }

    /// The word in headers, logs and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoRoute => "no_route",
            Self::BadConfiguration => "bad_configuration",
            Self::NoBackend => "no_backend",
            Self::ClusterFull => "cluster_full",
            Self::NotAdmitted => "not_admitted",
            Self::Resolve => "resolve",
            Self::ConnectRefused => "connect_refused",
            Self::ConnectTimeout => "connect_timeout",
            Self::Unreachable => "unreachable",
            Self::Exhausted => "exhausted",
            Self::TlsHandshake => "tls_handshake",
            Self::UpstreamReset => "upstream_reset",
            Self::UpstreamGarbage => "upstream_garbage",
            Self::AnswerTimeout => "answer_timeout",
            Self::RequestTimeout => "request_timeout",
            Self::BodyTooLarge => "body_too_large",
            Self::BadRequest => "bad_request",
            Self::ClientTimeout => "client_timeout",
            Self::ClientGone => "client_gone",
            Self::Injected => "injected",
        }
    }

    /// The status that the client sees (RFC 9110 section 15): 502 where a backend did wrong, 503 where none can be
    /// had, 504 where one was too slow.
    pub const fn status(self) -> StatusCode {
        match self {
            Self::NoRoute => StatusCode::NOT_FOUND,
            Self::BadConfiguration => StatusCode::INTERNAL_SERVER_ERROR,
            Self::NoBackend | Self::ClusterFull | Self::NotAdmitted | Self::Exhausted | Self::Injected => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Self::Resolve
            | Self::ConnectRefused
            | Self::Unreachable
            | Self::TlsHandshake
            | Self::UpstreamReset
            | Self::UpstreamGarbage => StatusCode::BAD_GATEWAY,
            Self::ConnectTimeout | Self::AnswerTimeout | Self::RequestTimeout => StatusCode::GATEWAY_TIMEOUT,
            Self::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::BadRequest => StatusCode::BAD_REQUEST,
            Self::ClientTimeout | Self::ClientGone => StatusCode::REQUEST_TIMEOUT,
        }
    }

    /// One line for the client's eyes: what happened, and where to look next.
    pub const fn explanation(self) -> &'static str {
        match self {
            Self::NoRoute => "no route of this listener matches the request",
            Self::BadConfiguration => {
                "the route leads to a cluster that the configuration in force does not define"
            }
            Self::NoBackend => "no backend is available; `chaosproxy status` shows why",
            Self::ClusterFull => "the cluster's limits are reached; try again later",
            Self::NotAdmitted => "only a share of the traffic is admitted at the moment; try again later",
            Self::Resolve => "the backend's name could not be resolved",
            Self::ConnectRefused => "the backend refused the connection",
            Self::ConnectTimeout => "the backend did not accept the connection in time",
            Self::Unreachable => "the backend cannot be reached",
            Self::Exhausted => "the proxy cannot open another connection; try again later",
            Self::TlsHandshake => "the TLS handshake with the backend failed",
            Self::UpstreamReset => "the backend closed the connection before it had answered",
            Self::UpstreamGarbage => "the backend's answer could not be understood",
            Self::AnswerTimeout => "the backend did not answer in time",
            Self::RequestTimeout => "the request took longer than its route allows",
            Self::BodyTooLarge => "the request's body is larger than this listener allows",
            Self::BadRequest => "the request is not one that this proxy serves",
            Self::ClientTimeout => "the request did not arrive in time",
            Self::ClientGone => "the client went away",
            Self::Injected => "a fault ended this request",
        }
    }

    /// What the failure tells about the backend; `None` where it says nothing.
    pub const fn outcome(self) -> Option<Outcome> {
        match self {
            Self::Resolve | Self::Unreachable | Self::TlsHandshake => Some(Outcome::Connect),
            Self::ConnectRefused => Some(Outcome::Refused),
            Self::ConnectTimeout | Self::AnswerTimeout => Some(Outcome::Timeout),
            Self::UpstreamReset => Some(Outcome::Reset),
            Self::UpstreamGarbage => Some(Outcome::Garbage),
            _ => None,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A failed exchange: the reason, the detail for the log, and whether a fault is behind it.
#[derive(Clone, Debug)]
pub struct Failure {
    /// Why.
    pub reason: Reason,
    /// What exactly, for the log; never shown to a client.
    pub detail: String,
    /// Whether it was injected.
    pub injected: bool,
}

impl Failure {
    /// A failure that really happened.
    pub fn real(reason: Reason, detail: impl fmt::Display) -> Self {
        Self {
            reason,
            detail: detail.to_string(),
            injected: false,
        }
    }

    /// A failure that a fault brought about.
    pub fn injected(reason: Reason, fault: &str) -> Self {
        Self {
            reason,
            detail: format!("fault `{fault}`"),
            injected: true,
        }
    }

    /// The same as it looks to those who must not know what was injected. Who counts it still knows.
    #[must_use]
    pub fn plain(self) -> Self {
        let reason = self.reason.plain();
        match self.injected {
            true => Self {
                reason,
                detail: reason.explanation().to_owned(),
                ..self
            },
            false => self,
        }
    }

    /// Who is behind it: a fault, or the proxy that noticed.
    pub const fn origin(&self) -> Origin {
        if self.injected {
            Origin::Injected
        } else {
            Origin::Proxy
        }
    }
}

/// Whether the service failed its user. A backend that answers 4xx did what it should, unless it turned the user away for load;
/// a fault that answers so took the place of the right answer. A request that nobody could serve is the client's own failure.
pub fn has_failed(status: StatusCode, origin: Origin, reason: Option<Reason>) -> bool {
    let is_unserved = match reason {
        None | Some(Reason::BadRequest | Reason::BodyTooLarge) => false,
        Some(_) => true,
    };
    let is_refused = match origin {
        Origin::Injected => status.is_client_error(),
        _ => status == StatusCode::TOO_MANY_REQUESTS,
    };
    status.is_server_error() || is_refused || is_unserved
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_has_failed_its_user_or_has_not() {
        let check = |status: u16, origin: Origin, reason: Option<Reason>, failed: bool| {
            let status = StatusCode::from_u16(status).unwrap();
            assert_eq!(
                has_failed(status, origin, reason),
                failed,
                "{status} {origin:?} {reason:?}"
            );
        };
        check(200, Origin::Upstream, None, false);
        check(302, Origin::Upstream, None, false);
        check(404, Origin::Upstream, None, false);
        check(429, Origin::Upstream, None, true);
        check(500, Origin::Upstream, None, true);
        check(200, Origin::Injected, None, false);
        check(404, Origin::Injected, None, true);
        check(429, Origin::Injected, None, true);
        check(404, Origin::Proxy, Some(Reason::NoRoute), true);
        check(400, Origin::Proxy, Some(Reason::BadRequest), false);
        check(413, Origin::Proxy, Some(Reason::BodyTooLarge), false);
        check(503, Origin::Proxy, Some(Reason::NotAdmitted), true);
        // An answer that broke off, and a user who gave up waiting.
        check(200, Origin::Upstream, Some(Reason::UpstreamReset), true);
        check(200, Origin::Proxy, Some(Reason::ClientGone), true);
    }
}
