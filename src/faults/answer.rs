//! The answer that a fault gives in the backend's place, and the words it is written with.

use std::{collections::BTreeMap, fmt};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

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
            after: false,
        }
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

/// Header fields, each a name and a value that HTTP allows.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "BTreeMap<String, String>", into = "BTreeMap<String, String>")]
pub struct Fields(#[schemars(with = "BTreeMap<String, String>")] HeaderMap);

impl Fields {
    /// The fields as HTTP knows them.
    pub const fn map(&self) -> &HeaderMap {
        &self.0
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl TryFrom<BTreeMap<String, String>> for Fields {
    type Error = String;

    fn try_from(fields: BTreeMap<String, String>) -> Result<Self, String> {
        let mut map = HeaderMap::with_capacity(fields.len());
        for (name, value) in fields {
            let key = field_name(&name)?;
            let value = HeaderValue::from_str(&value).map_err(|_| {
                format!("the value of `{name}` has characters that a header field may not have")
            })?;
            map.insert(key, value);
        }
        Ok(Self(map))
    }
}

impl From<Fields> for BTreeMap<String, String> {
    fn from(fields: Fields) -> Self {
        let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        fields
            .0
            .iter()
            .map(|(name, value)| (name.to_string(), text(value)))
            .collect()
    }
}

/// Reads the name of a header field.
pub(super) fn field_name(name: &str) -> Result<HeaderName, String> {
    HeaderName::try_from(name).map_err(|_| format!("`{name}` is no name of a header field"))
}
