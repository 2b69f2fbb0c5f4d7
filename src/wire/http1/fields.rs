//! Lines and fields: what heads and trailers have in common.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use memchr::{memchr, memchr_iter};

use super::{Flaw, Limits, pool};

/// How far a head that is still coming has been looked through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Scan {
    seen: usize,
    /// Where the line that is being read starts.
    line: usize,
    /// Bytes of the first line, once it has ended.
    first: usize,
    lines: usize,
}

impl Scan {
    /// Looks for the empty line that ends a block of lines, and says where the block ends. Every line must end with CRLF: a parser
    /// before or behind us may think otherwise of a bare LF, and two opinions make two messages.
    pub(super) fn find_end(&mut self, bytes: &[u8]) -> Result<Option<usize>, Flaw> {
        for found in memchr_iter(b'\n', &bytes[self.seen..]) {
            let at = self.seen + found;
            if at == 0 || bytes[at - 1] != b'\r' {
                return Err(Flaw::LineEnd);
            }
            if at == self.line + 1 {
                return Ok(Some(at + 1));
            }
            if self.lines == 0 {
                self.first = at;
            }
            self.lines += 1;
            self.line = at + 1;
        }
        self.seen = bytes.len();
        Ok(None)
    }

    /// As [`Scan::find_end`], within limits.
    pub(super) fn find_head(&mut self, bytes: &[u8], limits: &Limits) -> Result<Option<usize>, Flaw> {
        let found = self.find_end(bytes)?;
        let size = found.unwrap_or(bytes.len());
        let first = if self.lines == 0 { size } else { self.first };
        if first > limits.target {
            return Err(Flaw::TargetTooLong);
        }
        if size > limits.head || self.lines > limits.fields + 1 {
            return Err(Flaw::HeadTooLarge);
        }
        Ok(found)
    }
}

/// The line that starts at `at`, without its CRLF, and where the next one starts. The block is known to hold whole lines only.
pub(super) fn line(block: &[u8], at: usize) -> (&[u8], usize) {
    let end = memchr(b'\n', &block[at..]).map_or(block.len(), |n| at + n);
    (&block[at..end.saturating_sub(1).max(at)], end + 1)
}

/// Reads the fields of a block from `at` to its empty line. Values stay where they lie; `see` gets each field before it is kept.
pub(super) fn read(
    block: &Bytes,
    mut at: usize,
    limits: &Limits,
    mut see: impl FnMut(&HeaderName, &[u8]) -> Result<(), Flaw>,
) -> Result<HeaderMap, Flaw> {
    let mut fields = pool::lend_map();
    for count in 0.. {
        let (line, next) = line(block, at);
        if line.is_empty() {
            break;
        }
        if count == limits.fields {
            return Err(Flaw::HeadTooLarge);
        }
        let (name, value) = split(line)?;
        let from = at + value.0;
        see(&name, &block[from..at + value.1])?;
        let value =
            HeaderValue::from_maybe_shared(block.slice(from..at + value.1)).map_err(|_| Flaw::FieldValue)?;
        fields.append(name, value);
        at = next;
    }
    Ok(fields)
}

/// The name of a field, and where in its line the value lies.
fn split(line: &[u8]) -> Result<(HeaderName, (usize, usize)), Flaw> {
    if matches!(line[0], b' ' | b'\t') {
        return Err(Flaw::Folding);
    }
    let colon = line.iter().position(|&b| b == b':').ok_or(Flaw::FieldName)?;
    let name = HeaderName::from_bytes(&line[..colon]).map_err(|_| Flaw::FieldName)?;
    let is_text = |b: &u8| !matches!(b, b' ' | b'\t');
    let from = line[colon + 1..]
        .iter()
        .position(is_text)
        .map_or(line.len(), |n| colon + 1 + n);
    let to = line[from..]
        .iter()
        .rposition(is_text)
        .map_or(from, |n| from + n + 1);
    Ok((name, (from, to)))
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
        let map = read(
            &block,
            0,
            &Limits {
                fields: 3,
                ..Limits::default()
            },
            |_, _| Ok(()),
        )?;
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
