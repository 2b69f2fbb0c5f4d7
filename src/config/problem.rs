//! What is wrong with a text: where, what, and how to mend it, for people and as JSON; all problems at once.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A place in a text, counted in characters from 1, and how many characters it covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Place {
    /// The line, from 1.
    pub line: usize,
    /// The column, from 1.
    pub column: usize,
    /// How many characters of the line are meant.
    #[serde(skip)]
    pub width: usize,
}

/// One thing that is wrong, where it stands and how to mend it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Problem {
    /// The file as the user named it, or what else was read: `request`, `standard input`.
    pub file: String,
    /// Where in the file; `None` when the file as a whole is meant.
    #[serde(flatten)]
    pub place: Option<Place>,
    /// Which value, as in `listeners.public.routes[0].cluster`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub path: String,
    /// What is wrong, in one line.
    pub what: String,
    /// How to mend it, in one line.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub mend: String,
    /// The line as it was written.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub text: String,
}

/// All that is wrong with a text, sorted by place.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Problems(Vec<Problem>);

/// So many problems are reported at most: nobody reads more, and each costs another pass over the text.
pub const MOST: usize = 100;

/// How many characters of a long line are shown around the place.
const SHOWN: usize = 120;

/// How many of them stand before the place.
const SHOWN_BEFORE: usize = 60;

impl Problem {
    /// A problem with a file as a whole, such as one that cannot be read.
    pub fn whole(file: &str, what: impl Into<String>, mend: impl Into<String>) -> Self {
        Self {
            file: file.to_owned(),
            place: None,
            path: String::new(),
            what: what.into(),
            mend: mend.into(),
            text: String::new(),
        }
    }

    /// The part of the line to show and the column of the place in it, from 0.
    fn excerpt(&self, place: Place) -> (String, usize) {
        let before = place.column - 1;
        let skipped = if before < SHOWN { 0 } else { before - SHOWN_BEFORE };
        let lead = if skipped > 0 { "…" } else { "" };
        let shown = self.text.chars().skip(skipped).take(SHOWN).map(printable);
        let tail = if self.text.chars().count() > skipped + SHOWN {
            "…"
        } else {
            ""
        };
        let column = before - skipped + lead.chars().count();
        (lead.chars().chain(shown).chain(tail.chars()).collect(), column)
    }
}

/// A terminal must not obey the text that it shows, and the caret must stay in its column.
fn printable(c: char) -> char {
    match c {
        '\t' => ' ',
        c if c.is_control() => '\u{fffd}',
        c => c,
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(place) = self.place else {
            write!(f, "{}: {}", self.file, self.what)?;
            return if self.mend.is_empty() {
                Ok(())
            } else {
                write!(f, "\n  = mend: {}", self.mend)
            };
        };
        let Place { line, column, width } = place;
        let (text, indent) = self.excerpt(place);
        let gutter = line.to_string().len();
        let room = text.chars().count().saturating_sub(indent);
        let carets = "^".repeat(width.clamp(1, room.max(1)));
        writeln!(f, "{}:{line}:{column}: {}", self.file, self.what)?;
        writeln!(f, " {line} | {}", text.trim_end())?;
        write!(f, " {:gutter$} | {:indent$}{carets}", "", "")?;
        if self.mend.is_empty() {
            Ok(())
        } else {
            write!(f, "\n {:gutter$} = mend: {}", "", self.mend)
        }
    }
}

impl Problems {
    /// Adds a problem at its place in the order.
    pub fn push(&mut self, problem: Problem) {
        let at = self
            .0
            .partition_point(|p| (&p.file, p.place) <= (&problem.file, problem.place));
        self.0.insert(at, problem);
    }

    /// Whether nothing is wrong.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many problems there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The first problem in one line, and how many more there are: for a log, where the whole would be hard to read.
    pub fn brief(&self) -> String {
        let Some(first) = self.0.first() else {
            return String::new();
        };
        let Problem { file, what, mend, .. } = first;
        let place = first
            .place
            .map_or_else(String::new, |place| format!(":{}:{}", place.line, place.column));
        let mend = if mend.is_empty() {
            String::new()
        } else {
            format!("; {mend}")
        };
        let more = match self.len() - 1 {
            0 => String::new(),
            more => format!(" (and {more} more)"),
        };
        format!("{file}{place}: {what}{mend}{more}")
    }

