//! Why a request was not done: a kind, a detail and the next step, as RFC 9457 (`application/problem+json`) has it.

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::Problems;

/// The media type of a refusal.
pub const PROBLEM_JSON: &str = "application/problem+json";

/// A request that was not done, and what to do about it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Refusal {
    /// What kind of refusal this is.
    pub r#type: Kind,
    /// The kind in a few words.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What is the matter this time.
    pub detail: String,
    /// The next step.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub mend: String,
    /// What is wrong with the text that was sent, place by place.
    #[serde(default, skip_serializing_if = "Problems::is_empty")]
    pub problems: Problems,
}

/// The kinds of refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Kind {
    /// The request cannot be understood.
    #[serde(rename = "urn:chaosproxy:malformed")]
    Malformed,
    /// No token, or one that is not known.
    #[serde(rename = "urn:chaosproxy:unauthorized")]
    Unauthorized,
    /// The token's role may not do this, or a browser sent the request from another site.
    #[serde(rename = "urn:chaosproxy:forbidden")]
    Forbidden,
    /// It is not for the token's role to know, or not before the exercise is over.
    #[serde(rename = "urn:chaosproxy:sealed")]
    Sealed,
    /// There is no such thing.
    #[serde(rename = "urn:chaosproxy:not-found")]
    NotFound,
    /// There is such a thing, but this cannot be done to it.
    #[serde(rename = "urn:chaosproxy:method-not-allowed")]
    Method,
    /// It cannot be done now, as things stand.
    #[serde(rename = "urn:chaosproxy:conflict")]
    Conflict,
    /// A gate of the drill refused the act.
    #[serde(rename = "urn:chaosproxy:act-refused")]
    ActRefused,
    /// Panic is in force.
    #[serde(rename = "urn:chaosproxy:panicked")]
    Panicked,
    /// The checks of the drill do not hold.
    #[serde(rename = "urn:chaosproxy:not-held")]
    NotHeld,
    /// The body is larger than the limit.
    #[serde(rename = "urn:chaosproxy:too-large")]
    TooLarge,
    /// The body is of a type that is not read here.
    #[serde(rename = "urn:chaosproxy:media-type")]
    MediaType,
    /// The request names a host that this is not.
    #[serde(rename = "urn:chaosproxy:misdirected")]
    Misdirected,
    /// The body was understood, and what it asks for is wrong.
    #[serde(rename = "urn:chaosproxy:invalid")]
    Invalid,
    /// Too many requests are under way.
    #[serde(rename = "urn:chaosproxy:overloaded")]
    Overloaded,
    /// The proxy cannot forward yet, or no longer.
    #[serde(rename = "urn:chaosproxy:not-ready")]
    NotReady,
    /// The answer took longer than the limit.
    #[serde(rename = "urn:chaosproxy:timed-out")]
    TimedOut,
    /// A fault of ours.
    #[serde(rename = "urn:chaosproxy:internal")]
    Internal,
}

impl Kind {
    /// The HTTP status and the title.
    const fn words(self) -> (StatusCode, &'static str) {
        match self {
            Self::Malformed => (StatusCode::BAD_REQUEST, "the request cannot be understood"),
            Self::Unauthorized => (StatusCode::UNAUTHORIZED, "a token is needed"),
            Self::Forbidden => (StatusCode::FORBIDDEN, "this is not allowed"),
            Self::Sealed => (StatusCode::FORBIDDEN, "this is sealed"),
            Self::NotFound => (StatusCode::NOT_FOUND, "there is no such thing"),
            Self::Method => (StatusCode::METHOD_NOT_ALLOWED, "this cannot be done to it"),
            Self::Conflict => (StatusCode::CONFLICT, "this cannot be done now"),
            Self::ActRefused => (StatusCode::CONFLICT, "the act was refused"),
            Self::Panicked => (StatusCode::CONFLICT, "panic is in force"),
            Self::NotHeld => (StatusCode::CONFLICT, "not every check holds"),
            Self::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "the body is too large"),
            Self::MediaType => (
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "this type of body is not read here",
            ),
            Self::Misdirected => (
                StatusCode::MISDIRECTED_REQUEST,
                "the request names a host that this is not",
            ),
            Self::Invalid => (StatusCode::UNPROCESSABLE_ENTITY, "what was sent is wrong"),
            Self::Overloaded => (StatusCode::SERVICE_UNAVAILABLE, "too many requests are under way"),
            Self::NotReady => (StatusCode::SERVICE_UNAVAILABLE, "not ready to forward"),
            Self::TimedOut => (StatusCode::GATEWAY_TIMEOUT, "the answer took too long"),
            Self::Internal => (StatusCode::INTERNAL_SERVER_ERROR, "a fault of ours"),
        }
    }
}

impl Refusal {
    /// A refusal of this kind, for this reason, with this next step.
    pub fn new(kind: Kind, detail: impl Into<String>, mend: impl Into<String>) -> Self {
        let (status, title) = kind.words();
        Self {
            r#type: kind,
            title: title.to_owned(),
            status: status.as_u16(),
            detail: detail.into(),
            mend: mend.into(),
            problems: Problems::default(),
        }
    }

    /// The text that was sent is wrong at these places.
    pub fn problems(what: &str, problems: Problems) -> Self {
        let count = match problems.len() {
            1 => "1 problem".to_owned(),
            n => format!("{n} problems"),
        };
        Self {
            problems,
            ..Self::new(
                Kind::Invalid,
                format!("{what} has {count}; nothing was changed"),
                "mend what `problems` lists and send it again",
            )
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, axum::Json(&self)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
        match self.r#type {
            Kind::Unauthorized => {
                headers.append(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
                headers.append(
                    header::WWW_AUTHENTICATE,
                    HeaderValue::from_static("Basic realm=\"chaosproxy\", charset=\"UTF-8\""),
                );
            }
            Kind::Overloaded => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
            }
            _ => {}
        }
        // Another grammar has another form for it.
        response.extensions_mut().insert(self);
        response
    }
}
