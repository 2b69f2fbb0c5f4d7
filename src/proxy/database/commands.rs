//! The commands of a session as exchanges: what faults decide about each, and what they hold until its answer has ended.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    future::Future,
    rc::Rc,
    sync::Arc,
};

use tokio::time::{Instant, sleep_until};

use crate::{
    faults::{Chain, Cut, Due, Fault, Flow, Plan, Unit},
    proxy::{
        attempt::attempt_number,
        bell::{Bell, Waiting},
        client::Client,
        exchange::{self, Course, Interrupt},
        relay::Joint,
    },
    route::{Command, Dialect, Facts},
    wire::dialogue::{Statement, Step, Stops},
};

/// The commands of a session that faults have to do with.
pub(super) struct Commands {
    client: Rc<Client>,
    joint: Rc<Joint>,
    dialect: Dialect,
    /// Those whose answers have not ended.
    pending: RefCell<VecDeque<Pending>>,
    /// The unit whose answer is shaped.
    shaped: Cell<Option<u64>>,
    /// The faults that have done something to one of them, each once.
    met: RefCell<Vec<Arc<Fault>>>,
    /// Rings when one has come that a fault ends if no answer comes.
    due: Rc<Bell>,
}

/// A command that faults have to do with, until its answer has ended.
struct Pending {
    unit: u64,
    plan: Plan,
    asked: bool,
}

impl Commands {
    pub(super) fn new(client: &Rc<Client>, joint: &Rc<Joint>, dialect: Dialect) -> Self {
        Self {
            client: client.clone(),
            joint: joint.clone(),
            dialect,
            pending: RefCell::default(),
            shaped: Cell::default(),
            met: RefCell::default(),
            due: Rc::default(),
        }
    }

    /// Before which commands the session is to be stopped, because a fault may have to do with them.
    pub(super) fn stops(&self) -> Stops {
        let known = self.joint.known();
        let mut stops = Stops::default();
        for fault in known.client.iter().chain(&known.upstream) {
            if fault.is_lifted() {
                continue;
            }
            if fault.meets(Unit::Command, self.dialect) {
                stops.commands = true;
                stops.preparing |= fault.meets(Unit::Preparation, self.dialect);
                stops.pings |= fault.meets(Unit::Ping, self.dialect);
            }
            stops.proofs |= fault.meets(Unit::Proof, self.dialect);
            stops.choices |= fault.is_of_databases(self.dialect);
        }
        stops
    }

    /// Asks the faults about a command that is about to begin this unit.
    pub(super) async fn ask(
        &self,
        command: &Command,
        step: Step,
        begun: u64,
        interrupt: impl Future<Output = Interrupt>,
    ) -> Course {
        let worker = &self.client.worker;
        let view = worker.view();
        let legs = self.joint.known().clone();
        let number = worker.number();
        let session = self.client.session();
        let facts = Facts {
            command: Some(command),
            ..self.client.facts_of(session.as_deref())
        };
        let unit = match step {
            Step::Whole => Unit::Command,
            Step::Prepare => Unit::Preparation,
            Step::First => Unit::Prepared,
            Step::Prove => Unit::Proof,
            Step::Choose => Unit::Choice,
            Step::Ping => Unit::Ping,
        };
        let mut interrupt = std::pin::pin!(interrupt);
        for (faults, number) in [
            (&legs.client, number),
            (&legs.upstream, attempt_number(number, 1)),
        ] {
            let mut plan = Plan::of_database(faults, view.dice, number, &facts, unit);
            if plan.is_empty() {
                continue;
            }
            let course = exchange::open_for(&mut plan, worker.held(), None, interrupt.as_mut()).await;
            if !matches!(course, Course::On) {
                self.count(&plan);
                return course;
            }
            // The command's time begins: an answer that begins within it is cut at the same moment as one that does not.
            let now = Instant::now();
            plan.begin_flows(now);
            let ends_silence = !plan.due(now).is_empty();
            self.pending.borrow_mut().push_back(Pending {
                unit: begun,
                plan,
                asked: false,
            });
            if ends_silence {
                self.due.ring();
            }
        }
        Course::On
    }

    /// Hears of commands that a fault ends if no answer comes, from now on.
    pub(super) fn watch(&self) -> Waiting {
        self.due.wait()
    }

    /// Comes when a fault ends the session because no answer to a command has begun for so long.
    pub(super) async fn struck(&self, mut watch: Waiting) -> Cut {
        loop {
            let Some(due) = self.first_due() else {
                watch.rung().await;
                continue;
            };
            if due.at <= Instant::now() {
                due.touch();
                return due.cut;
            }
            // In a box: a session would else keep room for it for as long as it stands.
            let wait = Box::pin(async {
                tokio::select! {
                    () = due.fault().lifted() => {}
                    () = watch.rung() => {}
                    () = sleep_until(due.at) => {}
                }
            });
            wait.await;
        }
    }

