//! What one exchange on one leg will suffer: rolled once, then asked hook by hook.

use std::sync::Arc;

use http::{request, response};
use tokio::time::Instant;

pub use self::ends::Due;
use self::{ends::cut_at_once, late::is_late};
use super::{
    answer::Answer,
    chain::Chain,
    doc::Hook,
    fault::{Fault, Mark},
    hook::{Acts, Ask, Dial, Flow, Handshake, Told, Unit, Verdict},
    queue::Guard,
    strike::strikes,
    track::Track,
};
use crate::{
    route::{Dialect, matcher::Facts},
    units::Dice,
};

/// What one exchange on one leg will suffer.
#[derive(Debug)]
pub struct Plan {
    hits: Vec<Hit>,
    exchange: u64,
    dice: Dice,
    of_request: bool,
    /// What begins in the traffic of a database.
    begins: Option<(Dialect, Unit)>,
    /// When bytes could begin to flow; `None`: with each flow.
    since: Option<Instant>,
}

#[derive(Debug)]
struct Hit {
    mark: Arc<Mark>,
    marked: bool,
    committed: bool,
    guard: Option<Guard>,
    track: Option<Arc<Track>>,
}

impl Plan {
    /// The plan of an exchange that nothing happens to.
    pub const fn none() -> Self {
        Self {
            hits: Vec::new(),
            exchange: 0,
            dice: Dice::new(0),
            of_request: false,
            begins: None,
            since: None,
        }
    }