    /// The problems, sorted by place.
    pub fn iter(&self) -> std::slice::Iter<'_, Problem> {
        self.0.iter()
    }

    /// The value if nothing is wrong, otherwise the problems.
    pub fn or<T>(self, value: T) -> Result<T, Self> {
        if self.is_empty() { Ok(value) } else { Err(self) }
    }
}

impl From<Problem> for Problems {
    fn from(problem: Problem) -> Self {
        Self(vec![problem])
    }
}

impl Extend<Problem> for Problems {
    fn extend<I: IntoIterator<Item = Problem>>(&mut self, problems: I) {
        for problem in problems {
            self.push(problem);
        }
    }
}

impl IntoIterator for Problems {
    type Item = Problem;
    type IntoIter = std::vec::IntoIter<Problem>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a> IntoIterator for &'a Problems {
    type Item = &'a Problem;
    type IntoIter = std::slice::Iter<'a, Problem>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, problem) in self.iter().enumerate() {
            let gap = if i == 0 { "" } else { "\n\n" };
            write!(f, "{gap}{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(line: usize, column: usize, text: &str) -> Problem {
        Problem {
            place: Some(Place {
                line,
                column,
                width: 3,
            }),
            text: text.to_owned(),
            ..Problem::whole("a.yaml", "wrong", "do right")
        }
    }

    #[test]
    fn a_problem_shows_the_line_a_caret_and_how_to_mend_it() {
        let shown = problem(12, 5, "a:  foo # why").to_string();
        assert_eq!(
            shown,
            "a.yaml:12:5: wrong\n 12 | a:  foo # why\n    |     ^^^\n    = mend: do right"
        );
    }

    #[test]
    fn a_file_as_a_whole_has_no_place() {
        let shown = Problem::whole("a.yaml", "cannot be read: no such file", "check the name").to_string();
        assert_eq!(
            shown,
            "a.yaml: cannot be read: no such file\n  = mend: check the name"
        );
    }

    #[test]
    fn a_long_line_is_shown_around_the_place() {
        let shown = problem(1, 5001, &format!("{}foo{}", "x".repeat(5000), "y".repeat(5000))).to_string();
        let lines: Vec<_> = shown.lines().collect();
        let caret = lines[2].chars().position(|c| c == '^').unwrap();
        assert_eq!(lines[1].chars().skip(caret).take(4).collect::<String>(), "fooy");
        assert!(lines[1].chars().count() < 140, "{}", lines[1]);
    }

    #[test]
    fn control_characters_never_reach_the_terminal() {
        assert!(!problem(1, 1, "foo\u{1b}[2Jbar").to_string().contains('\u{1b}'));
    }

    #[test]
    fn a_log_is_told_the_first_and_how_many_more() {
        let mut problems = Problems::from(problem(9, 1, "z"));
        assert_eq!(problems.brief(), "a.yaml:9:1: wrong; do right");
        problems.extend([problem(2, 4, "b"), Problem::whole("a.yaml", "gone", "")]);
        assert_eq!(problems.brief(), "a.yaml: gone (and 2 more)");
    }

    #[test]
    fn problems_are_sorted_by_place_and_serialise_with_it() {
        let mut problems = Problems::default();
        problems.extend([problem(9, 1, "z"), problem(2, 4, "b"), problem(2, 1, "a")]);
        let lines: Vec<_> = problems.iter().map(|p| p.text.as_str()).collect();
        assert_eq!(lines, ["a", "b", "z"]);
        let json = serde_json::to_value(&problems).unwrap();
        assert_eq!(
            json[0],
            serde_json::json!(
            {"file": "a.yaml", "line": 2, "column": 1, "what": "wrong", "mend": "do right", "text": "a"})
        );
    }
}
