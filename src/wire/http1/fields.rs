//! Lines and fields: what heads and trailers have in common.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use memchr::memchr;

use super::names::{Field, Names};
use super::{Flaw, Limits};

/// How far a head that is still coming has been looked through, and where its lines end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Scan {
    seen: usize,
    /// Where the line that is being read starts.
    line: usize,
    lines: usize,
    /// Where the first lines end, at their LF: what was found once is not looked for again.
    ends: [u32; KNOWN],
}

/// How many lines of a head are remembered; most have no more.
const KNOWN: usize = 24;
/// Words without a line's end after which the rest of the line is left to `memchr`, which is faster once it runs.
const QUIET: usize = 8;

impl Scan {
    /// Whether nothing was looked through yet.
    pub(super) const fn is_fresh(&self) -> bool {
        self.seen == 0
    }

    /// Looks for the empty line that ends a block of lines, and says where the block ends. Every line must end with CRLF: a parser
    /// before or behind us may think otherwise of a bare LF, and two opinions make two messages.
    pub(super) fn find_end(&mut self, bytes: &[u8]) -> Result<Option<usize>, Flaw> {
        let (mut from, mut quiet) = (self.seen, 0);
        while let Some(rest) = bytes.get(from..).filter(|rest| !rest.is_empty()) {
            let mut hits = line_feeds(word(rest));
            while hits != 0 {
                let at = from + hits.trailing_zeros() as usize / 8;
                if let Some(end) = self.end_line(bytes, at)? {
                    return Ok(Some(end));
                }
                (hits, quiet) = (hits & (hits - 1), 0);
            }
            (from, quiet) = (from + 8, quiet + 1);
            if quiet == QUIET && from < bytes.len() {
                from += memchr(b'\n', &bytes[from..]).unwrap_or(bytes.len() - from);
                quiet = 0;
            }
        }
        self.seen = bytes.len();
        Ok(None)
    }

    /// Takes note of a line's LF; says where the block ends, if with this line.
    fn end_line(&mut self, bytes: &[u8], at: usize) -> Result<Option<usize>, Flaw> {
        if at == 0 || bytes[at - 1] != b'\r' {
            return Err(Flaw::LineEnd);
        }
        if at == self.line + 1 {
            return Ok(Some(at + 1));
        }
        if let Some(end) = self.ends.get_mut(self.lines) {
            // Beyond what fits nothing is a head: it is over every limit.
            *end = u32::try_from(at).unwrap_or(u32::MAX);
        }
        self.lines += 1;
        self.line = at + 1;
        Ok(None)
    }

    /// The line of this number, which starts at `at`, without its CRLF, and where the next one starts. The block is known to
    /// hold whole lines only.
    pub(super) fn line<'b>(&self, number: usize, block: &'b [u8], at: usize) -> (&'b [u8], usize) {
        let end = if number < self.lines && number < KNOWN {
            self.ends[number] as usize
        } else {
            memchr(b'\n', &block[at..]).map_or(block.len(), |n| at + n)
        };
        (&block[at..end.saturating_sub(1).max(at)], end + 1)
    }

    /// As [`Scan::find_end`], within limits.
    pub(super) fn find_head(&mut self, bytes: &[u8], limits: &Limits) -> Result<Option<usize>, Flaw> {
        let found = self.find_end(bytes)?;
        let size = found.unwrap_or(bytes.len());
        let first = if self.lines == 0 {
            size
        } else {
            self.ends[0] as usize
        };
        if first > limits.target {
            return Err(Flaw::TargetTooLong);
        }
        if size > limits.head || self.lines > limits.fields + 1 {
            return Err(Flaw::HeadTooLarge);
        }
        Ok(found)
    }
}

/// The first eight bytes, the first of them lowest; zeros where there are fewer.
fn word(bytes: &[u8]) -> u64 {
    match bytes.first_chunk() {
        Some(whole) => u64::from_le_bytes(*whole),
        None => bytes
            .iter()
            .rev()
            .fold(0, |word, byte| word << 8 | u64::from(*byte)),
    }
}

/// The highest bit of each byte that is a line feed.
const fn line_feeds(word: u64) -> u64 {
    const LOW: u64 = u64::from_ne_bytes([0x7f; 8]);
    let differ = word ^ u64::from_ne_bytes([b'\n'; 8]);
    !(((differ & LOW) + LOW) | differ | LOW)
}

/// Reads the fields of a block from line `first`, which starts at `at`, to its empty line. Values stay where they lie; `see` gets
/// each field before it is kept.
pub(super) fn read(
    block: &Bytes,
    scan: &Scan,
    (first, mut at): (usize, usize),
    limits: &Limits,
    fields: &mut HeaderMap,
    mut see: impl FnMut(Field, &[u8]) -> Result<(), Flaw>,
) -> Result<(), Flaw> {
    Names::with(|names| {
        for count in 0.. {
            let (line, next) = scan.line(first + count, block, at);
            if line.is_empty() {
                break;
            }
            if count == limits.fields {
                return Err(Flaw::HeadTooLarge);
            }
            let (name, value) = split(line)?;
            let (name, field) = names.read(name)?;
            let value = at + value.0..at + value.1;
            see(field, &block[value.clone()])?;
            let value = HeaderValue::from_maybe_shared(block.slice(value)).map_err(|_| Flaw::FieldValue)?;
            fields.append(name, value);
            at = next;
        }
        Ok(())
    })
}

