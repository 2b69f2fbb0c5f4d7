//! Heads, written. Framing and the connection's fate are decided here, whatever the fields given say.

use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header, request, response};
use http_body::SizeHint;

use super::facts::decimal;
use super::fields::members;
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

/// Writes the head of a final response; says how its body goes out and whether the connection lives on.
pub(super) fn response(
    out: &mut Vec<u8>,
    parts: &response::Parts,
    hint: SizeHint,
    asker: Asker,
    persist: bool,
) -> (Writer, bool) {
    let given = length(&parts.headers);
    let length = given.or(hint.exact());
    let writer = match length {
        _ if asker.head || has_no_body(parts.status) => Writer::Nothing,
        Some(0) => Writer::Nothing,
        Some(length) => Writer::Length(length),
        None if asker.old => Writer::Close,
        None => Writer::Chunked {
            trailers: asker.trailers,
        },
    };
    let persist = persist && writer != Writer::Close && !says_close(&parts.headers);
    status_line(out, parts.status);
    fields(out, &parts.headers, |name| {
        is_framing(name) || *name == header::CONNECTION
    });
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
    fields(out, headers, is_framing);
    out.extend_from_slice(b"\r\n");
}

/// Writes the head of a request; says how its body goes out.
pub(super) fn request(out: &mut Vec<u8>, parts: &request::Parts, hint: SizeHint) -> Writer {
    let length = length(&parts.headers).or(hint.exact());
    let writer = match length {
        Some(0) => Writer::Nothing,
        Some(length) => Writer::Length(length),
        None => Writer::Chunked { trailers: true },
    };
    request_line(out, parts);
    if !parts.headers.contains_key(header::HOST) {
        out.extend_from_slice(b"host: ");
        out.extend_from_slice(parts.uri.authority().map_or("", |a| a.as_str()).as_bytes());
        out.extend_from_slice(b"\r\n");
    }
    fields(out, &parts.headers, is_framing);
    match writer {
        Writer::Length(length) => field_number(out, length),
        Writer::Chunked { .. } => out.extend_from_slice(b"transfer-encoding: chunked\r\n"),
        // RFC 9110 section 8.6: a method that expects a body says that there is none.
        _ if matches!(parts.method, Method::POST | Method::PUT | Method::PATCH) => field_number(out, 0),
        _ => {}
    }
    out.extend_from_slice(b"\r\n");
    writer
}

/// Writes trailers and the empty line behind them, without fields that could change the message's framing.
pub(super) fn trailers(trailers: &HeaderMap, out: &mut Vec<u8>) {
    fields(out, trailers, |name| {
        is_framing(name) || *name == header::HOST || *name == header::CONNECTION
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

/// Whether the fields ask for the connection's end.
pub(super) fn says_close(headers: &HeaderMap) -> bool {
    let mut values = headers.get_all(header::CONNECTION).iter();
    values.any(|value| members(value.as_bytes()).any(|m| m.eq_ignore_ascii_case(b"close")))
}

fn length(headers: &HeaderMap) -> Option<u64> {
    headers
        .get(header::CONTENT_LENGTH)
        .map(HeaderValue::as_bytes)
        .and_then(decimal)
}

fn is_framing(name: &HeaderName) -> bool {
    *name == header::CONTENT_LENGTH || *name == header::TRANSFER_ENCODING
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

fn fields(out: &mut Vec<u8>, headers: &HeaderMap, skip: impl Fn(&HeaderName) -> bool) {
    for (name, value) in headers {
        if skip(name) {
            continue;
        }
        out.extend_from_slice(name.as_str().as_bytes());
        out.extend_from_slice(b": ");
        out.extend_from_slice(value.as_bytes());
        out.extend_from_slice(b"\r\n");
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
