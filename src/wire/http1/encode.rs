//! Heads, written. Framing and the connection's fate are decided here, whatever the fields given say.

use http::{HeaderMap, Method, StatusCode, request, response};
use http_body::SizeHint;

use super::facts::decimal;
use super::fields::members;
use super::names::Field;
use super::response::has_no_body;

/// How the end of a body is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Writer {
    /// There is no body.
    Nothing,
    /// After so many more bytes.
    Length(u64),
    /// With the last chunk; trailers only to those who want them.
    Chunked { trailers: bool },
    /// By closing the connection.
    Close,
}

/// What the answer to a request must heed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Asker {
    pub(super) head: bool,
    /// HTTP/1.0.
    pub(super) old: bool,
    pub(super) trailers: bool,
}

/// What the fields of a head say, gathered while they are written: asking a map for each would cost more than writing it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Said {
    /// `Content-Length`.
    length: Option<u64>,
    host: bool,
    /// `Connection: close`.
    pub(super) close: bool,
    /// `Expect: 100-continue`.
    pub(super) expect: bool,
    pub(super) upgrade: bool,
}

/// Writes the head of a final response; says how its body goes out and whether the connection lives on.
pub(super) fn response(
    out: &mut Vec<u8>,
    parts: &response::Parts,
    hint: SizeHint,
    asker: Asker,
    persist: bool,
) -> (Writer, bool) {
    status_line(out, parts.status);
    let said = fields(out, &parts.headers, |field| {
        field.is_framing() || field == Field::Connection
    });
    let given = said.length;
    let writer = match given.or(hint.exact()) {
        _ if asker.head || has_no_body(parts.status) => Writer::Nothing,
        Some(0) => Writer::Nothing,
        Some(length) => Writer::Length(length),
        None if asker.old => Writer::Close,
        None => Writer::Chunked {
            trailers: asker.trailers,
        },
    };
    let persist = persist && writer != Writer::Close && !said.close;
    match writer {
        Writer::Length(length) => field_number(out, length),
        Writer::Chunked { .. } => out.extend_from_slice(b"transfer-encoding: chunked\r\n"),
        // The length that a GET would have had is worth passing on, one that we only guess is not.
        Writer::Nothing if asker.head || parts.status == StatusCode::NOT_MODIFIED => {
            given.into_iter().for_each(|length| field_number(out, length));
        }
        Writer::Nothing if !has_no_body(parts.status) => field_number(out, 0),
        _ => {}
    }
    match persist {
        false => out.extend_from_slice(b"connection: close\r\n"),
        true if asker.old => out.extend_from_slice(b"connection: keep-alive\r\n"),
        true => {}
    }
    out.extend_from_slice(b"\r\n");
    (writer, persist)
}

/// Writes a head without a body and without a say in the connection: 1xx, or 2xx to `CONNECT`.
pub(super) fn bare_response(out: &mut Vec<u8>, status: StatusCode, headers: &HeaderMap) {
    status_line(out, status);
    fields(out, headers, Field::is_framing);
    out.extend_from_slice(b"\r\n");
}

/// Writes the head of a request; says how its body goes out, and what its fields say.
pub(super) fn request(out: &mut Vec<u8>, parts: &request::Parts, hint: SizeHint) -> (Writer, Said) {
    request_line(out, parts);
    let first = out.len();
    let said = fields(out, &parts.headers, Field::is_framing);
    if !said.host {
        let authority = parts.uri.authority().map_or("", |a| a.as_str());
        out.splice(first..first, format!("host: {authority}\r\n").into_bytes());
    }
    let writer = match said.length.or(hint.exact()) {
        Some(0) => Writer::Nothing,
        Some(length) => Writer::Length(length),
        None => Writer::Chunked { trailers: true },
    };
    match writer {
        Writer::Length(length) => field_number(out, length),
        Writer::Chunked { .. } => out.extend_from_slice(b"transfer-encoding: chunked\r\n"),
        // RFC 9110 section 8.6: a method that expects a body says that there is none.
        _ if matches!(parts.method, Method::POST | Method::PUT | Method::PATCH) => field_number(out, 0),
        _ => {}
    }
    out.extend_from_slice(b"\r\n");
    (writer, said)
}

/// Writes trailers and the empty line behind them, without fields that could change the message's framing.
pub(super) fn trailers(trailers: &HeaderMap, out: &mut Vec<u8>) {
    fields(out, trailers, |field| {
        field.is_framing() || matches!(field, Field::Host | Field::Connection)
    });
    out.extend_from_slice(b"\r\n");
}

/// Writes the line before a chunk.
pub(super) fn chunk_size(size: usize, out: &mut Vec<u8>) {
    let digits = (usize::BITS - size.leading_zeros()).div_ceil(4).max(1);
    let digit = |n: u32| b"0123456789abcdef"[size >> (4 * n) & 15];
    out.extend((0..digits).rev().map(digit));
    out.extend_from_slice(b"\r\n");
}

fn status_line(out: &mut Vec<u8>, status: StatusCode) {
    if status == StatusCode::OK {
        return out.extend_from_slice(b"HTTP/1.1 200 OK\r\n");
    }
    out.extend_from_slice(b"HTTP/1.1 ");
    out.extend_from_slice(status.as_str().as_bytes());
    out.push(b' ');
    out.extend_from_slice(status.canonical_reason().unwrap_or("").as_bytes());
    out.extend_from_slice(b"\r\n");
}

fn request_line(out: &mut Vec<u8>, parts: &request::Parts) {
    out.extend_from_slice(parts.method.as_str().as_bytes());
    out.push(b' ');
    let authority = parts.uri.authority().filter(|_| parts.method == Method::CONNECT);
    let target = match (authority, parts.uri.path_and_query()) {
        (Some(authority), _) => authority.as_str(),
        (None, Some(path)) => path.as_str(),
        (None, None) => "/",
    };
    out.extend_from_slice(target.as_bytes());
    // The version is ours, whatever the client's was (RFC 9110 section 2.5).
    out.extend_from_slice(b" HTTP/1.1\r\n");
}

fn fields(out: &mut Vec<u8>, headers: &HeaderMap, skip: impl Fn(Field) -> bool) -> Said {
    let mut said = Said::default();
    for (name, value) in headers {
        let (name, value) = (name.as_str(), value.as_bytes());
        let field = Field::of(name);
        said.hear(field, value);
        if skip(field) {
            continue;
        }
        out.reserve(name.len() + value.len() + 4);
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b": ");
        out.extend_from_slice(value);
        out.extend_from_slice(b"\r\n");
    }
    said
}

impl Said {
    fn hear(&mut self, field: Field, value: &[u8]) {
        match field {
            Field::ContentLength => self.length = self.length.or_else(|| decimal(value)),
            Field::Host => self.host = true,
            Field::Connection => self.close |= members(value).any(|m| m.eq_ignore_ascii_case(b"close")),
            Field::Expect => self.expect |= value.eq_ignore_ascii_case(b"100-continue"),
            Field::Upgrade => self.upgrade = true,
            Field::TransferEncoding | Field::Te | Field::Other => {}
        }
    }
}

fn field_number(out: &mut Vec<u8>, length: u64) {
    let (mut digits, mut at, mut left) = ([0; 20], 20, length);
    loop {
        at -= 1;
        digits[at] = b'0' + u8::try_from(left % 10).unwrap_or(0);
        left /= 10;
        if left == 0 {
            break;
        }
    }
    out.extend_from_slice(b"content-length: ");
    out.extend_from_slice(&digits[at..]);
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
#[path = "tests/encode.rs"]
mod tests;
