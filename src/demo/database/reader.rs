//! A place in the tokens of some SQL: takes the next one if it is what the grammar wants, or says that it is not.

use super::{refusal::Refusal, tokens::Token, values::Value};

/// Reads tokens from first to last.
pub(super) struct Reader<'a> {
    tokens: &'a [(Token, usize)],
    at: usize,
}

impl<'a> Reader<'a> {
    /// Begins at the first token.
    pub(super) const fn new(tokens: &'a [(Token, usize)]) -> Self {
        Self { tokens, at: 0 }
    }

    /// Whether the statement ends here.
    pub(super) fn at_end(&self) -> bool {
        matches!(self.peek(), None | Some(Token::Symbol(';')))
    }

    pub(super) fn skip_to_end(&mut self) {
        while !self.at_end() {
            self.at += 1;
        }
    }

    pub(super) fn nothing_more(&self) -> Result<(), Refusal> {
        match self.peek() {
            Some(_) => Err(self.unexpected()),
            None => Ok(()),
        }
    }

    pub(super) fn takes_number(&mut self) -> Option<i64> {
        let Some(Token::Number(n)) = self.peek() else {
            return None;
        };
        let n = *n;
        self.at += 1;
        Some(n)
    }

    pub(super) fn value(&mut self) -> Result<Value, Refusal> {
        let value = match self.peek() {
            Some(Token::Number(n)) => Value::Int(*n),
            Some(Token::Text(text)) => Value::Text(text.clone()),
            Some(Token::Parameter(place)) => Value::Parameter(*place),
            Some(Token::Word(word)) if word == "null" => Value::Null,
            _ => return Err(self.unexpected()),
        };
        self.at += 1;
        Ok(value)
    }

    pub(super) fn name(&mut self) -> Result<String, Refusal> {
        match self.peek() {
            Some(Token::Word(name) | Token::Quoted(name)) => {
                let name = name.clone();
                self.at += 1;
                Ok(name)
            }
            _ => Err(self.unexpected()),
        }
    }

    pub(super) fn word(&mut self, word: &str) -> Result<(), Refusal> {
        match self.takes(word) {
            true => Ok(()),
            false => Err(self.unexpected()),
        }
    }

    pub(super) fn symbols(&mut self, symbols: &str) -> Result<(), Refusal> {
        symbols.chars().try_for_each(|symbol| self.symbol(symbol))
    }

    pub(super) fn symbol(&mut self, symbol: char) -> Result<(), Refusal> {
        match self.takes_symbol(symbol) {
            true => Ok(()),
            false => Err(self.unexpected()),
        }
    }

    /// Takes a word, be it a keyword or a name that may be quoted.
    pub(super) fn takes(&mut self, word: &str) -> bool {
        let there = matches!(self.peek(), Some(Token::Word(next) | Token::Quoted(next)) if next == word);
        self.at += usize::from(there);
        there
    }

    pub(super) fn takes_symbol(&mut self, symbol: char) -> bool {
        let there = self.peek() == Some(&Token::Symbol(symbol));
        self.at += usize::from(there);
        there
    }

    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at).map(|(token, _)| token)
    }

    /// The place of the next token.
    pub(super) fn position(&self) -> Option<usize> {
        self.tokens.get(self.at).map(|(_, position)| *position)
    }

    /// Refuses the next token.
    pub(super) fn unexpected(&self) -> Refusal {
        let message = match self.peek() {
            Some(token) => format!("syntax error at or near \"{token}\""),
            None => "syntax error at end of input".to_owned(),
        };
        Refusal {
            position: self.position(),
            ..Refusal::new("42601", message)
        }
    }
}
