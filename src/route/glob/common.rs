//! What two globs have in common: whether a text can be of both forms, and whether one holds for whatever the other holds for.
//!
//! Both are proofs: where one would take too long, it is not made, and the answer is no.

use super::{Case, Glob, Token};

/// The largest pair that is looked at, length times length: two patterns of a page each.
const MOST_STATES: usize = 1 << 18;

/// The most `/**` that are looked at, for each doubles the work.
const MOST_BELOWS: usize = 4;

/// A glob, taken apart so that one step reads at most one byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// This byte.
    Byte(u8),
    /// Any run.
    Any,
    /// Any run without a slash.
    Segment,
    /// A slash before the next step, or neither of them.
    Gate,
}

/// The bytes that a step may read.
#[derive(Clone, Copy)]
enum Bytes {
    One(u8),
    NoSlash,
    All,
}

impl Glob {
    /// Whether no text is of both forms.
    pub(in crate::route) fn is_apart(&self, other: &Self) -> bool {
        let same_case = |a: &u8, b: &u8| self.same(*a, *b);
        let mut starts = self.start.iter().zip(&other.start);
        if starts.any(|(a, b)| !same_case(a, b)) {
            return true;
        }
        let (ours, theirs) = (self.steps(), other.steps());
        let width = theirs.len() + 1;
        let states = (ours.len() + 1) * width;
        if states > MOST_STATES {
            return false;
        }
        let mut seen = vec![false; states];
        let mut open = vec![(0, 0)];
        while let Some((a, b)) = open.pop() {
            if std::mem::replace(&mut seen[a * width + b], true) {
                continue;
            }
            if (a, b) == (ours.len(), theirs.len()) {
                return false;
            }
            open.extend(skip(&ours, a).map(|a| (a, b)));
            open.extend(skip(&theirs, b).map(|b| (a, b)));
            if let (Some((reads, to)), Some((also, there))) = (read(&ours, a), read(&theirs, b))
                && reads.meets(also, self.case)
            {
                open.push((to, there));
            }
        }
        true
    }

    /// Whether every text of the other form is of this one.
    pub(in crate::route) fn covers(&self, other: &Self) -> bool {
        if self == other {
            return true;
        }
        let starts = self.start.iter().zip(&other.start);
        if starts.clone().any(|(a, b)| !self.same(*a, *b)) {
            return false;
        }
        let theirs = other.steps();
        let belows = theirs.iter().filter(|step| **step == Step::Gate).count();
        let ours = self.steps();
        belows <= MOST_BELOWS
            && (ours.len() + 1) * (theirs.len() + 1) <= MOST_STATES
            && (0..1 << belows).all(|taken| self.takes(&ours, &opened(&theirs, taken)))
    }

    fn steps(&self) -> Vec<Step> {
        let start = self.start.iter().map(|byte| Token::Byte(*byte));
        let mut steps = Vec::with_capacity(self.start.len() + self.rest.len());
        for token in start.chain(self.rest.iter().copied()) {
            match token {
                Token::Byte(byte) => steps.push(Step::Byte(byte)),
                Token::Segment => steps.push(Step::Segment),
                Token::Any => steps.push(Step::Any),
                Token::Below => steps.extend([Step::Gate, Step::Any]),
            }
        }
        steps
    }

    /// Whether these steps hold for whatever the others stand for, where a run of theirs must lie within one of ours.
    fn takes(&self, ours: &[Step], theirs: &[Step]) -> bool {
        let mut at = closed(ours, vec![0]);
        for step in theirs {
            let next = at.into_iter().filter_map(|place| match (step, ours.get(place)?) {
                (Step::Any, Step::Any) | (Step::Segment, Step::Any | Step::Segment) => Some(place),
                (Step::Byte(byte), _) => {
                    let (reads, to) = read(ours, place)?;
                    reads.meets(Bytes::One(*byte), self.case).then_some(to)
                }
                _ => None,
            });
            at = closed(ours, next.collect());
        }
        at.contains(&ours.len())
    }
}

impl Bytes {
    fn meets(self, other: Self, case: Case) -> bool {
        match (self, other) {
            (Self::One(a), Self::One(b)) if case == Case::Ignored => a.eq_ignore_ascii_case(&b),
            (Self::One(a), Self::One(b)) => a == b,
            (Self::One(byte), Self::NoSlash) | (Self::NoSlash, Self::One(byte)) => byte != b'/',
            _ => true,
        }
    }
}

/// Where a step leads that reads nothing.
fn skip(steps: &[Step], place: usize) -> impl Iterator<Item = usize> {
    let to = match steps.get(place) {
        Some(Step::Any | Step::Segment) => Some(place + 1),
        Some(Step::Gate) => Some(place + 2),
        Some(Step::Byte(_)) | None => None,
    };
    to.into_iter()
}