/// The name of a field, and where in its line the value lies.
fn split(line: &[u8]) -> Result<(&[u8], (usize, usize)), Flaw> {
    if matches!(line[0], b' ' | b'\t') {
        return Err(Flaw::Folding);
    }
    let colon = line.iter().position(|&b| b == b':').ok_or(Flaw::FieldName)?;
    let is_blank = |at: usize| matches!(line[at], b' ' | b'\t');
    let (mut from, mut to) = (colon + 1, line.len());
    while from < to && is_blank(from) {
        from += 1;
    }
    while to > from && is_blank(to - 1) {
        to -= 1;
    }
    Ok((&line[..colon], (from, to)))
}

/// The members of a comma-separated list.
pub(super) fn members(list: &[u8]) -> impl Iterator<Item = &[u8]> {
    list.split(|&b| b == b',')
        .map(<[u8]>::trim_ascii)
        .filter(|member| !member.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(block: &str) -> Result<Vec<(String, String)>, Flaw> {
        let block = Bytes::copy_from_slice(block.as_bytes());
        let mut map = HeaderMap::new();
        let limits = Limits {
            fields: 3,
            ..Limits::default()
        };
        let mut scan = Scan::default();
        for known in [true, false] {
            if known {
                scan.find_end(&block)?;
            }
            map.clear();
            read(&block, &scan, (0, 0), &limits, &mut map, |_, _| Ok(()))?;
            scan = Scan::default();
        }
        Ok(map
            .iter()
            .map(|(n, v)| (n.to_string(), v.to_str().unwrap().to_owned()))
            .collect())
    }

    #[test]
    fn fields_are_read_in_their_order_and_trimmed() {
        let check = |block: &str, expected: &[(&str, &str)]| {
            let expected = expected
                .iter()
                .map(|(n, v)| ((*n).to_owned(), (*v).to_owned()))
                .collect::<Vec<_>>();
            assert_eq!(fields(block), Ok(expected), "{block:?}");
        };
        check("\r\n", &[]);
        check("A: 1\r\n\r\n", &[("a", "1")]);
        check("a:1\r\nB: \t2 3\t \r\n\r\n", &[("a", "1"), ("b", "2 3")]);
        check("a:\r\nb:   \r\n\r\n", &[("a", ""), ("b", "")]);
        check("a: x:y\r\n\r\n", &[("a", "x:y")]);
    }

    #[test]
    fn a_malformed_field_is_named() {
        let check = |block: &str, flaw: Flaw| assert_eq!(fields(block), Err(flaw), "{block:?}");
        check("a : 1\r\n\r\n", Flaw::FieldName);
        check(": 1\r\n\r\n", Flaw::FieldName);
        check("no colon\r\n\r\n", Flaw::FieldName);
        check("a(b): 1\r\n\r\n", Flaw::FieldName);
        check("a: 1\r\n b\r\n\r\n", Flaw::Folding);
        check("a: 1\rb: 2\r\n\r\n", Flaw::FieldValue);
        check("a: \0\r\n\r\n", Flaw::FieldValue);
        check("a: \x7f\r\n\r\n", Flaw::FieldValue);
        check("a:1\r\nb:1\r\nc:1\r\nd:1\r\n\r\n", Flaw::HeadTooLarge);
    }

    #[test]
    fn line_feeds_are_told_from_all_other_bytes() {
        for other in 0..=u8::MAX {
            let bytes = [other, b'\n', other, other, b'\n', b'\n', other, b'\n'];
            let expected = bytes.map(|b| if b == b'\n' { 0x80 } else { 0 });
            assert_eq!(
                line_feeds(u64::from_le_bytes(bytes)),
                u64::from_le_bytes(expected),
                "{other}"
            );
        }
    }

    #[test]
    fn lines_of_any_length_are_found_whatever_their_number() {
        for length in (0..200).chain([1000, 5000]) {
            let line = "x".repeat(length);
            for count in [1, 2, KNOWN - 1, KNOWN, KNOWN + 1, 100] {
                let block = format!("{}\r\nmore\r\n\r\n", format!("a:{line}\r\n").repeat(count));
                let mut scan = Scan::default();
                let end = count * (length + 4) + 2;
                assert_eq!(
                    scan.find_end(block.as_bytes()),
                    Ok(Some(end)),
                    "{count} of {length}"
                );
                let (mut at, mut lines) = (0, 0);
                loop {
                    let (found, next) = scan.line(lines, &block.as_bytes()[..end], at);
                    if found.is_empty() {
                        break;
                    }
                    assert_eq!(found.len(), length + 2);
                    (at, lines) = (next, lines + 1);
                }
                assert_eq!(lines, count);
            }
        }
    }

    #[test]
    fn the_end_is_found_however_the_bytes_come() {
        let block = b"GET / HTTP/1.1\r\nhost: a\r\n\r\nmore";
        let mut scan = Scan::default();
        for n in 0..27 {
            assert_eq!(scan.find_end(&block[..n]), Ok(None), "{n}");
        }
        assert_eq!(scan.find_end(block), Ok(Some(27)));
        assert_eq!(Scan::default().find_end(b"a\r\nb\n"), Err(Flaw::LineEnd));
        assert_eq!(Scan::default().find_end(b"\n"), Err(Flaw::LineEnd));
        assert_eq!(Scan::default().find_end(b"\r\n"), Ok(Some(2)));
    }
}
