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

/// The statements of a text, apart at the semicolons that no quotes and no comments hold.
pub(super) fn pieces(grammar: Grammar, text: &str) -> Vec<&str> {
    let (mut pieces, mut from, mut at) = (Vec::new(), 0, 0);
    while let Some(c) = text[at..].chars().next() {
        let rest = &text[at..];
        let length = match c {
            ';' => {
                pieces.push(&text[from..at]);
                from = at + 1;
                1
            }
            '\'' | '"' | '`' => {
                let escapes = grammar == Grammar::Mysql && c != '`';
                let behind = quoted(&rest[1..], c, escapes).map_or("", |(_, behind)| behind);
                rest.len() - behind.len()
            }
            '$' if grammar == Grammar::Postgres => dollars(rest),
            _ => match rest.len() - without_comment(grammar, rest).len() {
                0 => c.len_utf8(),
                comment => comment,
            },
        };
        at += length;
    }
    pieces.push(&text[from..]);
    pieces
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
    let end = match text.as_bytes() {
        [b'/', b'*', ..] => "*/",
        [b'-', b'-', ..] => "\n",
        [b'#', ..] if grammar == Grammar::Mysql => "\n",
        _ => return text,
    };
    text.find(end).map_or("", |at| &text[at + end.len()..])
}

/// The next word, in small letters, and what follows it.
pub(super) fn word(grammar: Grammar, text: &str) -> (String, &str) {
    let text = skip(grammar, text);
    let end = text
        .find(|c: char| !c.is_alphanumeric() && c != '_' && c != '$')
        .unwrap_or(text.len());
    // PostgreSQL leaves letters as they are that are none of ASCII's.
    let word = match grammar {
        Grammar::Postgres => text[..end].to_ascii_lowercase(),
        Grammar::Mysql => text[..end].to_lowercase(),
    };
    (word, &text[end..])
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
        for open in ["a ';", "a /*;", "a $$;", "a --;", ""] {
            check(Grammar::Postgres, open, &[open]);
        }
    }
}