    /// Rolls for an exchange: a request, or a TCP connection. The faults are tried in the order given, on what is left: one
    /// that ends the exchange takes its share, one that delays or shapes leaves it to the next. The number of the exchange
    /// decides, so on the upstream leg each attempt needs one of its own, or a retry would share the fate of the first.
    pub fn roll<'a>(
        candidates: impl IntoIterator<Item = &'a Arc<Fault>>,
        dice: Dice,
        exchange: u64,
        facts: &Facts<'_>,
    ) -> Self {
        let is_request = facts.head.is_some();
        let may = |fault: &Fault| fault.in_traffic() && !(is_request && fault.at_connection());
        Self::of(candidates, dice, exchange, facts, may, |fault| {
            fault.acts().ends()
        })
    }

    /// Rolls for the connection of an HTTP client, before there is a request: only faults that need none.
    pub fn of_connection<'a>(
        candidates: impl IntoIterator<Item = &'a Arc<Fault>>,
        dice: Dice,
        exchange: u64,
        facts: &Facts<'_>,
    ) -> Self {
        Self::of(candidates, dice, exchange, facts, Fault::at_connection, |fault| {
            fault.acts().ends()
        })
    }

    /// Rolls for an exchange that stands when faults are added: only those that touch bytes. Ask it for its flows and extend
    /// the standing chains by them; a fault that cuts what stands does so through its flow, at once.
    pub fn of_standing(added: &[Arc<Fault>], dice: Dice, exchange: u64, facts: &Facts<'_>) -> Self {
        let may = |fault: &Fault| Self::touches_standing(fault, facts);
        Self::of(added, dice, exchange, facts, may, |_| false)
    }

    fn touches_standing(fault: &Fault, facts: &Facts<'_>) -> bool {
        match facts.session {
            Some(session) => fault.meets_standing(session.dialect),
            None => fault.in_bytes(),
        }
    }

    /// Rolls for a database session, or for a command in it: each fault meets the one or the other.
    pub fn of_database(
        candidates: &[Arc<Fault>],
        dice: Dice,
        exchange: u64,
        facts: &Facts<'_>,
        unit: Unit,
    ) -> Self {
        let dialect = facts.session.map(|session| session.dialect);
        let may =
            |fault: &Fault| fault.in_traffic() && dialect.is_some_and(|dialect| fault.meets(unit, dialect));
        let ends = |fault: &Fault| fault.acts().ends();
        Self {
            begins: dialect.map(|dialect| (dialect, unit)),
            ..Self::of(candidates, dice, exchange, facts, may, ends)
        }
    }

    /// Rolls for a health check: what it meets it meets as a request, or as a session and a command in one.
    pub fn of_check<'a>(
        candidates: impl IntoIterator<Item = &'a Arc<Fault>>,
        dice: Dice,
        number: u64,
        facts: &Facts<'_>,
    ) -> Self {
        Self {
            begins: facts.session.map(|session| (session.dialect, Unit::Command)),
            ..Self::roll(candidates, dice, number, facts)
        }
    }

    /// Rolls for a database session that passes unread: only faults of connections and of their bytes can do something to it.
    pub fn of_unread(candidates: &[Arc<Fault>], dice: Dice, exchange: u64, facts: &Facts<'_>) -> Self {
        let may = |fault: &Fault| {
            let is_of_bytes = fault.acts().doc().is_of_connections() && !fault.entry().r#do.needs_words();
            fault.in_traffic() && is_of_bytes
        };
        Self::of(candidates, dice, exchange, facts, may, |fault| {
            fault.acts().ends()
        })
    }

    /// Rolls for a request that stands when faults are added: what shapes the bytes of its bodies that have yet to come. A fault that changes a head
    /// comes too late, and one that ends connections without asking for a request has been asked for the connection already.
    pub fn of_standing_request(
        added: &[Arc<Fault>],
        dice: Dice,
        exchange: u64,
        facts: &Facts<'_>,
        now: Instant,
    ) -> Self {
        let is_done = |fault: &Fault| !fault.needs_request() && cut_at_once(fault, facts, now).is_some();
        let may = |fault: &Fault| fault.in_bytes() && !fault.acts().announces() && !is_done(fault);
        Self::of(added, dice, exchange, facts, may, |_| false)
    }

    fn of<'a>(
        candidates: impl IntoIterator<Item = &'a Arc<Fault>>,
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
            of_request: facts.head.is_some(),
            begins: None,
            since: None,
        };
        for fault in candidates {
            if !may(fault) || !strikes(fault, dice, exchange, facts) {
                continue;
            }
            plan.hits.push(Hit {
                mark: Mark::of(fault),
                marked: fault.acts().marks(facts),
                committed: false,
                guard: None,
                track: fault.acts().tracks().then(Arc::default),
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
        self.hits[i].fault()
    }

    /// Before anything is sent on this leg. HTTP gives the head, which may be rewritten; TCP gives `None`.
    pub fn open(&mut self, i: usize, now: Instant, head: Option<&mut request::Parts>) -> Verdict {
        let begins = self.begins;
        self.ask(
            i,
            now,
            Hook::Open,
            |acts, ask| acts.open(ask, head),
            |verdict| verdict.acts() && !is_late(verdict, begins),
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
            Verdict::acts,
        )
        .unwrap_or(Verdict::Pass)
    }

    /// What to answer where no backend has, in place of the proxy's own answer.
    pub fn unanswered(&mut self) -> Option<Arc<Answer>> {
        let mut hits = self.hits.iter_mut().filter(|hit| !hit.fault().is_lifted());
        hits.find_map(|hit| {
            let answer = hit.fault().acts().unanswered()?;
            hit.mark.touch();
            Some(answer)
        })
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
            // Its chain says so once it has done something to bytes.
            |_| false,
        );
        shaper
            .flatten()
            .map(|shaper| Chain::of(Arc::clone(&self.hits[i].mark), shaper))
    }

    /// What a database session is told that stood when the faults came, and then ends.
    pub fn farewell(&mut self, now: Instant, dialect: Dialect) -> Option<Arc<Answer>> {
        self.hits.iter_mut().find_map(|hit| {
            let age = now.saturating_duration_since(hit.fault().begun());
            let said = hit.fault().acts().farewell(age, dialect)?;
            hit.mark.touch();
            Some(said)
        })
    }

    /// Where to dial, and the fault that says so.
    pub fn dial(&mut self) -> (Dial, Option<Arc<Fault>>) {
        for hit in self.hits.iter_mut().filter(|hit| !hit.fault().is_lifted()) {
            let dial = hit.fault().acts().dial();
            if dial != Dial::Backend {
                hit.mark.touch();
                return (dial, Some(Arc::clone(hit.fault())));
            }
        }
        (Dial::Backend, None)
    }

    /// Whether a connection that is dialled for it goes elsewhere, or through another handshake, than the backend's own.
    pub fn leads_astray(&self) -> bool {
        self.hits.iter().any(|hit| {
            let acts = hit.fault().acts();
            !hit.fault().is_lifted() && (acts.dial() != Dial::Backend || acts.handshake() != Handshake::Sound)
        })
    }

    /// What the TLS handshake shows, and the fault that says so.
    pub fn handshake(&mut self) -> (Handshake, Option<Arc<Fault>>) {
        for hit in self.hits.iter_mut().filter(|hit| !hit.fault().is_lifted()) {
            let shown = hit.fault().acts().handshake();
            if shown != Handshake::Sound {
                hit.mark.touch();
                return (shown, Some(Arc::clone(hit.fault())));
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
        let touched = self.hits.iter().filter(|hit| hit.mark.is_touched());
        touched.map(Hit::fault)
    }

    /// A fault has done something to the exchange. Its performer says so where the verdict alone does not: a place in a queue
    /// that is free costs nothing.
    pub fn touch(&self, i: usize) {
        self.hits[i].mark.touch();
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
        let mut ask = self.question(i, now, hook);
        let hit = &mut self.hits[i];
        if hit.fault().is_lifted() && !hit.committed {
            return None;
        }
        let answer = question(hit.fault().acts(), &mut ask);
        if ask.touched || acted(&answer) {
            hit.mark.touch();
        }
        hit.committed = ask.committed;
        Some(answer)
    }

    fn question(&self, i: usize, now: Instant, hook: Hook) -> Ask {
        let hit = &self.hits[i];
        Ask {
            now,
            since: self.since.unwrap_or(now),
            age: now.saturating_duration_since(hit.fault().begun()),
            dice: self
                .dice
                .stream(hit.fault().key().wrapping_add(1 + hook as u64), self.exchange),
            marked: hit.marked,
            track: hit.track.clone(),
            of_request: self.of_request,
            begins: self.begins,
            touched: false,
            committed: hit.committed,
        }
    }
}

impl Hit {
    fn fault(&self) -> &Arc<Fault> {
        self.mark.fault()
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

mod ends;
mod late;
#[cfg(test)]
mod tests;
