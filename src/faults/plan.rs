//! What one exchange on one leg will suffer: rolled once, then asked hook by hook.

use std::sync::Arc;

use http::{HeaderMap, header, request, response};
use tokio::time::Instant;

use super::{
    chain::Chain,
    entry::{Entry, Sticky},
    fault::Fault,
    hook::{Acts, Ask, Dial, Flow, Guard, Handshake, Hook, Told, Verdict},
};
use crate::{
    route::matcher::Facts,
    units::{Dice, stable_hash},
};

/// The agents of platform probes, which are spared unless a fault says `probes: true`.
const PROBE_AGENTS: [&str; 1] = ["kube-probe/"];

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
    /// that ends the exchange takes its share, one that delays or shapes leaves it to the next.
    pub fn roll(candidates: &[Arc<Fault>], dice: Dice, exchange: u64, facts: &Facts<'_>) -> Self {
        let is_request = facts.head.is_some();
        Self::roll_those(candidates, dice, exchange, facts, |fault| {
            has_traffic_hook(fault) && !(is_request && fault.at_connection())
        })
    }

    /// Rolls for the connection of an HTTP client, before there is a request: only faults that need none.
    pub fn of_connection(candidates: &[Arc<Fault>], dice: Dice, exchange: u64, facts: &Facts<'_>) -> Self {
        Self::roll_those(candidates, dice, exchange, facts, Fault::at_connection)
    }

    fn roll_those(
        candidates: &[Arc<Fault>],
        dice: Dice,
        exchange: u64,
        facts: &Facts<'_>,
        may: impl Fn(&Fault) -> bool,
    ) -> Self {
        let mut plan = Self {
            hits: Vec::new(),
            exchange,
            dice,
        };
        for fault in candidates {
            if fault.is_lifted() || !may(fault) || !strikes(fault, dice, exchange, facts) {
                continue;
            }
            let marked = fault.acts().marks(facts);
            plan.hits.push(Hit {
                fault: Arc::clone(fault),
                marked,
                committed: false,
                touched: false,
                guard: None,
            });
            if fault.acts().ends() {
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
        let mut chain = Chain::default();
        for i in 0..self.hits.len() {
            let shaper = self.ask(
                i,
                now,
                Hook::Flow,
                |acts, ask| acts.flow(ask, direction),
                Option::is_some,
            );
            if let Some(shaper) = shaper.flatten() {
                chain.add(Arc::clone(&self.hits[i].fault), shaper);
            }
        }
        (!chain.is_empty()).then_some(chain)
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

/// The share of exchanges that each fault really gets, when all of them match: what those before it leave, times its odds.
pub fn effective_shares(faults: &[(&str, &Entry)], now: Instant) -> Vec<(String, f64)> {
    let mut left = 1.0;
    let share = |(name, entry): &(&str, &Entry)| {
        let share = left * entry.odds.get();
        if entry.r#do.compile(now).ends() {
            left -= share;
        }
        ((*name).to_owned(), share)
    };
    faults.iter().map(share).collect()
}

fn has_traffic_hook(fault: &Fault) -> bool {
    let hooks = fault.doc().acts_at;
    hooks
        .iter()
        .any(|hook| !matches!(hook, Hook::Probe | Hook::Control))
}

/// Whether a fault hits an exchange: it must match, be its turn, and win its roll.
fn strikes(fault: &Fault, dice: Dice, exchange: u64, facts: &Facts<'_>) -> bool {
    let entry = fault.entry();
    if !fault.matcher().holds(facts) || (!entry.probes && is_probe(facts)) {
        return false;
    }
    is_its_turn(fault, entry)
        && dice.hits(
            entry.odds,
            fault.key(),
            subject(entry.sticky.as_ref(), facts).unwrap_or(exchange),
        )
}

fn is_its_turn(fault: &Fault, entry: &Entry) -> bool {
    if entry.first.is_none() && entry.nth.is_none() && entry.every.is_none() {
        return true;
    }
    let number = fault.see();
    entry.first.is_none_or(|first| number <= first)
        && entry.nth.is_none_or(|nth| number == nth)
        && entry.every.is_none_or(|every| number.is_multiple_of(every))
}

fn is_probe(facts: &Facts<'_>) -> bool {
    let agent = facts.head.and_then(|head| head.headers.get(header::USER_AGENT));
    agent.is_some_and(|agent| {
        PROBE_AGENTS
            .iter()
            .any(|probe| agent.as_bytes().starts_with(probe.as_bytes()))
    })
}

/// What decides in the exchange's place; `None` where the exchange does not carry it.
fn subject(sticky: Option<&Sticky>, facts: &Facts<'_>) -> Option<u64> {
    match sticky? {
        Sticky::Header(name) => facts
            .head?
            .headers
            .get(&name.0)
            .map(|value| stable_hash(value.as_bytes())),
        Sticky::Cookie(name) => cookie(&facts.head?.headers, name).map(|value| stable_hash(value.as_bytes())),
        Sticky::Client => Some(match facts.client {
            std::net::IpAddr::V4(address) => stable_hash(&address.octets()),
            std::net::IpAddr::V6(address) => stable_hash(&address.octets()),
        }),
    }
}

fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let cookies = headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok());
    let mut pairs = cookies
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='));
    pairs.find_map(|(key, value)| (key == name).then_some(value))
}
