//! One try of an exchange at one backend: the number by which faults know it, and the word under which it is counted.

use crate::{
    telemetry::Attempt,
    upstream::{Outcome, OutcomeKind},
};

/// The number by which faults of the upstream leg know an attempt: were it the exchange's own, every retry would share the
/// fate of the first.
pub const fn attempt_number(exchange: u64, attempt: u32) -> u64 {
    exchange ^ ((attempt.saturating_sub(1) as u64) << ATTEMPTS_FROM)
}

/// The bit from which attempts are counted: above it a worker numbers no exchanges in practice, below the next worker's.
const ATTEMPTS_FROM: u32 = 40;

/// The word by which an attempt that ended so is counted.
pub const fn attempt_of(outcome: Outcome) -> Attempt {
    match outcome.kind() {
        OutcomeKind::Ok => Attempt::Ok,
        OutcomeKind::Error => Attempt::ServerError,
        OutcomeKind::Connect => Attempt::Connect,
        OutcomeKind::Refused => Attempt::Refused,
        OutcomeKind::Reset => Attempt::Reset,
        OutcomeKind::Timeout => Attempt::Timeout,
        OutcomeKind::Garbage => Attempt::Garbage,
    }
}
