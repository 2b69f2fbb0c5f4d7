//! Packets, and the numbers in them.

use bytes::Bytes;

/// How long a packet's head is: three bytes of length, one of sequence.
pub(super) const HEAD: usize = 4;

/// A payload of this length goes on in the next packet.
pub(super) const FULL: usize = 0xff_ff_ff;

/// The head of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    /// How long its payload is.
    pub(super) payload: usize,
    /// Its place in the exchange, modulo 256.
    pub(super) sequence: u8,
}

/// The head of the packet at the front; `None` until it is there.
pub(super) fn head(bytes: &[u8]) -> Option<Head> {
    let [a, b, c, sequence, ..] = *bytes else {
        return None;
    };
    Some(Head {
        payload: u32::from_le_bytes([a, b, c, 0]) as usize,
        sequence,
    })
}

/// A packet. What we say ourselves is short.
pub(super) fn packet(sequence: u8, payload: &[u8]) -> Bytes {
    let [a, b, c, _] = u32::try_from(payload.len()).unwrap_or(0).to_le_bytes();
    [&[a, b, c, sequence], payload].concat().into()
}

/// The number of variable length at the front, and what follows it.
pub(super) fn number(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let (&first, rest) = bytes.split_first()?;
    let width = match first {
        0..=0xfa => return Some((first.into(), rest)),
        0xfc => 2,
        0xfd => 3,
        0xfe => 8,
        _ => return None,
    };
    let mut wide = [0; 8];
    wide.get_mut(..width)?.copy_from_slice(rest.get(..width)?);
    Some((u64::from_le_bytes(wide), &rest[width..]))
}

/// The text up to the next NUL, and what follows it.
pub(super) fn text(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = memchr::memchr(0, bytes)?;
    Some((&bytes[..end], &bytes[end + 1..]))
}

/// Two bytes at this place.
pub(super) fn short(bytes: &[u8], at: usize) -> Option<u16> {
    let two = bytes.get(at..at + 2)?;
    Some(u16::from_le_bytes([two[0], two[1]]))
}

/// Four bytes at this place.
pub(super) fn long(bytes: &[u8], at: usize) -> Option<u32> {
    let low = short(bytes, at)?;
    let high = short(bytes, at + 2)?;
    Some(u32::from(high) << 16 | u32::from(low))
}
