//! What is known of a database session and of a command in it.

use std::sync::{Arc, OnceLock};

use super::{
    dialect::Dialect,
    sql::{Meaning, meaning},
    standby::{self, OnStandby},
    tag::tag,
};

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

impl Session {
    /// Whether it has been said whose it is: MySQL greets before.
    pub fn is_known(&self) -> bool {
        self.dialect != Dialect::Mysql || !self.user.is_empty()
    }
}

/// A command in a session. What it means is looked at when the first matcher asks.
#[derive(Debug)]
pub struct Command {
    dialect: Dialect,
    text: Arc<str>,
    in_transaction: bool,
    queued: Vec<Self>,
    table: Option<String>,
    wording: OnceLock<String>,
    meaning: OnceLock<Meaning>,
}

impl Command {
    /// A command as it was sent.
    pub const fn new(dialect: Dialect, text: Arc<str>) -> Self {
        Self {
            dialect,
            text,
            in_transaction: false,
            queued: Vec::new(),
            table: None,
            wording: OnceLock::new(),
            meaning: OnceLock::new(),
        }
    }

    /// The same, of a transaction that is open or of none.
    #[must_use]
    pub fn within(self, in_transaction: bool) -> Self {
        Self {
            in_transaction,
            ..self
        }
    }

    /// Whether it is one of a transaction that is open.
    pub const fn is_in_transaction(&self) -> bool {
        self.in_transaction
    }

    /// The same, which sets going what was queued before.
    #[must_use]
    pub fn after(self, queued: Vec<Arc<str>>) -> Self {
        let command = |text| Self::new(self.dialect, text);
        Self {
            queued: queued.into_iter().map(command).collect(),
            ..self
        }
    }

    /// The same, of whose tables this one is in question.
    #[must_use]
    pub fn about(self, table: Option<String>) -> Self {
        Self { table, ..self }
    }

    /// The table in question, or the first that it names.
    pub fn table(&self) -> Option<&str> {
        self.table.as_deref().or_else(|| self.meaning().table())
    }

    /// What it sets going beside itself.
    pub fn queued(&self) -> &[Self] {
        &self.queued
    }

    /// Whether it changes something, or sets going what does.
    pub fn changes(&self) -> bool {
        self.meaning().changes() || self.queued.iter().any(Self::changes)
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

    /// What its server calls it in errors: its first word in capitals, or PostgreSQL's command tag.
    pub fn verb(&self) -> String {
        if self.dialect == Dialect::Postgres {
            return tag(&self.text);
        }
        let word = self.wording().split([' ', ';', '(']).next();
        word.unwrap_or_default().to_ascii_uppercase()
    }

    /// Whether it drops tables: servers have words of their own for one that is not there.
    pub fn drops_table(&self) -> bool {
        let is = |word: Option<&str>, name: &str| word.is_some_and(|word| word.eq_ignore_ascii_case(name));
        let mut words = self.wording().split(' ');
        let drops = is(words.next(), "drop");
        let what = words.next();
        drops && (is(what, "table") || (is(what, "temporary") && is(words.next(), "table")))
    }

    /// How a standby of PostgreSQL refuses it, where that is in another way than a transaction's that only reads.
    pub fn on_standby(&self) -> Option<OnStandby> {
        match self.dialect {
            Dialect::Postgres => standby::of(&self.text),
            Dialect::Mysql | Dialect::Redis => None,
        }
    }
}
