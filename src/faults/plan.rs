//! What one exchange on one leg will suffer: rolled once, then asked hook by hook.

use std::{collections::VecDeque, sync::Arc};

use http::{request, response};
use tokio::time::Instant;

use super::{
    chain::Chain,
    doc::Hook,
    fault::Fault,
    hook::{Acts, Ask, Dial, Flow, Handshake, Told, Verdict},
    line::{Cut, Piece},
    queue::Guard,
    strike::strikes,
};
use crate::{route::matcher::Facts, units::Dice};

/// What one exchange on one leg will suffer.
#[derive(Debug)]
pub struct Plan {
    hits: Vec<Hit>,
    exchange: u64,
    dice: Dice,
}

#[derive(Debug)]
struct Hit {
    fault: Arc<Fault>,
    marked: bool,
    committed: bool,
    touched: bool,
    guard: Option<Guard>,
}

impl Plan {
    /// The plan of an exchange that nothing happens to.
    pub const fn none() -> Self {
        Self {
            hits: Vec::new(),
            exchange: 0,
            dice: Dice::new(0),
        }
    }

    /// Rolls for an exchange: a request, or a TCP connection. The faults are tried in the order given, on what is left: one
    /// that ends the exchange takes its share, one that delays or shapes leaves it to the next. The number of the exchange
    /// decides, so on the upstream leg each attempt needs one of its own, or a retry would share the fate of the first.
    pub fn roll(candidates: &[Arc<Fault>], dice: Dice, exchange: u64, facts: &Facts<'_>) -> Self {
        let is_request = facts.head.is_some();
        let may = |fault: &Fault| fault.in_traffic() && !(is_request && fault.at_connection());
        Self::of(candidates, dice, exchange, facts, may, |fault| {
            fault.acts().ends()
        })
    }

    /// Rolls for the connection of an HTTP client, before there is a request: only faults that need none.
    pub fn of_connection(candidates: &[Arc<Fault>], dice: Dice, exchange: u64, facts: &Facts<'_>) -> Self {
        Self::of(candidates, dice, exchange, facts, Fault::at_connection, |fault| {
            fault.acts().ends()
        })
    }

    /// Rolls for an exchange that stands when faults are added: only those that touch bytes. Ask it for its flows and extend
    /// the standing chains by them; a fault that cuts what stands does so through its flow, at once.
    pub fn of_standing(added: &[Arc<Fault>], dice: Dice, exchange: u64, facts: &Facts<'_>) -> Self {
        Self::of(added, dice, exchange, facts, Fault::in_bytes, |_| false)
    }

    fn of(
        candidates: &[Arc<Fault>],
        dice: Dice,
        exchange: u64,
        facts: &Facts<'_>,
        may: impl Fn(&Fault) -> bool,
        ends: impl Fn(&Fault) -> bool,
    ) -> Self {
        let mut plan = Self {
            hits: Vec::new(),
            exchange,
            dice,
        };
        for fault in candidates {
            if !may(fault) || !strikes(fault, dice, exchange, facts) {
                continue;
            }
            plan.hits.push(Hit {
                fault: Arc::clone(fault),
                marked: fault.acts().marks(facts),
                committed: false,
                touched: false,
                guard: None,
            });
            if ends(fault) {
                break;
            }
        }
        plan
    }

    /// Whether nothing will happen.
    pub const fn is_empty(&self) -> bool {
        self.hits.is_empty()
    }

    /// How many faults hit; `open` and `reply` are asked for each, in order, until one ends the exchange.
    pub const fn len(&self) -> usize {
        self.hits.len()
    }

    /// The fault of a hit.
    pub fn fault(&self, i: usize) -> &Arc<Fault> {
        &self.hits[i].fault
    }

    /// Before anything is sent on this leg. HTTP gives the head, which may be rewritten; TCP gives `None`.
    pub fn open(&mut self, i: usize, now: Instant, head: Option<&mut request::Parts>) -> Verdict {
        self.ask(
            i,
            now,
            Hook::Open,
            |acts, ask| acts.open(ask, head),
            |verdict| !matches!(verdict, Verdict::Pass),
        )
        .unwrap_or(Verdict::Pass)
    }

    /// When the head of the answer is there; it may be rewritten.
    pub fn reply(&mut self, i: usize, now: Instant, head: &mut response::Parts) -> Verdict {
        self.ask(
            i,
            now,
            Hook::Reply,
            |acts, ask| acts.reply(ask, head),
            |verdict| !matches!(verdict, Verdict::Pass),
        )
        .unwrap_or(Verdict::Pass)
    }

    /// What shapes the bytes in one direction; `None` when nothing does.
    pub fn flow(&mut self, direction: Flow, now: Instant) -> Option<Chain> {
        let shaped = (0..self.hits.len()).filter_map(|i| self.flow_of(i, direction, now));
        shaped.reduce(|mut chain, more| {
            chain.extend(more);
            chain
        })
    }

