//! Lines, lengths and values: what RESP is made of.

use crate::wire::dialogue::Lost;

/// A line that only holds a type and a number is no longer than this.
const MAX_NUMBER: usize = 32;

/// A line of text, such as a command by hand or an error, is no longer than this (Redis's own limit of an inline command).
const MAX_LINE: usize = 64 << 10;

/// A string is no longer than this: Redis's own limit is 512 MiB unless `proto-max-bulk-len` says otherwise.
const MAX_BULK: i64 = 4 << 30;

/// So many elements one aggregate may have.
const MAX_ELEMENTS: i64 = 1 << 30;

/// How long the line at the front is, with its end; `None` until it is all there.
///
/// An error: no line of this protocol is so long.
pub(super) fn line(bytes: &[u8], longest: usize) -> Result<Option<usize>, Lost> {
    let window = &bytes[..bytes.len().min(longest)];
    match memchr::memchr(b'\n', window) {
        Some(end) => Ok(Some(end + 1)),
        None if window.len() == longest => Err(Lost("no line of Redis's protocol is so long")),
        None => Ok(None),
    }
}

/// How long the line of text at the front is.
pub(super) fn text_line(bytes: &[u8]) -> Result<Option<usize>, Lost> {
    line(bytes, MAX_LINE)
}

/// The number in the line at the front, after its type byte, and how long the line is.
pub(super) fn number(bytes: &[u8], most: i64) -> Result<Option<(i64, usize)>, Lost> {
    let Some(length) = line(bytes, MAX_NUMBER)? else {
        return Ok(None);
    };
    let number = whole_number(bytes[1..length].trim_ascii_end());
    match number {
        Some(n) if (-1..=most).contains(&n) => Ok(Some((n, length))),
        _ => Err(Lost(
            "no count or length of Redis's protocol is written like this",
        )),
    }
}

/// A number in decimal, with or without a sign.
fn whole_number(digits: &[u8]) -> Option<i64> {
    let (sign, digits) = match digits {
        [b'-', digits @ ..] => (-1, digits),
        [b'+', digits @ ..] | digits => (1, digits),
    };
    // More digits than this are over every limit, and might not fit.
    if digits.is_empty() || digits.len() > 18 {
        return None;
    }
    let add = |sum: i64, digit: &u8| digit.is_ascii_digit().then(|| sum * 10 + i64::from(digit - b'0'));
    digits.iter().try_fold(0, add).map(|sum| sign * sum)
}

/// How many elements the aggregate at the front has, and how long its line is.
pub(super) fn elements(bytes: &[u8]) -> Result<Option<(u64, usize)>, Lost> {
    let number = number(bytes, MAX_ELEMENTS)?;
    Ok(number.map(|(n, length)| (u64::try_from(n).unwrap_or(0), length)))
}

/// How long the string at the front is, with its line and its end.
pub(super) fn bulk(bytes: &[u8]) -> Result<Option<Bulk>, Lost> {
    let number = number(bytes, MAX_BULK)?;
    Ok(number.map(|(n, line)| Bulk {
        line,
        // A null has no text and no end.
        text: usize::try_from(n).unwrap_or(0),
        whole: usize::try_from(n).map_or(line, |n| line + n + 2),
    }))
}

/// A string with its length before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bulk {
    /// How long the line of its length is.
    pub(super) line: usize,
    /// How long its text is.
    pub(super) text: usize,
    /// How long all of it is.
    pub(super) whole: usize,
}

/// A part of a reply: so many bytes, after which so many more values belong to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Part {
    /// Its bytes.
    pub(super) bytes: usize,
    /// The values that follow it and belong to it.
    pub(super) values: u64,
}

/// The part of a reply at the front; `None` until its first line is there.
pub(super) fn part(bytes: &[u8]) -> Result<Option<Part>, Lost> {
    let whole = |bytes| Part { bytes, values: 0 };
    Ok(match bytes.first() {
        None => None,
        Some(b'+' | b'-') => text_line(bytes)?.map(whole),
        Some(b':' | b'_' | b'#' | b',' | b'(') => text_line(bytes)?.map(whole),
        Some(b'$' | b'=' | b'!') => bulk(bytes)?.map(|bulk| whole(bulk.whole)),
        Some(b'*' | b'~' | b'>') => elements(bytes)?.map(|(n, bytes)| Part { bytes, values: n }),
        Some(b'%') => elements(bytes)?.map(|(n, bytes)| Part { bytes, values: 2 * n }),
        // Attributes stand before the value that they are about.
        Some(b'|') => elements(bytes)?.map(|(n, bytes)| Part {
            bytes,
            values: 2 * n + 1,
        }),
        Some(_) => return Err(Lost("no value of Redis's protocol begins like this")),
    })
}
