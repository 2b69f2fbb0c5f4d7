//! `body`: a body is replaced, or text in it is.

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, header, request, response};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::{
    answer::has_body,
    doc::{Doc, Hook},
    entry::is_default,
    hook::{Acts, Ask, Flow, Verdict},
    line::{Line, Piece, Shape},
    reading::some_text,
};

/// Replaces a body, or some text wherever it stands in it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Body {
    /// The text that takes the place.
    pub replace: String,
    /// The text whose place is taken, as it stands in the uncompressed body. Default: the whole body.
    #[serde(
        default,
        skip_serializing_if = "String::is_empty",
        deserialize_with = "some_text"
    )]
    pub find: String,
    /// With `find`, how many times at most. Default: wherever it stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_most: Option<u64>,
    /// The direction. Default: `reply`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub flow: Flow,
}

/// The page of `body`.
pub(super) const DOC: Doc = Doc {
    kind: "body",
    does: "Replaces the body of the request or the answer, or some text wherever it stands in it",
    acts_at: &[Hook::Open, Hook::Reply, Hook::Flow],
    settings: &[
        ("replace", "the text that takes the place"),
        ("find", "the text whose place is taken (the whole body)"),
        (
            "at_most",
            "with `find`, how many times at most (wherever it stands)",
        ),
        ("flow", "the direction: request or reply (reply)"),
    ],
    examples: &[
        r#"{do: {body: {replace: "{\"error\": \"out of order\"}"}}}"#,
        r#"{do: {body: {find: "\"stock\": ", replace: "\"stock\": -", at_most: 1}}}"#,
        r#"{do: {body: {find: "@example.com", replace: "@example", flow: request}}}"#,
        r#"{do: {body: {replace: "[]", flow: request}}}"#,
    ],
};

impl Body {
    /// Makes a head fit the body that will follow.
    fn announce(&self, headers: &mut HeaderMap, ask: &mut Ask) {
        headers.remove(header::CONTENT_LENGTH);
        if self.find.is_empty() {
            headers.remove(header::CONTENT_ENCODING);
            headers.insert(header::CONTENT_LENGTH, self.replace.len().into());
            ask.committed = true;
            ask.touched = true;
        }
    }
}

impl Acts for Body {
    fn doc(&self) -> &'static Doc {
        &DOC
    }

    fn announces(&self) -> bool {
        true
    }

    fn open(&self, ask: &mut Ask, head: Option<&mut request::Parts>) -> Verdict {
        if let Some(head) = head.filter(|_| self.flow == Flow::Request) {
            self.announce(&mut head.headers, ask);
        }
        Verdict::Pass
    }

    fn reply(&self, ask: &mut Ask, head: &mut response::Parts) -> Verdict {
        if self.flow == Flow::Reply && has_body(head.status) {
            self.announce(&mut head.headers, ask);
        }
        Verdict::Pass
    }

    fn flow(&self, ask: &mut Ask, direction: Flow) -> Option<Box<dyn Shape>> {
        if self.flow != direction {
            return None;
        }
        let replace = Bytes::copy_from_slice(self.replace.as_bytes());
        Some(if self.find.is_empty() {
            Box::new(Whole {
                replace: Some(replace),
                promised: ask.committed,
            })
        } else {
            Box::new(Patch {
                find: self.find.clone().into_bytes(),
                replace,
                left: self.at_most.unwrap_or(u64::MAX),
                tail: BytesMut::new(),
            })
        })
    }
}

/// Gives its own text in the place of everything.
#[derive(Debug)]
struct Whole {
    replace: Option<Bytes>,
    /// Whether a head has already told the length.
    promised: bool,
}

impl Shape for Whole {
    fn shape(&mut self, at: Instant, piece: Piece, line: &mut Line) {
        if let Some(replace) = self.replace.take() {
            line.pass(at, Piece::Data(replace));
        }
        if piece.is_empty() {
            line.pass(at, piece);
        }
    }

    fn stays(&self) -> bool {
        self.promised || self.replace.is_none()
    }
}

/// Replaces text that may be spread over pieces; keeps back only what may be the beginning of it.
#[derive(Debug)]
struct Patch {
    find: Vec<u8>,
    replace: Bytes,
    left: u64,
    tail: BytesMut,
}

impl Patch {
    fn take(&mut self, at: Instant, bytes: &[u8], line: &mut Line) {
        self.tail.extend_from_slice(bytes);
        while let Some(place) = self.find_next() {
            line.pass(at, Piece::Data(self.tail.split_to(place).freeze()));
            let _found = self.tail.split_to(self.find.len());
            line.pass(at, Piece::Data(self.replace.clone()));
            self.left -= 1;
        }
        let sure = self.tail.len() - self.beginning_at_end();
        line.pass(at, Piece::Data(self.tail.split_to(sure).freeze()));
    }

