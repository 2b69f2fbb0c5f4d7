//! What Redis's commands do, by their names.

/// What a command does to the data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Does {
    /// It only reads.
    Read,
    /// It changes something.
    Write,
    /// It is about a transaction.
    Transaction,
    /// It is about the connection or the server.
    Other,
}

/// Commands that only read, and name a key first (`COMMAND INFO`, flag `readonly`, Redis 7).
const READS: &[&str] = &[
    "bitcount",
    "bitpos",
    "dump",
    "exists",
    "expiretime",
    "geodist",
    "geohash",
    "geopos",
    "geosearch",
    "get",
    "getbit",
    "getrange",
    "hexists",
    "hget",
    "hgetall",
    "hkeys",
    "hlen",
    "hmget",
    "hrandfield",
    "hscan",
    "hstrlen",
    "hvals",
    "lindex",
    "llen",
    "lpos",
    "lrange",
    "mget",
    "pfcount",
    "pttl",
    "scard",
    "sdiff",
    "sinter",
    "sismember",
    "smembers",
    "smismember",
    "sort_ro",
    "srandmember",
    "sscan",
    "strlen",
    "substr",
    "sunion",
    "touch",
    "ttl",
    "type",
    "xlen",
    "xpending",
    "xrange",
    "xrevrange",
    "zcard",
    "zcount",
    "zlexcount",
    "zmscore",
    "zrandmember",
    "zrange",
    "zrangebylex",
    "zrangebyscore",
    "zrank",
    "zrevrange",
    "zrevrangebyscore",
    "zrevrank",
    "zscan",
    "zscore",
];

/// Commands that only read, and do not begin with a key.
const READS_WITHOUT_KEY: &[&str] = &["dbsize", "keys", "randomkey", "scan", "xread"];

/// Commands that are about a transaction.
const TRANSACTIONS: &[&str] = &["discard", "exec", "multi", "unwatch", "watch"];

/// Commands that are about the connection or the server, not about data.
const OTHERS: &[&str] = &[
    "acl",
    "asking",
    "auth",
    "client",
    "cluster",
    "command",
    "config",
    "debug",
    "echo",
    "hello",
    "info",
    "lastsave",
    "latency",
    "memory",
    "module",
    "monitor",
    "object",
    "ping",
    "psubscribe",
    "psync",
    "pubsub",
    "punsubscribe",
    "quit",
    "readonly",
    "readwrite",
    "reset",
    "role",
    "script",
    "select",
    "slowlog",
    "ssubscribe",
    "subscribe",
    "sunsubscribe",
    "sync",
    "time",
    "unsubscribe",
    "wait",
];

/// Commands that write, and do not begin with a key.
const WRITES_WITHOUT_KEY: &[&str] = &[
    "eval",
    "evalsha",
    "fcall",
    "flushall",
    "flushdb",
    "publish",
    "spublish",
    "swapdb",
    "xgroup",
    "xreadgroup",
];

/// What a command asks of the data, and whether its first word after the name is a key. One that is not known writes: Redis
/// has more commands that do than that do not.
pub(super) fn kind(verb: &str) -> (Does, bool) {
    let among = |list: &[&str]| list.binary_search(&verb).is_ok();
    match () {
        () if among(READS) => (Does::Read, true),
        () if among(READS_WITHOUT_KEY) => (Does::Read, false),
        () if among(TRANSACTIONS) => (Does::Transaction, false),
        () if among(OTHERS) || verb.is_empty() => (Does::Other, false),
        () => (Does::Write, !among(WRITES_WITHOUT_KEY)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_known_and_sorted() {
        for list in [READS, READS_WITHOUT_KEY, TRANSACTIONS, OTHERS, WRITES_WITHOUT_KEY] {
            assert!(list.is_sorted(), "{list:?}");
        }
        assert_eq!(kind("get"), (Does::Read, true));
        assert_eq!(kind("hset"), (Does::Write, true));
        assert_eq!(kind("scan"), (Does::Read, false));
        assert_eq!(kind("publish"), (Does::Write, false));
        assert_eq!(kind("exec"), (Does::Transaction, false));
        assert_eq!(kind("ping"), (Does::Other, false));
    }
}
