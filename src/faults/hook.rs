//! What a fault may decide, and where it is asked: the seam between the kinds, which only decide, and the
//! performers in `proxy`, which carry out. Nothing here holds a socket, a task or a clock.

use std::{fmt, sync::Arc, time::Duration};

use http::{request, response};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::{
    answer::Answer,
    doc::Doc,
    line::{Cut, Shape},
    queue::Queue,
    track::Track,
};
use crate::{
    route::{Command, Dialect, matcher::Facts},
    units::{Address, Span, Stream},
};

/// A side of the proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Leg {
    /// Between the client and the proxy.
    Client,
    /// Between the proxy and the backend.
    Upstream,
}

/// Bytes in one direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Flow {
    /// From the client to the backend.
    Request,
    /// From the backend to the client.
    #[default]
    Reply,
}

/// What an exchange has to do at `open` and `reply`.
#[derive(Debug)]
pub enum Verdict {
    /// Go on.
    Pass,
    /// Wait so long, or until the fault is lifted, then go on.
    Wait(Duration),
    /// Wait until the fault is lifted, then do what the hold says.
    Hold(Hold),
    /// Wait for a place, then go on and keep the guard (`Plan::keep`) until the exchange is over.
    Queue(Queue),
    /// Answer the client with this; with `after` only once the backend has answered.
    Answer(Arc<Answer>),
    /// End the connection.
    Cut(Cut),
}

impl Verdict {
    /// Whether it does something to the exchange, whatever comes of it: who finds a free place in a queue, or waits for no time,
    /// has met nothing.
    pub(super) const fn acts(&self) -> bool {
        match self {
            Self::Pass | Self::Queue(_) => false,
            Self::Wait(time) => !time.is_zero(),
            _ => true,
        }
    }
}

/// A wait for the lifting of a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hold {
    /// What the held exchange does once the fault is lifted.
    pub release: Release,
}

/// What a held exchange does once its fault is lifted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Release {
    /// Goes on as if nothing had been.
    #[default]
    GoOn,
    /// Ends with 503.
    Unavailable,
}

/// Where the upstream leg dials to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Dial {
    /// To the backend, as configured.
    #[default]
    Backend,
    /// To this address, really resolved and really dialled.
    To(Address),
    /// Nowhere: its resolution never comes back (until the fault is lifted; then to the backend).
    Hang,
}

/// What of a database's traffic a kind meets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// The session: its opening and its bytes.
    Session,
    /// Each of its commands.
    Command,
    /// What prepares a command, where the server would give its error then already.
    Preparation,
    /// A command whose preparation was met.
    Prepared,
    /// What proves who the client is, where that is a command like others, and not part of the opening.
    Proof,
    /// What chooses a database in a session that has begun.
    Choice,
    /// A command without a statement, as a ping is: no match that asks for something of a statement holds for it.
    Ping,
}

/// What a health check is told instead of the truth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Told {
    /// All is well.
    Pass,
    /// The backend is ill.
    Fail,
    /// Nothing, for ever: the check runs into its own time limit.
    Hang,
}

/// What a TLS handshake shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Handshake {
    /// The real certificate.
    #[default]
    Sound,
    /// A certificate that has run out.
    Expired,
    /// A certificate for another name.
    WrongName,
    /// A certificate that nobody vouches for.
    Untrusted,
    /// Nothing, until the fault is lifted.
    Hang,
}

/// What a kind may look at when it is asked, and the marks it may leave.
#[derive(Debug)]
pub(super) struct Ask {
    /// The time.
    pub(super) now: Instant,
    /// When bytes could begin to flow.
    pub(super) since: Instant,
    /// How long the fault has stood.
    pub(super) age: Duration,
    /// Dice for this fault, this exchange and this hook.
    pub(super) dice: Stream,
    /// What `Acts::marks` said of the exchange.
    pub(super) marked: bool,
    /// What both directions share, where the kind wants that (`Acts::tracks`).
    pub(super) track: Option<Arc<Track>>,
    /// The exchange is a request: the end of a flow is that of a body, and not of a connection.
    pub(super) of_request: bool,
    /// What begins in the traffic of a database; `None` elsewhere, and for a session that stands.
    pub(super) begins: Option<(Dialect, Unit)>,
    /// Set by a kind that has changed a head.
    pub(super) touched: bool,
    /// Set by a kind that has changed a head in a way that the body must follow, lifted or not.
    pub(super) committed: bool,
}