    fn find_next(&self) -> Option<usize> {
        let mut windows = self.tail.windows(self.find.len());
        windows
            .position(|window| window == self.find)
            .filter(|_| self.left > 0)
    }

    /// How many bytes at the end may be the beginning of the text.
    fn beginning_at_end(&self) -> usize {
        let most = if self.left == 0 {
            0
        } else {
            self.tail.len().min(self.find.len() - 1)
        };
        (1..=most)
            .rev()
            .find(|n| self.tail.ends_with(&self.find[..*n]))
            .unwrap_or(0)
    }
}

impl Shape for Patch {
    fn shape(&mut self, at: Instant, piece: Piece, line: &mut Line) {
        match piece {
            Piece::Data(bytes) => self.take(at, &bytes, line),
            end => {
                line.pass(at, Piece::Data(self.tail.split().freeze()));
                line.pass(at, end);
            }
        }
    }

    fn release(&mut self, line: &mut Line) {
        line.hold(Piece::Data(self.tail.split().freeze()));
    }

    fn kept(&self) -> usize {
        self.tail.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::faults::trial::{chain, fault, joined, lift, plan, push, reply, text};

    /// What becomes of a body that is read in pieces of every size.
    fn check(kind: &str, body: &str, expected: &str) {
        for size in 1..=body.len() {
            let now = Instant::now();
            let (_, mut chain) = chain(&[kind], now);
            let pieces = body.as_bytes().chunks(size);
            let mut out: Vec<Piece> = pieces
                .flat_map(|piece| push(&mut chain, now, Piece::Data(Bytes::copy_from_slice(piece))))
                .collect();
            out.extend(push(&mut chain, now, Piece::End));
            assert_eq!(
                String::from_utf8(joined(&out)).unwrap(),
                expected,
                "{kind} in pieces of {size}"
            );
            assert_eq!(out.last(), Some(&Piece::End));
        }
    }

    #[test]
    fn text_is_replaced_wherever_it_stands_however_it_is_cut() {
        check("{body: {find: aab, replace: x}}", "aaab aab aa", "ax x aa");
        check(
            "{body: {find: aab, replace: x, at_most: 1}}",
            "aaab aab aa",
            "ax aab aa",
        );
        check("{body: {find: ab, replace: abab}}", "abab", "abababab");
        check("{body: {find: ab, replace: ''}}", "abab", "");
        check("{body: {find: zz, replace: y}}", "some zebra", "some zebra");
    }

    #[test]
    fn a_whole_body_is_replaced_once() {
        check("{body: {replace: chaos}}", "some long body", "chaos");
    }

    #[test]
    fn an_empty_body_is_replaced_too() {
        let now = Instant::now();
        let (_, mut chain) = chain(&["{body: {replace: chaos}}"], now);
        assert_eq!(push(&mut chain, now, Piece::End), [text("chaos"), Piece::End]);
    }

    #[test]
    fn what_may_be_the_beginning_of_the_text_comes_when_the_fault_is_lifted() {
        let now = Instant::now();
        let (faults, mut chain) = chain(&["{body: {find: abc, replace: x}}"], now);
        assert_eq!(push(&mut chain, now, text("zzab")), [text("zz")]);
        assert_eq!(chain.held(), 2);
        faults[0].lift();
        assert_eq!(lift(&mut chain, now), [text("ab")]);
    }

    #[test]
    fn the_head_tells_the_length_that_will_follow() {
        let check = |kind: &str, status: u16, length: Option<&str>, coded: bool| {
            let now = Instant::now();
            let mut head = reply(status);
            head.headers.insert(header::CONTENT_LENGTH, 100.into());
            head.headers
                .insert(header::CONTENT_ENCODING, http::HeaderValue::from_static("gzip"));
            plan(&[fault(kind, now)], 1).reply(0, now, &mut head);
            let told = head
                .headers
                .get(header::CONTENT_LENGTH)
                .map(|value| value.to_str().unwrap());
            assert_eq!(told, length, "{kind} {status}");
            assert_eq!(
                head.headers.contains_key(header::CONTENT_ENCODING),
                coded,
                "{kind} {status}"
            );
        };
        check("{body: {replace: chaos}}", 200, Some("5"), false);
        check("{body: {find: a, replace: b}}", 200, None, true);
        check("{body: {replace: chaos}}", 304, Some("100"), true);
        check("{body: {replace: chaos, flow: request}}", 200, Some("100"), true);
    }
}
