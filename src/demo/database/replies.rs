//! What the server says in PostgreSQL's protocol 3: from answers to bytes.

use bytes::{BufMut, BytesMut};

use super::{
    refusal::Refusal,
    values::{Cell, Column, Format},
};

/// What `ReadyForQuery` says about transactions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Status {
    Idle = b'I',
    InTransaction = b'T',
    Failed = b'E',
}

/// The server's messages, encoded as they are said.
#[derive(Debug, Default)]
pub(super) struct Replies(pub(super) BytesMut);

impl Replies {
    /// Refuses encryption: one bare byte, after which the client goes on in clear.
    pub(super) fn no_encryption(&mut self) {
        self.0.put_u8(b'N');
    }

    /// Tells a newer client that this server stops at 3.0, and which of its options are not known.
    pub(super) fn negotiate(&mut self, unknown: &[&str]) {
        self.say(b'v', |body| {
            body.put_u32(0);
            body.put_u32(u32::from(count(unknown)));
            unknown.iter().for_each(|name| put_text(body, name));
        });
    }

    /// The password is fine: there is none.
    pub(super) fn authenticated(&mut self) {
        self.say(b'R', |body| body.put_u32(0));
    }

    pub(super) fn parameter_status(&mut self, name: &str, value: &str) {
        self.say(b'S', |body| {
            put_text(body, name);
            put_text(body, value);
        });
    }

    /// The process id and key for a cancel request; queries here are over before one could arrive.
    pub(super) fn key_data(&mut self, process: u32) {
        self.say(b'K', |body| {
            body.put_u32(process);
            body.put_u32(0);
        });
    }

    pub(super) fn ready(&mut self, status: Status) {
        self.say(b'Z', |body| body.put_u8(status as u8));
    }

    pub(super) fn parse_complete(&mut self) {
        self.say(b'1', |_| ());
    }

    pub(super) fn bind_complete(&mut self) {
        self.say(b'2', |_| ());
    }

    pub(super) fn close_complete(&mut self) {
        self.say(b'3', |_| ());
    }

    pub(super) fn no_data(&mut self) {
        self.say(b'n', |_| ());
    }

    pub(super) fn empty_query(&mut self) {
        self.say(b'I', |_| ());
    }

    pub(super) fn suspended(&mut self) {
        self.say(b's', |_| ());
    }

    pub(super) fn complete(&mut self, tag: &str) {
        self.say(b'C', |body| put_text(body, tag));
    }

    pub(super) fn parameters(&mut self, types: &[u32]) {
        self.say(b't', |body| {
            body.put_u16(count(types));
            types.iter().for_each(|oid| body.put_u32(*oid));
        });
    }

    pub(super) fn columns(&mut self, columns: &[Column], format: impl Fn(usize) -> Format) {
        self.say(b'T', |body| {
            body.put_u16(count(columns));
            for (at, column) in columns.iter().enumerate() {
                put_text(body, column.name);
                body.put_u32(0); // no table,
                body.put_u16(0); // no column of a table,
                body.put_u32(column.kind.oid());
                body.put_i16(column.kind.size());
                body.put_i32(-1); // no modifier
                body.put_u16(format(at) as u16);
            }
        });
    }

    pub(super) fn row(&mut self, cells: &[Cell], format: impl Fn(usize) -> Format) {
        self.say(b'D', |body| {
            body.put_u16(count(cells));
            for (at, cell) in cells.iter().enumerate() {
                framed(body, |body| cell.put(body, format(at)), 0);
            }
        });
    }

    /// Refuses one command; the session goes on.
    pub(super) fn error(&mut self, refusal: &Refusal) {
        self.refuse("ERROR", refusal);
    }

    /// Refuses the session, which must be closed after this.
    pub(super) fn fatal(&mut self, refusal: &Refusal) {
        self.refuse("FATAL", refusal);
    }

    /// The fields in the order of a real server; drivers find no error class without `C`.
    fn refuse(&mut self, severity: &str, refusal: &Refusal) {
        self.say(b'E', |body| {
            let mut field = |letter: u8, value: &str| {
                body.put_u8(letter);
                put_text(body, value);
            };
            field(b'S', severity);
            field(b'V', severity);
            field(b'C', refusal.code);
            field(b'M', &refusal.message);
            if let Some(hint) = refusal.hint {
                field(b'H', hint);
            }
            if let Some(position) = refusal.position {
                field(b'P', &position.to_string());
            }
            body.put_u8(0);
        });
    }

    fn say(&mut self, kind: u8, body: impl FnOnce(&mut BytesMut)) {
        self.0.put_u8(kind);
        framed(&mut self.0, body, 4);
    }
}

fn put_text(out: &mut BytesMut, text: &str) {
    out.put_slice(text.as_bytes());
    out.put_u8(0);
}

fn count<T>(list: &[T]) -> u16 {
    u16::try_from(list.len()).expect("lists come from messages of at most 64 KiB, two bytes an item")
}

/// Writes a 32-bit length and the body that it counts; a message's length counts itself too, a cell's does not.
fn framed(out: &mut BytesMut, body: impl FnOnce(&mut BytesMut), own: usize) {
    let start = out.len();
    out.put_u32(0);
    body(out);
    let length = u32::try_from(out.len() - start - 4 + own).expect("the table is far smaller than 4 GiB");
    out[start..start + 4].copy_from_slice(&length.to_be_bytes());
}