    fn flow_of(&mut self, i: usize, direction: Flow, now: Instant) -> Option<Chain> {
        let shaper = self.ask(
            i,
            now,
            Hook::Flow,
            |acts, ask| acts.flow(ask, direction),
            Option::is_some,
        );
        shaper
            .flatten()
            .map(|shaper| Chain::of(Arc::clone(&self.hits[i].fault), shaper))
    }

    /// How a connection that stands without a flow ends at once, and the fault that says so; `None`: it stands on.
    pub fn cut_at_once(&mut self, now: Instant) -> Option<(Cut, Arc<Fault>)> {
        for i in 0..self.hits.len() {
            for direction in [Flow::Request, Flow::Reply] {
                let mut out = VecDeque::new();
                let mut chain = self.flow_of(i, direction, now).unwrap_or_default();
                chain.advance(now, &mut out);
                if let Some(Piece::Cut(cut)) = out.pop_front() {
                    return Some((cut, Arc::clone(self.fault(i))));
                }
            }
        }
        None
    }

    /// Where to dial, and the fault that says so.
    pub fn dial(&mut self) -> (Dial, Option<Arc<Fault>>) {
        for hit in self.hits.iter_mut().filter(|hit| !hit.fault.is_lifted()) {
            let dial = hit.fault.acts().dial();
            if dial != Dial::Backend {
                hit.touch();
                return (dial, Some(Arc::clone(&hit.fault)));
            }
        }
        (Dial::Backend, None)
    }

    /// Whether a connection that is dialled for it goes elsewhere, or through another handshake, than the backend's own.
    pub fn leads_astray(&self) -> bool {
        self.hits.iter().any(|hit| {
            let acts = hit.fault.acts();
            !hit.fault.is_lifted() && (acts.dial() != Dial::Backend || acts.handshake() != Handshake::Sound)
        })
    }

    /// What the TLS handshake shows, and the fault that says so.
    pub fn handshake(&mut self) -> (Handshake, Option<Arc<Fault>>) {
        for hit in self.hits.iter_mut().filter(|hit| !hit.fault.is_lifted()) {
            let shown = hit.fault.acts().handshake();
            if shown != Handshake::Sound {
                hit.touch();
                return (shown, Some(Arc::clone(&hit.fault)));
            }
        }
        (Handshake::Sound, None)
    }

    /// Keeps what must be given back until the exchange is over and the plan is dropped.
    pub fn keep(&mut self, i: usize, guard: Guard) {
        self.hits[i].guard = Some(guard);
    }

    /// Gives back at once what was kept: the exchange is over for these faults, and only the record still asks which they were.
    pub fn give_back(&mut self) {
        self.hits.iter_mut().for_each(|hit| hit.guard = None);
    }

    /// The faults that really did something to the exchange.
    pub fn touched(&self) -> impl Iterator<Item = &Arc<Fault>> {
        self.hits.iter().filter(|hit| hit.touched).map(|hit| &hit.fault)
    }

    /// Asks one hit; a lifted fault is not asked, unless the body must follow a head that it has changed.
    fn ask<T>(
        &mut self,
        i: usize,
        now: Instant,
        hook: Hook,
        question: impl FnOnce(&dyn Acts, &mut Ask) -> T,
        acted: impl FnOnce(&T) -> bool,
    ) -> Option<T> {
        let hit = &mut self.hits[i];
        if hit.fault.is_lifted() && !hit.committed {
            return None;
        }
        let mut ask = Ask {
            now,
            age: now.saturating_duration_since(hit.fault.begun()),
            dice: self
                .dice
                .stream(hit.fault.key().wrapping_add(1 + hook as u64), self.exchange),
            marked: hit.marked,
            touched: false,
            committed: hit.committed,
        };
        let answer = question(hit.fault.acts(), &mut ask);
        if ask.touched || acted(&answer) {
            hit.touch();
        }
        hit.committed = ask.committed;
        Some(answer)
    }
}

impl Hit {
    fn touch(&mut self) {
        if !std::mem::replace(&mut self.touched, true) {
            self.fault.touch();
        }
    }
}

