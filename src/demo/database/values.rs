//! The types of the one table: how their values look on the wire, as text and in binary.

use bytes::{BufMut, Bytes, BytesMut};
use jiff::Timestamp;

use super::refusal::Refusal;

/// A column's type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Int4,
    Int8,
    Text,
    Time,
}

/// How a value is written: as people read it, or as machines do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u16)]
pub(super) enum Format {
    #[default]
    Text = 0,
    Binary = 1,
}

/// A column of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Column {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
}

/// A value of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Cell {
    Int4(i32),
    Int8(i64),
    Text(String),
    Time(Timestamp),
}

/// A value in a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    Int(i64),
    /// A text, or a parameter sent as text, which an integer column reads too, as PostgreSQL does.
    Text(String),
    Null,
    /// The place of a parameter, from 1.
    Parameter(u16),
}

impl Kind {
    /// The type's number in every PostgreSQL (`pg_type.dat`).
    pub(super) const fn oid(self) -> u32 {
        match self {
            Self::Int8 => 20,
            Self::Int4 => 23,
            Self::Text => 25,
            Self::Time => 1184,
        }
    }

    /// Its size in bytes, -1 where that varies.
    pub(super) const fn size(self) -> i16 {
        match self {
            Self::Int4 => 4,
            Self::Int8 | Self::Time => 8,
            Self::Text => -1,
        }
    }
}

/// PostgreSQL counts its microseconds from 1 January 2000.
const EPOCH_2000_US: i64 = 946_684_800_000_000;

impl Cell {
    /// Its type.
    pub(super) const fn kind(&self) -> Kind {
        match self {
            Self::Int4(_) => Kind::Int4,
            Self::Int8(_) => Kind::Int8,
            Self::Text(_) => Kind::Text,
            Self::Time(_) => Kind::Time,
        }
    }

    /// Writes the value without its length.
    pub(super) fn put(&self, out: &mut BytesMut, format: Format) {
        match (format, self) {
            (_, Self::Text(text)) => out.put_slice(text.as_bytes()),
            (Format::Text, Self::Int4(n)) => out.put_slice(n.to_string().as_bytes()),
            (Format::Text, Self::Int8(n)) => out.put_slice(n.to_string().as_bytes()),
            (Format::Text, Self::Time(at)) => {
                out.put_slice(at.strftime("%Y-%m-%d %H:%M:%S%.6f+00").to_string().as_bytes());
            }
            (Format::Binary, Self::Int4(n)) => out.put_i32(*n),
            (Format::Binary, Self::Int8(n)) => out.put_i64(*n),
            (Format::Binary, Self::Time(at)) => out.put_i64(at.as_microsecond() - EPOCH_2000_US),
        }
    }
}

/// The types of parameters that are read in binary: the integers and the texts.
const INTEGERS: [u32; 3] = [20, 21, 23];
const TEXTS: [u32; 4] = [0, 25, 705, 1043];

impl Value {
    /// Reads a parameter of the type `oid` as its client sent it.
    pub(super) fn read(bytes: Option<&Bytes>, oid: u32, format: Format) -> Result<Self, Refusal> {
        let Some(bytes) = bytes else {
            return Ok(Self::Null);
        };
        if format == Format::Text || TEXTS.contains(&oid) {
            return match std::str::from_utf8(bytes) {
                Ok(text) => Ok(Self::Text(text.to_owned())),
                Err(_) => Err(Refusal::new(
                    "22021",
                    "invalid byte sequence for encoding \"UTF8\"",
                )),
            };
        }
        let integer = match bytes.as_ref() {
            _ if !INTEGERS.contains(&oid) => None,
            [a, b] => Some(i16::from_be_bytes([*a, *b]).into()),
            [a, b, c, d] => Some(i32::from_be_bytes([*a, *b, *c, *d]).into()),
            eight => eight.try_into().ok().map(i64::from_be_bytes),
        };
        integer
            .map(Self::Int)
            .ok_or_else(|| Refusal::new("22P03", "incorrect binary data format in a parameter"))
    }

    /// The value as a whole number, `None` for NULL.
    pub(super) fn integer(&self) -> Result<Option<i64>, Refusal> {
        match self {
            Self::Int(n) => Ok(Some(*n)),
            Self::Null => Ok(None),
            Self::Text(text) => match text.trim().parse() {
                Ok(n) => Ok(Some(n)),
                Err(_) => Err(Refusal::new(
                    "22P02",
                    format!("invalid input syntax for type bigint: \"{text}\""),
                )),
            },
            Self::Parameter(n) => Err(no_parameter(*n)),
        }
    }

    /// The value as a text, `None` for NULL.
    pub(super) fn text(&self) -> Result<Option<String>, Refusal> {
        match self {
            Self::Int(n) => Ok(Some(n.to_string())),
            Self::Text(text) => Ok(Some(text.clone())),
            Self::Null => Ok(None),
            Self::Parameter(n) => Err(no_parameter(*n)),
        }
    }
}

fn no_parameter(place: u16) -> Refusal {
    Refusal::new("42P02", format!("there is no parameter ${place}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_look_as_postgresql_writes_them() {
        let check = |cell: Cell, text: &str, binary: &[u8]| {
            let put = |format| {
                let mut out = BytesMut::new();
                cell.put(&mut out, format);
                out
            };
            assert_eq!(put(Format::Text), text.as_bytes(), "{cell:?}");
            assert_eq!(put(Format::Binary), binary, "{cell:?}");
        };
        check(Cell::Int4(-2), "-2", &[255, 255, 255, 254]);
        check(Cell::Int8(7), "7", &[0, 0, 0, 0, 0, 0, 0, 7]);
        check(Cell::Text("tea".into()), "tea", b"tea");
        let at = "2000-01-01T00:00:01.5Z".parse().unwrap();
        check(
            Cell::Time(at),
            "2000-01-01 00:00:01.500000+00",
            &1_500_000_i64.to_be_bytes(),
        );
    }

    #[test]
    fn parameters_read_in_both_formats() {
        let check = |bytes: &'static [u8], oid, format, expected| {
            let read = Value::read(Some(&Bytes::from_static(bytes)), oid, format);
            assert_eq!(read.map_err(|r| r.code), expected);
        };
        check(b"\0\x07", 21, Format::Binary, Ok(Value::Int(7)));
        check(b"\0\0\0\x07", 23, Format::Binary, Ok(Value::Int(7)));
        check(b"\0\0\0\0\0\0\0\x07", 20, Format::Binary, Ok(Value::Int(7)));
        check(b"7", 20, Format::Text, Ok(Value::Text("7".into())));
        check(b"tea", 25, Format::Binary, Ok(Value::Text("tea".into())));
        check(b"\0", 20, Format::Binary, Err("22P03"));
        check(b"\0\0\0\0", 700, Format::Binary, Err("22P03"));
        check(b"\xff", 25, Format::Text, Err("22021"));
        assert_eq!(Value::read(None, 20, Format::Binary), Ok(Value::Null));
    }
}
