//! `rate_limit`: a limit that the service never had.

use std::{num::NonZeroU32, sync::Arc, time::Duration};

use http::{HeaderValue, StatusCode, header, request};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::{
    answer::{Answer, Status},
    doc::{Doc, Hook},
    entry::is_default,
    hook::{Acts, Ask, Verdict},
    pace::Pace,
};
use crate::units::{Rate, Span};

/// Refuses exchanges beyond a rate, or delays them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RateLimit {
    /// How many exchanges may go, over all clients and workers.
    pub rate: Rate,
    /// How many may go at once after a quiet time. Default: what comes in a second, at least 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub burst: Option<NonZeroU32>,
    /// Delays the others at most so long, and refuses only who would have to wait longer. Default: 0s.
    #[serde(default, skip_serializing_if = "is_default")]
    pub delay_at_most: Span,
    /// The status of the refusal, which says in `Retry-After` when to come again. Default: 429.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<Status>,
}

/// The page of `rate_limit`.
pub(super) const DOC: Doc = Doc {
    kind: "rate_limit",
    does: "Refuses exchanges beyond a rate with 429 and Retry-After (commands of databases with `internal_error`), or delays them",
    acts_at: &[Hook::Open],
    settings: &[
        ("rate", "how many exchanges may go, over all clients and workers"),
        (
            "burst",
            "how many may go at once after a quiet time (what comes in a second)",
        ),
        (
            "delay_at_most",
            "delays the others at most so long, and refuses the rest (0s)",
        ),
        ("status", "the status of the refusal (429)"),
    ],
    examples: &[
        r#"{do: {rate_limit: {rate: 10/s}}}"#,
        r#"{do: {rate_limit: {rate: 600/m, burst: 1, delay_at_most: 2s, status: 503}}}"#,
    ],
};

impl RateLimit {
    pub(super) fn compile(&self, now: Instant) -> Limiter {
        let in_a_second = 1.0 / self.rate.period().as_secs_f64().max(1e-9);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "the cast saturates"
        )]
        let burst = self
            .burst
            .or(NonZeroU32::new(in_a_second as u32))
            .unwrap_or(NonZeroU32::MIN);
        Limiter {
            pace: Pace::new(self.rate, burst, now),
            patience: self.delay_at_most.0,
            status: self.status.map_or(StatusCode::TOO_MANY_REQUESTS, Status::code),
        }
    }
}

/// A rate limit with what it has counted.
#[derive(Debug)]
pub(super) struct Limiter {
    pace: Pace,
    patience: Duration,
    status: StatusCode,
}

impl Limiter {
    fn refusal(&self, come_again: Duration) -> Answer {
        let mut answer = Answer::new(self.status);
        let seconds = come_again.as_secs() + u64::from(come_again.subsec_nanos() > 0);
        answer
            .headers
            .insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        answer
    }
}

impl Acts for Limiter {
    fn doc(&self) -> &'static Doc {
        &DOC
    }

    fn open(&self, ask: &mut Ask, _: Option<&mut request::Parts>) -> Verdict {
        match self.pace.take(ask.now, self.patience) {
            Ok(Duration::ZERO) => Verdict::Pass,
            Ok(wait) => Verdict::Wait(wait),
            Err(come_again) => Verdict::Answer(Arc::new(self.refusal(come_again))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::faults::trial::{fault, ms, open};

    #[test]
    fn beyond_the_rate_exchanges_are_refused_with_the_time_to_come_again() {
        let now = Instant::now();
        let fault = fault("{rate_limit: {rate: 2/m, burst: 2}}", now);
        assert!(matches!(open(&fault, 1, now), Verdict::Pass));
        assert!(matches!(open(&fault, 2, now), Verdict::Pass));
        let Verdict::Answer(answer) = open(&fault, 3, now + ms(500)) else {
            panic!("it passed")
        };
        assert_eq!(
            (
                answer.status.as_u16(),
                answer.headers["retry-after"].to_str().unwrap()
            ),
            (429, "30")
        );
        assert!(matches!(open(&fault, 4, now + ms(30_000)), Verdict::Pass));
    }

    #[test]
    fn with_patience_exchanges_are_delayed() {
        let now = Instant::now();
        let fault = fault("{rate_limit: {rate: 10/s, burst: 1, delay_at_most: 150ms}}", now);
        assert!(matches!(open(&fault, 1, now), Verdict::Pass));
        assert!(matches!(open(&fault, 2, now), Verdict::Wait(wait) if wait == ms(100)));
        assert!(matches!(open(&fault, 3, now), Verdict::Answer(_)));
    }
}
