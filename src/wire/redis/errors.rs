//! The errors of Redis, as Redis 7 says them, and how they are written on the wire.

use crate::wire::errors::{KnownError, Moment, Refusal, Said, Weight};

use Moment::{Command, Connect, Proof};
use Weight::{Error, Fatal};

/// The catalogue.
#[rustfmt::skip]
pub const ERRORS: &[KnownError] = &[
    KnownError::new("too_many_connections", "ERR", Fatal, Connect, "max number of clients reached", "every connection is taken"),
    KnownError::new("bad_credentials", "WRONGPASS", Error, Proof, "invalid username-password pair or user is disabled.", "a password that was rotated"),
    KnownError::new("not_authenticated", "NOAUTH", Error, Command, "Authentication required.", "credentials that are missing"),
    KnownError::new("permission_denied", "NOPERM", Error, Command, "User '{user}' has no permissions to run the '{verb}' command", "a rule of access that was forgotten"),
    KnownError::new("starting_up", "LOADING", Error, Command, "Redis is loading the dataset in memory", "restart"),
    KnownError::new("read_only", "READONLY", Error, Command, "You can't write against a read only replica.", "failover, a write that meets a replica"),
    KnownError::new("master_down", "MASTERDOWN", Error, Command, "Link with MASTER is down and replica-serve-stale-data is set to 'no'.", "a replica that is cut off"),
    KnownError::new("cluster_down", "CLUSTERDOWN", Error, Command, "The cluster is down", "a cluster without a majority"),
    KnownError::new("slot_not_served", "CLUSTERDOWN", Error, Command, "Hash slot not served", "a slot that no server has"),
    KnownError::new("try_again", "TRYAGAIN", Error, Command, "Multiple keys request during rehashing of slot", "a cluster that moves slots"),
    KnownError::new("cross_slot", "CROSSSLOT", Error, Command, "Keys in request don't hash to the same slot", "a command over several slots"),
    KnownError::new("out_of_memory", "OOM", Error, Command, "command not allowed when used memory > 'maxmemory'.", "memory that is short"),
    KnownError::new("no_replicas", "NOREPLICAS", Error, Command, "Not enough good replicas to write.", "replication that is late"),
    KnownError::new("disk_full", "MISCONF", Error, Command, "Redis is configured to save RDB snapshots, but it's currently unable to persist to disk. Commands that may modify the data set are disabled, because this instance is configured to report errors during writes if RDB snapshotting fails (stop-writes-on-bgsave-error option). Please check the Redis logs for details about the RDB error.", "a full disk"),
    KnownError::new("busy", "BUSY", Error, Command, "Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.", "a script that does not end"),
    KnownError::new("unblocked", "UNBLOCKED", Error, Command, "force unblock from blocking operation, instance state changed (master -> replica?)", "failover under a blocking command"),
    KnownError::new("internal_error", "ERR", Error, Command, "internal error", "a server that is broken"),
];

/// An error as Redis writes it: one line, in which what would end it early is a blank.
pub fn refusal(error: &Said) -> Refusal {
    let text = format!("{} {}", error.code, error.text).replace(['\r', '\n'], " ");
    Refusal {
        bytes: format!("-{text}\r\n").into(),
        moment: error.moment,
        closes: error.weight.closes(),
    }
}
