//! A command as a line of text: its words, apart by blanks and with quotes, as a server takes them apart (`sdssplitargs`).

use crate::wire::dialogue::Lost;

/// The words of a line.
///
/// An error: a server takes it for none, and closes the connection.
pub(super) fn words(line: &[u8]) -> Result<Vec<Vec<u8>>, Lost> {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    // It ends where a text in C does.
    let mut rest = line.split(|byte| *byte == 0).next().unwrap_or_default();
    let mut words = Vec::new();
    loop {
        while let [first, behind @ ..] = rest
            && is_blank(*first)
        {
            rest = behind;
        }
        if rest.is_empty() {
            return Ok(words);
        }
        let (word, behind) = word(rest)?;
        words.push(word);
        rest = behind;
    }
}

/// The word at the front, and what stands behind it. Quotes may begin within one, and end it.
fn word(mut rest: &[u8]) -> Result<(Vec<u8>, &[u8]), Lost> {
    let mut word = Vec::new();
    loop {
        match rest {
            [] | [b' ' | b'\n' | b'\r' | b'\t', ..] => return Ok((word, rest)),
            [quote @ (b'"' | b'\''), behind @ ..] => {
                rest = quoted(*quote, behind, &mut word)?;
                return match rest.first() {
                    Some(next) if !is_blank(*next) => Err(UNBALANCED),
                    _ => Ok((word, rest)),
                };
            }
            [byte, behind @ ..] => {
                word.push(*byte);
                rest = behind;
            }
        }
    }
}

/// As a server says it.
const UNBALANCED: Lost = Lost("unbalanced quotes in a command of Redis");

/// Takes what stands up to the quote that closes; gives what stands behind that.
fn quoted<'l>(quote: u8, mut rest: &'l [u8], word: &mut Vec<u8>) -> Result<&'l [u8], Lost> {
    let is_double = quote == b'"';
    loop {
        let (byte, behind) = match rest {
            [] => return Err(UNBALANCED),
            [byte, behind @ ..] if *byte == quote => return Ok(behind),
            [b'\\', b'x', high, low, behind @ ..] if is_double && is_hex(*high) && is_hex(*low) => {
                (hex(*high) << 4 | hex(*low), behind)
            }
            [b'\\', letter, behind @ ..] if is_double => (escaped(*letter), behind),
            [b'\\', b'\'', behind @ ..] => (b'\'', behind),
            [byte, behind @ ..] => (*byte, behind),
        };
        word.push(byte);
        rest = behind;
    }
}

/// What a letter stands for behind a backslash.
const fn escaped(letter: u8) -> u8 {
    match letter {
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'b' => 8,
        b'a' => 7,
        other => other,
    }
}

const fn is_hex(digit: u8) -> bool {
    digit.is_ascii_hexdigit()
}

/// The value of a digit.
const fn hex(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        _ => digit.to_ascii_lowercase() - b'a' + 10,
    }
}

/// As `isspace`.
const fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | 9..=13)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Option<Vec<String>> {
        let words = words(line.as_bytes()).ok()?;
        Some(words.iter().map(|word| word.escape_ascii().to_string()).collect())
    }

    #[test]
    fn quotes_and_what_stands_for_letters_in_them_are_read_as_the_server_does() {
        for (line, expected) in [
            ("SET zz 1\r\n", &["SET", "zz", "1"][..]),
            ("SET \"zz\" '1'\n", &["SET", "zz", "1"]),
            ("  set\t\"a b\"  ''\x0b\r\n", &["set", "a b", ""]),
            (
                "get \"\\x7a\\x7A\\\"\\n\\r\\t\\b\\a\\q\\xzz\"",
                &["get", "zz\\\"\\n\\r\\t\\x08\\x07qxzz"],
            ),
            ("get 'it\\'s \\n'", &["get", "it\\'s \\\\n"]),
            ("get a\"b c\" d", &["get", "ab c", "d"]),
            ("get a\0b", &["get", "a"]),
            ("get a\x0bb", &["get", "a\\x0bb"]),
            ("\r\n", &[]),
            ("   \t \n", &[]),
        ] {
            assert_eq!(read(line).unwrap(), expected, "{line:?}");
        }
    }

    #[test]
    fn quotes_that_do_not_close_or_end_within_a_word_are_no_command() {
        for line in [
            "get \"a\r\n",
            "get 'a",
            "get \"a\"b",
            "get 'a''b'",
            "get a\"b\"c",
            "get \"a\\\"",
            "get 'a\\'",
            "get \"a\0\"",
        ] {
            assert_eq!(read(line), None, "{line:?}");
        }
    }
}
