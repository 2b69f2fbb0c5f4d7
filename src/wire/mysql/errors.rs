//! The errors of MySQL and MariaDB, and how they are written on the wire.

use bytes::Bytes;

use super::frame::packet;
use crate::wire::errors::{KnownError, Moment, Refusal, Said, Weight, Words};

/// One line of the table.
const fn line(
    (name, code, state): (&'static str, &'static str, &'static str),
    weight: Weight,
    moment: Moment,
    text: &'static str,
    rehearses: &'static str,
) -> KnownError {
    KnownError {
        state,
        ..KnownError::new(name, code, weight, moment, text, rehearses)
    }
}

use Moment::{Any, Command, Connect, Login, Prepare, Proof};
use Weight::{Error, Fatal};

/// The catalogue.
#[rustfmt::skip]
pub const ERRORS: &[KnownError] = &[
    line(("too_many_connections", "1040", "08004"), Fatal, Connect, "Too many connections", "every slot is taken"),
    line(("host_blocked", "1129", "HY000"), Fatal, Connect, "Host '127.0.0.1' is blocked because of many connection errors; unblock with 'mysqladmin flush-hosts'", "a client that failed too often"),
    line(("access_denied", "1130", "HY000"), Fatal, Connect, "Host '127.0.0.1' is not allowed to connect to this MySQL server", "a rule of access that was forgotten"),
    line(("bad_credentials", "1045", "28000"), Fatal, Proof, "Access denied for user '{user}'@'localhost' (using password: YES)", "a password that was rotated"),
    line(("database_denied", "1044", "42000"), Fatal, Login, "Access denied for user '{user}'@'localhost' to database '{database}'", "a grant that was missed"),
    line(("missing_database", "1049", "42000"), Fatal, Login, "Unknown database '{database}'", "a wrong setting of the application"),
    line(("too_many_connections_for_role", "1203", "42000"), Fatal, Login, "User {user} already has more than 'max_user_connections' active connections", "a limit of the user"),
    line(("resource_limit", "1226", "42000"), Fatal, Login, "User '{user}' has exceeded the 'max_connections_per_hour' resource (current value: 100)", "a quota of the user"),
    line(("missing_table", "1146", "42S02"), Error, Prepare, "Table '{database}.{table}' doesn't exist", "a migration that was missed"),
    line(("unknown_table", "1051", "42S02"), Error, Command, "Unknown table '{database}.{table}'", "a DROP TABLE of a table that was not made"),
    line(("missing_column", "1054", "42S22"), Error, Prepare, "Unknown column '{table}_id' in 'field list'", "a migration that was missed"),
    line(("permission_denied", "1142", "42000"), Error, Prepare, "{verb} command denied to user '{user}'@'localhost' for table '{table}'", "a grant that was missed"),
    line(("read_only", "1290", "HY000"), Error, Command, "The {product} server is running with the --read-only option so it cannot execute this statement", "a write that meets a replica"),
    line(("read_only_mode", "1836", "HY000"), Error, Command, "Running in read-only mode", "a write that meets a replica (MySQL)"),
    line(("read_only_transaction", "1792", "25006"), Error, Command, "Cannot execute statement in a READ ONLY transaction", "a write in a session that only reads"),
    line(("deadlock", "1213", "40001"), Error, Command, "Deadlock found when trying to get lock; try restarting transaction", "a transaction that must be tried again"),
    line(("lock_timeout", "1205", "HY000"), Error, Command, "Lock wait timeout exceeded; try restarting transaction", "a lock that somebody holds"),
    line(("canceled", "1317", "70100"), Error, Command, "Query execution was interrupted", "a statement that was cancelled"),
    line(("statement_timeout", "3024", "HY000"), Error, Command, "Query execution was interrupted, maximum statement execution time exceeded", "a slow statement"),
    line(("unique_violation", "1062", "23000"), Error, Command, "Duplicate entry '1' for key 'PRIMARY'", "a key that is there already"),
    line(("disk_full", "1114", "HY000"), Error, Command, "The table '{table}' is full", "a full disk"),
    line(("out_of_memory", "1037", "HY001"), Error, Command, "Out of memory; restart server and try again (needed 65536 bytes)", "memory that is short"),
    line(("internal_error", "1105", "HY000"), Error, Command, "Unknown error", "a server that is broken"),
    line(("shutting_down", "1053", "08S01"), Fatal, Any, "Server shutdown in progress", "restart, failover"),
    line(("admin_shutdown", "1927", "70100"), Fatal, Any, "Connection was killed", "a session that was ended"),
    line(("idle_timeout", "4031", "HY000"), Fatal, Any, "The client was disconnected by the server because of inactivity. See wait_timeout and interactive_timeout for configuring this behavior.", "a pool that keeps what the server ends"),
];

/// Says nothing but that something is wrong.
const UNKNOWN: u16 = 1105;

/// The state that goes with an error which has none of its own.
const ANY_STATE: &str = "HY000";

/// How long a SQLSTATE is.
const STATE: usize = 5;

/// The first byte of an error.
pub(super) const ERR: u8 = 0xff;

/// An error as MySQL writes it. One instead of the greeting has no SQLSTATE: nobody has agreed on a protocol yet. One that may come
/// unasked answers nothing, and has the number 0 for that, by which clients tell it; as an answer it is numbered anew.
pub fn refusal(error: &Said) -> Refusal {
    let number: u16 = error.code.parse().unwrap_or(UNKNOWN);
    let state = if error.state.len() == STATE {
        &error.state
    } else {
        ANY_STATE
    };
    let greeted = error.moment != Connect;
    let answers = greeted && error.moment != Any;
    Refusal {
        bytes: self::error(u8::from(answers), number, greeted.then_some(state), &error.text),
        moment: error.moment,
        closes: error.weight.closes(),
    }
}

/// What MariaDB says in place of an error of the catalogue, where it has another one for it.
pub(super) fn of_mariadb(said: &Bytes) -> Option<Bytes> {
    let known = ERRORS.iter().find(|known| known.name == "statement_timeout")?;
    (*said == refusal(&known.said(&Words::default())).bytes).then(|| {
        let text = "Query execution was interrupted (max_statement_time exceeded)";
        error(1, 1969, Some("70100"), text)
    })
}

/// The packet of an error.
pub(super) fn error(sequence: u8, number: u16, state: Option<&str>, text: &str) -> Bytes {
    let mut payload = vec![ERR];
    payload.extend(number.to_le_bytes());
    if let Some(state) = state {
        payload.push(b'#');
        payload.extend(state.as_bytes());
    }
    payload.extend(text.as_bytes());
    packet(sequence, &payload)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_answers_nothing_has_the_number_nothing() {
        for (name, front) in [
            ("too_many_connections", &b"\x17\0\0\x00\xff\x10\x04Too"[..]),
            ("bad_credentials", b"\x32\0\0\x01\xff\x15\x04#28000Access"),
            ("deadlock", b"\x48\0\0\x01\xff\xbd\x04#40001Deadlock"),
            ("idle_timeout", b"\x91\0\0\x00\xff\xbf\x0f#HY000The client"),
        ] {
            let known = ERRORS.iter().find(|error| error.name == name).unwrap();
            let said = refusal(&known.said(&Words::default()));
            let there = said.bytes.get(1..front.len());
            assert_eq!(there, front.get(1..), "{name}");
        }
    }
}
