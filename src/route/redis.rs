//! What Redis's commands do, and which key they name first: by their names, as `COMMAND INFO` of Redis 7 has it.

/// What a command does to the data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Does {
    /// It only reads.
    Read,
    /// It changes something.
    Write,
    /// It is about a transaction.
    Transaction,
    /// It runs a script: what that reads and writes is its own affair.
    Script,
    /// It is about the connection or the server.
    Other,
}

/// Commands that only read (flag `readonly`).
const READS: &[&str] = &[
    "bitcount",
    "bitfield_ro",
    "bitpos",
    "dbsize",
    "dump",
    "eval_ro",
    "evalsha_ro",
    "exists",
    "expiretime",
    "fcall_ro",
    "geodist",
    "geohash",
    "geopos",
    "georadius_ro",
    "georadiusbymember_ro",
    "geosearch",
    "get",
    "getbit",
    "getrange",
    "hexists",
    "hexpiretime",
    "hget",
    "hgetall",
    "hkeys",
    "hlen",
    "hmget",
    "hpexpiretime",
    "hpttl",
    "hrandfield",
    "hscan",
    "hstrlen",
    "httl",
    "hvals",
    "keys",
    "lcs",
    "lindex",
    "llen",
    "lolwut",
    "lpos",
    "lrange",
    "mget",
    "pexpiretime",
    "pfcount",
    "pttl",
    "randomkey",
    "scan",
    "scard",
    "sdiff",
    "sinter",
    "sintercard",
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
    "xread",
    "xrevrange",
    "zcard",
    "zcount",
    "zdiff",
    "zinter",
    "zintercard",
    "zlexcount",
    "zmscore",
    "zrandmember",
    "zrange",
    "zrangebylex",
    "zrangebyscore",
    "zrank",
    "zrevrange",
    "zrevrangebylex",
    "zrevrangebyscore",
    "zrevrank",
    "zscan",
    "zscore",
    "zunion",
];

/// Commands that change something (flag `write`), of Redis 8 too.
#[rustfmt::skip]
const WRITES: &[&str] = &[
    "append", "bitfield", "bitop", "blmove", "blmpop", "blpop", "brpop", "brpoplpush", "bzmpop",
    "bzpopmax", "bzpopmin", "copy", "decr", "decrby", "del", "delex", "expire", "expireat",
    "flushall", "flushdb", "geoadd", "georadius", "georadiusbymember", "geosearchstore", "getdel",
    "getex", "getset", "hdel", "hexpire", "hexpireat", "hgetdel", "hgetex", "hincrby",
    "hincrbyfloat", "hmset", "hpersist", "hpexpire", "hpexpireat", "hset", "hsetex", "hsetnx",
    "incr", "incrby", "incrbyfloat", "linsert", "lmove", "lmpop", "lpop", "lpush", "lpushx", "lrem",
    "lset", "ltrim", "migrate", "move", "mset", "msetex", "msetnx", "persist", "pexpire",
    "pexpireat", "pfadd", "pfdebug", "pfmerge", "psetex", "rename", "renamenx", "restore",
    "restore-asking", "rpop", "rpoplpush", "rpush", "rpushx", "sadd", "sdiffstore", "set", "setbit",
    "setex", "setnx", "setrange", "sinterstore", "smove", "sort", "spop", "srem", "sunionstore",
    "swapdb", "unlink", "vadd", "vrem", "vsetattr", "xack", "xackdel", "xadd", "xautoclaim",
    "xclaim", "xdel", "xdelex", "xreadgroup", "xsetid", "xtrim", "zadd", "zdiffstore", "zincrby",
    "zinterstore", "zmpop", "zpopmax", "zpopmin", "zrangestore", "zrem", "zremrangebylex",
    "zremrangebyrank", "zremrangebyscore", "zunionstore",
];

/// Commands that are about a transaction.
const TRANSACTIONS: &[&str] = &["discard", "exec", "multi", "unwatch", "watch"];

/// Commands with neither flag, `readonly` or `write`. Some have parts that have one.
const OTHERS: &[&str] = &[
    "acl",
    "asking",
    "auth",
    "bgrewriteaof",
    "bgsave",
    "client",
    "cluster",
    "command",
    "config",
    "debug",
    "echo",
    "failover",
    "function",
    "hello",
    "info",
    "lastsave",
    "latency",
    "memory",
    "module",
    "monitor",
    "object",
    "pfselftest",
    "ping",
    "psubscribe",
    "psync",
    "publish",
    "pubsub",
    "punsubscribe",
    "quit",
    "readonly",
    "readwrite",
    "replconf",
    "replicaof",
    "reset",
    "role",
    "save",
    "script",
    "select",
    "shutdown",
    "slaveof",
    "slowlog",
    "spublish",
    "ssubscribe",
    "subscribe",
    "sunsubscribe",
    "sync",
    "time",
    "unsubscribe",
    "wait",
    "waitaof",
    "xgroup",
    "xinfo",
];

/// Commands that read or write, and name no key.
const WITHOUT_KEY: &[&str] = &[
    "dbsize",
    "flushall",
    "flushdb",
    "function",
    "keys",
    "lolwut",
    "randomkey",
    "scan",
    "swapdb",
];

