//! What the fields of a head say about the message and the connection.

use super::Flaw;
use super::fields::members;
use super::names::Field;

/// The fields that the codec itself must understand, read while the head is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Facts {
    pub(super) length: Option<u64>,
    /// `Transfer-Encoding: chunked`.
    pub(super) chunked: bool,
    pub(super) hosts: u8,
    pub(super) close: bool,
    pub(super) keep_alive: bool,
    /// `Expect: 100-continue`.
    pub(super) expect: bool,
    /// `TE: trailers`.
    pub(super) trailers: bool,
    pub(super) upgrade: bool,
}

/// How the end of a body is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// There is no body.
    None,
    /// After so many bytes.
    Length(u64),
    /// After the last chunk.
    Chunked,
    /// When the connection is closed.
    Close,
}

impl Facts {
    /// Takes note of one field.
    pub(super) fn see(&mut self, field: Field, value: &[u8]) -> Result<(), Flaw> {
        match field {
            Field::ContentLength => self.see_length(value)?,
            Field::TransferEncoding => self.see_coding(value)?,
            Field::Host => self.see_host(value)?,
            Field::Connection => {
                self.close |= members(value).any(|m| m.eq_ignore_ascii_case(b"close"));
                self.keep_alive |= members(value).any(|m| m.eq_ignore_ascii_case(b"keep-alive"));
            }
            Field::Expect if value.eq_ignore_ascii_case(b"100-continue") => self.expect = true,
            Field::Expect => return Err(Flaw::Expectation),
            Field::Te => self.trailers |= members(value).any(|m| m.eq_ignore_ascii_case(b"trailers")),
            Field::Upgrade => self.upgrade = true,
            Field::Other => {}
        }
        Ok(())
    }

    fn see_length(&mut self, value: &[u8]) -> Result<(), Flaw> {
        let length = decimal(value).ok_or(Flaw::ContentLength)?;
        match self.length.replace(length) {
            None => Ok(()),
            Some(_) => Err(Flaw::ContentLength),
        }
    }

    fn see_coding(&mut self, value: &[u8]) -> Result<(), Flaw> {
        let is_chunked = |coding: &&[u8]| coding.eq_ignore_ascii_case(b"chunked");
        if self.chunked {
            return Err(Flaw::TransferEncoding);
        }
        if is_chunked(&value) {
            self.chunked = true;
            return Ok(());
        }
        let last = members(value).last();
        match members(value).filter(is_chunked).count() {
            1 if last.as_ref().is_some_and(is_chunked) && members(value).count() > 1 => {
                Err(Flaw::TransferCoding)
            }
            0 if last.is_some() => Err(Flaw::TransferCoding),
            _ => Err(Flaw::TransferEncoding),
        }
    }

    fn see_host(&mut self, value: &[u8]) -> Result<(), Flaw> {
        self.hosts += 1;
        if self.hosts > 1 || !value.iter().all(|&b| HOST_BYTES[usize::from(b)]) {
            return Err(Flaw::Host);
        }
        Ok(())
    }

    /// Whether the peer wants the connection to live on. `old` is HTTP/1.0, where that must be said.
    pub(super) fn persists(&self, old: bool) -> bool {
        !self.close && (!old || self.keep_alive)
    }

    /// What is said about the body (RFC 9112 section 6.3), before method and status have their say.
    pub(super) fn framing(&self, old: bool) -> Result<Option<Framing>, Flaw> {
        match (self.chunked, self.length) {
            (true, Some(_)) => Err(Flaw::TwoLengths),
            (true, None) if old => Err(Flaw::TransferEncoding),
            (true, None) => Ok(Some(Framing::Chunked)),
            (false, Some(0)) => Ok(Some(Framing::None)),
            (false, Some(length)) => Ok(Some(Framing::Length(length))),
            (false, None) => Ok(None),
        }
    }
}

/// A number in digits alone: no sign, no space, no list. Nineteen digits are always less than `u64::MAX`.
pub(super) fn decimal(text: &[u8]) -> Option<u64> {
    if text.is_empty() || text.len() > 19 || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(text.iter().fold(0, |n, digit| n * 10 + u64::from(digit - b'0')))
}

/// RFC 3986 `host` and `port`. No user information, no comma: a list here is an attack.
const HOST_BYTES: [bool; 256] = {
    let (mut table, marks) = ([false; 256], b"-._~%!$&'()*+;=:[]");
    let mut byte = 0;
    while byte < 128 {
        table[byte] = (byte as u8).is_ascii_alphanumeric();
        byte += 1;
    }
    let mut mark = 0;
    while mark < marks.len() {
        table[marks[mark] as usize] = true;
        mark += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(fields: &[(&'static str, &str)]) -> Result<Facts, Flaw> {
        let mut facts = Facts::default();
        for (name, value) in fields {
            facts.see(Field::of(name), value.as_bytes())?;
        }
        Ok(facts)
    }

    #[test]
    fn framing_is_decided_or_refused() {
        let check = |fields: &[(&'static str, &str)], expected: Result<Option<Framing>, Flaw>| {
            assert_eq!(
                facts(fields).and_then(|f| f.framing(false)),
                expected,
                "{fields:?}"
            );
        };
        let (cl, te) = ("content-length", "transfer-encoding");
        check(&[], Ok(None));
        check(&[(cl, "0")], Ok(Some(Framing::None)));
        check(&[(cl, "17")], Ok(Some(Framing::Length(17))));
        check(&[(te, "chunked")], Ok(Some(Framing::Chunked)));
        check(&[(te, "CHUNKED")], Ok(Some(Framing::Chunked)));
        check(&[(te, "chunked"), (cl, "1")], Err(Flaw::TwoLengths));
        check(&[(cl, "1"), (te, "chunked")], Err(Flaw::TwoLengths));
        for bad in [
            "",
            "+1",
            "-1",
            "1 ",
            "0x1",
            "1, 1",
            "1,2",
            "99999999999999999999",
            "1.0",
            "٣",
        ] {
            check(&[(cl, bad)], Err(Flaw::ContentLength));
        }
        check(&[(cl, "1"), (cl, "1")], Err(Flaw::ContentLength));
        check(&[(cl, "1"), (cl, "2")], Err(Flaw::ContentLength));
        for unknown in [
            "gzip",
            "gzip, chunked",
            "xchunked",
            "identity",
            "chunked;q=1",
            "\"chunked\"",
        ] {
            check(&[(te, unknown)], Err(Flaw::TransferCoding));
        }
        for misplaced in [
            "chunked, gzip",
            "chunked, chunked",
            "chunked, identity",
            "",
            ",",
            ",chunked",
        ] {
            check(&[(te, misplaced)], Err(Flaw::TransferEncoding));
        }
        check(&[(te, "chunked"), (te, "identity")], Err(Flaw::TransferEncoding));
        check(&[(te, "identity"), (te, "chunked")], Err(Flaw::TransferCoding));
    }

    #[test]
    fn the_end_of_a_connection_is_a_matter_of_version_and_words() {
        let check = |words: &[(&'static str, &str)], old: bool, expected: bool| {
            assert_eq!(facts(words).unwrap().persists(old), expected, "{words:?}");
        };
        check(&[], false, true);
        check(&[], true, false);
        check(&[("connection", "Keep-Alive")], true, true);
        check(&[("connection", "x, Close")], false, false);
        check(
            &[("connection", "keep-alive"), ("connection", "close")],
            true,
            false,
        );
        check(&[("connection", "closed")], false, true);
    }
}
