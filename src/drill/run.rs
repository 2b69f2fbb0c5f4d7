//! The shell of a drill: ticks the timeline, carries out what it says, keeps the journal. It decides nothing.

use std::{collections::BTreeMap, io, sync::Arc, time::Duration};

use tokio::{
    sync::oneshot,
    time::{Instant, MissedTickBehavior, interval, sleep},
};

use super::{
    event::{Ending, Event, Lifted, Stamped},
    facts::{Observed, Order},
    journal::Journal,
    judge::judge,
    ledger::Ledger,
    remote::{Command, Inbox},
    script::{Named, Script},
    timeline::{Action, Answer, Timeline, View},
    verdict::{Judgement, Verdict},
    world::{Leased, World},
};
use crate::faults::Effect;

/// How often the timeline looks: six story seconds in a replay at the usual compression.
const TICK: Duration = Duration::from_millis(100);
/// The lease is renewed this many times in its life, so that a few slow ticks do not end a drill.
const RENEWALS: u32 = 4;
/// Standing connections are clean this long after a fault is lifted.
const CLEAN_WITHIN: Duration = Duration::from_millis(100);
/// How long the drill then looks at traffic before it says that all is clean.
const LOOK_FOR: Duration = Duration::from_millis(900);

/// Follows a drill, for people or for the live feed. Must not wait.
pub trait Watcher: Send {
    /// Something happened and is safe in the journal; `line` is how it stands there.
    fn recorded(&mut self, stamped: &Stamped, line: &str);

    /// A tick has passed.
    fn looked(&mut self, view: &View);
}

/// Both follow it, such as a terminal and the live feed.
impl<A: Watcher, B: Watcher> Watcher for (A, B) {
    fn recorded(&mut self, stamped: &Stamped, line: &str) {
        self.0.recorded(stamped, line);
        self.1.recorded(stamped, line);
    }

    fn looked(&mut self, view: &View) {
        self.0.looked(view);
        self.1.looked(view);
    }
}

/// What a drill comes to.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// The verdict, with its exit status.
    pub judgement: Judgement,
    /// How the drill ended.
    pub ending: Ending,
    /// Evidence that could not be written; the journal then ends too early.
    pub lost: Option<String>,
}

/// Runs a drill to its end, whatever that is. When it returns, or is dropped, none of its faults is left.
pub async fn run<W: World + ?Sized>(
    script: Script,
    world: &W,
    journal: Journal,
    watcher: &mut dyn Watcher,
    mut inbox: Inbox,
) -> Outcome {
    let script = Arc::new(script);
    let (now, seen) = (Instant::now(), world.observe());
    let refused = world.begin(script.lease(), &script.steering()).err();
    let _leased = Leased(world);
    let (timeline, first) = Timeline::begin(script.clone(), now, &seen);
    let mut shell = Shell {
        timeline,
        world,
        journal,
        watcher,
        ledger: Ledger::default(),
        unwritten: Vec::new(),
        lost: None,
        answers: BTreeMap::new(),
        decided: Vec::new(),
        tickets: 0,
        lifting: Duration::ZERO,
    };
    shell.carry_out(first).await;
    if let Some(refusal) = refused {
        shell
            .abort(format!("the faults could not be leased: {refusal}"))
            .await;
    }
    shell.tick_to_the_end(script.lease() / RENEWALS, &mut inbox).await;
    shell.close().await
}

struct Shell<'a, W: World + ?Sized> {
    timeline: Timeline,
    world: &'a W,
    journal: Journal,
    watcher: &'a mut dyn Watcher,
    ledger: Ledger,
    /// Events that are not yet in the journal.
    unwritten: Vec<Stamped>,
    lost: Option<String>,
    /// Who waits for an answer, by ticket.
    answers: BTreeMap<u64, oneshot::Sender<Answer>>,
    /// Answers that go out once everybody can see what they speak of.
    decided: Vec<(oneshot::Sender<Answer>, Answer)>,
    tickets: u64,
    /// How long the lifting of the faults took.
    lifting: Duration,
}

