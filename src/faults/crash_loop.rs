//! `crash_loop`: the backend starts, dies, starts, dies.

use std::sync::Arc;

use http::request;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::{
    bond::Bond,
    doc::{Doc, Hook},
    hook::{Acts, Ask, Flow, Verdict},
    line::{Cut, Shape},
    ramp::Load,
    reading::some_time,
    server::{Arrival, Nature, Server},
};
use crate::units::{Rate, Span};

/// Lets each backend start and die in turn; while it is down, connections are refused, and what stands is reset.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CrashLoop {
    /// How long it lives.
    #[serde(deserialize_with = "some_time")]
    pub up: Span,
    /// How long it is down.
    #[serde(deserialize_with = "some_time")]
    pub down: Span,
    /// Dies before its time, at once, when more than this arrives. Default: it carries anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub carries: Option<Rate>,
}

/// The page of `crash_loop`.
pub(super) const DOC: Doc = Doc {
    kind: "crash_loop",
    does: "Lets each backend start and die in turn, and die at once when more arrives than it carries",
    acts_at: &[Hook::Open, Hook::Flow],
    settings: &[
        ("up", "how long it lives"),
        ("down", "how long it is down"),
        ("carries", "dies at once when more than this arrives (anything)"),
    ],
    examples: &[
        r#"{where: {cluster: app}, do: {crash_loop: {up: 30s, down: 60s}}}"#,
        r#"{where: {backend: standby}, do: {crash_loop: {up: 20s, down: 40s, carries: 40/s}}}"#,
    ],
};

impl CrashLoop {
    pub(super) fn compile(&self, now: Instant) -> Compiled {
        let nature = Nature {
            carries: self.carries.map(Load::Rate),
            baseline: None,
            dies_after: self.carries.map(|_| Span::ZERO.0),
            up: Some(self.up.0),
            down: self.down.0,
        };
        Compiled(Server::new(nature, now))
    }

    /// The same in less time.
    #[must_use]
    pub(super) fn compressed(&self, by: f64) -> Self {
        let shorter = |span: Span| Span(span.0.div_f64(by));
        Self {
            up: shorter(self.up),
            down: shorter(self.down),
            ..self.clone()
        }
    }
}

/// A crash loop with its state.
#[derive(Debug)]
pub(super) struct Compiled(Arc<Server>);

impl Acts for Compiled {
    fn doc(&self) -> &'static Doc {
        &DOC
    }

    fn is_per_backend(&self) -> bool {
        true
    }

    fn open(&self, ask: &mut Ask, _: Option<&mut request::Parts>) -> Verdict {
        match self.0.arrive(ask.now, &mut ask.dice) {
            Arrival::Carried => Verdict::Pass,
            Arrival::Beyond | Arrival::Down => Verdict::Cut(Cut::Refuse),
        }
    }

    fn flow(&self, ask: &mut Ask, direction: Flow) -> Option<Box<dyn Shape>> {
        (direction == Flow::Reply)
            .then(|| Bond::to(&self.0, ask.now))
            .flatten()
    }

    fn restart(&self, now: Instant) {
        self.0.restart(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::faults::trial::{fault, ms, open};

    #[test]
    fn while_it_is_down_connections_are_refused() {
        let now = Instant::now();
        let fault = fault("{crash_loop: {up: 30s, down: 60s}}", now);
        let check = |after: u64, is_up: bool| {
            let verdict = open(&fault, 1, now + ms(after));
            assert_eq!(matches!(verdict, Verdict::Pass), is_up, "{after}: {verdict:?}");
        };
        check(0, true);
        check(30_000, false);
        check(90_000, true);
        fault.restart(now + ms(130_000));
        check(130_001, true);
    }

    #[test]
    fn it_dies_at_once_when_more_arrives_than_it_carries() {
        let now = Instant::now();
        let fault = fault("{crash_loop: {up: 30s, down: 60s, carries: 4/s}}", now);
        assert!(matches!(open(&fault, 1, now), Verdict::Pass));
        assert!(matches!(open(&fault, 2, now), Verdict::Cut(Cut::Refuse)));
        assert!(matches!(
            open(&fault, 3, now + ms(59_000)),
            Verdict::Cut(Cut::Refuse)
        ));
        assert!(matches!(open(&fault, 4, now + ms(60_000)), Verdict::Pass));
    }
}