/// What a step may read, and where that leads.
fn read(steps: &[Step], place: usize) -> Option<(Bytes, usize)> {
    Some(match steps.get(place)? {
        Step::Byte(byte) => (Bytes::One(*byte), place + 1),
        Step::Any => (Bytes::All, place),
        Step::Segment => (Bytes::NoSlash, place),
        Step::Gate => (Bytes::One(b'/'), place + 1),
    })
}

/// These places and those that can be reached from them without reading, each once.
fn closed(steps: &[Step], mut places: Vec<usize>) -> Vec<usize> {
    let mut seen = vec![false; steps.len() + 1];
    let mut all = Vec::new();
    while let Some(place) = places.pop() {
        if !std::mem::replace(&mut seen[place], true) {
            all.push(place);
            places.extend(skip(steps, place));
        }
    }
    all
}

/// The steps without gates, of which the bits say which stand open: one that is shut takes the step behind it along.
fn opened(steps: &[Step], taken: u32) -> Vec<Step> {
    let (mut open, mut at, mut gate) = (Vec::with_capacity(steps.len()), 0, 0);
    while let Some(step) = steps.get(at) {
        at += 1;
        if *step != Step::Gate {
            open.push(*step);
            continue;
        }
        if taken & (1 << gate) == 0 {
            at += 1;
        } else {
            open.push(Step::Byte(b'/'));
        }
        gate += 1;
    }
    open
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn paths_that_cannot_be_of_both_forms_are_apart() {
        let check = |a: &str, b: &str, apart: bool| {
            let (one, other) = (Glob::path(a), Glob::path(b));
            assert_eq!(one.is_apart(&other), apart, "{a} {b}");
            assert_eq!(other.is_apart(&one), apart, "{b} {a}");
        };
        check("/a", "/b", true);
        check("/a/**", "/a", false);
        check("/a/**", "/ab", true);
        check("/orders/*", "/orders/*/items", true);
        check("/orders/*/items", "/**/items", false);
        check("/orders/**", "**.png", false);
        check("/orders/*.json", "/orders/*.xml", true);
        check("/**/x", "/**/y", true);
        check("*", "/a", true);
    }

    #[test]
    fn a_path_covers_what_lies_within_it() {
        let check = |a: &str, b: &str, covers: bool| {
            assert_eq!(Glob::path(a).covers(&Glob::path(b)), covers, "{a} {b}");
        };
        check("/orders/**", "/orders", true);
        check("/orders/**", "/orders/7", true);
        check("/orders/**", "/orders/*/items", true);
        check("/orders/**", "/orders/**/items/**", true);
        check("/**", "/orders/**", true);
        check("**", "/orders/**", true);
        check("/orders/*", "/orders/**", false);
        check("/orders/7", "/orders/*", false);
        check("/orders/**", "/order*", false);
        check("/*/items", "/orders/items", true);
    }

    #[test]
    fn capitals_count_where_they_do() {
        let text = |pattern: &str, case| Glob::text(pattern, case);
        assert!(text("*.EXAMPLE.com", Case::Ignored).covers(&text("shop.example.COM", Case::Ignored)));
        assert!(!text("A*", Case::Ignored).is_apart(&text("*b", Case::Ignored)));
        assert!(text("A*", Case::Counts).is_apart(&text("a*", Case::Counts)));
    }

    #[test]
    fn what_is_too_long_to_be_looked_at_is_neither() {
        let long = format!("*{}", "a".repeat(2000));
        let (one, other) = (Glob::path(&format!("{long}b")), Glob::path(&format!("{long}c")));
        assert!(!one.is_apart(&other) && !one.covers(&other));
        let deep = Glob::path(&"/**/x".repeat(MOST_BELOWS + 1));
        assert!(!Glob::path("/**").covers(&deep));
    }

    /// Every text of these letters, up to a length.
    fn texts(most: u32) -> impl Iterator<Item = Vec<u8>> {
        let letter = |n: usize, at: u32| b"ab/"[n / 3_usize.pow(at) % 3];
        (0..=most).flat_map(move |length| {
            (0..3_usize.pow(length)).map(move |n| (0..length).map(|at| letter(n, at)).collect())
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1000))]
        #[test]
        fn a_proof_holds_for_every_text(a in "[ab/*]{0,4}", b in "[ab/*]{0,4}") {
            let (one, other) = (Glob::path(&a), Glob::path(&b));
            let both = texts(6).any(|text| one.matches(&text) && other.matches(&text));
            prop_assert_eq!(one.is_apart(&other), !both, "{} {}", a, b);
            let outside = texts(6).any(|text| !one.matches(&text) && other.matches(&text));
            prop_assert!(!one.covers(&other) || !outside, "{} {}", a, b);
        }
    }
}
