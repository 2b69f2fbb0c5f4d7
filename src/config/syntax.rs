//! What the YAML scanner says, in the words of someone who edits the file.

use saphyr_parser::ScanError;

use super::{
    problem::{Place, Problem},
    tree::located,
};

/// What the scanner's message contains, what is wrong, and how to mend it. The first that fits is taken.
const WORDS: [(&str, &str, &str); 13] = [
    (
        "tabs disallowed",
        "a tab stands where only spaces may",
        "indent with spaces",
    ),
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
        "a second `:` on this line, or a value that goes on in the next, cannot be read",
        "put text with `: ` in it in quotes, and write `key: value` with a space after the colon",
    ),
    (
        "simple key expect",
        "a line before this one is neither `key: value` nor a list item",
        "write it as `key: value`, with a space after the colon",
    ),
    (
        "illegal placement of ':'",
        "a `:` stands where none may, perhaps since a bracket above is not closed",
        "close the bracket, or put the text in quotes",
    ),
    (
        "block mapping, did not find expected key",
        "this does not line up with what stands above",
        "indent it like its neighbours, and put text in quotes that starts with `[`, `{` or a quote",
    ),
    (
        "quoted scalar",
        "the quotes opened here are not closed",
        "close them",
    ),
    (
        "did not find expected ',' or '}'",
        "a `,` or `}` is missing here",
        "close the brace that is open",
    ),
    (
        "did not find expected ',' or ']'",
        "a `,` or `]` is missing here",
        "close the bracket that is open",
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

/// The problem that a scanner's error stands for.
pub(super) fn problem(file: &str, text: &str, error: &ScanError) -> Problem {
    let marker = error.marker();
    let place = Place {
        line: marker.line().max(1),
        column: marker.col() + 1,
        width: 1,
    };
    let words = WORDS.iter().find(|(part, ..)| error.info().contains(part));
    let (what, mend) = match words {
        Some((_, what, mend)) => ((*what).to_owned(), *mend),
        None => (
            format!("this is no YAML: {}", error.info()),
            "check quotes, brackets and indentation from here upwards",
        ),
    };
    let place = if text.lines().nth(place.line - 1).is_none() {
        last_line(text)
    } else {
        place
    };
    located(file, text, place, what, mend.to_owned())
}

/// An error at the end of the text is shown where the text ends.
fn last_line(text: &str) -> Place {
    let line = text.lines().count().max(1);
    let width = text.lines().last().unwrap_or_default().trim_end().chars().count();
    Place {
        line,
        column: width.max(1),
        width: 1,
    }
}
