//! What is fuzzed: a function from any bytes to nothing, that panics where something is wrong. The fuzzer and the stable
//! test call the same ones. What a fuzzer has found stands in `found`, and is tried first.

use std::{net::Ipv4Addr, sync::OnceLock};

use chaosproxy::{
    config,
    faults::drive_chain,
    route::{
        Facts, Match,
        pattern::{GrpcPattern, HostPattern, PathPattern, Pattern},
    },
    wire::{fuzz, http1},
};
use tokio::time::Instant;

/// An entry, and what a good input for it looks like: a place to begin.
pub(crate) struct Target {
    /// Its name.
    pub(crate) name: &'static str,
    /// The entry.
    pub(crate) run: fn(&[u8]),
    /// Where to begin.
    pub(crate) seeds: &'static [&'static [u8]],
}

/// Everything that is fuzzed.
pub(crate) const TARGETS: &[Target] = &[
    Target {
        name: "document",
        run: document,
        seeds: DOCUMENTS,
    },
    Target {
        name: "matcher",
        run: matcher,
        seeds: MATCHES,
    },
    Target {
        name: "shaper",
        run: shaper,
        seeds: &[b"\x03\x01\x40\x03\x05\x0c\x20\x00\xff\x05\x10\x01\x08\x07\x00"],
    },
    Target {
        name: "http1",
        run: http1,
        seeds: MESSAGES,
    },
    Target {
        name: "postgres",
        run: postgres,
        seeds: POSTGRES,
    },
    Target {
        name: "mysql",
        run: mysql,
        seeds: MYSQL,
    },
    Target {
        name: "redis",
        run: redis,
        seeds: REDIS,
    },
];

const DOCUMENTS: &[&[u8]] = &[
    include_bytes!("../../examples/quick-fault/chaosproxy.yaml"),
    include_bytes!("../../examples/tcp-database/chaosproxy.yaml"),
    include_bytes!("../../examples/orm-break-own-services/chaosproxy.yaml"),
    include_bytes!("../../src/config/tests/sound/design.yaml"),
    include_bytes!("found/document-long-clock"),
];

const MATCHES: &[&[u8]] = &[
    b"/orders/*/items/**\n/orders/7/items/a/b",
    b"test-*\ntest-7",
    b"!a*b*a\nabba",
    b"*.example.com\nShop.Example.com:8080",
    b"orders.v1.Orders/Place\n/orders.v1.Orders/Place",
];

const MESSAGES: &[&[u8]] = &[
    b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTrailer: x\r\n\r\n3\r\nabc\r\n0\r\nx: 1\r\n\r\n",
    b"POST /a HTTP/1.0\r\nContent-Length: 3\r\nConnection: keep-alive\r\n\r\nabcGET / HTTP/1.1\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc",
    b"HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 200 OK\r\n\r\nuntil the end",
];

/// A conversation: what is stopped before, then who speaks (1 is the server) and how long, and what is said.
const POSTGRES: &[&[u8]] = &[
    // Welcome, a query, rows, a group with a failing Execute.
    b"\x03\x01\x0fR\0\0\0\x08\0\0\0\0Z\0\0\0\x05I\x06\x0eQ\0\0\0\x0dselect 1\0\x03\x0fD\0\0\0\x05xC\0\0\0\x05\0Z\0\0\0\x05T",
    b"\x03\x01\x0fR\0\0\0\x08\0\0\0\0Z\0\0\0\x05I\x08\x24P\0\0\0\x0es\0insert\0\0\0B\0\0\0\x0ap\0s\0\0\0E\0\0\0\x06p\0S\0\0\0\x04\x05\x151\0\0\0\x042\0\0\0\x04C\0\0\0\x05\0Z\0\0\0\x05I",
    // A cancel request, a request for TLS, a startup.
    b"\0\0\0\x10\x04\xd2\x16\x2e\0\0\0\x07\0\0\0\x09\0\0\0\x08\x04\xd2\x16\x2f\0\0\0\x12\0\x03\0\0user\0web\0\0",
];

const MYSQL: &[&[u8]] = &[
    // Greeting, login, OK, a query, its OK, a preparation with its number, an execution.
    b"\x03\x01\x35\x31\0\0\0\x0a8.0\0\x07\0\0\0saltsalt\0\x29\xaa\x21\x02\0\0\0\x15\0\0\0\0\0\0\0\0\0\0moresaltmor\0x\0\x04\x29\x25\0\0\x01\x09\x82\0\0\0\0\0\0\x21\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0web\0\0\x01\x0b\x07\0\0\x02\0\0\0\x02\0\0\0\x06\x0d\x09\0\0\0\x03select 1\x03\x0b\x07\0\0\x01\0\0\0\x02\0\0\0",
    b"\x01\x01\x0b\x07\0\0\0\xff\x10\x04full\0\x04\x05\x01\0\0\0\x0e",
    include_bytes!("found/mysql-another-split"),
];