/// What a health check of a backend is told; `None`: the truth.
pub fn told(candidates: &[Arc<Fault>], dice: Dice, probe: u64) -> Option<(Told, Arc<Fault>)> {
    candidates
        .iter()
        .filter(|fault| !fault.is_lifted())
        .find_map(|fault| {
            let told = fault.acts().told()?;
            dice.hits(fault.entry().odds, fault.key(), probe).then(|| {
                fault.touch();
                (told, Arc::clone(fault))
            })
        })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::header;

    use super::*;
    use crate::faults::trial::{entry, facts, fault, plan, reply, request};

    fn compiled(text: &str) -> Arc<Fault> {
        Fault::compile(text, &entry(text), Instant::now())
    }

    #[test]
    fn where_nothing_matches_nothing_is_allocated() {
        let faults: Vec<_> = (0..100)
            .map(|_| compiled("{where: {match: {method: POST}}, do: reset}"))
            .collect();
        let plan = plan(&faults, 1);
        assert!(plan.is_empty() && plan.hits.capacity() == 0);
        assert!(Plan::none().flow(Flow::Reply, Instant::now()).is_none());
    }

    #[test]
    fn a_lifted_fault_hits_nothing_new_and_lets_the_old_pass() {
        let now = Instant::now();
        let faults = [
            fault("{latency: {add: 1s}}", now),
            fault("{throttle: {rate: 1KiB/s}}", now),
        ];
        let mut standing = plan(&faults, 1);
        faults.iter().for_each(|fault| fault.lift());
        assert!(matches!(standing.open(0, now, None), Verdict::Pass));
        assert!(standing.flow(Flow::Reply, now).is_none());
        assert!(plan(&faults, 2).is_empty());
        assert_eq!(faults[0].hits(), 0);
    }

    #[test]
    fn a_body_follows_the_head_that_promised_it_even_when_the_fault_is_lifted_between() {
        let now = Instant::now();
        let faults = [fault("{body: {replace: chaos}}", now)];
        let mut plan = plan(&faults, 1);
        let mut head = reply(200);
        let verdict = plan.reply(0, now, &mut head);
        assert!(matches!(verdict, Verdict::Pass) && head.headers[header::CONTENT_LENGTH] == "5");
        faults[0].lift();
        assert!(plan.flow(Flow::Reply, now).is_some());
    }

    #[test]
    fn only_what_was_done_is_counted() {
        let now = Instant::now();
        let faults = [fault("{throttle: {rate: 1KiB/s, flow: request}}", now)];
        let mut plan = plan(&faults, 1);
        assert!(plan.flow(Flow::Reply, now).is_none() && plan.touched().count() == 0);
        assert!(plan.flow(Flow::Request, now).is_some() && plan.flow(Flow::Request, now).is_some());
        assert_eq!((plan.touched().count(), faults[0].hits()), (1, 1));
    }

    #[test]
    fn a_client_is_refused_at_its_connection_or_at_its_request_but_never_twice() {
        let check = |text: &str, at_connection: bool| {
            let (faults, head) = ([compiled(text)], request("/orders"));
            let connection = Plan::of_connection(&faults, Dice::new(1), 1, &facts(None));
            let request = Plan::roll(&faults, Dice::new(1), 1, &facts(Some(&head)));
            assert_eq!(
                (connection.is_empty(), request.is_empty()),
                (!at_connection, at_connection),
                "{text}"
            );
        };
        check("{do: refuse}", true);
        check(
            "{where: {listener: public, match: {client: 127.0.0.0/8}}, do: refuse}",
            true,
        );
        check("{where: {match: {path: /orders}}, do: refuse}", false);
        check("{where: {cluster: app}, do: refuse}", false);
        check("{do: reset}", false);
    }

    #[test]
    fn health_checks_are_told_what_the_first_such_fault_says() {
        let now = Instant::now();
        let faults = [
            fault("reset", now),
            fault("{health: pass}", now),
            fault("{health: fail}", now),
        ];
        let told_now = || told(&faults, Dice::new(1), 1).map(|(told, _)| told);
        assert_eq!(told_now(), Some(Told::Pass));
        faults[1].lift();
        assert_eq!(told_now(), Some(Told::Fail));
        faults[2].lift();
        assert_eq!(told_now(), None);
        assert!(plan(&[fault("{health: pass}", now)], 1).is_empty());
    }

    #[test]
    fn a_connection_that_stands_idle_is_cut_if_a_fault_says_so() {
        let now = Instant::now();
        let check = |kind: &str, cut: Option<Cut>| {
            let faults = [
                fault("abort", now),
                fault("{throttle: {rate: 1KiB/s}}", now),
                fault(kind, now),
            ];
            let mut plan = Plan::of_standing(&faults, Dice::new(1), 1, &facts(None));
            let told = plan.cut_at_once(now).map(|(cut, by)| {
                assert!(Arc::ptr_eq(&by, &faults[2]));
                cut
            });
            assert_eq!(told, cut, "{kind}");
        };
        check("reset", Some(Cut::Reset));
        check("{close: {flow: request}}", Some(Cut::Close));
        check("{refuse: {standing: reset}}", Some(Cut::Reset));
        check("refuse", None);
        check("{reset: {after: 1s}}", None);
        check("{reset: {after_bytes: 1B}}", None);
    }

    #[test]
    fn a_seed_repeats_an_exchange() {
        let now = Instant::now();
        let faults = [fault("{latency: {add: 1s, jitter: 1s}}", now)];
        let wait = |exchange| match plan(&faults, exchange).open(0, now, None) {
            Verdict::Wait(wait) => wait,
            other => panic!("{other:?}"),
        };
        assert_eq!(wait(1), wait(1));
        assert_ne!(wait(1), wait(2));
        assert!(wait(3) <= Duration::from_secs(2));
    }
}
