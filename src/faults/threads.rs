//! `threads`: the backend has so many serving threads, and each exchange holds one.

use std::{
    sync::{Arc, Mutex, PoisonError, atomic::Ordering},
    time::Duration,
};

use http::{StatusCode, request};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;

use super::{
    answer::{Answer, Status},
    doc::{Doc, Hook},
    hook::{Acts, Ask, Verdict},
    queue::{Place, Pool, Queue},
    ramp::Ramp,
};
use crate::{
    route::matcher::{Facts, Match, Matcher},
    units::{Probability, Span},
};

/// Gives each backend so many serving threads; an exchange holds one, or waits for one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Threads {
    /// How many threads there are; with 0 nothing is served.
    pub size: usize,
    /// The share of exchanges that hang and keep their thread until the fault is lifted or the backend restarted: `5%`, or a
    /// curve as `[[0m, 0%], [16m, 100%]]`. Default: 0%.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hang: Option<Ramp>,
    /// Exchanges that hang in any case, such as those of the monitoring. Default: none.
    #[serde(default, skip_serializing_if = "Match::is_empty")]
    pub hang_always: Match,
    /// The share of the threads that hangs without any exchange of this proxy, as in jobs and calls that nobody waits for:
    /// `50%`, or a curve as `[[0m, 0%], [16m, 100%]]`. Exchanges that hang count towards it. Default: 0%.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leak: Option<Ramp>,
    /// The edge's patience: after so long a client that waits or hangs gets an answer; the thread stays taken. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edge_timeout: Option<Span>,
    /// The status of that answer. Default: 504.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<Status>,
    /// How many may wait; beyond it that answer comes at once. Default: 10000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub most_waiting: Option<usize>,
}

/// A queue that the incident calls endless ends here: each waiting exchange costs a connection and its buffers.
pub const MOST_WAITING: usize = 10_000;

/// The page of `threads`.
pub(super) const DOC: Doc = Doc {
    kind: "threads",
    does: "Gives each backend so many serving threads: exchanges hold one each, hung ones for ever, the rest queue",
    acts_at: &[Hook::Open],
    settings: &[
        ("size", "how many threads there are"),
        (
            "hang",
            "the share of exchanges that hang and keep their thread, or a curve of shares (0%)",
        ),
        (
            "hang_always",
            "exchanges that hang in any case, as a match (none)",
        ),
        (
            "leak",
            "the share of the threads that hangs without any exchange, or a curve of shares (0%)",
        ),
        (
            "edge_timeout",
            "after how long a client that waits gets an answer (never)",
        ),
        (
            "status",
            "the status of that answer (504); a command of a database gets `internal_error`",
        ),
        (
            "most_waiting",
            "how many may wait; beyond it the answer comes at once (10000)",
        ),
    ],
    examples: &[
        r#"{where: {cluster: app}, do: {threads: {size: 64, hang: [[0m, 0%], [16m, 100%]], edge_timeout: 30s, status: 500}}}"#,
        r#"{where: {cluster: app}, do: {threads: {size: 64, hang_always: {user_agent: "*monitor*"}}}}"#,
        r#"{where: {cluster: app}, do: {threads: {size: 64, leak: [[0m, 0%], [16m, 100%]]}}}"#,
        r#"{where: {cluster: app}, do: {threads: {size: 0, edge_timeout: 30s}}}"#,
    ],
};

impl Threads {
    pub(super) fn compile(&self) -> Compiled {
        let status = self.status.map_or(StatusCode::GATEWAY_TIMEOUT, Status::code);
        Compiled {
            size: self.size.min(Semaphore::MAX_PERMITS),
            hang: self.hang.clone().unwrap_or(Ramp::from(Probability::NEVER)),
            leak: self.leak.clone(),
            hang_always: (!self.hang_always.is_empty()).then(|| self.hang_always.compile()),
            edge_timeout: self.edge_timeout.map(|span| span.0),
            answer: Arc::new(Answer::new(status)),
            most_waiting: self.most_waiting.unwrap_or(MOST_WAITING).min(MOST_WAITING),
            pool: Mutex::new(Pool::new(self.size.min(Semaphore::MAX_PERMITS))),
        }
    }

    /// The same in less time.
    #[must_use]
    pub(super) fn compressed(&self, by: f64) -> Self {
        Self {
            hang: self.hang.as_ref().map(|ramp| ramp.compressed(by)),
            leak: self.leak.as_ref().map(|ramp| ramp.compressed(by)),
            ..self.clone()
        }
    }
}

/// The threads of one backend.
#[derive(Debug)]
pub(super) struct Compiled {
    size: usize,
    hang: Ramp,
    leak: Option<Ramp>,
    hang_always: Option<Matcher>,
    edge_timeout: Option<Duration>,
    answer: Arc<Answer>,
    most_waiting: usize,
    pool: Mutex<Arc<Pool>>,
}

impl Acts for Compiled {
    fn doc(&self) -> &'static Doc {
        &DOC
    }

    fn is_per_backend(&self) -> bool {
        true
    }

    fn marks(&self, facts: &Facts<'_>) -> bool {
        self.hang_always
            .as_ref()
            .is_some_and(|matcher| matcher.holds(facts))
    }

    fn open(&self, ask: &mut Ask, _: Option<&mut request::Parts>) -> Verdict {
        let pool = Arc::clone(&self.pool.lock().unwrap_or_else(PoisonError::into_inner));
        if pool.waiting.load(Ordering::Relaxed) >= self.most_waiting {
            return Verdict::Answer(Arc::clone(&self.answer));
        }
        if let Some(leak) = &self.leak {
            pool.leak(share_of(self.size, leak.at(ask.age)));
        }
        let hangs = ask.marked || ask.dice.unit() < self.hang.at(ask.age);
        let limit = self.edge_timeout.map(|limit| (limit, Arc::clone(&self.answer)));
        Verdict::Queue(Queue {
            place: Place::take(pool),
            hangs,
            limit,
        })
    }

    fn restart(&self, _: tokio::time::Instant) {
        let fresh = Pool::new(self.size);
        let old = std::mem::replace(
            &mut *self.pool.lock().unwrap_or_else(PoisonError::into_inner),
            fresh,
        );
        old.restarted.cancel();
    }
}

