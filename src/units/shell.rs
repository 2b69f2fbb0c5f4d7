//! A word as a shell takes it.

use std::borrow::Cow;

/// The text, in quotes where a shell would take it for several words or for something else.
pub fn shell_word(text: &str) -> Cow<'_, str> {
    let is_plain = |c: char| c.is_alphanumeric() || "-_./:@%+,=".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(format!("'{}'", text.replace('\'', r"'\''")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_shell_would_take_apart_is_quoted() {
        for plain in ["slow-checkout", "app/app-a", "127.0.0.1:9001", "größe_2"] {
            assert_eq!(shell_word(plain), plain);
        }
        assert_eq!(shell_word("we ird/n"), "'we ird/n'");
        assert_eq!(shell_word("a;b$c"), "'a;b$c'");
        assert_eq!(shell_word("it's"), r"'it'\''s'");
        assert_eq!(shell_word(""), "''");
    }
}
