//! The chunked coding, read (RFC 9112 section 7.1). Pure: bytes in, pieces out.

use bytes::Bytes;
use http::HeaderMap;
use memchr::memchr;

use super::fields::{self, Scan};
use super::inbox::Inbox;
use super::names::Field;
use super::{Flaw, Limits};

/// Bytes of a size line: sixteen digits and a sober extension.
const LINE: usize = 256;
/// Bytes of extensions in one body: they are thrown away, so they may not be what a peer makes us work with.
const EXTENSIONS: usize = 16 * 1024;

/// Where in a chunked body the reader stands.
#[derive(Debug)]
pub(super) struct Chunked {
    state: State,
    extensions: usize,
}

#[derive(Debug)]
enum State {
    Size,
    Data(u64),
    DataEnd,
    Trailers(Box<Scan>),
    Done,
}

/// What the bytes at hand are.
#[derive(Debug, PartialEq)]
pub(super) enum Step {
    /// A piece of the body.
    Data(Bytes),
    /// The fields behind the body, which is over.
    Trailers(HeaderMap),
    /// The end of the body.
    End,
    /// Too few bytes to say.
    More,
}

impl Chunked {
    pub(super) const fn new() -> Self {
        Self {
            state: State::Size,
            extensions: 0,
        }
    }

    pub(super) fn is_done(&self) -> bool {
        matches!(self.state, State::Done)
    }

    /// Bytes that are known to come.
    pub(super) fn left(&self) -> u64 {
        if let State::Data(left) = self.state {
            left
        } else {
            0
        }
    }

    /// The next step; `More` only when the inbox cannot give one.
    pub(super) fn next(&mut self, inbox: &mut Inbox, limits: &Limits) -> Result<Step, Flaw> {
        loop {
            match &mut self.state {
                State::Size => match self.read_size(inbox)? {
                    None => return Ok(Step::More),
                    Some(0) => self.state = State::Trailers(Box::default()),
                    Some(size) => self.state = State::Data(size),
                },
                State::Data(_) if inbox.is_empty() => return Ok(Step::More),
                State::Data(left) => {
                    let n = inbox.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                    *left -= n as u64;
                    if *left == 0 {
                        self.state = State::DataEnd;
                    }
                    return Ok(Step::Data(inbox.take(n)));
                }
                State::DataEnd => match inbox.bytes() {
                    [] | [b'\r'] => return Ok(Step::More),
                    [b'\r', b'\n', ..] => {
                        inbox.skip(2);
                        self.state = State::Size;
                    }
                    _ => return Err(Flaw::ChunkEnd),
                },
                State::Trailers(scan) => {
                    let step = read_trailers(inbox, scan, limits)?;
                    if step != Step::More {
                        self.state = State::Done;
                    }
                    return Ok(step);
                }
                State::Done => return Ok(Step::End),
            }
        }
    }

    fn read_size(&mut self, inbox: &mut Inbox) -> Result<Option<u64>, Flaw> {
        let bytes = &inbox.bytes()[..inbox.len().min(LINE)];
        let Some(end) = memchr(b'\n', bytes) else {
            return if bytes.len() < LINE {
                Ok(None)
            } else {
                Err(Flaw::ChunkSize)
            };
        };
        let line = bytes[..end].strip_suffix(b"\r").ok_or(Flaw::LineEnd)?;
        let digits = line
            .iter()
            .position(|b| !b.is_ascii_hexdigit())
            .unwrap_or(line.len());
        let (size, extension) = (hexadecimal(&line[..digits])?, &line[digits..]);
        check_extension(extension)?;
        self.extensions += extension.len();
        if self.extensions > EXTENSIONS {
            return Err(Flaw::ChunkSize);
        }
        inbox.skip(end + 1);
        Ok(Some(size))
    }
}

/// One to sixteen digits: more cannot be told from an overflow.
fn hexadecimal(digits: &[u8]) -> Result<u64, Flaw> {
    if digits.is_empty() || digits.len() > 16 {
        return Err(Flaw::ChunkSize);
    }
    let value = |digit: &u8| u64::from((*digit as char).to_digit(16).unwrap_or(0));
    Ok(digits.iter().fold(0, |n, digit| n << 4 | value(digit)))
}

/// Nothing, or white space, a semicolon and text without control characters: a bare CR here splits messages.
fn check_extension(extension: &[u8]) -> Result<(), Flaw> {
    let is_text = |b: &u8| *b == b'\t' || (*b >= b' ' && *b != 0x7f);
    if extension.is_empty()
        || (extension.trim_ascii_start().starts_with(b";") && extension.iter().all(is_text))
    {
        return Ok(());
    }
    Err(Flaw::ChunkSize)
}

fn read_trailers(inbox: &mut Inbox, scan: &mut Scan, limits: &Limits) -> Result<Step, Flaw> {
    let found = scan.find_end(inbox.bytes())?;
    if found.unwrap_or(inbox.len()) > limits.head {
        return Err(Flaw::Trailers);
    }
    match found {
        None => Ok(Step::More),
        Some(2) => {
            inbox.skip(2);
            Ok(Step::End)
        }
        Some(end) => {
            let mut trailers = HeaderMap::new();
            fields::read(
                &inbox.take(end),
                scan,
                (0, 0),
                limits,
                &mut trailers,
                |field, _| match field {
                    Field::ContentLength | Field::TransferEncoding | Field::Host => Err(Flaw::Trailers),
                    _ => Ok(()),
                },
            )?;
            Ok(Step::Trailers(trailers))
        }
    }
}

#[cfg(test)]
#[path = "tests/chunked.rs"]
mod tests;
