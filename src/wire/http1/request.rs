//! The head of a request, read.

use bytes::Bytes;
use http::uri::{Authority, Scheme};
use http::{HeaderValue, Method, Uri, Version, header, request};

use super::facts::{Facts, Framing};
use super::fields::{self, Scan};
use super::inbox::Inbox;
use super::{Flaw, Limits, pool};

/// A request without its body.
#[derive(Debug)]
pub(super) struct RequestHead {
    pub(super) parts: Box<request::Parts>,
    pub(super) framing: Framing,
    pub(super) facts: Facts,
}

impl RequestHead {
    /// HTTP/1.0.
    pub(super) fn is_old(&self) -> bool {
        self.parts.version == Version::HTTP_10
    }
}

/// Reads a head once all of it has come.
pub(super) fn read(inbox: &mut Inbox, scan: &mut Scan, limits: &Limits) -> Result<Option<RequestHead>, Flaw> {
    // RFC 9112 section 2.2: empty lines before a request are forgiven.
    while scan.is_fresh() && inbox.bytes().starts_with(b"\r\n") {
        inbox.skip(2);
    }
    match inbox.bytes() {
        [] | [b'\r'] => return Ok(None),
        [b'A'..=b'Z', ..] => {}
        [first, ..] => check_first(*first)?,
    }
    let Some(end) = scan.find_head(inbox.bytes(), limits)? else {
        return Ok(None);
    };
    parse(&inbox.take(end), &std::mem::take(scan), limits).map(Some)
}

/// TLS or another protocol is told at its first byte, not at a time limit.
fn check_first(first: u8) -> Result<(), Flaw> {
    Method::from_bytes(&[first])
        .map(drop)
        .map_err(|_| Flaw::FirstLine)
}

fn parse(block: &Bytes, scan: &Scan, limits: &Limits) -> Result<RequestHead, Flaw> {
    let (first, next) = scan.line(0, block, 0);
    let (method, target, version) = first_line(first)?;
    let old = version == Version::HTTP_10;
    let mut facts = Facts::default();
    let mut parts = pool::lend_head();
    let headers = &mut parts.headers;
    fields::read(block, scan, (1, next), limits, headers, |field, value| {
        facts.see(field, value)
    })?;
    if facts.hosts == 0 && !old {
        return Err(Flaw::Host);
    }
    let framing = facts.framing(old)?.unwrap_or(Framing::None);
    if matches!(framing, Framing::Length(length) if length > limits.body) {
        return Err(Flaw::BodyTooLarge);
    }
    // RFC 9110 section 10.1.1: an expectation of HTTP/1.0 is ignored.
    facts.expect &= !old && framing != Framing::None;
    parts.version = version;
    (parts.uri, parts.method) = (uri(&method, block.slice(target), &mut parts.headers)?, method);
    Ok(RequestHead {
        parts,
        framing,
        facts,
    })
}

/// Exactly two spaces: method, target, version.
fn first_line(line: &[u8]) -> Result<(Method, std::ops::Range<usize>, Version), Flaw> {
    let space = line.iter().position(|&b| b == b' ').ok_or(Flaw::FirstLine)?;
    let method = Method::from_bytes(&line[..space]).map_err(|_| Flaw::Method)?;
    let last = line.iter().rposition(|&b| b == b' ').ok_or(Flaw::FirstLine)?;
    if last <= space + 1 || line[space + 1..last].contains(&b' ') {
        return Err(Flaw::FirstLine);
    }
    let version = version(&line[last + 1..])?;
    Ok((method, space + 1..last, version))
}

/// The version, if it is ours to speak.
pub(super) fn version(text: &[u8]) -> Result<Version, Flaw> {
    match text {
        b"HTTP/1.1" => Ok(Version::HTTP_11),
        b"HTTP/1.0" => Ok(Version::HTTP_10),
        [b'H', b'T', b'T', b'P', b'/', major, b'.', minor]
            if major.is_ascii_digit() && minor.is_ascii_digit() =>
        {
            Err(Flaw::Version)
        }
        _ => Err(Flaw::FirstLine),
    }
}

/// The target in one of its four forms (RFC 9112 section 3.2). The authority of an absolute one takes the place of `Host`.
fn uri(method: &Method, target: Bytes, headers: &mut http::HeaderMap) -> Result<Uri, Flaw> {
    if target.contains(&b'#') {
        return Err(Flaw::Target);
    }
    if *method == Method::CONNECT {
        return authority(target);
    }
    match (&target[..], method) {
        (b"*", &Method::OPTIONS) => Ok(Uri::from_static("*")),
        ([b'/', ..], _) => Uri::from_maybe_shared(target).map_err(|_| Flaw::Target),
        _ => absolute(target, headers),
    }
}

fn authority(target: Bytes) -> Result<Uri, Flaw> {
    let uri = Uri::from_maybe_shared(target).map_err(|_| Flaw::Target)?;
    let has_port = uri
        .authority()
        .is_some_and(|a| a.port_u16().is_some() && !a.as_str().contains('@'));
    if has_port && uri.scheme().is_none() && uri.path_and_query().is_none() {
        Ok(uri)
    } else {
        Err(Flaw::Target)
    }
}

fn absolute(target: Bytes, headers: &mut http::HeaderMap) -> Result<Uri, Flaw> {
    let uri = Uri::from_maybe_shared(target)
        .map_err(|_| Flaw::Target)?
        .into_parts();
    if uri.scheme != Some(Scheme::HTTP) && uri.scheme != Some(Scheme::HTTPS) {
        return Err(Flaw::Target);
    }
    let host = uri.authority.as_ref().map_or("", Authority::as_str);
    if host.is_empty() || host.contains('@') {
        return Err(Flaw::Target);
    }
    headers.insert(
        header::HOST,
        HeaderValue::from_str(host).map_err(|_| Flaw::Target)?,
    );
    Ok(uri
        .path_and_query
        .map_or_else(|| Uri::from_static("/"), Uri::from))
}

#[cfg(test)]
#[path = "tests/request.rs"]
mod tests;
