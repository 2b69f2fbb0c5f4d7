//! Globs: text with `*` and `**`, compiled once and matched without allocating.
//!
//! The time is bounded by the length of the text times the length of the pattern, whatever they are, so that neither a
//! clever pattern nor a clever request makes a match slow.

mod common;

/// A compiled glob: a literal beginning, compared at once, and what follows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Glob {
    start: Box<[u8]>,
    rest: Box<[Token]>,
    case: Case,
}

/// Whether capitals count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Case {
    /// `A` is not `a`.
    Counts,
    /// `A` is `a`, in ASCII.
    Ignored,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token {
    /// This byte.
    Byte(u8),
    /// `*` in a path: any run without a slash.
    Segment,
    /// `**` in a path, `*` elsewhere: any run.
    Any,
    /// `/**` before a slash or the end: nothing, or a slash and any run.
    Below,
}

/// A place to come back to: the wildcard's successor in the pattern, and the end of what the wildcard holds in the text.
#[derive(Clone, Copy)]
struct Mark {
    token: usize,
    text: usize,
}

impl Glob {
    /// A glob over paths: `*` stays within a segment, `**` does not, and `/a/**` holds for `/a` too.
    pub(crate) fn path(pattern: &str) -> Self {
        let bytes = pattern.as_bytes();
        let mut tokens = Vec::with_capacity(bytes.len());
        let mut at = 0;
        while let Some(byte) = bytes.get(at) {
            let stars = bytes[at..].iter().take_while(|b| **b == b'*').count();
            at += stars.max(1);
            let boundary = matches!(bytes.get(at), None | Some(b'/'));
            match stars {
                0 => tokens.push(Token::Byte(*byte)),
                1 => tokens.push(Token::Segment),
                _ if boundary && tokens.last() == Some(&Token::Byte(b'/')) => {
                    tokens.pop();
                    tokens.push(Token::Below);
                }
                _ => tokens.push(Token::Any),
            }
        }
        Self::new(&tokens, Case::Counts)
    }

    /// A glob over plain text, where `*` is any run.
    pub(crate) fn text(pattern: &str, case: Case) -> Self {
        let token = |byte| match byte {
            b'*' => Token::Any,
            byte => Token::Byte(byte),
        };
        Self::new(&pattern.bytes().map(token).collect::<Vec<_>>(), case)
    }

    fn new(tokens: &[Token], case: Case) -> Self {
        let literal = |token: &Token| match token {
            Token::Byte(byte) => Some(*byte),
            _ => None,
        };
        let start: Box<[u8]> = tokens.iter().map_while(literal).collect();
        let rest = tokens[start.len()..].into();
        Self { start, rest, case }
    }

    /// How every text of this form begins.
    pub(crate) fn start(&self) -> &[u8] {
        &self.start
    }

    /// Whether the whole text is of this form.
    pub(crate) fn matches(&self, text: &[u8]) -> bool {
        let Some((start, rest)) = text.split_at_checked(self.start.len()) else {
            return false;
        };
        let starts = match self.case {
            Case::Counts => *start == *self.start,
            Case::Ignored => start.eq_ignore_ascii_case(&self.start),
        };
        starts && self.rest_matches(rest)
    }

    /// Each wildcard takes as little as it can; where that leads nowhere, the nearest one takes one byte more. Going back
    /// to the nearest alone is enough: what an earlier one could still give, the nearest can take.
    fn rest_matches(&self, text: &[u8]) -> bool {
        let tokens = &*self.rest;
        let (mut token, mut at) = (0, 0);
        let (mut any, mut segment): (Option<Mark>, Option<Mark>) = (None, None);
        loop {
            let next = Mark {
                token: token + 1,
                text: at,
            };
            match tokens.get(token) {
                None if at == text.len() => return true,
                Some(Token::Any | Token::Below) if goes_on(tokens[token], text.get(at)) => {
                    if next.token == tokens.len() {
                        return true;
                    }
                    (any, segment, token) = (Some(next), None, next.token);
                    continue;
                }
                Some(Token::Segment) => {
                    (segment, token) = (Some(next), next.token);
                    continue;
                }
                Some(Token::Byte(byte)) if text.get(at).is_some_and(|b| self.same(*b, *byte)) => {
                    (token, at) = (next.token, at + 1);
                    continue;
                }
                _ => {}
            }
            let Some(back) = widen(text, &mut any, &mut segment) else {
                return false;
            };
            (token, at) = (back.token, back.text);
        }
    }

    fn same(&self, a: u8, b: u8) -> bool {
        match self.case {
            Case::Counts => a == b,
            Case::Ignored => a.eq_ignore_ascii_case(&b),
        }
    }
}

/// Whether a wildcard may begin before `next`.
fn goes_on(token: Token, next: Option<&u8>) -> bool {
    token == Token::Any || matches!(next, None | Some(b'/'))
}