    /// What is answered cannot be told from now on: nothing is ended for want of an answer.
    pub(super) fn lose(&self) {
        let mut pending = self.pending.borrow_mut();
        pending.iter_mut().for_each(|pending| pending.asked = true);
    }

    /// What ends the session first if no answer begins.
    fn first_due(&self) -> Option<Due> {
        let pending = self.pending.borrow();
        let silent = pending.iter().filter(|pending| !pending.asked);
        let due = silent.flat_map(|pending| pending.plan.due(Instant::now()));
        due.filter(|due| !due.fault().is_lifted())
            .min_by_key(|due| due.at)
    }

    /// The first of a text's statements that a fault has to do with, and how much of the text stands before it.
    pub(super) fn first_met(&self, fault: &Fault, statements: Vec<Statement>) -> Option<(usize, Command)> {
        let session = self.client.session();
        let facts = self.client.facts_of(session.as_deref());
        let mut commands = statements
            .into_iter()
            .map(|statement| (statement.before, Command::new(self.dialect, statement.text)));
        commands.find(|(_, command)| {
            fault.holds(&Facts {
                command: Some(command),
                ..facts
            })
        })
    }

    /// The unit before whose answer the session is to be stopped: one that faults want to see, or the one after an answer that
    /// they shape.
    pub(super) fn awaited(&self) -> Option<u64> {
        let pending = self.pending.borrow();
        let first = pending.iter().find(|pending| !pending.asked);
        let after = self.shaped.get().map(|unit| unit + 1);
        first.map(|pending| pending.unit).into_iter().chain(after).min()
    }

    /// Asks the faults when an answer begins, which shapes it if one does.
    ///
    /// # Errors
    /// What becomes of the answer, or the session, instead.
    pub(super) async fn reply(
        &self,
        answered: u64,
        interrupt: impl Future<Output = Interrupt>,
    ) -> Result<Option<Chain>, Course> {
        let mut shapes: Option<Chain> = None;
        let mut interrupt = std::pin::pin!(interrupt);
        loop {
            let due = |pending: &&mut Pending| !pending.asked && pending.unit <= answered;
            let plan = self.pending.borrow_mut().iter_mut().find(due).map(|pending| {
                pending.asked = true;
                std::mem::replace(&mut pending.plan, Plan::none())
            });
            let Some(mut plan) = plan else {
                if shapes.is_some() {
                    self.shaped.set(Some(answered));
                }
                return Ok(shapes);
            };
            let mut head = http::Response::new(()).into_parts().0;
            let held = self.client.worker.held();
            let course = exchange::reply_for(&mut plan, held, &mut head, interrupt.as_mut()).await;
            match (&mut shapes, plan.flow(Flow::Reply, Instant::now())) {
                (Some(shapes), Some(more)) => shapes.extend(more),
                (none, more @ Some(_)) => *none = more,
                (_, None) => {}
            }
            if let Some(pending) = self
                .pending
                .borrow_mut()
                .iter_mut()
                .find(|p| p.asked && p.plan.is_empty())
            {
                pending.plan = plan;
            }
            if !matches!(course, Course::On) {
                return Err(course);
            }
        }
    }

    /// Whether an answer that faults shape has ended; told once.
    pub(super) fn has_ended(&self, answered: u64) -> bool {
        let ended = self.shaped.get().is_some_and(|unit| unit < answered);
        if ended {
            self.shaped.set(None);
        }
        ended
    }

    /// Lets go what commands held whose answers have ended.
    pub(super) fn settle(&self, answered: u64) {
        let mut pending = self.pending.borrow_mut();
        while pending.front().is_some_and(|pending| pending.unit < answered) {
            if let Some(done) = pending.pop_front() {
                self.count(&done.plan);
            }
        }
    }

    /// Lets all go: the session has ended. Gives the faults that have done something to a command, for the record.
    pub(super) fn end(&self) -> Vec<Arc<Fault>> {
        let pending = self.pending.take();
        pending.iter().for_each(|pending| self.count(&pending.plan));
        self.met.take()
    }

    fn count(&self, plan: &Plan) {
        let worker = &self.client.worker;
        let view = worker.view();
        let mut met = self.met.borrow_mut();
        for fault in plan.touched() {
            view.count_hit(fault.name(), worker.index);
            if !met.iter().any(|known| known.name() == fault.name()) {
                met.push(fault.clone());
            }
        }
    }
}