/// A compiled kind: most act at one hook and pass at the others.
pub(super) trait Acts: fmt::Debug + Send + Sync {
    /// Its page in the catalogue.
    fn doc(&self) -> &'static Doc;

    /// Whether each exchange that it hits ends there, so that the faults after it get only what is left.
    fn ends(&self) -> bool {
        false
    }

    /// What it meets on a database listener, where it does not ask for something that only a command has.
    fn unit(&self, _dialect: Dialect) -> Unit {
        if self.doc().is_of_connections() {
            Unit::Session
        } else {
            Unit::Command
        }
    }

    /// Whether it meets sessions, or commands, of a database.
    fn meets(&self, unit: Unit, dialect: Dialect) -> bool {
        self.unit(dialect) == unit
    }

    /// Whether a server would say it already to what prepares a command.
    fn meets_preparation(&self, _dialect: Dialect) -> bool {
        false
    }

    /// Whether its error is of the database that a session names, be it in its opening or later.
    fn is_of_databases(&self, _dialect: Dialect) -> bool {
        false
    }

    /// The table of a command's that it is about.
    fn subject<'c>(&self, _command: &'c Command) -> Option<&'c str> {
        None
    }

    /// Whether it is a state of the server that counts for the end of a transaction too, where a command that it meets is queued.
    fn meets_queued(&self, _dialect: Dialect) -> bool {
        false
    }

    /// Whether the server is a replica meanwhile, and says so to sessions that begin.
    fn stands_by(&self, _age: Duration) -> bool {
        false
    }

    /// What a session is told that stands when the fault comes, and then ends.
    fn farewell(&self, _age: Duration, _dialect: Dialect) -> Option<Arc<Answer>> {
        None
    }

    /// Whether the kind has to do with the exchange at all; one with which it has not takes no turn (`first`, `nth`, `every`).
    fn concerns(&self, _facts: &Facts<'_>) -> bool {
        true
    }

    /// Whether the exchange is one that the kind treats in its own way; asked once, when the plan is rolled.
    fn marks(&self, _facts: &Facts<'_>) -> bool {
        false
    }

    /// Whether its two directions must know of each other.
    fn tracks(&self) -> bool {
        false
    }

    /// Whether it keeps state that each backend has for itself.
    fn is_per_backend(&self) -> bool {
        false
    }

    /// Whether what it does to bytes must be announced in the head before them: behind one that has gone out it can do nothing.
    fn announces(&self) -> bool {
        false
    }

    /// Before anything is sent; HTTP gives the head, which may be rewritten.
    fn open(&self, _ask: &mut Ask, _head: Option<&mut request::Parts>) -> Verdict {
        Verdict::Pass
    }

    /// When the head of the answer is there; it may be rewritten.
    fn reply(&self, _ask: &mut Ask, _head: &mut response::Parts) -> Verdict {
        Verdict::Pass
    }

    /// What to answer where no backend has.
    fn unanswered(&self) -> Option<Arc<Answer>> {
        None
    }

    /// How, and how long after bytes could begin to flow, it ends an exchange in which none have come.
    fn ends_silence(&self) -> Option<(Cut, Span)> {
        None
    }

    /// What shapes the bytes in one direction, if this kind does.
    fn flow(&self, _ask: &mut Ask, _direction: Flow) -> Option<Box<dyn Shape>> {
        None
    }

    /// Where to dial instead.
    fn dial(&self) -> Dial {
        Dial::Backend
    }

    /// What to tell a health check.
    fn told(&self) -> Option<Told> {
        None
    }

    /// What the TLS handshake shows.
    fn handshake(&self) -> Handshake {
        Handshake::Sound
    }

    /// The backend was restarted: state that a restart would clear is cleared.
    fn restart(&self, _now: Instant) {}

    /// What the backend carries when all is well, in exchanges per second.
    fn learn_baseline(&self, _per_second: f64) {}
}