/// A share of a number of threads; a part of a thread is none.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "a share of at most a few thousand threads"
)]
fn share_of(size: usize, share: f64) -> usize {
    (size as f64 * share) as usize
}

#[cfg(test)]
mod tests {
    use tokio::time::{Instant, timeout};

    use super::*;
    use crate::{
        faults::{
            Cut, Fault, Plan,
            trial::{facts, fault, ms, open, request},
        },
        units::Dice,
    };

    fn queue(fault: &Arc<Fault>, exchange: u64) -> Queue {
        match open(fault, exchange, Instant::now()) {
            Verdict::Queue(queue) => queue,
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_exchange_holds_a_thread_and_the_next_waits_until_it_is_given_back() {
        let fault = fault(
            "{threads: {size: 1, edge_timeout: 30s, status: 500}}",
            Instant::now(),
        );
        let first = queue(&fault, 1).thread().await.unwrap();
        let waiting = queue(&fault, 2);
        let (limit, answer) = waiting.limit.clone().unwrap();
        assert_eq!((limit.as_secs(), answer.status.as_u16()), (30, 500));
        let waiting = tokio::spawn(waiting.thread());
        assert!(timeout(ms(1000), queue(&fault, 3).thread()).await.is_err());
        assert!(!waiting.is_finished());
        drop(first);
        assert!(waiting.await.unwrap().is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_hung_exchange_keeps_its_thread_though_the_client_is_gone() {
        let fault = fault("{threads: {size: 2, hang: 100%}}", Instant::now());
        for exchange in 0..2 {
            assert!(timeout(ms(1000), queue(&fault, exchange).thread()).await.is_err());
        }
        let Verdict::Queue(third) = open(&fault, 3, Instant::now()) else {
            panic!("it passed")
        };
        assert_eq!(third.place.0.threads.available_permits(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_restart_frees_the_threads_and_ends_what_hung() {
        let fault = fault("{threads: {size: 1, hang: 100%}}", Instant::now());
        let hung = tokio::spawn(queue(&fault, 1).thread());
        tokio::task::yield_now().await;
        fault.restart(Instant::now());
        assert!(matches!(hung.await.unwrap(), Err(Cut::Reset)));
        assert_eq!(queue(&fault, 2).place.0.threads.available_permits(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn those_that_match_hang_in_any_case() {
        let kind = "{threads: {size: 9, hang_always: {path: /monitor}}}";
        let faults = [fault(kind, Instant::now())];
        let hangs = |path: &str| {
            let head = request(path);
            let mut plan = Plan::roll(&faults, Dice::new(1), 1, &facts(Some(&head)));
            matches!(plan.open(0, Instant::now(), None), Verdict::Queue(queue) if queue.hangs)
        };
        assert!(hangs("/monitor") && !hangs("/orders"));
    }

    #[test]
    fn hanging_spreads_along_its_curve() {
        let now = Instant::now();
        let fault = fault("{threads: {size: 9, hang: [[0m, 0%], [16m, 100%]]}}", now);
        let share = |minute: u64| {
            let at = now + ms(minute * 60_000);
            let hung =
                |exchange: &u64| matches!(open(&fault, *exchange, at), Verdict::Queue(queue) if queue.hangs);
            (0..2000).filter(hung).count()
        };
        assert_eq!((share(0), share(16)), (0, 2000));
        assert!((930..1070).contains(&share(8)));
    }

    #[tokio::test(start_paused = true)]
    async fn threads_leak_along_their_curve_and_what_hangs_counts_towards_it() {
        let now = Instant::now();
        let kind = "{threads: {size: 16, leak: [[0m, 0%], [16m, 100%]], hang_always: {path: /monitor}}}";
        let faults = [fault(kind, now)];
        let head = request("/monitor");
        let mut probe = Plan::roll(&faults, Dice::new(1), 9, &facts(Some(&head)));
        let Verdict::Queue(hung) = probe.open(0, now, None) else {
            panic!("it passed")
        };
        assert!(timeout(ms(10), hung.thread()).await.is_err());
        let left = |minute: u64| match open(&faults[0], minute, now + ms(minute * 60_000)) {
            Verdict::Queue(queue) => queue.place.0.threads.available_permits(),
            other => panic!("{other:?}"),
        };
        assert_eq!((left(1), left(8), left(15), left(16), left(99)), (15, 8, 1, 0, 0));
    }

    #[test]
    fn the_queue_has_an_end() {
        let now = Instant::now();
        let fault = fault("{threads: {size: 0, most_waiting: 3}}", now);
        let mut waiting: Vec<_> = (0..3).map(|exchange| queue(&fault, exchange)).collect();
        let full = || open(&fault, 9, now);
        assert!(matches!(full(), Verdict::Answer(answer) if answer.status.as_u16() == 504));
        waiting.pop();
        assert!(matches!(full(), Verdict::Queue(_)));
    }
}