/// Gives the nearest wildcard one byte more; `None` where there is none left to give.
fn widen(text: &[u8], any: &mut Option<Mark>, segment: &mut Option<Mark>) -> Option<Mark> {
    let slash_at = |from: usize| text[from..].iter().position(|b| *b == b'/').map(|n| from + n);
    if let Some(mark) = segment {
        if text.get(mark.text).is_some_and(|b| *b != b'/') {
            mark.text += 1;
            return Some(*mark);
        }
        // It would have to pass a slash. Any other start in the same segment comes to the same slash, so the wildcard
        // before goes to the next segment at once: this keeps the time within text times pattern.
        *segment = None;
        let mark = any.as_mut()?;
        mark.text = slash_at(mark.text)? + 1;
        return Some(*mark);
    }
    let mark = any.as_mut()?;
    mark.text += 1;
    (mark.text <= text.len()).then_some(*mark)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_star_stays_within_a_segment_and_two_do_not() {
        let check = |pattern: &str, path: &str, holds: bool| {
            assert_eq!(
                Glob::path(pattern).matches(path.as_bytes()),
                holds,
                "{pattern} {path}"
            );
        };
        check("/orders", "/orders", true);
        check("/orders", "/orders/", false);
        check("/orders", "/order", false);
        check("/orders/*", "/orders/7", true);
        check("/orders/*", "/orders/", true);
        check("/orders/*", "/orders/7/items", false);
        check("/orders/*/items", "/orders/7/items", true);
        check("/orders/**", "/orders", true);
        check("/orders/**", "/orders/", true);
        check("/orders/**", "/orders/7/items", true);
        check("/orders/**", "/orders-old", false);
        check("/**/items", "/items", true);
        check("/**/items", "/a/b/items", true);
        check("/**/items", "/a/b/all-items", false);
        check("/a/**/z/*.png", "/a/b/z/c/z/y.png", true);
        check("/v*/x", "/v12/x", true);
        check("**.png", "/a/b.png", true);
        check("/**", "/", true);
        check("*", "*", true);
        check("/a*b", "/a*b", true);
    }

    #[test]
    fn a_star_in_plain_text_is_any_run() {
        let check = |pattern: &str, text: &str, holds: bool| {
            assert_eq!(
                Glob::text(pattern, Case::Ignored).matches(text.as_bytes()),
                holds,
                "{pattern} {text}"
            );
        };
        check("test-*", "TEST-7/x", true);
        check("test-*", "test", false);
        check("*", "", true);
        check("", "", true);
        check("", "x", false);
        check("*.example.com", "a.b.example.com", true);
        check("*.example.com", "example.com", false);
        check("a*b*c", "a.b.b.c", true);
        check("a*b*c", "a.c.b", false);
    }

    #[test]
    fn hostile_patterns_end() {
        let stars = "a*".repeat(200) + "b";
        let doubles = "/**/a*a*a".repeat(60) + "/b";
        let long = "a".repeat(60_000);
        let deep = "/aaaaaaaaaa".repeat(6_000);
        assert!(!Glob::text(&stars, Case::Counts).matches(long.as_bytes()));
        assert!(!Glob::path(&stars).matches(long.as_bytes()));
        assert!(!Glob::path(&doubles).matches(deep.as_bytes()));
        assert!(!Glob::path("**a*a*a*a*b").matches(long.as_bytes()));
    }

    /// What the words in `Glob::path` say, tried in every way.
    fn by_hand(pattern: &[u8], text: &[u8]) -> bool {
        let Some(first) = pattern.first() else {
            return text.is_empty();
        };
        let any = |rest: &[u8]| (0..=text.len()).any(|n| by_hand(rest, &text[n..]));
        let stars = pattern.iter().take_while(|b| **b == b'*').count();
        let rest = &pattern[stars.max(1)..];
        match stars {
            0 if *first == b'/' => {
                let below = rest.iter().take_while(|b| **b == b'*').count();
                let after = &rest[below..];
                if below > 1 && matches!(after.first(), None | Some(b'/')) {
                    return by_hand(after, text) || (text.first() == Some(&b'/') && any(after));
                }
                text.first() == Some(&b'/') && by_hand(rest, &text[1..])
            }
            0 => text.first() == Some(first) && by_hand(rest, &text[1..]),
            1 => {
                let run = text.iter().take_while(|b| **b != b'/').count();
                (0..=run).any(|n| by_hand(rest, &text[n..]))
            }
            _ => any(rest),
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4000))]
        #[test]
        fn the_fast_way_and_the_plain_way_agree(pattern in "[ab/*]{0,10}", text in "[ab/]{0,14}") {
            prop_assert_eq!(
                Glob::path(&pattern).matches(text.as_bytes()),
                by_hand(pattern.as_bytes(), text.as_bytes())
            );
        }
    }
}
