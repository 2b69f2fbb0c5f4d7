//! What is known of a database session and of a command in it.

use std::{
    fmt,
    str::FromStr,
    sync::{Arc, OnceLock},
};

use super::{
    glob::{Case, Glob},
    sql::{Meaning, meaning},
};
use crate::units::{BadUnit, as_text};

/// The protocol of a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// PostgreSQL.
    Postgres,
    /// MySQL and MariaDB.
    Mysql,
    /// Redis.
    Redis,
}

/// A session at a database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// What it speaks.
    pub dialect: Dialect,
    /// Who it belongs to; empty where nobody has said.
    pub user: String,
    /// Its database; empty where none was named.
    pub database: String,
}

/// A command in a session. What it means is looked at when the first matcher asks.
#[derive(Debug)]
pub struct Command {
    dialect: Dialect,
    text: Arc<str>,
    wording: OnceLock<String>,
    meaning: OnceLock<Meaning>,
}

impl Command {
    /// A command as it was sent.
    pub const fn new(dialect: Dialect, text: Arc<str>) -> Self {
        Self {
            dialect,
            text,
            wording: OnceLock::new(),
            meaning: OnceLock::new(),
        }
    }

    /// Its text, as it was sent.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Its text with one blank between its words.
    pub fn wording(&self) -> &str {
        self.wording
            .get_or_init(|| self.text.split_whitespace().collect::<Vec<_>>().join(" "))
    }

    /// What it asks of the data, and of which tables.
    pub fn meaning(&self) -> &Meaning {
        self.meaning.get_or_init(|| meaning(self.dialect, &self.text))
    }

    /// Its first word, in capitals.
    pub fn verb(&self) -> String {
        let word = self.wording().split([' ', ';', '(']).next();
        word.unwrap_or_default().to_ascii_uppercase()
    }
}

/// Text of a command or a name in it, where `*` stands for any run and capitals do not count: `"insert into orders *"`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wording {
    text: Box<str>,
    glob: Glob,
}

impl Wording {
    /// Whether the text is of this form.
    pub fn holds(&self, text: &str) -> bool {
        self.glob.matches(text.as_bytes())
    }
}

impl FromStr for Wording {
    type Err = BadUnit;

    fn from_str(text: &str) -> Result<Self, BadUnit> {
        let words: Vec<&str> = text.split_whitespace().collect();
        if words.is_empty() {
            return Err(BadUnit::new(
                "an empty text matches nothing: leave the key out".to_owned(),
            ));
        }
        Ok(Self {
            glob: Glob::text(&words.join(" "), Case::Ignored),
            text: text.into(),
        })
    }
}

impl fmt::Display for Wording {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

as_text! {
    Wording, "Wording", r"\S";
}
