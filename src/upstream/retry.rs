//! Whether a failed attempt is tried again, and after how long: a decision from facts, charged to the budget when it is
//! made.

use std::time::Duration;

use http::Method;
use tokio::time::Instant;

use super::{budget::Budget, outcome::Outcome};
use crate::{
    route::{OneOrMany, RetryOn, RetrySettings},
    units::{ByteSize, Probability, Rate, Stream},
};

/// The retries of a route, compiled.
#[derive(Debug)]
pub struct Retry {
    attempts: u32,
    on: OneOrMany<RetryOn>,
    per_try_timeout: Option<Duration>,
    backoff: Duration,
    max_backoff: Duration,
    body: usize,
    budget: Budget,
}

/// What is known about an attempt that failed.
#[derive(Clone, Copy, Debug)]
pub struct Failure<'a> {
    /// How it ended.
    pub outcome: Outcome,
    /// The request's method.
    pub method: &'a Method,
    /// Whether the backend may have acted on the request: not if no connection came about, nor if it said so (HTTP/2
    /// `REFUSED_STREAM`, or a stream above the last one of its GOAWAY).
    pub may_have_run: bool,
    /// Whether the request can be sent once more: it has no body, or its body is kept whole.
    pub replayable: bool,
    /// Whether a byte of an answer has gone to the client.
    pub answering: bool,
    /// Attempts made so far, this one included.
    pub attempts: u32,
    /// What the answer's `Retry-After` asks for.
    pub retry_after: Option<Duration>,
}

/// Why an attempt is not followed by another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Final {
    /// The route does not retry this kind of failure.
    #[error("the route does not retry such a failure")]
    NotListed,
    /// As many attempts as allowed were made.
    #[error("every attempt was used")]
    Attempts,
    /// The client has seen a part of the answer.
    #[error("the answer had begun")]
    Answering,
    /// The body is gone.
    #[error("the body is not kept")]
    Body,
    /// The request may have run and must not run twice.
    #[error("the request is not idempotent and may have run")]
    NotIdempotent,
    /// The backend asks for more patience than the longest back-off.
    #[error("the backend asks for a longer wait")]
    RetryAfter,
    /// The budget is spent.
    #[error("the retry budget is spent")]
    Budget,
}

impl Retry {
    /// Puts in the defaults, with a budget that begins now.
    pub fn compile(settings: &RetrySettings, now: Instant) -> Self {
        let on = if settings.on.is_empty() {
            vec![RetryOn::Connect, RetryOn::Reset].into()
        } else {
            settings.on.clone()
        };
        let share = settings
            .budget
            .or_else(|| Probability::new(0.2).ok())
            .unwrap_or_default();
        let floor = settings.budget_floor.unwrap_or(Rate {
            events: 10,
            per: Duration::from_secs(1),
        });
        let body = settings.body.unwrap_or(ByteSize(64 << 10)).0;
        Self {
            attempts: settings.attempts.map_or(2, std::num::NonZeroU32::get),
            on,
            per_try_timeout: settings.per_try_timeout.map(Into::into),
            backoff: settings.backoff.map_or(Duration::from_millis(25), Into::into),
            max_backoff: settings.max_backoff.map_or(Duration::from_secs(1), Into::into),
            body: usize::try_from(body).unwrap_or(usize::MAX),
            budget: Budget::new(share, floor, now),
        }
    }

    /// How long one attempt may take for the head of its answer, where that is limited.
    pub const fn per_try_timeout(&self) -> Option<Duration> {
        self.per_try_timeout
    }

    /// The largest body that is kept so that it can be sent again, in bytes.
    pub const fn largest_body(&self) -> usize {
        self.body
    }

    /// A request came: it adds its share to the budget.
    pub fn request(&self) {
        self.budget.request();
    }

    /// Decides whether the request is sent once more, and after how long.
    pub fn decide(
        &self,
        now: Instant,
        failure: &Failure<'_>,
        stream: &mut Stream,
    ) -> Result<Duration, Final> {
        if !self.lists(failure.outcome) {
            return Err(Final::NotListed);
        }
        if failure.answering {
            return Err(Final::Answering);
        }
        if failure.attempts >= self.attempts {
            return Err(Final::Attempts);
        }
        if failure.may_have_run && !failure.method.is_idempotent() {
            return Err(Final::NotIdempotent);
        }
        if !failure.replayable {
            return Err(Final::Body);
        }
        let asked = failure.retry_after.unwrap_or_default();
        if asked > self.max_backoff {
            return Err(Final::RetryAfter);
        }
        if !self.budget.take(now) {
            return Err(Final::Budget);
        }
        Ok(self.wait(failure, stream).max(asked))
    }

    fn lists(&self, outcome: Outcome) -> bool {
        self.on.iter().any(|on| match (on, outcome) {
            (RetryOn::Connect, Outcome::Connect | Outcome::Refused) => true,
            (RetryOn::Refused, Outcome::Refused) => true,
            (RetryOn::Reset, Outcome::Reset) => true,
            (RetryOn::Timeout, Outcome::Timeout) => true,
            (RetryOn::Garbage, Outcome::Garbage) => true,
            (RetryOn::Status(statuses), Outcome::Status(status)) => statuses.contains(status),
            _ => false,
        })
    }

