//! What clients say in PostgreSQL's protocol 3, as far as a server of one table needs it: from bytes to messages.
//!
//! What a message means is in `session`, what is answered in `replies`. This is a codec of our own because the demo runs inside the proxy, where bad
//! input must never cost more than the connection it came on: crate `pgwire` takes messages of a gibibyte, panics on
//! short ones, and allocates whatever row count an `Execute` names, which can abort the whole process.
//!
//! Format: <https://www.postgresql.org/docs/15/protocol-message-formats.html>

use bytes::{Buf, Bytes, BytesMut};

use super::values::Format;

/// The longest message that is read; the table's rows are small, and so is the SQL that asks for them.
pub(super) const MAX_MESSAGE: usize = 64 << 10;

/// What a client may say before its session starts.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Opening {
    /// It asks for TLS or GSSAPI on this connection.
    Encryption,
    /// It asks, on a connection of its own, that another session's query be cancelled.
    Cancel,
    /// It starts a session of protocol 3.
    Startup {
        /// The minor version that it would like.
        minor: u16,
        /// Names and values: `user`, `database`, `application_name`, ...
        options: Vec<(String, String)>,
    },
}

/// What a client may say in a session.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Message {
    Query(String),
    Parse {
        name: String,
        sql: String,
        types: Vec<u32>,
    },
    Bind(Bind),
    Describe(Target),
    Execute {
        portal: String,
        max_rows: usize,
    },
    Close(Target),
    Flush,
    Sync,
    Terminate,
}

/// Gives a prepared statement its parameters.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Bind {
    pub(super) portal: String,
    pub(super) statement: String,
    pub(super) parameter_formats: Vec<Format>,
    pub(super) parameters: Vec<Option<Bytes>>,
    pub(super) result_formats: Vec<Format>,
}

/// What a `Describe` or a `Close` is about, by name.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Target {
    Statement(String),
    Portal(String),
}

/// Why bytes are no message; the session cannot go on after any of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Broken {
    #[error("message is too long: this demo reads at most 64 KiB")]
    TooLong,
    #[error("invalid message format")]
    Malformed,
    #[error("unsupported frontend protocol {0}.{1}: server supports 3.0 to 3.0")]
    Version(u16, u16),
    #[error("invalid frontend message type {0}")]
    Unknown(u8),
}

impl Broken {
    /// Its SQLSTATE: `feature_not_supported` for a version, `protocol_violation` for the rest.
    pub(super) const fn code(self) -> &'static str {
        match self {
            Self::Version(..) => "0A000",
            _ => "08P01",
        }
    }
}

/// The request codes that stand where a version would (PostgreSQL's `pqcomm.h`).
const SSL_REQUEST: u32 = 80_877_103;
const GSS_REQUEST: u32 = 80_877_104;
const CANCEL_REQUEST: u32 = 80_877_102;

/// Takes the next packet before the session off the front of `bytes`; `None` until it is all there.
pub(super) fn take_opening(bytes: &mut BytesMut) -> Result<Option<Opening>, Broken> {
    let Some(mut body) = take_frame(bytes, 0)? else {
        return Ok(None);
    };
    let code = body.try_get_u32().map_err(|_| Broken::Malformed)?;
    match code {
        SSL_REQUEST | GSS_REQUEST => Ok(Some(Opening::Encryption)),
        CANCEL_REQUEST => Ok(Some(Opening::Cancel)),
        _ => startup(code, body).map(Some),
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "the version is two halves of 16 bits"
)]
fn startup(code: u32, mut body: Bytes) -> Result<Opening, Broken> {
    let (major, minor) = ((code >> 16) as u16, code as u16);
    if major != 3 {
        return Err(Broken::Version(major, minor));
    }
    let mut options = Vec::new();
    loop {
        match text(&mut body)? {
            end if end.is_empty() => return Ok(Opening::Startup { minor, options }),
            name => options.push((name, text(&mut body)?)),
        }
    }
}

/// Takes the next message of a session off the front of `bytes`; `None` until it is all there.
pub(super) fn take_message(bytes: &mut BytesMut) -> Result<Option<Message>, Broken> {
    let Some(kind) = bytes.first().copied() else {
        return Ok(None);
    };
    match take_frame(bytes, 1)? {
        Some(body) => message(kind, body).map(Some),
        None => Ok(None),
    }
}

/// Takes one frame: `skip` bytes, then a length that counts itself, then the body that is given back.
fn take_frame(bytes: &mut BytesMut, skip: usize) -> Result<Option<Bytes>, Broken> {
    let Some(mut length) = bytes.get(skip..skip + 4) else {
        return Ok(None);
    };
    let length = length.get_u32() as usize;
    match length {
        0..4 => return Err(Broken::Malformed),
        n if n > MAX_MESSAGE => return Err(Broken::TooLong),
        n if bytes.len() < skip + n => return Ok(None),
        _ => {}
    }
    let mut frame = bytes.split_to(skip + length).freeze();
    frame.advance(skip + 4);
    Ok(Some(frame))
}

