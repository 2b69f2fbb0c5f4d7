//! What the YAML scanner says, in the words of someone who edits the file.

use saphyr_parser::ScanError;

use super::{
    problem::{Place, Problem},
    tree::located,
};

/// What the scanner's message contains, what is wrong, and how to mend it. The first that fits is taken.
const WORDS: [(&str, &str, &str); 10] = [
    (
        "unknown anchor",
        "text that starts with `*` is read as an alias",
        "put it in quotes, as in `\"*.example\"`",
    ),
    (
        "anchor or alias",
        "text that starts with `*` or `&` is read as an alias or anchor",
        "put it in quotes, as in `\"*\"`",
    ),
    (
        "mapping values are not allowed",
        "a second `: ` on this line cannot be read",
        "put text with `: ` in it in quotes",
    ),
    (
        "block mapping",
        "this does not line up with what stands above",
        "indent it like its neighbours",
    ),
    (
        "quoted scalar",
        "the quotes opened here are not closed",
        "close them",
    ),
    (
        "flow mapping",
        "a `,` or `}` is missing here",
        "close the brace, or write a comma between two entries",
    ),
    (
        "flow sequence",
        "a `,` or `]` is missing here",
        "close the bracket, or write a comma between two items",
    ),
    (
        "unexpected character",
        "plain text cannot start with this character",
        "put the text in quotes",
    ),
    (
        "handle wasn't declared",
        "a tag (`!name`) is not read",
        "remove it",
    ),
    (
        "misplaced bracket",
        "this bracket was never opened",
        "remove it, or put the text in quotes",
    ),
];

/// The problem that a scanner's error stands for; `open` is where the innermost open mapping or list begins.
pub(super) fn problem(file: &str, text: &str, error: &ScanError, open: Option<Place>) -> Problem {
    let marker = error.marker();
    let place = within(text, marker.line(), marker.col() + 1);
    let tell = |place, what: &str, mend: &str| located(file, text, place, what.to_owned(), mend.to_owned());
    let info = error.info();
    if info.contains("tabs disallowed") {
        let column = line(text, place).chars().take_while(|c| *c != '\t').count() + 1;
        return tell(
            Place { column, ..place },
            "a tab stands where only spaces may",
            "indent with spaces",
        );
    }
    if let Some((bracket, place)) = open.and_then(|open| open_bracket(text, open, place, info)) {
        return tell(
            place,
            &format!("this `{bracket}` is not closed"),
            "close it; what is inside is indented more",
        );
    }
    let before = line(text, place)
        .chars()
        .take(place.column - 1)
        .collect::<String>();
    if info.contains("mapping values are not allowed") && !before.contains(": ")
        || info.contains("simple key expect")
    {
        let (what, mend) = (
            "this is no `key: value`",
            "write a space after the colon, and each key on a line of its own",
        );
        return tell(line_before(text, place), what, mend);
    }
    if info.contains("block mapping, did not find expected key")
        && !before.trim().is_empty()
        && !before.trim().starts_with('-')
    {
        let (what, mend) = (
            "text goes on after a closing bracket or quote",
            "put the whole value in quotes",
        );
        return tell(place, what, mend);
    }
    match WORDS.iter().find(|(part, ..)| info.contains(part)) {
        Some((_, what, mend)) => tell(place, what, mend),
        None => tell(
            place,
            &format!("this is no YAML: {info}"),
            "check quotes, brackets and indentation from here upwards",
        ),
    }
}

/// The bracket that was left open, where that is what the scanner's error comes from.
fn open_bracket(text: &str, open: Place, error: Place, info: &str) -> Option<(char, Place)> {
    let bracket = line(text, open)
        .chars()
        .nth(open.column - 1)
        .filter(|c| matches!(c, '[' | '{'))?;
    let telling = [
        "invalid indentation",
        "illegal placement of ':'",
        "unexpected e",
        "expected node content",
    ]
    .iter()
    .any(|part| info.contains(part));
    let below = error.line > open.line || error.column > line(text, error).trim_end().chars().count();
    (telling && below).then_some((bracket, open))
}

fn line(text: &str, place: Place) -> &str {
    text.lines().nth(place.line - 1).unwrap_or_default()
}

/// The place, or the end of the text where the place is behind it.
fn within(text: &str, line: usize, column: usize) -> Place {
    let last = text.lines().count().max(1);
    if (1..=last).contains(&line) {
        return Place {
            line,
            column,
            width: 1,
        };
    }
    let column = text.lines().last().unwrap_or_default().trim_end().chars().count() + 1;
    Place {
        line: last,
        column,
        width: 1,
    }
}

/// The last line before a place that holds anything but a comment.
fn line_before(text: &str, place: Place) -> Place {
    let lines: Vec<_> = text.lines().take(place.line - 1).collect();
    let holds = |line: &&str| !line.trim().is_empty() && !line.trim_start().starts_with('#');
    let Some(line) = lines.iter().rposition(holds) else {
        return place;
    };
    let indent = lines[line].len() - lines[line].trim_start().len();
    Place {
        line: line + 1,
        column: indent + 1,
        width: lines[line].trim().chars().count(),
    }
}
