//! SQL by its words: where statements end, and the words, names and texts in quotes that stand in them. What they mean is no
//! affair of this file.

/// Whose grammar it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Grammar {
    /// `PREPARE name (types) AS statement`; names are small unless they are quoted.
    Postgres,
    /// `PREPARE name FROM 'statement'`; capitals in names do not count.
    Mysql,
}

/// The statements of a text, apart at the semicolons that no quotes, comments and parentheses hold.
pub(super) fn pieces(grammar: Grammar, text: &str) -> Vec<&str> {
    let (mut pieces, mut from, mut at, mut depth) = (Vec::new(), 0, 0, 0_usize);
    while let Some(c) = text[at..].chars().next() {
        match c {
            ';' if depth == 0 => {
                pieces.push(&text[from..at]);
                from = at + 1;
            }
            // As in `CREATE RULE ... DO (DELETE FROM a; DELETE FROM b)`.
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        at += token(grammar, &text[at..], c);
    }
    pieces.push(&text[from..]);
    pieces
}

/// How much stands at the front that holds no border of statements: quotes, a comment, a word, or one letter.
fn token(grammar: Grammar, rest: &str, first: char) -> usize {
    let between_quotes = |before: usize, quote, escapes| {
        let behind = quoted(&rest[before + 1..], quote, escapes).map_or("", |(_, behind)| behind);
        rest.len() - behind.len()
    };
    match first {
        '\'' | '"' => between_quotes(0, first, grammar == Grammar::Mysql),
        '`' if grammar == Grammar::Mysql => between_quotes(0, first, false),
        'e' | 'E' if grammar == Grammar::Postgres && rest[1..].starts_with('\'') => {
            between_quotes(1, '\'', true)
        }
        '$' if grammar == Grammar::Postgres => dollars(rest),
        // A dollar within a word begins nothing, nor does an `e` at its end.
        _ if is_of_word(first) => rest.find(|c| !is_of_word(c)).unwrap_or(rest.len()),
        _ => match rest.len() - without_comment(grammar, rest).len() {
            0 => first.len_utf8(),
            comment => comment,
        },
    }
}

fn is_of_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == '$'
}

/// Whether a statement may hold others with semicolons of their own, as the body of a procedure does: where it ends is then not
/// known here.
pub(super) fn may_hold_others(grammar: Grammar, statement: &str) -> bool {
    let (verb, rest) = word(grammar, statement);
    let has = |words: &[&str]| {
        let mut all = statement.split(|c| !is_of_word(c));
        all.any(|word| words.iter().any(|known| word.eq_ignore_ascii_case(known)))
    };
    match (grammar, verb.as_str()) {
        (Grammar::Postgres, "create") => has(&["atomic"]),
        (Grammar::Postgres, _) => false,
        (Grammar::Mysql, "create" | "alter") => {
            has(&["procedure", "function", "trigger", "event", "package"])
        }
        (Grammar::Mysql, "begin") => word(grammar, rest).0 == "not",
        (Grammar::Mysql, "if" | "case" | "loop" | "repeat" | "while" | "for" | "declare") => true,
        // A label.
        (Grammar::Mysql, _) => skip(grammar, rest).starts_with(':'),
    }
}

/// How long a text is that stands between dollars (`$$ ... $$`, `$tag$ ... $tag$`); 1 for a dollar by itself.
fn dollars(text: &str) -> usize {
    let tag = text[1..].find(|c: char| !c.is_alphanumeric() && c != '_');
    let tag = match tag.filter(|end| text[1 + end..].starts_with('$')) {
        Some(end) => &text[..end + 2],
        None => return 1,
    };
    text[tag.len()..]
        .find(tag)
        .map_or(text.len(), |end| end + 2 * tag.len())
}

/// What stands behind blanks and comments.
pub(super) fn skip(grammar: Grammar, mut text: &str) -> &str {
    loop {
        let rest = without_comment(grammar, text.trim_start());
        if rest.len() == text.len() {
            return text;
        }
        text = rest;
    }
}

/// What stands behind a comment, or the text where it begins with none.
fn without_comment(grammar: Grammar, text: &str) -> &str {
    let end = match (grammar, text.as_bytes()) {
        (Grammar::Postgres, [b'/', b'*', ..]) => return behind_nested(text),
        (Grammar::Mysql, [b'/', b'*', ..]) => return behind(&text[2..], "*/"),
        (Grammar::Postgres, [b'-', b'-', ..]) => "\n",
        // To MySQL `1--1` is 2.
        (Grammar::Mysql, [b'-', b'-'] | [b'-', b'-', 0..=b' ', ..] | [b'#', ..]) => "\n",
        _ => return text,
    };
    behind(text, end)
}

/// What stands behind a mark; nothing where there is none.
fn behind<'a>(text: &'a str, mark: &str) -> &'a str {
    text.find(mark).map_or("", |at| &text[at + mark.len()..])
}

/// What stands behind a comment of PostgreSQL, in which others may stand.
fn behind_nested(text: &str) -> &str {
    let (mut rest, mut depth) = (text, 0_usize);
    while let Some(at) = rest.find(['/', '*']) {
        rest = &rest[at..];
        let step = match rest.as_bytes() {
            [b'/', b'*', ..] => {
                depth += 1;
                2
            }
            [b'*', b'/', ..] => {
                depth -= 1;
                2
            }
            _ => 1,
        };
        rest = &rest[step..];
        if depth == 0 {
            return rest;
        }
    }
    ""
}

