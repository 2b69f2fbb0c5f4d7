//! SQL cut into tokens, each with its place, so that an error can point at it.

use std::fmt;

use super::refusal::Refusal;

/// The smallest pieces of SQL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token {
    /// A keyword or a name, in lower case.
    Word(String),
    /// A name in double quotes, as it was written.
    Quoted(String),
    /// A text in single quotes.
    Text(String),
    Number(i64),
    /// `$1`.
    Parameter(u16),
    /// Anything else, one character at a time.
    Symbol(char),
}

impl Token {
    /// Whether it names a table that only a real PostgreSQL has.
    pub(super) fn names_catalogue(&self) -> bool {
        matches!(self, Self::Word(name) | Self::Quoted(name)
            if name.starts_with("pg_") || name == "information_schema")
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Word(text) | Self::Quoted(text) | Self::Text(text) => f.write_str(text),
            Self::Number(n) => write!(f, "{n}"),
            Self::Parameter(place) => write!(f, "${place}"),
            Self::Symbol(symbol) => write!(f, "{symbol}"),
        }
    }
}

/// Cuts SQL into tokens and their places, in characters from 1, without comments.
pub(super) fn tokens(sql: &str) -> Result<Vec<(Token, usize)>, Refusal> {
    let mut cutter = Cutter {
        rest: sql,
        counted: sql,
        position: 1,
    };
    let mut tokens = Vec::new();
    while let Some((start, first)) = cutter.next_start()? {
        let token = cutter.token(first).map_err(|refusal| Refusal {
            position: Some(start),
            ..refusal
        })?;
        tokens.push((token, start));
    }
    Ok(tokens)
}

struct Cutter<'a> {
    rest: &'a str,
    /// What was left when `position` was last counted: each character is counted once.
    counted: &'a str,
    position: usize,
}

impl<'a> Cutter<'a> {
    /// Skips blanks and comments, then says where the next token starts and with what.
    fn next_start(&mut self) -> Result<Option<(usize, char)>, Refusal> {
        loop {
            self.rest = self.rest.trim_start();
            if self.rest.starts_with("--") {
                self.rest = self.rest.split_once('\n').map_or("", |(_, after)| after);
            } else if let Some(comment) = self.rest.strip_prefix("/*") {
                self.rest = comment.split_once("*/").ok_or_else(unterminated)?.1;
            } else {
                break;
            }
        }
        let passed = &self.counted[..self.counted.len() - self.rest.len()];
        self.position += passed.chars().count();
        self.counted = self.rest;
        Ok(self.rest.chars().next().map(|first| (self.position, first)))
    }

    fn token(&mut self, first: char) -> Result<Token, Refusal> {
        Ok(match first {
            '\'' => Token::Text(self.quoted('\'')?),
            '"' => Token::Quoted(self.quoted('"')?),
            '0'..='9' => Token::Number(self.number()?),
            '-' if self.rest[1..].starts_with(|c: char| c.is_ascii_digit()) => {
                self.rest = &self.rest[1..];
                Token::Number(-self.number()?)
            }
            '$' if self.rest[1..].starts_with(|c: char| c.is_ascii_digit()) => {
                self.rest = &self.rest[1..];
                let place = self.number()?;
                Token::Parameter(u16::try_from(place).map_err(|_| out_of_range(place))?)
            }
            c if c.is_alphabetic() || c == '_' => {
                Token::Word(self.run(|c| c.is_alphanumeric() || c == '_').to_lowercase())
            }
            c => {
                self.rest = &self.rest[c.len_utf8()..];
                Token::Symbol(c)
            }
        })
    }

    /// Takes a quoted text; a doubled quote inside stands for one.
    fn quoted(&mut self, quote: char) -> Result<String, Refusal> {
        let mut text = String::new();
        loop {
            let (piece, rest) = self.rest[1..].split_once(quote).ok_or_else(unterminated)?;
            text.push_str(piece);
            self.rest = rest;
            if !rest.starts_with(quote) {
                return Ok(text);
            }
            text.push(quote);
        }
    }

    fn number(&mut self) -> Result<i64, Refusal> {
        let digits = self.run(|c| c.is_ascii_digit());
        digits.parse().map_err(|_| out_of_range(digits))
    }

    fn run(&mut self, within: impl Fn(char) -> bool) -> &'a str {
        let end = self.rest.find(|c| !within(c)).unwrap_or(self.rest.len());
        let (run, rest) = self.rest.split_at(end);
        self.rest = rest;
        run
    }
}

fn unterminated() -> Refusal {
    Refusal::new("42601", "unterminated quoted string or comment")
}

fn out_of_range(number: impl fmt::Display) -> Refusal {
    Refusal::new(
        "22003",
        format!("value \"{number}\" is out of range for type bigint"),
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn tokens_know_their_place() {
        let sql = "Sélect -1, 'it''s' /* no */ $2;-- end";
        let expected = [
            (Token::Word("sélect".into()), 1),
            (Token::Number(-1), 8),
            (Token::Symbol(','), 10),
            (Token::Text("it's".into()), 12),
            (Token::Parameter(2), 29),
            (Token::Symbol(';'), 31),
        ];
        assert_eq!(tokens(sql), Ok(expected.to_vec()));
    }

    #[test]
    fn what_cannot_be_cut_is_refused() {
        let check = |sql: &str, code| assert_eq!(tokens(sql).unwrap_err().code, code, "{sql}");
        check("select 'open", "42601");
        check("/* open", "42601");
        check("select 99999999999999999999", "22003");
        check("select $65536", "22003");
    }

    proptest! {
        #[test]
        fn any_text_is_cut_or_refused(sql in "\\PC{0,40}|[-'\"$/*;a1 ]{0,12}") {
            let _ = tokens(&sql);
        }
    }
}
