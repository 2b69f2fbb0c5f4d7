//! What a match asks for at the least, in three words that are compared at once: of a hundred matches that do not hold,
//! most are known not to without being asked.

use http::{HeaderName, request};

use super::{
    matcher::{Condition, Facts, Matcher},
    pattern::{GrpcPattern, PathPattern},
};

/// What an exchange must have at the least for a match to hold: a path that begins so, and headers with such names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hint {
    /// Which of the path's first eight bytes count.
    mask: u64,
    /// Those bytes.
    start: u64,
    /// A bit for each header that must be there.
    names: u64,
}

/// What hints are held against.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Glance {
    start: u64,
    names: u64,
}

impl Hint {
    /// The hint of a match.
    pub(super) fn of(matcher: &Matcher) -> Self {
        let mut hint = Self::default();
        for condition in matcher.conditions() {
            match condition {
                Condition::Path(patterns) => hint.begin(patterns.iter().map(PathPattern::start)),
                Condition::Grpc(patterns) => hint.begin(patterns.iter().map(GrpcPattern::start)),
                Condition::Header(name, pattern) if !pattern.is_negated() => hint.names |= bit(name),
                _ => {}
            }
        }
        hint
    }

    /// Takes note of what all of these beginnings have in common.
    fn begin<'a>(&mut self, starts: impl Iterator<Item = &'a [u8]>) {
        let common = starts.reduce(|a, b| {
            let same = a.iter().zip(b).take_while(|(a, b)| a == b).count();
            &a[..same]
        });
        let common = common.unwrap_or_default();
        (self.start, self.mask) = (
            first_bytes(common),
            first_bytes(&[0xff; 8][..common.len().min(8)]),
        );
    }

    /// Whether the match may hold for what was glanced at; where this is false, it does not.
    pub const fn may_hold(&self, glance: Glance) -> bool {
        glance.start & self.mask == self.start && glance.names & self.names == self.names
    }

    /// Whether it asks for headers.
    pub const fn asks_for_headers(&self) -> bool {
        self.names != 0
    }
}

impl Glance {
    /// Glances at an exchange; at its headers only where a hint asks for some.
    pub fn at(facts: &Facts<'_>, headers: bool) -> Self {
        facts.head.map_or_else(Self::default, |head| Self {
            start: first_bytes(head.uri.path().as_bytes()),
            names: if headers { names(head) } else { 0 },
        })
    }
}

fn names(head: &request::Parts) -> u64 {
    head.headers.keys().fold(0, |names, name| names | bit(name))
}

/// The first eight bytes, as a number.
fn first_bytes(text: &[u8]) -> u64 {
    let mut bytes = [0; 8];
    let count = text.len().min(8);
    bytes[..count].copy_from_slice(&text[..count]);
    u64::from_le_bytes(bytes)
}

/// One of sixty-four bits for a name: two names may share it, which costs a look at the match itself and no more.
fn bit(name: &HeaderName) -> u64 {
    let name = name.as_str().as_bytes();
    let at = |place: usize| name.get(place).map_or(0, |b| usize::from(*b));
    1 << ((name.len() + 3 * at(name.len() / 2) + 7 * at(name.len().wrapping_sub(1))) % 64)
}

#[cfg(test)]
mod tests {
    use http::Request;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::{super::matcher::Match, *};

    fn head(path: &str, names: &[&str]) -> request::Parts {
        let request = names
            .iter()
            .fold(Request::post(path), |request, name| request.header(*name, "1"));
        let mut head = request.body(()).unwrap().into_parts().0;
        head.headers
            .insert("content-type", "application/grpc".parse().unwrap());
        head
    }

    /// Whether the hint lets a match be asked, and whether the match holds.
    fn ask(written: &Value, head: Option<&request::Parts>) -> (bool, bool) {
        let matcher = serde_json::from_value::<Match>(written.clone())
            .unwrap()
            .compile();
        let facts = Facts {
            client: "10.0.0.1".parse().unwrap(),
            tls_name: None,
            head,
            session: None,
            command: None,
        };
        let hint = matcher.hint();
        let glance = Glance::at(&facts, hint.asks_for_headers());
        (hint.may_hold(glance), matcher.holds(&facts))
    }

    #[test]
    fn a_match_that_cannot_hold_is_not_asked() {
        let order = head("/orders/7", &["x-user"]);
        let check = |written: Value, asked| assert_eq!(ask(&written, Some(&order)).0, asked, "{written}");
        check(json!({}), true);
        check(json!({"path": "/orders/**"}), true);
        check(json!({"path": "/never/7/**"}), false);
        check(json!({"path": "/orders/7/items"}), true);
        check(json!({"path": "/orders"}), true);
        check(json!({"path": ["/never", "/orders"]}), true);
        check(json!({"path": ["/never", "/nor"]}), false);
        check(json!({"path": "**/7"}), true);
        check(json!({"grpc": "shop.Orders"}), false);
        check(json!({"header": {"x-user": "2"}}), true);
        check(json!({"header": {"x-chaos": "*"}}), false);
        check(json!({"header": {"x-chaos": "!*"}}), true);
        let no_request = ask(&json!({"path": "/orders"}), None);
        assert_eq!(no_request, (false, false), "a TCP connection has no path");
        assert_eq!(ask(&json!({"client": "10.0.0.1"}), None), (true, true));
    }

    proptest! {
        #[test]
        fn a_match_that_holds_is_always_asked(
            pattern in "/[ab*]{0,3}/?[ab*/]{0,8}",
            path in "/[ab]{0,3}/?[ab/]{0,8}",
            wanted in "x-[a-c]{1,3}",
            names in prop::collection::vec("x-[a-c]{1,3}", 0..4),
            negated: bool,
        ) {
            let names: Vec<_> = names.iter().map(String::as_str).collect();
            let value = if negated { "!*" } else { "*" };
            for written in [
                json!({"path": pattern}),
                json!({"path": [pattern, "/a/b"]}),
                json!({"header": {wanted: value}}),
            ] {
                let (asked, holds) = ask(&written, Some(&head(&path, &names)));
                prop_assert!(asked || !holds, "{} {}", written, path);
            }
        }
    }
}
