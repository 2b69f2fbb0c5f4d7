//! What the proxy must know of a database's protocol, and no more: where a command begins, when its answer does, and how an
//! error is put in the place of the right answer.
//!
//! A dialogue follows both directions of one session as they pass, at any split. It holds no bytes: whoever performs it
//! (`proxy/database`) gives it what was read, and does as it says.
//!
//! An answer in the server's place comes at its turn without counting replies: the command is replaced by another one that
//! the server must refuse, by a name that nothing has; the server's refusal is known by that name, and replaced. So the order
//! holds with pipelining, and what an error does to a transaction is done by the server itself.

use std::sync::Arc;

use bytes::Bytes;

use super::errors::Refusal;

/// The session of one client, as its protocol sees it.
pub trait Dialogue {
    /// Looks at what the client has sent and was not passed on yet, and stops where it is to.
    ///
    /// # Errors
    /// The bytes are none of this protocol: from here on they can only be passed on as they come.
    fn hear(&mut self, input: &[u8], stops: Stops) -> Result<Heard, Lost>;

    /// The command before which [`Self::hear`] stopped goes on as it is.
    fn accept(&mut self);

    /// The statements of the command before which [`Self::hear`] stopped, at the front of the input; none where it is not known
    /// to be of several.
    fn statements(&self, _input: &[u8]) -> Vec<Statement> {
        Vec::new()
    }

    /// What was queued that the command before which [`Self::hear`] stopped sets going, as the end of a transaction does in Redis.
    fn queued(&self) -> Vec<Arc<str>> {
        Vec::new()
    }

    /// The command before which [`Self::hear`] stopped is answered in the server's place, behind as much of it as is done: what
    /// stands in the input before the statement that is refused ([`Self::statements`]), or nothing. The text is what that one asks:
    /// where it would end a transaction, the transaction is over. What to send the server instead.
    fn refuse(&mut self, refusal: Refusal, done: &[u8], text: &str) -> Bytes;

    /// The command before which [`Self::hear`] stopped goes on as it is, and its answer is replaced. An error that the server
    /// itself gives is not.
    fn replace(&mut self, refusal: Refusal);

    /// The answer before which [`Self::tell`] stopped is replaced in the same way; false: the protocol has no place for it.
    fn replace_next(&mut self, _refusal: Refusal) -> bool {
        false
    }

    /// Keeps an answer for the moment of the opening that it belongs to, where the protocol has an opening.
    fn refuse_opening(&mut self, _refusal: Refusal) {}

    /// Whether such an answer was said.
    fn has_refused_opening(&self) -> bool {
        false
    }

    /// The client is told in the opening that the server is a replica, where the protocol has words for it.
    fn stands_by(&mut self) {}

    /// Looks at what the server has said and was not passed on yet.
    ///
    /// # Errors
    /// The bytes are none of this protocol: from here on they can only be passed on as they come.
    fn tell(&mut self, input: &[u8], watch: Watch) -> Result<Told, Lost>;

    /// What is said at a border before the session ends, of what a server says that nobody has asked: as it is, at another place in the
    /// exchange, or nothing where a server only closes.
    fn parting(&self, said: Bytes) -> Bytes {
        said
    }

    /// Whether the session is idle within a transaction, failed or not, where that is known.
    fn waits_in_transaction(&self) -> bool {
        false
    }

    /// What a request to cancel this session's command must name, once the server has said it; such requests come on
    /// connections of their own.
    fn cancel_key(&self) -> Option<&[u8]> {
        None
    }

    /// What the session is named by whose command the server has ended at this one's wish, where such wishes are commands; told once.
    fn cancelled(&mut self) -> Option<Box<[u8]>> {
        None
    }

    /// User and database as of now, where the client says them only once the server has spoken, and has.
    fn login(&self) -> Option<(&str, &str)> {
        None
    }

    /// How many units of commands the client has begun: what is answered together, as a group that ends with a Sync.
    fn begun(&self) -> u64;

    /// How many of them the server has answered.
    fn answered(&self) -> u64;
}

/// Before what [`Dialogue::hear`] stops.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stops {
    /// Before each command that is done.
    pub commands: bool,
    /// Before each that only prepares one.
    pub preparing: bool,
    /// Before each that proves who the client is, where that is a command like others.
    pub proofs: bool,
    /// Before each that chooses a database, where that is a command like others.
    pub choices: bool,
    /// Before each that has no statement, as a ping has none, where that is a command of its own kind.
    pub pings: bool,
}

impl Stops {
    /// Before everything.
    pub const ALL: Self = Self {
        commands: true,
        preparing: true,
        proofs: true,
        choices: true,
        pings: true,
    };

    /// Before what is done.
    pub const COMMANDS: Self = Self {
        commands: true,
        preparing: false,
        proofs: false,
        choices: false,
        pings: false,
    };
}

/// What the client's bytes come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heard {
    /// So many bytes at the front go on to the server.
    pub pass: usize,
    /// So many after those are dropped.
    pub drop: usize,
    /// What the server is told in their place.
    pub say: Bytes,
    /// What stands behind them.
    pub then: Next,
}

impl Heard {
    /// Bytes that go on or are dropped, without a word of ours.
    pub(super) const fn plain(pass: usize, drop: usize, then: Next) -> Self {
        Self {
            pass,
            drop,
            say: Bytes::new(),
            then,
        }
    }
}

/// What stands behind the bytes that could be decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// Nothing, or the beginning of something: more bytes are needed.
    More,
    /// Something that can be decided: ask again.
    Again,
    /// A command, for which a decision is wanted.
    Command(Command),
}

/// A command of a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// What is asked: SQL, or the words of a Redis command, apart by blanks (one within a word is U+00A0, which does not break).
    /// Of a very long one only the front.
    pub text: Arc<str>,
    /// What is to become of it.
    pub step: Step,
    /// Whether the server will refuse it by itself, because its transaction has failed already.
    pub doomed: bool,
    /// Whether it is one of a transaction that is open, where that is known.
    pub in_transaction: bool,
}

/// One statement of a command's text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// What it asks, as for a [`Command`].
    pub text: Arc<str>,
    /// How much of the input stands before it; 0 for the first.
    pub before: usize,
}

/// What a command wants.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Step {
    /// To be done.
    #[default]
    Whole,
    /// To be prepared.
    Prepare,
    /// To be done, as the first that comes of a preparation before which it was stopped.
    First,
    /// To prove who the client is.
    Prove,
    /// To choose a database.
    Choose,
    /// To be done, without a statement: a ping, and what is like it.
    Ping,
}

/// What is waited for in the server's bytes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Watch {
    /// Stop before the answer to this unit.
    pub unit: Option<u64>,
    /// Stop between two messages.
    pub border: bool,
}

/// What the server's bytes come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// So many bytes at the front go on to the client.
    pub pass: usize,
    /// So many after those are dropped.
    pub drop: usize,
    /// What the client is told after those that go on.
    pub say: Bytes,
    /// What comes then.
    pub then: After,
}

/// What comes after the server's bytes that could be decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum After {
    /// Nothing, or the beginning of something: more bytes are needed.
    More,
    /// Something that can be decided: ask again.
    Again,
    /// The answer to the unit that is watched for.
    Answer,
    /// A border, where something may be said that nobody asked for.
    Border,
    /// The end of the session.
    Close,
}

/// Why bytes are not understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Lost(pub &'static str);