const REDIS: &[&[u8]] = &[
    b"\x03\x02\x1c*2\r\n$3\r\nGET\r\n$4\r\ncart\r\nPING\r\n\x03\x0f$2\r\nxy\r\n+PONG\r\n",
    b"\x01\x02\x1b*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\nb\r\n\x03\x15*2\r\n:1\r\n%1\r\n+a\r\n_\r\n>0\r\n",
    b"\x01\0\x10SUBSCRIBE news\r\n\x01\x10-ERR no such\r\n\r\n",
];

/// A document is read or refused in words; what was read can be written, and reads as the same.
pub(crate) fn document(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    match config::read_document("fuzz.yaml", text) {
        Ok(loaded) => {
            let written = config::to_yaml(&loaded.document).expect("what was read can be written");
            match config::read_document("written.yaml", &written) {
                Ok(again) => assert_eq!(again.document, loaded.document, "written as:\n{written}"),
                Err(problems) => panic!("what was written is refused:\n{written}\n{problems}"),
            }
        }
        Err(problems) => {
            assert!(!problems.is_empty(), "refused without a word");
            assert!(!problems.to_string().is_empty());
        }
    }
}

/// A pattern and a text, parted by a line feed: every pattern that reads can be asked, and shows itself as it was written.
pub(crate) fn matcher(bytes: &[u8]) {
    let Some((pattern, text)) = std::str::from_utf8(bytes)
        .ok()
        .and_then(|all| all.split_once('\n'))
    else {
        return;
    };
    if let Ok(compiled) = pattern.parse::<Pattern>() {
        assert_eq!(compiled.to_string(), pattern);
        let held = compiled.holds(std::iter::once(text.as_bytes()));
        let literal = !pattern.contains(['*', '!']);
        assert!(
            !literal || held == (pattern == text),
            "`{pattern}` of `{text}`: {held}"
        );
    }
    if let Ok(compiled) = pattern.parse::<PathPattern>() {
        let held = compiled.holds(text);
        assert!(
            pattern.contains('*') || held == (pattern == text),
            "`{pattern}` of `{text}`: {held}"
        );
    }
    if let Ok(compiled) = pattern.parse::<HostPattern>() {
        assert_eq!(compiled.to_string(), pattern);
    }
    if let Ok(compiled) = pattern.parse::<GrpcPattern>() {
        assert_eq!(compiled.to_string(), pattern);
    }
    whole_match(pattern, text);
}

/// A whole match as it is written, against a request whose target is the text.
fn whole_match(written: &str, target: &str) {
    let quoted = serde_json::to_string(written).expect("text is JSON");
    let json = format!(
        r#"{{"path": {quoted}, "host": {quoted}, "header": {{"x-user": {quoted}}}, "query": {{"q": {quoted}}}}}"#
    );
    let Ok(read) = serde_json::from_str::<Match>(&json) else {
        return;
    };
    let request = http::Request::builder()
        .uri(target)
        .header("host", target)
        .header("x-user", target)
        .body(());
    let Ok(request) = request else { return };
    let (head, ()) = request.into_parts();
    let facts = Facts {
        client: Ipv4Addr::LOCALHOST.into(),
        tls_name: None,
        head: Some(&head),
        session: None,
        command: None,
    };
    let compiled = read.compile();
    assert_eq!(
        compiled.holds(&facts),
        compiled.holds(&facts),
        "it does not change its mind"
    );
}

/// Whatever stands in a chain and whatever is pushed into it, it keeps its word.
pub(crate) fn shaper(bytes: &[u8]) {
    // A program only counts time from its beginning: one beginning is as good as another.
    static START: OnceLock<Instant> = OnceLock::new();
    let driven = drive_chain(bytes, *START.get_or_init(Instant::now));
    if let Err(rule) = driven.verdict() {
        panic!("{rule}: {driven:?}");
    }
}

/// Heads and bodies from whoever sends what.
pub(crate) fn http1(bytes: &[u8]) {
    http1::fuzz(bytes);
}

/// What client and server say in a session of PostgreSQL, at any split.
pub(crate) fn postgres(bytes: &[u8]) {
    fuzz::postgres(bytes);
}

/// The same for MySQL.
pub(crate) fn mysql(bytes: &[u8]) {
    fuzz::mysql(bytes);
}

/// The same for Redis.
pub(crate) fn redis(bytes: &[u8]) {
    fuzz::redis(bytes);
}
