//! `capacity`: the backend carries so much; beyond it, it refuses, and in the end dies.

use std::sync::Arc;

use http::{StatusCode, request};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::{
    answer::{Answer, Status},
    bond::Bond,
    doc::{Doc, Hook},
    entry::is_default,
    hook::{Acts, Ask, Flow, Verdict},
    line::{Cut, Shape},
    ramp::Load,
    server::{Arrival, Nature, Server},
};
use crate::units::{Rate, Span};

/// Limits what each backend carries.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Capacity {
    /// How much it carries: exchanges per time (`40/s`), a share of its baseline (`40%`), or a curve of shares over time
    /// (`[[0m, 20%], [46m, 100%]]`) that begins with the fault and with each restart of the backend.
    pub carries: Load,
    /// What it carries when all is well. Default: what the proxy has measured; before it has, shares are of what comes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseline: Option<Rate>,
    /// What becomes of exchanges beyond it. Default: `answer`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub beyond: Beyond,
    /// The status of the answer. Default: 503.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<Status>,
    /// How long an overload the backend survives; then it is down. Default: any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub die_after: Option<Span>,
    /// How long it is down before it comes back. Default: 60s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restart_after: Option<Span>,
}

/// What becomes of exchanges beyond the capacity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Beyond {
    /// They get an answer.
    #[default]
    Answer,
    /// Their connections are refused.
    Refuse,
}

/// The page of `capacity`.
pub(super) const DOC: Doc = Doc {
    kind: "capacity",
    does: "Lets each backend carry only so much; beyond it, exchanges fail, and after a while the backend dies",
    acts_at: &[Hook::Open, Hook::Flow],
    settings: &[
        (
            "carries",
            "exchanges per time, a share of the baseline, or a curve of shares over time",
        ),
        (
            "baseline",
            "what it carries when all is well (as measured; until then, what comes)",
        ),
        ("beyond", "what becomes of the rest: answer or refuse (answer)"),
        ("status", "the status of the answer (503)"),
        ("die_after", "how long an overload it survives (any)"),
        ("restart_after", "how long it is down before it comes back (60s)"),
    ],
    examples: &[
        r#"{where: {cluster: app}, do: {capacity: {carries: [[0m, 20%], [46m, 100%]]}}}"#,
        r#"{where: {backend: standby}, do: {capacity: {carries: 40%, baseline: 100/s, die_after: 60s, restart_after: 40s}}}"#,
        r#"{where: {cluster: app}, do: {capacity: {carries: 40/s, beyond: refuse}}}"#,
    ],
};

/// How long a process needs to come back, where nothing is said.
const RESTART_AFTER: Span = Span::secs(60);

impl Capacity {
    pub(super) fn compile(&self, now: Instant) -> Compiled {
        let nature = Nature {
            carries: Some(self.carries.clone()),
            baseline: self
                .baseline
                .map(|rate| 1.0 / rate.period().as_secs_f64().max(1e-9)),
            dies_after: self.die_after.map(|span| span.0),
            up: None,
            down: self.restart_after.unwrap_or(RESTART_AFTER).0,
        };
        let status = self.status.map_or(StatusCode::SERVICE_UNAVAILABLE, Status::code);
        let answer = (self.beyond == Beyond::Answer).then(|| Arc::new(Answer::new(status)));
        Compiled {
            server: Server::new(nature, now),
            answer,
        }
    }

    /// The same in less time.
    #[must_use]
    pub(super) fn compressed(&self, by: f64) -> Self {
        let shorter = |span: Option<Span>| span.map(|span| Span(span.0.div_f64(by)));
        Self {
            carries: match &self.carries {
                Load::Share(ramp) => Load::Share(ramp.compressed(by)),
                rate @ Load::Rate(_) => rate.clone(),
            },
            die_after: shorter(self.die_after),
            // Without a death there is no way back that could be shorter.
            restart_after: self
                .die_after
                .and_then(|_| shorter(Some(self.restart_after.unwrap_or(RESTART_AFTER)))),
            ..self.clone()
        }
    }
}

/// A capacity with its state.
#[derive(Debug)]
pub(super) struct Compiled {
    server: Arc<Server>,
    answer: Option<Arc<Answer>>,
}

impl Acts for Compiled {
    fn doc(&self) -> &'static Doc {
        &DOC
    }

    fn is_per_backend(&self) -> bool {
        true
    }

    fn open(&self, ask: &mut Ask, _: Option<&mut request::Parts>) -> Verdict {
        match (self.server.arrive(ask.now, &mut ask.dice), &self.answer) {
            (Arrival::Carried, _) => Verdict::Pass,
            (Arrival::Beyond, Some(answer)) => Verdict::Answer(Arc::clone(answer)),
            (Arrival::Beyond, None) | (Arrival::Down, _) => Verdict::Cut(Cut::Refuse),
        }
    }

    fn flow(&self, ask: &mut Ask, direction: Flow) -> Option<Box<dyn Shape>> {
        (direction == Flow::Reply)
            .then(|| Bond::to(&self.server, ask.now))
            .flatten()
    }

    fn restart(&self, now: Instant) {
        self.server.restart(now);
    }

    fn learn_baseline(&self, per_second: f64) {
        self.server.learn_baseline(per_second);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::faults::{
        Piece,
        trial::{advance, chain, data, drain, fault, ms, open, plan},
    };

    #[test]
    fn beyond_the_capacity_exchanges_get_an_answer_or_are_refused() {
        let now = Instant::now();
        let beyond = |kind: &str| {
            let fault = fault(kind, now);
            (0..19).for_each(|exchange| drop(open(&fault, exchange, now)));
            open(&fault, 19, now)
        };
        let answer = beyond("{capacity: {carries: 1/s, status: 500}}");
        assert!(matches!(answer, Verdict::Answer(answer) if answer.status.as_u16() == 500));
        assert!(matches!(
            beyond("{capacity: {carries: 1/s, beyond: refuse}}"),
            Verdict::Cut(Cut::Refuse)
        ));
    }

    #[test]
    fn what_stands_when_the_backend_dies_is_reset() {
        let now = Instant::now();
        let fault = fault("{capacity: {carries: 1/s, die_after: 2s}}", now);
        let mut standing = plan(std::slice::from_ref(&fault), 1)
            .flow(Flow::Reply, now)
            .unwrap();
        assert_eq!(
            crate::faults::trial::push(&mut standing, now, data("a")),
            [data("a")]
        );
        for tenth in 0..=40 {
            let at = now + ms(tenth * 100);
            open(&fault, tenth, at);
            let out = advance(&mut standing, at);
            assert_eq!(
                out.is_empty(),
                !standing.is_over() || tenth > 21,
                "{tenth}: {out:?}"
            );
        }
        assert!(standing.is_over());
    }

    #[test]
    fn a_crash_loop_resets_what_stands_when_it_dies() {
        let now = Instant::now();
        let (_, mut standing) = chain(&["{crash_loop: {up: 30s, down: 60s}}"], now);
        assert_eq!(standing.next_wakeup(), Some(now + ms(30_000)));
        assert_eq!(drain(&mut standing, now), [(ms(30_000), Piece::Cut(Cut::Reset))]);
    }
}
