//! The errors of PostgreSQL, as PostgreSQL 15 says them (measured), and how they are written on the wire.

use super::frame::message;
use crate::wire::errors::{
    KnownError,
    Moment::{Any, Command, Connect, InTransaction, Login, Prepare, Proof},
    Refusal, Said,
    Weight::{Error, Farewell, Fatal},
};

/// The catalogue.
#[rustfmt::skip]
pub const ERRORS: &[KnownError] = &[
    KnownError::new("too_many_connections", "53300", Fatal, Connect, "sorry, too many clients already", "every slot is taken"),
    KnownError::new("starting_up", "57P03", Fatal, Connect, "the database system is starting up", "restart, failover"),
    KnownError::new("shutting_down", "57P03", Fatal, Connect, "the database system is shutting down", "restart, failover"),
    KnownError::new("in_recovery", "57P03", Fatal, Connect, "the database system is in recovery mode", "recovery after a crash"),
    KnownError::new("not_accepting", "57P03", Fatal, Connect, "the database system is not accepting connections", "a standby that is not ready"),
    KnownError::new("access_denied", "28000", Fatal, Connect, "no pg_hba.conf entry for host \"127.0.0.1\", user \"{user}\", database \"{database}\", {encryption}", "a rule of access or of encryption that was forgotten"),
    KnownError::new("bad_credentials", "28P01", Fatal, Proof, "password authentication failed for user \"{user}\"", "a password that was rotated"),
    KnownError::new("missing_database", "3D000", Fatal, Login, "database \"{database}\" does not exist", "a wrong setting of the application"),
    KnownError::new("too_many_connections_for_role", "53300", Fatal, Login, "too many connections for role \"{user}\"", "a limit of the role"),
    KnownError::new("reserved_slots", "53300", Fatal, Login, "remaining connection slots are reserved for non-replication superuser connections", "the last slots are kept for administrators"),
    KnownError::new("missing_schema", "3F000", Error, Prepare, "schema \"{schema}\" does not exist", "a migration that was missed"),
    KnownError::new("missing_table", "42P01", Error, Prepare, "relation \"{table}\" does not exist", "a migration that was missed"),
    KnownError::new("unknown_table", "42P01", Error, Command, "table \"{bare}\" does not exist", "a DROP TABLE of a table that was not made"),
    KnownError::new("missing_column", "42703", Error, Prepare, "column \"{bare}_id\" does not exist", "a migration that was missed"),
    KnownError::new("permission_denied", "42501", Error, Command, "permission denied for table {bare}", "a grant that was missed"),
    KnownError::new("read_only", "25006", Error, Command, "cannot execute {verb} in a read-only transaction", "a write that meets a replica"),
    KnownError::new("during_recovery", "25006", Error, Command, "cannot execute {verb} during recovery", "what a replica does not do (LISTEN, VACUUM)"),
    KnownError::new("no_read_write", "0A000", Error, Command, "cannot set transaction read-write mode during recovery", "a transaction that is to write, on a replica"),
    KnownError {
        hint: "You can use REPEATABLE READ instead.",
        ..KnownError::new("no_serializable", "0A000", Error, Command, "cannot use serializable mode in a hot standby", "a serializable transaction on a replica")
    },
    KnownError::new("serialization_failure", "40001", Error, Command, "could not serialize access due to concurrent update", "a transaction that must be tried again"),
    KnownError {
        detail: "User query might have needed to see row versions that must be removed.",
        ..KnownError::new("recovery_conflict", "40001", Error, Command, "canceling statement due to conflict with recovery", "a read on a replica that is in the way")
    },
    KnownError {
        detail: "Process 4711 waits for ShareLock on transaction 816; blocked by process 4712.\nProcess 4712 waits for ShareLock on transaction 815; blocked by process 4711.",
        hint: "See server log for query details.",
        ..KnownError::new("deadlock", "40P01", Error, Command, "deadlock detected", "a transaction that must be tried again")
    },
    KnownError::new("lock_timeout", "55P03", Error, Command, "canceling statement due to lock timeout", "a lock that somebody holds"),
    KnownError::new("statement_timeout", "57014", Error, Command, "canceling statement due to statement timeout", "a slow statement"),
    KnownError::new("canceled", "57014", Error, Command, "canceling statement due to user request", "a statement that was cancelled"),
    KnownError::new("unique_violation", "23505", Error, Command, "duplicate key value violates unique constraint \"{bare}_pkey\"", "a key that is there already"),
    KnownError {
        hint: "Check free disk space.",
        ..KnownError::new("disk_full", "53100", Error, Command, "could not extend file \"base/16384/16385\": No space left on device", "a full disk")
    },
    KnownError::new("out_of_memory", "53200", Error, Command, "out of memory", "memory that is short"),
    KnownError::new("failed_transaction", "25P02", Error, Command, "current transaction is aborted, commands ignored until end of transaction block", "an error that was not noticed"),
    KnownError::new("internal_error", "XX000", Error, Command, "internal error", "a server that is broken"),
    KnownError::new("admin_shutdown", "57P01", Fatal, Any, "terminating connection due to administrator command", "restart, failover, a session that was ended"),
    KnownError {
        detail: "The postmaster has commanded this server process to roll back the current transaction and exit, because another server process exited abnormally and possibly corrupted shared memory.",
        hint: "In a moment you should be able to reconnect to the database and repeat your command.",
        ..KnownError::new("crash", "57P02", Farewell, Any, "terminating connection because of crash of another server process", "a server that crashed")
    },
    KnownError::new("idle_timeout", "57P05", Fatal, Any, "terminating connection due to idle-session timeout", "a pool that keeps what the server ends"),
    KnownError::new("idle_in_transaction_timeout", "25P03", Fatal, InTransaction, "terminating connection due to idle-in-transaction timeout", "a transaction that was left open"),
];

/// An error as PostgreSQL writes it. It says in its field of the routine, which no client shows unasked, that it is ours.
pub fn refusal(error: &Said) -> Refusal {
    let (kind, severity) = match error.weight {
        Error => (b'E', "ERROR"),
        Fatal => (b'E', "FATAL"),
        Farewell => (b'N', "WARNING"),
    };
    let mut body = Vec::new();
    let mut field = |letter: u8, text: &str| {
        if !text.is_empty() {
            body.push(letter);
            body.extend(text.bytes().filter(|byte| *byte != 0));
            body.push(0);
        }
    };
    field(b'S', severity);
    field(b'V', severity);
    field(b'C', &error.code);
    field(b'M', &error.text);
    field(b'D', &error.detail);
    field(b'H', &error.hint);
    field(b'R', "chaosproxy");
    body.push(0);
    Refusal {
        bytes: message(kind, &body).into(),
        moment: error.moment,
        closes: error.weight.closes(),
    }
}
