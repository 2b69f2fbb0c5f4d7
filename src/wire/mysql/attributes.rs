//! The attributes that a client may send with a query since MySQL 8.0.23, as tracing does: they stand before its text.

use super::frame::{number, short};

/// More than any client sends; beyond it the text is not looked for.
const MOST: u64 = 4096;

/// The text of a query behind its attributes; `None` where they are not understood, or do not end here.
pub(super) fn text_behind(payload: &[u8]) -> Option<&[u8]> {
    let (count, rest) = number(payload)?;
    // How many sets of values there are: always one.
    let (_, rest) = number(rest)?;
    if count == 0 {
        return Some(rest);
    }
    if count > MOST {
        return None;
    }
    let count = usize::try_from(count).ok()?;
    let (nulls, rest) = rest.split_at_checked(count.div_ceil(8))?;
    // Their types are always said: they belong to one query only.
    let (&1, mut rest) = rest.split_first()? else {
        return None;
    };
    let mut kinds = Vec::with_capacity(count);
    for _ in 0..count {
        // The bit beside the type says that a number has no sign.
        kinds.push(short(rest, 0)?.to_le_bytes()[0]);
        rest = after_text(rest.get(2..)?)?;
    }
    for (n, kind) in kinds.into_iter().enumerate() {
        let is_null = nulls[n / 8] & 1 << (n % 8) != 0;
        if !is_null {
            rest = after_value(kind, rest)?;
        }
    }
    Some(rest)
}

/// What follows a value of this type (`MYSQL_TYPE_...`) in the binary protocol.
fn after_value(kind: u8, bytes: &[u8]) -> Option<&[u8]> {
    match kind {
        // NULL.
        0x06 => Some(bytes),
        // TINY; SHORT, YEAR; LONG, INT24, FLOAT; LONGLONG, DOUBLE.
        0x01 => bytes.get(1..),
        0x02 | 0x0d => bytes.get(2..),
        0x03 | 0x04 | 0x09 => bytes.get(4..),
        0x05 | 0x08 => bytes.get(8..),
        // Times, texts, bytes and decimals have their length before them.
        0x00 | 0x07 | 0x0a..=0x0c | 0x0f | 0x10 | 0xf5..=0xff => after_text(bytes),
        _ => None,
    }
}

fn after_text(bytes: &[u8]) -> Option<&[u8]> {
    let (length, rest) = number(bytes)?;
    rest.get(usize::try_from(length).ok()?..)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_text_stands_behind_the_attributes() {
        for (payload, text) in [
            (&b"\x00\x01select 1"[..], Some(&b"select 1"[..])),
            // One text, as tracing sends it.
            (
                b"\x01\x01\x00\x01\xfe\x00\x0btraceparent\x0200select 1",
                Some(b"select 1"),
            ),
            // A number without a sign, nothing, and a day.
            (
                b"\x03\x01\x02\x01\x08\x80\x01n\x06\x00\x01x\x0a\x00\x01d\x05\0\0\0\0\0\0\0\x04\xe9\x07\x01\x02do 0",
                Some(b"do 0"),
            ),
            // Nine, all of them nothing.
            (
                b"\x09\x01\xff\x01\x01\xfe\0\0\xfe\0\0\xfe\0\0\xfe\0\0\xfe\0\0\xfe\0\0\xfe\0\0\xfe\0\0\xfe\0\0do 0",
                Some(b"do 0"),
            ),
            (b"\x01\x01\x00\x00select 1", None),
            (b"\x01\x01\x00\x01\x77\x00\x01nselect 1", None),
            (b"\x01\x01\x00\x01\xfe\x00\x01n\x7fselect 1", None),
            (b"\xfe\xff\xff\xff\xff\xff\xff\xff\x7f\x01", None),
            (b"", None),
        ] {
            assert_eq!(text_behind(payload), text, "{payload:?}");
        }
    }

    proptest! {
        #[test]
        fn whatever_comes_is_read_or_given_up(payload: Vec<u8>) {
            if let Some(text) = text_behind(&payload) {
                prop_assert!(payload.ends_with(text));
            }
        }
    }
}