fn message(kind: u8, mut body: Bytes) -> Result<Message, Broken> {
    let body = &mut body;
    Ok(match kind {
        b'Q' => Message::Query(text(body)?),
        b'P' => Message::Parse {
            name: text(body)?,
            sql: text(body)?,
            types: list(body, |b| b.try_get_u32().map_err(|_| Broken::Malformed))?,
        },
        b'B' => Message::Bind(Bind {
            portal: text(body)?,
            statement: text(body)?,
            parameter_formats: list(body, format)?,
            parameters: list(body, parameter)?,
            result_formats: list(body, format)?,
        }),
        b'D' => Message::Describe(target(body)?),
        b'E' => Message::Execute {
            portal: text(body)?,
            // Zero, and by PostgreSQL's leniency anything below it, means all rows.
            max_rows: usize::try_from(body.try_get_i32().map_err(|_| Broken::Malformed)?).unwrap_or(0),
        },
        b'C' => Message::Close(target(body)?),
        b'H' => Message::Flush,
        b'S' => Message::Sync,
        b'X' => Message::Terminate,
        unknown => return Err(Broken::Unknown(unknown)),
    })
}

/// Takes a text that ends with NUL.
fn text(body: &mut Bytes) -> Result<String, Broken> {
    let end = body.iter().position(|b| *b == 0).ok_or(Broken::Malformed)?;
    let text = body.split_to(end);
    body.advance(1);
    String::from_utf8(text.into()).map_err(|_| Broken::Malformed)
}

/// Takes a list that is led by its 16-bit count. Nothing is reserved for a count that is only claimed.
fn list<T>(body: &mut Bytes, item: impl Fn(&mut Bytes) -> Result<T, Broken>) -> Result<Vec<T>, Broken> {
    let count = body.try_get_u16().map_err(|_| Broken::Malformed)?;
    (0..count).map(|_| item(body)).collect()
}

fn format(body: &mut Bytes) -> Result<Format, Broken> {
    match body.try_get_u16() {
        Ok(0) => Ok(Format::Text),
        Ok(1) => Ok(Format::Binary),
        _ => Err(Broken::Malformed),
    }
}

/// A parameter's bytes; a negative length stands for NULL.
fn parameter(body: &mut Bytes) -> Result<Option<Bytes>, Broken> {
    let length = body.try_get_i32().map_err(|_| Broken::Malformed)?;
    match usize::try_from(length) {
        Ok(n) if n <= body.len() => Ok(Some(body.split_to(n))),
        Ok(_) => Err(Broken::Malformed),
        Err(_) => Ok(None),
    }
}

fn target(body: &mut Bytes) -> Result<Target, Broken> {
    match body.try_get_u8() {
        Ok(b'S') => text(body).map(Target::Statement),
        Ok(b'P') => text(body).map(Target::Portal),
        _ => Err(Broken::Malformed),
    }
}

#[cfg(test)]
mod tests {
    use bytes::BufMut;
    use proptest::prelude::*;

    use super::*;

    fn framed(kind: &[u8], body: &[u8]) -> BytesMut {
        let mut bytes = BytesMut::from(kind);
        bytes.put_u32(u32::try_from(body.len()).unwrap() + 4);
        bytes.put_slice(body);
        bytes
    }

    #[test]
    fn messages_read_as_the_protocol_lays_them_out() {
        let check = |kind, body: &[u8], expected| {
            let mut bytes = framed(&[kind], body);
            assert_eq!(take_message(&mut bytes), Ok(Some(expected)));
            assert!(bytes.is_empty());
        };
        check(b'Q', b"select 1\0", Message::Query("select 1".into()));
        check(b'S', b"", Message::Sync);
        check(b'D', b"Pp\0", Message::Describe(Target::Portal("p".into())));
        check(
            b'P',
            b"s\0select 1\0\0\x01\0\0\0\x14",
            Message::Parse {
                name: "s".into(),
                sql: "select 1".into(),
                types: vec![20],
            },
        );
        check(
            b'B',
            b"\0s\0\0\x01\0\x01\0\x02\0\0\0\x02hi\xff\xff\xff\xff\0\0",
            Message::Bind(Bind {
                portal: String::new(),
                statement: "s".into(),
                parameter_formats: vec![Format::Binary],
                parameters: vec![Some(Bytes::from_static(b"hi")), None],
                result_formats: vec![],
            }),
        );
    }

    #[test]
    fn a_message_waits_until_it_is_all_there() {
        let whole = framed(b"Q", b"select 1\0");
        for cut in 0..whole.len() {
            let mut part = BytesMut::from(&whole[..cut]);
            assert_eq!(take_message(&mut part), Ok(None), "cut at {cut}");
            assert_eq!(part.len(), cut, "nothing is taken early");
        }
    }

    #[test]
    fn what_breaks_the_protocol_is_named() {
        let check = |bytes: &[u8], expected| {
            assert_eq!(take_message(&mut BytesMut::from(bytes)), Err(expected));
        };
        check(b"Q\x7f\xff\xff\xff", Broken::TooLong);
        check(b"Q\0\0\0\x03", Broken::Malformed);
        check(b"Q\0\0\0\x06no", Broken::Malformed);
        check(b"B\0\0\0\x04", Broken::Malformed);
        check(b"?\0\0\0\x04", Broken::Unknown(b'?'));
        let old = take_opening(&mut BytesMut::from(&b"\0\0\0\x08\0\x02\0\0"[..]));
        assert_eq!(old, Err(Broken::Version(2, 0)));
    }

    proptest! {
        #[test]
        fn no_bytes_at_all_make_the_reader_panic(
            kind in prop::sample::select(&b"QPBDECHSX?"[..]),
            body in prop::collection::vec(any::<u8>(), 0..64),
        ) {
            let _ = take_message(&mut framed(&[kind], &body));
            let _ = take_opening(&mut framed(&[], &body));
        }
    }
}