/// The next word, in small letters, and what follows it.
pub(super) fn word(grammar: Grammar, text: &str) -> (String, &str) {
    let text = skip(grammar, text);
    let end = text.find(|c| !is_of_word(c)).unwrap_or(text.len());
    // PostgreSQL leaves letters as they are that are none of ASCII's.
    let word = match grammar {
        Grammar::Postgres => text[..end].to_ascii_lowercase(),
        Grammar::Mysql => text[..end].to_lowercase(),
    };
    (word, &text[end..])
}

/// Whether a statement ends a transaction, in whichever way; one that goes back to a savepoint, or is about one that was prepared, does
/// not.
pub(super) fn ends_transaction(grammar: Grammar, text: &str) -> bool {
    let (verb, rest) = word(grammar, text);
    let is_end = match verb.as_str() {
        "commit" | "rollback" => true,
        "end" | "abort" => grammar == Grammar::Postgres,
        "prepare" => grammar == Grammar::Postgres && word(grammar, rest).0 == "transaction",
        _ => false,
    };
    let (mut next, rest) = word(grammar, rest);
    if matches!(next.as_str(), "work" | "transaction") {
        next = word(grammar, rest).0;
    }
    is_end && !matches!(next.as_str(), "to" | "prepared")
}

/// The next name, and what follows it.
pub(super) fn name(grammar: Grammar, text: &str) -> Option<(String, &str)> {
    let text = skip(grammar, text);
    let quote = match grammar {
        Grammar::Postgres => '"',
        Grammar::Mysql => '`',
    };
    let (name, rest) = match text.strip_prefix(quote) {
        Some(inside) => quoted(inside, quote, false)?,
        None => word(grammar, text),
    };
    let name = match grammar {
        Grammar::Postgres => name,
        Grammar::Mysql => name.to_lowercase(),
    };
    (!name.is_empty()).then_some((name, rest))
}

/// What stands between quotes, of which the first is behind us, and what follows the last one.
fn quoted(text: &str, quote: char, escapes: bool) -> Option<(String, &str)> {
    let (mut inside, mut rest) = (String::new(), text.chars());
    loop {
        match rest.next()? {
            c if c == quote && rest.as_str().starts_with(quote) => inside.extend(rest.next()),
            c if c == quote => return Some((inside, rest.as_str())),
            '\\' if escapes => inside.push(match rest.next()? {
                'n' => '\n',
                't' => '\t',
                'r' => '\r',
                other => other,
            }),
            c => inside.push(c),
        }
    }
}

/// The text in quotes that stands next.
pub(super) fn literal(grammar: Grammar, text: &str) -> Option<String> {
    let text = skip(grammar, text);
    let quote = text.chars().next().filter(|c| matches!(c, '\'' | '"'))?;
    Some(quoted(&text[1..], quote, true)?.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_are_apart_where_no_quotes_hold_the_semicolon() {
        let check =
            |grammar, text: &str, expected: &[&str]| assert_eq!(pieces(grammar, text), expected, "{text}");
        check(Grammar::Postgres, "a; b", &["a", " b"]);
        check(
            Grammar::Postgres,
            "a ';' \";\" /*;*/ $$;$$ $x$;$y$;$x$ $1; b",
            &["a ';' \";\" /*;*/ $$;$$ $x$;$y$;$x$ $1", " b"],
        );
        check(Grammar::Postgres, "a -- ;\n; b", &["a -- ;\n", " b"]);
        check(
            Grammar::Mysql,
            "a '\\';' `;` # ;\n; b é",
            &["a '\\';' `;` # ;\n", " b é"],
        );
        check(Grammar::Mysql, "a 1--1; b -- ;", &["a 1--1", " b -- ;"]);
        check(Grammar::Postgres, "a E'\\';'; b", &["a E'\\';'", " b"]);
        check(Grammar::Postgres, "a '\\'; b ';'", &["a '\\'", " b ';'"]);
        check(Grammar::Postgres, "a type'\\'; b", &["a type'\\'", " b"]);
        check(Grammar::Postgres, "a$$; b$$", &["a$$", " b$$"]);
        check(
            Grammar::Postgres,
            "a /* /* ; */ ; */; b",
            &["a /* /* ; */ ; */", " b"],
        );
        check(Grammar::Postgres, "a (b; c); d", &["a (b; c)", " d"]);
        for open in ["a ';", "a /*;", "a /* /* */;", "a $$;", "a --;", "a (;", ""] {
            check(Grammar::Postgres, open, &[open]);
        }
    }
    #[test]
    fn what_holds_statements_of_its_own_is_known() {
        let holds = |grammar, text: &str| may_hold_others(grammar, text);
        for text in [
            "create or replace procedure p() begin delete from t",
            "/* x */ BEGIN NOT ATOMIC delete from t",
            "if 1 then delete from t",
            "again: loop delete from t",
        ] {
            assert!(holds(Grammar::Mysql, text), "{text}");
        }
        let function = "create function f() returns int begin atomic select 1";
        assert!(holds(Grammar::Postgres, function));
        for text in ["begin", "begin work", "create table t (id int)", "select 1", ""] {
            assert!(
                !holds(Grammar::Mysql, text) && !holds(Grammar::Postgres, text),
                "{text}"
            );
        }
    }
}
