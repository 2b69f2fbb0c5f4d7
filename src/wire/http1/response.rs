//! The head of a response, read.

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode, Version};

use super::facts::{Facts, Framing};
use super::fields::{self, Scan};
use super::inbox::Inbox;
use super::names::Field;
use super::request::version;
use super::{Flaw, Limits, pool};

/// A response without its body.
#[derive(Debug)]
pub(super) struct ResponseHead {
    pub(super) status: StatusCode,
    pub(super) version: Version,
    pub(super) headers: HeaderMap,
    pub(super) facts: Facts,
}

/// Every response starts like this.
const START: &[u8] = b"HTTP/1.";

/// Reads a head once all of it has come.
pub(super) fn read(
    inbox: &mut Inbox,
    scan: &mut Scan,
    limits: &Limits,
) -> Result<Option<ResponseHead>, Flaw> {
    let start = inbox.len().min(START.len());
    if inbox.bytes()[..start] != START[..start] {
        return Err(Flaw::FirstLine);
    }
    // A backend's first line has no target: only the head as a whole is limited.
    let limits = Limits {
        target: limits.head,
        ..*limits
    };
    let Some(end) = scan.find_head(inbox.bytes(), &limits)? else {
        return Ok(None);
    };
    parse(&inbox.take(end), &std::mem::take(scan), &limits).map(Some)
}

fn parse(block: &Bytes, scan: &Scan, limits: &Limits) -> Result<ResponseHead, Flaw> {
    let (first, next) = scan.line(0, block, 0);
    let (version, status) = first_line(first)?;
    let mut facts = Facts::default();
    let mut headers = pool::lend_map();
    fields::read(
        block,
        scan,
        (1, next),
        limits,
        &mut headers,
        |field, value| match field {
            // These mean nothing in a response.
            Field::Host | Field::Expect => Ok(()),
            _ => facts.see(field, value),
        },
    )?;
    Ok(ResponseHead {
        status,
        version,
        headers,
        facts,
    })
}

/// Version, status, and a reason that nobody needs; its space may be missing.
fn first_line(line: &[u8]) -> Result<(Version, StatusCode), Flaw> {
    let (version_text, rest) = line.split_at_checked(8).ok_or(Flaw::FirstLine)?;
    let version = version(version_text)?;
    let [b' ', a, b, c, reason @ ..] = rest else {
        return Err(Flaw::FirstLine);
    };
    let is_text = |b: &u8| *b == b'\t' || (*b >= b' ' && *b != 0x7f);
    if !matches!(reason, [] | [b' ', ..]) || !reason.iter().all(is_text) {
        return Err(Flaw::FirstLine);
    }
    let status = StatusCode::from_bytes(&[*a, *b, *c]).map_err(|_| Flaw::Status)?;
    Ok((version, status))
}

impl ResponseHead {
    /// HTTP/1.0.
    pub(super) fn is_old(&self) -> bool {
        self.version == Version::HTTP_10
    }

    /// How its body ends (RFC 9112 section 6.3), which the request's method has a say in.
    pub(super) fn framing(&self, method: &Method, limits: &Limits) -> Result<Framing, Flaw> {
        let said = self.facts.framing(self.is_old())?;
        if *method == Method::HEAD || has_no_body(self.status) {
            return Ok(Framing::None);
        }
        match said.unwrap_or(Framing::Close) {
            Framing::Length(length) if length > limits.body => Err(Flaw::BodyTooLarge),
            framing => Ok(framing),
        }
    }
}

/// The statuses whose responses end with their head.
pub fn has_no_body(status: StatusCode) -> bool {
    status.is_informational() || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
}

#[cfg(test)]
#[path = "tests/response.rs"]
mod tests;