    /// Full jitter: anything from nothing to a span that doubles with each retry, so that clients that failed together do
    /// not come back together. Nobody is overloaded by a request that was never sent, so its first retry need not wait.
    fn wait(&self, failure: &Failure<'_>, stream: &mut Stream) -> Duration {
        if !failure.may_have_run && failure.attempts == 1 {
            return Duration::ZERO;
        }
        let doublings = failure.attempts.saturating_sub(1).min(16);
        let span = self.backoff.saturating_mul(1 << doublings).min(self.max_backoff);
        span.mul_f64(stream.unit())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::units::Dice;

    const FAILED: Failure<'static> = Failure {
        outcome: Outcome::Status(503),
        method: &Method::GET,
        may_have_run: true,
        replayable: true,
        answering: false,
        attempts: 1,
        retry_after: None,
    };

    fn decide(written: Value, failure: &Failure<'_>) -> Result<Duration, Final> {
        let now = Instant::now();
        let retry = Retry::compile(&serde_json::from_value(written).unwrap(), now);
        retry.decide(now, failure, &mut Dice::new(1).stream(0, 0))
    }

    #[test]
    fn a_failure_is_retried_only_where_it_is_listed() {
        use Outcome::{Connect, Garbage, Ok, Refused, Reset, Status, Timeout};
        let check = |on: Value, outcome, expected: bool| {
            let written = if on.is_null() {
                json!({})
            } else {
                json!({"on": on})
            };
            let listed = decide(written, &Failure { outcome, ..FAILED }) != Err(Final::NotListed);
            assert_eq!(listed, expected, "{on} {outcome:?}");
        };
        check(json!("connect"), Connect, true);
        check(json!("connect"), Refused, true);
        check(json!("refused"), Refused, true);
        check(json!("refused"), Connect, false);
        check(json!(["reset", "timeout", "garbage"]), Reset, true);
        check(json!(["reset", "timeout", "garbage"]), Timeout, true);
        check(json!(["reset", "timeout", "garbage"]), Garbage, true);
        check(json!(["reset", 502, "503-504"]), Status(504), true);
        check(json!(["reset", 502, "503-504"]), Status(500), false);
        check(json!("5xx"), Status(500), true);
        check(json!("5xx"), Ok, false);
        check(Value::Null, Refused, true);
        check(Value::Null, Reset, true);
        check(Value::Null, Status(503), false);
    }

    #[test]
    fn nothing_is_retried_that_must_not_be() {
        let check = |change: fn(&mut Failure<'static>), expected: Result<(), Final>| {
            let mut failure = FAILED;
            change(&mut failure);
            assert_eq!(
                decide(json!({"on": [503, "connect"]}), &failure).map(|_| ()),
                expected,
                "{failure:?}"
            );
        };
        check(|_| {}, Ok(()));
        check(|f| f.attempts = 2, Err(Final::Attempts));
        check(|f| f.answering = true, Err(Final::Answering));
        check(|f| f.replayable = false, Err(Final::Body));
        check(|f| f.method = &Method::PUT, Ok(()));
        check(|f| f.method = &Method::DELETE, Ok(()));
        check(|f| f.method = &Method::POST, Err(Final::NotIdempotent));
        check(|f| f.method = &Method::PATCH, Err(Final::NotIdempotent));
        check(|f| (f.method, f.may_have_run) = (&Method::POST, false), Ok(()));
        check(|f| f.retry_after = Some(Duration::from_secs(1)), Ok(()));
        check(
            |f| f.retry_after = Some(Duration::from_secs(2)),
            Err(Final::RetryAfter),
        );
    }

    #[test]
    fn the_first_retry_of_what_was_never_sent_goes_at_once() {
        let unsent = Failure {
            outcome: Outcome::Refused,
            may_have_run: false,
            ..FAILED
        };
        assert_eq!(decide(json!({}), &unsent), Ok(Duration::ZERO));
        let second = Failure {
            attempts: 2,
            ..unsent
        };
        assert!(decide(json!({"attempts": 3}), &second).unwrap() > Duration::ZERO);
    }

    #[test]
    fn retry_after_is_waited_for() {
        let asked = Some(Duration::from_millis(900));
        let failure = Failure {
            retry_after: asked,
            ..FAILED
        };
        assert_eq!(decide(json!({"on": 503}), &failure).ok(), asked);
    }

    #[test]
    fn a_spent_budget_ends_retries() {
        let now = Instant::now();
        let settings = json!({"on": 503, "budget": "0%", "budget_floor": "1/s"});
        let retry = Retry::compile(&serde_json::from_value(settings).unwrap(), now);
        let mut stream = Dice::new(1).stream(0, 0);
        let granted = (0..50)
            .filter(|_| retry.decide(now, &FAILED, &mut stream).is_ok())
            .count();
        assert_eq!(granted, 10);
        assert_eq!(retry.decide(now, &FAILED, &mut stream), Err(Final::Budget));
    }

    proptest! {
        #[test]
        fn a_wait_lies_between_nothing_and_its_span(seed: u64, attempts in 1..40_u32) {
            let now = Instant::now();
            let settings = json!({"attempts": 100, "on": 503, "backoff": "10ms", "max_backoff": "80ms"});
            let retry = Retry::compile(&serde_json::from_value(settings).unwrap(), now);
            let wait = retry.decide(now, &Failure { attempts, ..FAILED }, &mut Dice::new(seed).stream(0, 0)).unwrap();
            prop_assert!(wait <= Duration::from_millis(10 << (attempts - 1).min(3)), "{wait:?}");
        }
    }
}
