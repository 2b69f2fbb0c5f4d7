//! How an attempt on a backend ended, as far as balancing, ejection and retries care.

/// How an attempt on a backend ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// As it should: a TCP connection that stood.
    Ok,
    /// With an answer of this HTTP status.
    Status(u16),
    /// No connection came about: unreachable, no such name, too slow, no TLS.
    Connect,
    /// The connection was refused.
    Refused,
    /// The connection ended before the answer did.
    Reset,
    /// The answer did not come in time.
    Timeout,
    /// What came was not the protocol.
    Garbage,
}

/// Kinds of outcomes, for counting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutcomeKind {
    /// Answered below 500, or stood.
    Ok,
    /// Answered 500 or above.
    Error,
    /// No connection.
    Connect,
    /// Refused.
    Refused,
    /// Reset.
    Reset,
    /// Too late.
    Timeout,
    /// Not the protocol.
    Garbage,
}

impl Outcome {
    /// What it is counted as.
    pub const fn kind(self) -> OutcomeKind {
        match self {
            Self::Ok => OutcomeKind::Ok,
            Self::Status(status) if status < 500 => OutcomeKind::Ok,
            Self::Status(_) => OutcomeKind::Error,
            Self::Connect => OutcomeKind::Connect,
            Self::Refused => OutcomeKind::Refused,
            Self::Reset => OutcomeKind::Reset,
            Self::Timeout => OutcomeKind::Timeout,
            Self::Garbage => OutcomeKind::Garbage,
        }
    }
}

impl OutcomeKind {
    /// All kinds, in the order in which they are counted.
    pub const ALL: [Self; 7] = [
        Self::Ok,
        Self::Error,
        Self::Connect,
        Self::Refused,
        Self::Reset,
        Self::Timeout,
        Self::Garbage,
    ];

    /// The word for it in metrics and logs.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Error => "error",
            Self::Connect => "connect",
            Self::Refused => "refused",
            Self::Reset => "reset",
            Self::Timeout => "timeout",
            Self::Garbage => "garbage",
        }
    }
}
