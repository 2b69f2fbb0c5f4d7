//! Messages for tests.

use super::{ERRORS, frame::message, refusal};
use crate::wire::errors::{Refusal, Words};

pub(super) fn query(sql: &str) -> Vec<u8> {
    message(b'Q', format!("{sql}\0").as_bytes())
}

pub(super) fn parse(name: &str, sql: &str) -> Vec<u8> {
    message(b'P', format!("{name}\0{sql}\0\0\0").as_bytes())
}

pub(super) fn bind(portal: &str, statement: &str) -> Vec<u8> {
    message(b'B', format!("{portal}\0{statement}\0\0\0\0\0\0\0").as_bytes())
}

pub(super) fn execute(portal: &str) -> Vec<u8> {
    message(b'E', format!("{portal}\0\0\0\0\0").as_bytes())
}

pub(super) fn sync() -> Vec<u8> {
    message(b'S', b"")
}

pub(super) fn ready(status: u8) -> Vec<u8> {
    message(b'Z', &[status])
}

pub(super) fn error(text: &str) -> Vec<u8> {
    message(b'E', format!("SERROR\0VERROR\0C42703\0M{text}\0\0").as_bytes())
}

/// What comes before the first command.
pub(super) fn welcome() -> Vec<u8> {
    [
        message(b'R', &[0, 0, 0, 0]),
        message(b'S', b"server_version\x0015.4\0"),
        message(b'K', &[0, 0, 0, 7, 0, 0, 0, 9]),
        ready(b'I'),
    ]
    .concat()
}

pub(super) fn known(name: &str) -> Refusal {
    let words = Words {
        user: "web",
        database: "shop",
        table: "orders",
        verb: "INSERT",
        ..Words::default()
    };
    let known = ERRORS.iter().find(|error| error.name == name).unwrap();
    refusal(&known.said(&words))
}
