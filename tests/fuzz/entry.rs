//! What is fuzzed: a function from any bytes to nothing, that panics where something is wrong. The fuzzer and the stable
//! test call the same ones.

use std::{net::Ipv4Addr, sync::OnceLock};

use chaosproxy::{
    config,
    faults::drive_chain,
    route::{
        Facts, Match,
        pattern::{GrpcPattern, HostPattern, PathPattern, Pattern},
    },
    wire::http1,
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
];

const DOCUMENTS: &[&[u8]] = &[
    include_bytes!("../../examples/quick-fault/chaosproxy.yaml"),
    include_bytes!("../../examples/tcp-database/chaosproxy.yaml"),
    include_bytes!("../../examples/orm-break-own-services/chaosproxy.yaml"),
    include_bytes!("../../src/config/tests/sound/design.yaml"),
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