/// What a command asks of the data. One that is not known does nothing: a server refuses it by itself. That of a module, which has a
/// dot in its name, writes: more of them do than do not.
pub(super) fn does(words: &[&str]) -> Does {
    let verb = lower(words.first());
    let part = lower(words.get(1));
    let among = |list: &[&str]| list.binary_search(&verb.as_str()).is_ok();
    match (verb.as_str(), part.as_str()) {
        ("object" | "xinfo" | "xgroup", "help") => Does::Other,
        ("object" | "xinfo", _) | ("memory", "usage") => Does::Read,
        ("xgroup", _) | ("function", "delete" | "flush" | "load" | "restore") => Does::Write,
        ("eval" | "evalsha" | "fcall", _) => Does::Script,
        _ if among(READS) => Does::Read,
        _ if among(TRANSACTIONS) => Does::Transaction,
        _ if among(WRITES) || verb.contains('.') => Does::Write,
        _ => Does::Other,
    }
}

/// The first key that a command names.
pub(super) fn key<'a>(words: &[&'a str]) -> Option<&'a str> {
    let among = |list: &[&str], verb: &str| list.binary_search(&verb).is_ok();
    let behind = |word: &str, from: usize| {
        let rest = words.get(from..)?;
        let at = rest.iter().position(|w| w.eq_ignore_ascii_case(word))?;
        rest.get(at + 1).copied()
    };
    // So many keys follow: there may be none.
    let counted = |at: usize| {
        let count: u32 = words.get(at)?.parse().ok()?;
        words.get(at + 1).copied().filter(|_| count > 0)
    };
    match lower(words.first()).as_str() {
        "bitop" | "pfdebug" => words.get(2).copied(),
        "object" | "xinfo" | "xgroup" => words.get(2).copied(),
        "memory" if lower(words.get(1)) == "usage" => words.get(2).copied(),
        "migrate" => match words.get(3) {
            Some(&"") => behind("keys", 4),
            key => key.copied(),
        },
        "lmpop" | "sintercard" | "zdiff" | "zinter" | "zintercard" | "zmpop" | "zunion" => counted(1),
        "blmpop" | "bzmpop" | "eval" | "eval_ro" | "evalsha" | "evalsha_ro" | "fcall" | "fcall_ro" => {
            counted(2)
        }
        "xread" => behind("streams", 1),
        // The group and its consumer may be called anything.
        "xreadgroup" => behind("streams", 4),
        "watch" => words.get(1).copied(),
        verb if among(TRANSACTIONS, verb) || among(OTHERS, verb) || among(WITHOUT_KEY, verb) => None,
        _ => words.get(1).copied(),
    }
}

fn lower(word: Option<&&str>) -> String {
    word.map(|word| word.to_ascii_lowercase()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The words of a command, those in quotes one word.
    fn words(text: &str) -> Vec<&str> {
        let parts = text.split('\'').enumerate();
        parts
            .flat_map(|(n, part)| {
                if n % 2 == 1 {
                    vec![part]
                } else {
                    part.split_whitespace().collect()
                }
            })
            .collect()
    }

    #[test]
    fn commands_are_known_and_sorted() {
        for list in [READS, WRITES, TRANSACTIONS, OTHERS, WITHOUT_KEY] {
            assert!(list.is_sorted(), "{list:?}");
        }
        for (command, what) in [
            ("get a", Does::Read),
            ("EVAL_RO x 0", Does::Read),
            ("GEORADIUS_RO a", Does::Read),
            ("MEMORY USAGE a", Does::Read),
            ("xinfo stream a", Does::Read),
            ("hset a b c", Does::Write),
            ("BITFIELD a", Does::Write),
            ("xgroup create a", Does::Write),
            ("FUNCTION LOAD x", Does::Write),
            ("flushall", Does::Write),
            ("something.new a", Does::Write),
            ("frobnicate a", Does::Other),
            ("exec", Does::Transaction),
            ("ping", Does::Other),
            ("publish a b", Does::Other),
            ("eval x 1 a", Does::Script),
            ("FCALL f 0", Does::Script),
            ("function list", Does::Other),
            ("memory doctor", Does::Other),
            ("", Does::Other),
        ] {
            assert_eq!(does(&words(command)), what, "{command}");
        }
    }

    #[test]
    fn the_first_key_is_found_wherever_it_stands() {
        for (command, first) in [
            ("get a", Some("a")),
            ("BITOP AND a b", Some("a")),
            ("object encoding a", Some("a")),
            ("MEMORY USAGE a", Some("a")),
            ("memory doctor", None),
            ("eval 'return 1' 1 a b", Some("a")),
            ("eval 'return 1' 0 a", None),
            ("fcall f 2 a b", Some("a")),
            ("zunion 2 a b", Some("a")),
            ("blmpop 0.1 1 a left", Some("a")),
            ("zunionstore a 1 b", Some("a")),
            ("xread count 1 streams a 0", Some("a")),
            ("xreadgroup group streams me STREAMS a >", Some("a")),
            ("watch a b", Some("a")),
            ("unwatch", None),
            ("migrate host 1 a 0 5", Some("a")),
            ("migrate host 1 '' 0 5 keys a b", Some("a")),
            ("publish a b", None),
            ("function load x", None),
            ("scan 0", None),
            ("get", None),
        ] {
            assert_eq!(key(&words(command)), first, "{command}");
        }
    }
}
