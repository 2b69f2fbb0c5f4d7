//! Names of PostgreSQL with letters by number, `U&"d\0061ta"`, which the tokenizer takes apart into a word, a sign and a name.

use sqlparser::tokenizer::{Token, TokenWithSpan};

/// The tokens of a text, with such names as one.
pub(super) fn joined(tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    if !(0..tokens.len()).any(|at| name(&tokens[at..]).is_some()) {
        return tokens;
    }
    let mut all = Vec::with_capacity(tokens.len());
    let mut rest = &tokens[..];
    while let [first, behind @ ..] = rest {
        let mut one = first.clone();
        rest = behind;
        if let Some((name, used)) = name(&tokens[tokens.len() - rest.len() - 1..]) {
            one.token = Token::make_word(&name, Some('"'));
            rest = &rest[used - 1..];
        }
        all.push(one);
    }
    all
}

/// The name at the front, and of how many tokens it is.
fn name(tokens: &[TokenWithSpan]) -> Option<(String, usize)> {
    let [first, sign, name, behind @ ..] = tokens else {
        return None;
    };
    let (Token::Word(first), Token::Ampersand, Token::Word(name)) = (&first.token, &sign.token, &name.token)
    else {
        return None;
    };
    if first.quote_style.is_some() || !first.value.eq_ignore_ascii_case("u") || name.quote_style != Some('"')
    {
        return None;
    }
    let (escape, used) = escape(behind).unwrap_or(('\\', 0));
    Some((decoded(&name.value, escape), 3 + used))
}

/// The letter that stands before numbers, where another one is chosen than usual: `UESCAPE '!'`.
fn escape(behind: &[TokenWithSpan]) -> Option<(char, usize)> {
    let mut said = behind
        .iter()
        .enumerate()
        .filter(|(_, one)| !matches!(one.token, Token::Whitespace(_)));
    let (_, first) = said.next()?;
    let (at, letter) = said.next()?;
    match (&first.token, &letter.token) {
        (Token::Word(word), Token::SingleQuotedString(letter))
            if word.value.eq_ignore_ascii_case("uescape") =>
        {
            Some((letter.chars().next()?, at + 1))
        }
        _ => None,
    }
}

/// A name with its letters: `\0061` and `\+000061` are `a`, and the letter before them, twice, is itself.
fn decoded(name: &str, escape: char) -> String {
    let mut letters = String::new();
    let mut rest = name;
    while let Some(first) = rest.chars().next() {
        rest = &rest[first.len_utf8()..];
        if first != escape {
            letters.push(first);
        } else if let Some(behind) = rest.strip_prefix(escape) {
            letters.push(escape);
            rest = behind;
        } else {
            let (digits, behind) = match rest.strip_prefix('+') {
                Some(behind) => (behind.get(..6), behind.get(6..)),
                None => (rest.get(..4), rest.get(4..)),
            };
            let number = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok());
            // What is none the server refuses by itself.
            letters.push(
                number
                    .and_then(char::from_u32)
                    .unwrap_or(char::REPLACEMENT_CHARACTER),
            );
            rest = behind.unwrap_or_default();
        }
    }
    letters
}

#[cfg(test)]
mod tests {
    use sqlparser::{dialect::PostgreSqlDialect, tokenizer::Tokenizer};

    use super::*;

    fn read(text: &str) -> String {
        let tokens = Tokenizer::new(&PostgreSqlDialect {}, text)
            .tokenize_with_location()
            .unwrap();
        joined(tokens).iter().map(|one| one.token.to_string()).collect()
    }

    #[test]
    fn names_by_number_are_read_with_their_letters() {
        for (text, expected) in [
            ("select 1 from U&\"orders\" o", "select 1 from \"orders\" o"),
            ("u&\"d\\0061t\\+000061\\\\\".x", "\"data\\\".x"),
            ("u&\"d!0061t!+000061!!\" UESCAPE '!', b", "\"data!\", b"),
            ("u&\"\u{e4}\\00e4\"", "\"\u{e4}\u{e4}\""),
            (
                "u&\"\\00\" u&\"\\\u{e4}\u{e4}\u{e4}\"",
                "\"\u{fffd}\" \"\u{fffd}\u{e4}\"",
            ),
            (
                "u & \"a\", \"u\"&\"b\", u&c, v&\"d\"",
                "u & \"a\", \"u\"&\"b\", u&c, v&\"d\"",
            ),
            ("u&'\\0061'", "U&'a'"),
        ] {
            assert_eq!(read(text), expected, "{text}");
        }
    }
}