impl<W: World + ?Sized> Shell<'_, W> {
    async fn tick_to_the_end(&mut self, renew_every: Duration, inbox: &mut Inbox) {
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut renewed = Instant::now();
        let mut held = true;
        while self.timeline.ended().is_none() {
            let mut orders = Vec::new();
            // Both arms are cancel-safe; an order does not wait for the tick, so that panic acts at once.
            tokio::select! {
                biased;
                Some(command) = inbox.orders.recv() => orders.push(self.enter(command)),
                _ = ticks.tick() => {}
            }
            while let Ok(command) = inbox.orders.try_recv() {
                orders.push(self.enter(command));
            }
            let now = Instant::now();
            if now.duration_since(renewed) >= renew_every {
                (held, renewed) = (self.world.renew(), now);
            }
            let mut seen = self.world.observe();
            seen.lease_lost |= !held;
            let actions = self.timeline.advance(now, &seen, orders);
            self.carry_out(actions).await;
            let view = self.timeline.view(Instant::now());
            self.watcher.looked(&view);
            inbox.view.send_replace(Some(view));
            for (asker, answer) in self.decided.drain(..) {
                // An asker who has gone needs no answer.
                let _ = asker.send(answer);
            }
        }
    }

    /// Gives an order its ticket.
    fn enter(&mut self, command: Command) -> Order {
        let mut order = command.order;
        let ticket = match &mut order {
            Order::Act(asked) => Some(&mut asked.ticket),
            Order::Lead(lead) => Some(&mut lead.ticket),
            Order::Signal(_) | Order::Interrupt(_) | Order::Panic(_) => None,
        };
        if let (Some(ticket), Some(answer)) = (ticket, command.answer) {
            self.tickets += 1;
            *ticket = self.tickets;
            self.answers.insert(self.tickets, answer);
        }
        order
    }

    /// Carries out actions in their order; what goes wrong ends the drill.
    async fn carry_out(&mut self, actions: Vec<Action>) {
        let mut trouble = None;
        for action in actions {
            match action {
                Action::Record(stamped) => self.unwritten.push(stamped),
                Action::Hold(faults) => trouble = trouble.or(self.hold(&faults).await),
                Action::Obstruct(words) => {
                    let refusal = self.world.obstruct(words.as_deref()).err();
                    let why = |refusal| format!("the rollback could not be gated: {refusal}");
                    trouble = trouble.or(refusal.map(why));
                }
                Action::Watch(headers) => {
                    let refusal = self.world.watch(&headers).err();
                    let why = |refusal| format!("headers could not be watched: {refusal}");
                    trouble = trouble.or(refusal.map(why));
                }
                Action::RollBack { refused } => {
                    // One that is meant to be refused is tried all the same, and leaves its trace where people look.
                    let refusal = self.world.roll_back().err().filter(|_| !refused);
                    let why = |refusal| format!("the configuration could not be rolled back: {refusal}");
                    trouble = trouble.or(refusal.map(why));
                }
                Action::Answer(ticket, answer) => {
                    let asker = self.answers.remove(&ticket);
                    self.decided.extend(asker.map(|asker| (asker, answer)));
                }
                Action::Perform(deeds) => deeds.iter().for_each(|deed| self.world.perform(deed)),
                Action::Finish(_) => {}
            }
        }
        let written = self.write().await.err();
        let lost = written.map(|e| format!("the journal could not be written: {e}"));
        if let Some(trouble) = trouble.or(lost) {
            self.abort(trouble).await;
        }
    }

    /// Sets the active faults; the reason when that did not work.
    async fn hold(&mut self, faults: &[Named]) -> Option<String> {
        if faults.is_empty() {
            let began = Instant::now();
            let refused = self.world.hold(faults).err();
            self.lifting = began.elapsed();
            // What cannot be lifted one by one ends with the lease.
            return refused.map(|refusal| {
                self.world.end();
                format!("the faults could not be lifted one by one: {refusal}")
            });
        }
        if let Err(e) = self.write().await {
            return Some(format!("the journal could not be written: {e}"));
        }
        let refusal = self.world.hold(faults).err()?;
        Some(format!("the faults could not be set: {refusal}"))
    }

    /// Ends the drill because of something that the shell itself met.
    async fn abort(&mut self, why: String) {
        self.lost.get_or_insert_with(|| why.clone());
        let seen = self.world.observe();
        let actions = self.timeline.abort(Instant::now(), Ending::Stopped(why), &seen);
        for action in actions {
            match action {
                Action::Hold(faults) => _ = self.hold(&faults).await,
                Action::Record(stamped) => self.unwritten.push(stamped),
                Action::Answer(..)
                | Action::Perform(_)
                | Action::Finish(_)
                | Action::Obstruct(_)
                | Action::Watch(_)
                | Action::RollBack { .. } => {}
            }
        }
        // A journal that cannot be written is already known; the ledger keeps what it would have said.
        let _ = self.write().await;
    }

    /// Writes what happened to the journal and tells the watcher.
    async fn write(&mut self) -> io::Result<()> {
        if self.unwritten.is_empty() {
            return Ok(());
        }
        let events = std::mem::take(&mut self.unwritten);
        for event in &events {
            self.ledger.note(event);
        }
        let lines = self.journal.append(&events).await?;
        for (event, line) in events.iter().zip(&lines) {
            self.watcher.recorded(event, line);
        }
        Ok(())
    }

    /// Looks whether traffic is clean, gives the verdict, and closes the journal.
    async fn close(mut self) -> Outcome {
        let lifted = self.look_whether_clean().await;
        self.note(Event::Lifted(lifted));
        // The lifting itself is not part of the verdict, but stands before it in the journal.
        let written = self.write().await;
        let mut judgement = judge(&self.ledger);
        self.note(Event::Judged(Box::new(judgement.clone())));
        let written = written.and(self.write().await).err();
        let lost = self
            .lost
            .or_else(|| written.map(|e| format!("the journal could not be written: {e}")));
        if lost.is_some() && judgement.verdict == Verdict::Held {
            // What nobody can look up later was not shown.
            (judgement.verdict, judgement.exit) = (Verdict::Incomplete, Verdict::Incomplete.exit());
        }
        Outcome {
            judgement,
            ending: self.timeline.ended().cloned().unwrap_or(Ending::Complete),
            lost,
        }
    }

    async fn look_whether_clean(&self) -> Lifted {
        sleep(CLEAN_WITHIN).await;
        let before: Observed = self.world.observe();
        sleep(LOOK_FOR).await;
        let seen = self.world.observe();
        let after = seen.traffic.since(&before.traffic).of(None);
        let released = |effects: &BTreeMap<String, Effect>| -> u64 {
            effects.values().map(|effect| effect.released).sum()
        };
        let by_the_end = self
            .ledger
            .samples
            .last()
            .map(|(_, sample)| released(&sample.effects));
        Lifted {
            took_us: u64::try_from(self.lifting.as_micros()).unwrap_or(u64::MAX),
            requests: after.requests(),
            injected: after.injected,
            failed: after.real(),
            released: released(&seen.effects).saturating_sub(by_the_end.unwrap_or_default()),
        }
    }

    fn note(&mut self, event: Event) {
        let at = self.timeline.stamp(Instant::now());
        self.unwritten.push(Stamped { at, event });
    }
}

#[cfg(test)]
mod tests;
