//! Where a message ends: a type byte, then a length that counts itself but not the type.

use crate::wire::dialogue::Lost;

/// A message longer than this is none: PostgreSQL itself takes at most a gibibyte.
const MAX_MESSAGE: usize = (1 << 30) + 16;

/// How long a type byte and a length are.
pub(super) const HEAD: usize = 5;

/// The type and the whole length of the message at the front; `None` until both are there.
///
/// An error: no message has such a length.
pub(super) fn head(bytes: &[u8]) -> Result<Option<(u8, usize)>, Lost> {
    let [kind, a, b, c, d, ..] = *bytes else {
        return Ok(None);
    };
    let length = u32::from_be_bytes([a, b, c, d]) as usize;
    if (4..=MAX_MESSAGE).contains(&length) {
        Ok(Some((kind, length + 1)))
    } else {
        Err(Lost("no message has such a length"))
    }
}

/// The text up to the next NUL, and what follows it; `None` without one.
pub(super) fn text(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = memchr::memchr(0, bytes)?;
    Some((&bytes[..end], &bytes[end + 1..]))
}

/// A message: its type, then its body with the length before it.
pub(super) fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEAD + body.len());
    bytes.push(kind);
    // What we say ourselves is short.
    bytes.extend_from_slice(&u32::try_from(body.len() + 4).unwrap_or(u32::MAX).to_be_bytes());
    bytes.extend_from_slice(body);
    bytes
}
