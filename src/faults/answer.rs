//! The answer that a fault gives in the backend's place, and the words it is written with.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::database_error::DatabaseError;
use crate::{
    route::{
        Dialect,
        name::{FieldName, FieldValue},
    },
    wire::errors::{KnownError, Moment},
};

/// An answer given by a fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its header fields.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
    /// What a gRPC client is told instead of the status.
    pub grpc: Option<Grpc>,
    /// What a database session is told instead.
    pub error: Option<Box<DatabaseError>>,
    /// Whether the backend is asked all the same, and its answer thrown away: what the request does is done.
    pub after: bool,
}

/// A gRPC status with its message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grpc {
    /// The code, 0 to 16.
    pub code: u8,
    /// The message, percent-encoded as the header field wants it.
    pub message: Option<HeaderValue>,
}

impl Answer {
    /// A bare answer.
    pub fn new(status: StatusCode) -> Self {
        Self {
            status,
            headers: HeaderMap::new(),
            body: Bytes::new(),
            grpc: None,
            error: None,
            after: false,
        }
    }

    /// The answer that a database session gets: this error of the catalogue.
    pub fn of_error(name: &str) -> Arc<Self> {
        Arc::new(Self {
            error: Some(Box::new(DatabaseError::Named(name.to_owned()))),
            ..Self::new(StatusCode::SERVICE_UNAVAILABLE)
        })
    }

    /// The same answer with header fields as they are written.
    #[must_use]
    pub(super) fn with_headers(mut self, fields: &BTreeMap<FieldName, FieldValue>) -> Self {
        let pairs = fields
            .iter()
            .map(|(name, value)| (name.0.clone(), value.0.clone()));
        self.headers.extend(pairs);
        self
    }

    /// Whether a session of a database gets it only once its server was asked for the session.
    pub fn is_late(&self, dialect: Dialect) -> bool {
        self.error.as_ref().is_some_and(|error| error.is_late(dialect))
    }

    /// Whether it is about the database that a session names, be it in its opening or later.
    pub(super) fn is_of_databases(&self, dialect: Dialect) -> bool {
        let known = self.error.as_ref().and_then(|error| error.known(dialect));
        let is_such = |known: &KnownError| known.moment == Moment::Login && known.text.contains("{database}");
        // A session of PostgreSQL stays with the one that it has begun with.
        dialect == Dialect::Mysql && known.is_some_and(is_such)
    }

    /// Whether a server would say it already to what prepares a command.
    pub(super) fn is_of_preparation(&self, dialect: Dialect) -> bool {
        let known = self.error.as_ref().and_then(|error| error.known(dialect));
        known.is_some_and(|known| known.moment == Moment::Prepare)
    }

    /// The answer as HTTP; gRPC calls get an answer that consists of trailers only.
    pub fn response(&self, to_grpc: bool) -> Response<Bytes> {
        let mut response = Response::new(Bytes::new());
        *response.headers_mut() = self.headers.clone();
        if to_grpc {
            let (code, message) = match &self.grpc {
                Some(grpc) => (grpc.code, grpc.message.clone()),
                None => (grpc_code(self.status), None),
            };
            let headers = response.headers_mut();
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
            headers.insert("grpc-status", HeaderValue::from(u16::from(code)));
            if let Some(message) = message {
                headers.insert("grpc-message", message);
            }
        } else {
            *response.status_mut() = self.status;
            *response.body_mut() = self.body.clone();
        }
        response
    }
}

/// Whether answers of this status have a body (RFC 9110, section 6.4.1).
pub(super) fn has_body(status: StatusCode) -> bool {
    !status.is_informational() && status != StatusCode::NO_CONTENT && status != StatusCode::NOT_MODIFIED
}

/// What a gRPC client makes of an HTTP status (grpc/doc/http-grpc-status-mapping.md).
fn grpc_code(status: StatusCode) -> u8 {
    match status.as_u16() {
        400 => 13,
        401 => 16,
        403 => 7,
        404 => 12,
        429 | 502..=504 => 14,
        _ => 2,
    }
}

/// Percent-encodes a gRPC message (gRPC over HTTP/2, "Status-Message").
pub(super) fn grpc_message(text: &str) -> HeaderValue {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b' '..=b'~' if byte != b'%' => encoded.push(char::from(byte)),
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    HeaderValue::from_str(&encoded).expect("only printable characters are left")
}

/// The status of a final answer, 200 to 599.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "u16", into = "u16")]
pub struct Status(#[schemars(range(min = 200, max = 599))] StatusCode);

impl Status {
    /// The status as HTTP knows it.
    pub const fn code(self) -> StatusCode {
        self.0
    }
}

impl TryFrom<u16> for Status {
    type Error = String;

    fn try_from(code: u16) -> Result<Self, String> {
        match StatusCode::from_u16(code) {
            Ok(status) if (200..=599).contains(&code) => Ok(Self(status)),
            _ => Err(format!(
                "{code} is no final status: it must lie between 200 and 599"
            )),
        }
    }
}

impl From<Status> for u16 {
    fn from(status: Status) -> Self {
        status.0.as_u16()
    }
}

impl From<StatusCode> for Status {
    fn from(status: StatusCode) -> Self {
        Self(status)
    }
}

/// The code of a gRPC status, 0 to 16.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "u8", into = "u8")]
pub struct GrpcCode(#[schemars(range(max = 16))] u8);

impl TryFrom<u8> for GrpcCode {
    type Error = String;

    fn try_from(code: u8) -> Result<Self, String> {
        match code {
            0..=16 => Ok(Self(code)),
            _ => Err(format!("{code} is no gRPC status: it must lie in 0 to 16")),
        }
    }
}

impl From<GrpcCode> for u8 {
    fn from(code: GrpcCode) -> Self {
        code.0
    }
}
