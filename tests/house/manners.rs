//! How every file is kept.

use std::collections::BTreeSet;

use proc_macro2::{Delimiter, Group, TokenTree};

use super::source::{File, Tree, every_level, is_sign, is_word, line_of};

/// A file tells one story.
const LINES: usize = 400;

/// A function fits on a screen.
const LINES_OF_FUNCTION: usize = 70;

/// Something that may be longer, and why.
pub(crate) type Longer = (&'static str, &'static str);

/// Files over the limit.
pub(crate) const LONG_FILES: &[Longer] = &[];

/// Functions over the limit, as `file: name`.
pub(crate) const LONG_FUNCTIONS: &[Longer] = &[("src/faults/drive.rs: kind_of", "a table: one arm a kind")];

/// The files that are too long, and the excuses that are not needed any more.
pub(crate) fn long_files(tree: &Tree, excused: &[Longer]) -> Vec<String> {
    let long = tree.files.values().filter_map(|file| {
        let lines = file.text.lines().count();
        (lines > LINES).then(|| (file.path.clone(), lines))
    });
    too_long(
        long.collect(),
        excused,
        LINES,
        "a file tells one story; which second one is in it?",
    )
}

/// The functions of the product that are too long. In tests a function may be a table of cases.
pub(crate) fn long_functions(tree: &Tree, excused: &[Longer]) -> Vec<String> {
    let mut long = Vec::new();
    for file in tree.files.values() {
        every_level(file.code.clone(), file.test, &mut |tokens, test| {
            let functions = (0..tokens.len()).filter_map(|i| function(&tokens[i..]));
            let functions = functions.map(|(name, lines)| (format!("{}: {name}", file.path), lines));
            long.extend(functions.filter(|(_, lines)| *lines > LINES_OF_FUNCTION && !test));
        });
    }
    too_long(
        long,
        excused,
        LINES_OF_FUNCTION,
        "a function fits on a screen; what in it has a name of its own?",
    )
}

fn too_long(long: Vec<(String, usize)>, excused: &[Longer], limit: usize, why: &str) -> Vec<String> {
    let names: BTreeSet<&str> = long.iter().map(|(name, _)| name.as_str()).collect();
    let idle = excused.iter().filter(|(name, _)| !names.contains(name));
    let idle = idle.map(|(name, _)| format!("{name} is within {limit} lines now: take its excuse out"));
    let bad = long
        .iter()
        .filter(|(name, _)| !excused.iter().any(|(excused, _)| excused == name));
    bad.map(|(name, lines)| format!("{name} has {lines} lines and may have {limit}: {why}"))
        .chain(idle)
        .collect()
}

/// The name and the length of the function that begins here.
fn function(tokens: &[TokenTree]) -> Option<(String, usize)> {
    let (first, name) = (tokens.first()?, tokens.get(1)?);
    if !is_word(first, "fn") || !matches!(name, TokenTree::Ident(_)) {
        return None;
    }
    let signature = tokens.iter().take_while(|token| !is_sign(token, ';'));
    let body = signature.filter_map(as_block).next()?;
    Some((
        name.to_string(),
        body.span_close().end().line - line_of(first) + 1,
    ))
}

fn as_block(token: &TokenTree) -> Option<&Group> {
    match token {
        TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => Some(group),
        _ => None,
    }
}

/// Promises that nobody keeps.
pub(crate) fn leftovers(tree: &Tree) -> Vec<String> {
    let marks = ["TODO", "FIXME", "XXX", "HACK"];
    let found = |file: &File| {
        let lines = file.text.lines().enumerate();
        let marked = lines.filter(|(_, line)| marks.iter().any(|mark| has_word(line, mark)));
        marked
            .map(|(i, line)| {
                format!(
                    "{}:{}: do it, or open an issue and name it: {}",
                    file.path,
                    i + 1,
                    line.trim()
                )
            })
            .collect::<Vec<_>>()
    };
    tree.files.values().flat_map(found).collect()
}

fn has_word(line: &str, word: &str) -> bool {
    line.split(|c: char| !c.is_alphanumeric() && c != '_')
        .any(|part| part == word)
}

/// `unwrap` outside tests.
pub(crate) fn unwraps(tree: &Tree) -> Vec<String> {
    let is_unwrap = |tokens: &[TokenTree]| {
        is_sign(&tokens[0], '.') && is_word(&tokens[1], "unwrap") && matches!(&tokens[2], TokenTree::Group(_))
    };
    find(
        tree,
        3,
        false,
        is_unwrap,
        "`unwrap` says nothing when it fails; `expect` states the invariant",
    )
}

/// `unsafe`, tests included.
pub(crate) fn unsafe_code(tree: &Tree) -> Vec<String> {
    find(
        tree,
        1,
        true,
        |tokens| is_word(&tokens[0], "unsafe"),
        "this house has no unsafe code",
    )
}

fn find(
    tree: &Tree,
    width: usize,
    in_tests: bool,
    is_bad: fn(&[TokenTree]) -> bool,
    why: &str,
) -> Vec<String> {
    let mut out = Vec::new();
    for file in tree.files.values() {
        every_level(file.code.clone(), file.test, &mut |tokens, test| {
            if test && !in_tests {
                return;
            }
            let bad = tokens.windows(width).filter(|window| is_bad(window));
            out.extend(bad.map(|window| format!("{}:{}: {why}", file.path, line_of(&window[0]))));
        });
    }
    out
}
