//! What a database server says when it does not do as it is asked: one form for the tables of all protocols.

use std::fmt;

/// An error that a server of some protocol really gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KnownError {
    /// How a document names it; the same name in each protocol that has such an error.
    pub name: &'static str,
    /// What software reads: a SQLSTATE, a number, or the word at the front.
    pub code: &'static str,
    /// The SQLSTATE where that is not the code itself; else empty.
    pub state: &'static str,
    /// What becomes of the session.
    pub weight: Weight,
    /// What people read. `{user}`, `{database}`, `{table}`, `{verb}` and `{encryption}` stand for what the session or the command says, `{product}`
    /// for what the server calls itself.
    pub text: &'static str,
    /// What the server adds; empty for nothing.
    pub detail: &'static str,
    /// How the server would mend it; empty for nothing.
    pub hint: &'static str,
    /// When it is on the wire.
    pub moment: Moment,
    /// What it rehearses.
    pub rehearses: &'static str,
}

/// What an error means for its session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight {
    /// The command failed; the session goes on.
    Error,
    /// The session ends.
    Fatal,
    /// It is said as a notice, and the session ends.
    Farewell,
}

impl Weight {
    /// Whether the session ends.
    pub const fn closes(self) -> bool {
        !matches!(self, Self::Error)
    }
}

/// When a server gives an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// As the first thing that it says.
    Connect,
    /// Once the client has shown who it is: in place of "you are welcome".
    Proof,
    /// Right after the client was welcomed.
    Login,
    /// As the answer to a command, and already to what prepares it.
    Prepare,
    /// As the answer to a command.
    Command,
    /// Within a transaction: unasked where its session is idle, else as the answer to a command.
    InTransaction,
    /// At any time, asked or not: also on a session that is idle.
    Any,
}

impl Moment {
    /// Whether it meets the opening of a session, and not its commands.
    pub const fn is_opening(self) -> bool {
        matches!(self, Self::Connect | Self::Proof | Self::Login)
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connect => "on connecting",
            Self::Proof => "instead of the welcome",
            Self::Login => "after the welcome",
            Self::Prepare => "as a command's answer, or on preparing it",
            Self::Command => "as a command's answer",
            Self::InTransaction => "within a transaction, asked or not",
            Self::Any => "at any time",
        })
    }
}

/// What the braces in a text stand for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Words<'a> {
    /// Who the session belongs to.
    pub user: &'a str,
    /// Its database.
    pub database: &'a str,
    /// The table that the command is about, as it names it: `{table}` with its schema, `{bare}` without, `{schema}` that alone.
    pub table: &'a str,
    /// What its server calls the command.
    pub verb: &'a str,
    /// What its server calls the encryption of the client's connection.
    pub encryption: &'a str,
}

impl Words<'_> {
    /// A text with its braces filled.
    pub fn fill(&self, text: &str) -> String {
        let (schema, bare) = self.table.rsplit_once('.').unwrap_or((self.table, self.table));
        text.replace("{user}", self.user)
            .replace("{bare}", bare)
            .replace("{schema}", schema)
            .replace("{database}", self.database)
            .replace("{table}", self.table)
            .replace("{verb}", self.verb)
            .replace("{encryption}", self.encryption)
    }
}

/// An error that is about to be said, whatever its protocol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// What software reads.
    pub code: String,
    /// The SQLSTATE where that is not the code itself; else empty.
    pub state: String,
    /// What becomes of the session.
    pub weight: Weight,
    /// What people read.
    pub text: String,
    /// What the server adds; empty for nothing.
    pub detail: String,
    /// How the server would mend it; empty for nothing.
    pub hint: String,
    /// When it is said.
    pub moment: Moment,
}

impl KnownError {
    /// A line of a table; state, detail and hint are added where the error has them.
    pub(super) const fn new(
        name: &'static str,
        code: &'static str,
        weight: Weight,
        moment: Moment,
        text: &'static str,
        rehearses: &'static str,
    ) -> Self {
        Self {
            name,
            code,
            state: "",
            weight,
            text,
            detail: "",
            hint: "",
            moment,
            rehearses,
        }
    }

    /// The error with its braces filled.
    pub fn said(&self, words: &Words<'_>) -> Said {
        Said {
            code: self.code.to_owned(),
            state: self.state.to_owned(),
            weight: self.weight,
            text: words.fill(self.text),
            detail: self.detail.to_owned(),
            hint: self.hint.to_owned(),
            moment: self.moment,
        }
    }
}

/// An answer as bytes of its protocol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What the client is sent.
    pub bytes: bytes::Bytes,
    /// When it is sent.
    pub moment: Moment,
    /// Whether the session ends with it.
    pub closes: bool,
}
