//! A session under way: each command is an exchange, which its faults may delay, answer or cut; everything else passes as it
//! comes.

use std::{
    cell::{Cell, OnceCell, RefCell},
    collections::VecDeque,
    io,
    rc::Rc,
    time::Duration,
};

use bytes::{Buf, BytesMut};
use tokio::sync::Notify;

use super::{
    answers,
    cancels::{Known, Owner},
    side::{Event, Side},
};
use crate::{
    faults::{Answer, Cut, Flow, Plan, Unit},
    net::{Reader, Stream, Writer},
    proxy::{
        attempt::attempt_number,
        client::Client,
        exchange::{self, Course},
        relay::{Joint, Parted, is_reset},
    },
    route::{self, Facts, Session},
    wire::{
        dialogue::{After, Command, Dialogue, Heard, Next, Told, Watch},
        errors::Refusal,
    },
};

/// A client that was told the end has so long to close.
const CLOSING: Duration = Duration::from_secs(2);

/// A session between a client and its server.
pub(super) struct Talk {
    client: Rc<Client>,
    session: Session,
    joint: Rc<Joint>,
    dialogue: RefCell<Box<dyn Dialogue>>,
    /// Whose session it is at the server's side.
    owner: Owner,
    /// By what its commands can be cancelled.
    cancel: OnceCell<Known>,
    /// The commands whose answers have not ended, and that faults have to do with.
    pending: RefCell<VecDeque<Pending>>,
    /// The bytes are not understood any more, and pass as they come.
    lost: Cell<bool>,
    told: Notify,
}

/// A command that faults have to do with, until its answer has ended.
struct Pending {
    unit: u64,
    plan: Plan,
    asked: bool,
}

impl Talk {
    pub(super) fn new(
        client: &Rc<Client>,
        session: Session,
        joint: Rc<Joint>,
        dialogue: Box<dyn Dialogue>,
        owner: Owner,
    ) -> Rc<Self> {
        Rc::new(Self {
            client: client.clone(),
            session,
            joint,
            dialogue: RefCell::new(dialogue),
            owner,
            cancel: OnceCell::new(),
            pending: RefCell::default(),
            lost: Cell::new(false),
            told: Notify::new(),
        })
    }

    /// Passes the session on until both sides have ended.
    pub(super) async fn run(self: &Rc<Self>, client: Stream, upstream: Stream, idle: Duration) -> Parted {
        let ((client_reader, client_writer), (reader, writer)) = (client.into_split(), upstream.into_split());
        let request = self.clone().direction(Flow::Request, client_reader, writer);
        let reply = self.clone().direction(Flow::Reply, reader, client_writer);
        let parted = self.joint.both(request, reply, idle).await;
        let pending = self.pending.take();
        pending.iter().for_each(|pending| self.count(&pending.plan));
        parted
    }

    async fn direction(self: Rc<Self>, flow: Flow, reader: Reader, writer: Writer) -> io::Result<()> {
        let truth = self.client.worker.shared.truth.clone();
        let result = self.follow(flow, Side::new(reader, writer, truth)).await;
        if let Err(error) = &result {
            self.joint
                .end(if is_reset(error) { Cut::Reset } else { Cut::Close });
        }
        result
    }

    async fn follow(&self, flow: Flow, mut side: Side) -> io::Result<()> {
        let mut input = BytesMut::new();
        loop {
            side.shape(self.joint.take_fresh(flow));
            let goes_on = match flow {
                Flow::Request => self.hear(&mut side, &mut input).await?,
                Flow::Reply => self.tell(&mut side, &mut input).await?,
            };
            if !goes_on {
                return Ok(());
            }
            let over = async {
                match flow {
                    Flow::Request => self.told.notified().await,
                    Flow::Reply => std::future::pending().await,
                }
            };
            match side.next(&mut input, over).await? {
                Event::Bytes => {}
                Event::End => {
                    // The beginning of a message that will never end goes on as it is.
                    let left = input.len();
                    side.pass(&mut input, left).await?;
                    if side.end().await? {
                        return Ok(());
                    }
                }
                Event::Change => self.joint.follow(),
                Event::Told => {
                    // Nobody has to wait for longer: the socket is closed either way.
                    let _ = tokio::time::timeout(CLOSING, side.drain()).await;
                    return Ok(());
                }
                Event::Cut(cut) => {
                    self.joint.end(cut);
                    return Ok(());
                }
                Event::Finished => return Ok(()),
            }
        }
    }

    /// Passes on what the client has said; false: the session is over.
    async fn hear(&self, side: &mut Side, input: &mut BytesMut) -> io::Result<bool> {
        while !input.is_empty() {
            if self.lost.get() {
                let all = input.len();
                side.pass(input, all).await?;
                return Ok(true);
            }
            let stops = self.has_faults();
            let heard = self.dialogue.borrow_mut().hear(input, stops);
            let Some(Heard { pass, drop, then }) = self.understood(heard) else {
                continue;
            };
            self.learn_login();
            side.pass(input, pass).await?;
            input.advance(drop);
            match then {
                Next::More => break,
                Next::Again => {}
                Next::Command(command) => {
                    if !self.decide(side, command).await? {
                        return Ok(false);
                    }
                }
            }
        }
        Ok(true)
    }

    /// Passes on what the server has said; false: the session is over.
    async fn tell(&self, side: &mut Side, input: &mut BytesMut) -> io::Result<bool> {
        loop {
            if self.lost.get() {
                let all = input.len();
                side.pass(input, all).await?;
                return Ok(true);
            }
            let farewell = self.joint.farewell();
            let watch = Watch {
                unit: self.awaited(),
                border: farewell.is_some(),
            };
            let told = self.dialogue.borrow_mut().tell(input, watch);
            let Some(Told {
                pass,
                drop,
                say,
                then,
            }) = self.understood(told)
            else {
                continue;
            };
            side.pass(input, pass).await?;
            input.advance(drop);
            side.say(say).await?;
            self.learn_key();
            self.settle();
            match then {
                After::More => return Ok(true),
                After::Again => {}
                After::Border => {
                    if let Some(answer) = farewell {
                        side.say(answers::refusal(&answer, &self.session, None).bytes)
                            .await?;
                    }
                    return self.close(side, input).await;
                }
                After::Answer => {
                    if !self.reply().await {
                        return Ok(false);
                    }
                }
                After::Close => return self.close(side, input).await,
            }
        }
    }

    /// Ends the session after what its client was told.
    async fn close(&self, side: &mut Side, input: &mut BytesMut) -> io::Result<bool> {
        self.joint.leave_upstream();
        if !side.end().await? {
            // What a fault of bytes still holds comes out first.
            while !matches!(
                side.next(input, std::future::pending()).await?,
                Event::Finished | Event::Cut(_)
            ) {}
        }
        self.told.notify_one();
        Ok(false)
    }

    fn understood<T>(&self, result: Result<T, crate::wire::dialogue::Lost>) -> Option<T> {
        result
            .inspect_err(|lost| {
                tracing::debug!(peer = %self.client.peer, %lost, "the session passes unread from here on");
                self.lost.set(true);
            })
            .ok()
    }

    /// Knows whose session it is, where that is said only once the server has spoken.
    fn learn_login(&self) {
        if !self.client.is_logged_in()
            && let Some((user, database)) = self.dialogue.borrow().login()
        {
            self.client.logs_in(Session {
                dialect: self.session.dialect,
                user: user.to_owned(),
                database: database.to_owned(),
            });
        }
    }

    /// Knows the key of the session once the server has said it.
    fn learn_key(&self) {
        if self.cancel.get().is_none()
            && let Some(key) = self.dialogue.borrow().cancel_key()
        {
            let cancels = &self.client.worker.shared.cancels;
            self.cancel.get_or_init(|| cancels.add(key, self.owner.clone()));
        }
    }

    /// Whether a fault may have to do with a command.
    fn has_faults(&self) -> bool {
        let known = self.joint.known();
        let mut faults = known.client.iter().chain(&known.upstream);
        faults.any(|fault| !fault.is_lifted() && fault.meets(Unit::Command, self.session.dialect))
    }

    /// Asks the faults about a command, and does as they say; false: the session is over.
    async fn decide(&self, side: &mut Side, command: Command) -> io::Result<bool> {
        self.joint.follow();
        if !command.doomed {
            let command = route::Command::new(self.session.dialect, command.text);
            match self.ask(&command).await {
                Course::On => {}
                Course::Answer(answer, _) => {
                    self.answer(side, &answer, &command).await?;
                    return Ok(true);
                }
                Course::Cut(cut, _) => {
                    self.joint.end(cut);
                    return Ok(false);
                }
                Course::Released(_) => {
                    let answer = Answer::new(http::StatusCode::SERVICE_UNAVAILABLE);
                    self.answer(side, &answer, &command).await?;
                    return Ok(true);
                }
            }
        }
        self.dialogue.borrow_mut().accept();
        Ok(true)
    }

    async fn ask(&self, command: &route::Command) -> Course {
        let worker = &self.client.worker;
        let view = worker.view();
        let legs = self.joint.known().clone();
        let number = worker.number();
        let facts = Facts {
            command: Some(command),
            ..self.client.facts()
        };
        for (faults, number) in [
            (&legs.client, number),
            (&legs.upstream, attempt_number(number, 1)),
        ] {
            let mut plan = Plan::of_database(faults, view.dice, number, &facts, Unit::Command);
            if plan.is_empty() {
                continue;
            }
            let course = exchange::open(&mut plan, worker.held(), None).await;
            if !matches!(course, Course::On) {
                self.count(&plan);
                return course;
            }
            self.pending.borrow_mut().push_back(Pending {
                unit: self.dialogue.borrow().begun(),
                plan,
                asked: false,
            });
        }
        Course::On
    }

    async fn answer(&self, side: &mut Side, answer: &Answer, command: &route::Command) -> io::Result<()> {
        let refusal: Refusal = answers::refusal(
            answer,
            self.client.session().unwrap_or(&self.session),
            Some(command),
        );
        let instead = self.dialogue.borrow_mut().refuse(refusal);
        side.say(instead).await
    }

    /// The unit whose answer faults want to see first.
    fn awaited(&self) -> Option<u64> {
        let pending = self.pending.borrow();
        pending
            .iter()
            .find(|pending| !pending.asked)
            .map(|pending| pending.unit)
    }

    /// Asks the faults when a command's answer begins; false: the session is over.
    async fn reply(&self) -> bool {
        let answered = self.dialogue.borrow().answered();
        loop {
            let due = |pending: &&mut Pending| !pending.asked && pending.unit <= answered;
            let plan = self.pending.borrow_mut().iter_mut().find(due).map(|pending| {
                pending.asked = true;
                std::mem::replace(&mut pending.plan, Plan::none())
            });
            let Some(mut plan) = plan else { return true };
            let mut head = http::Response::new(()).into_parts().0;
            let course = exchange::reply(&mut plan, self.client.worker.held(), &mut head).await;
            if let Some(pending) = self
                .pending
                .borrow_mut()
                .iter_mut()
                .find(|p| p.asked && p.plan.is_empty())
            {
                pending.plan = plan;
            }
            if let Course::Cut(cut, _) = course {
                self.joint.end(cut);
                return false;
            }
        }
    }

    /// Lets go what commands held whose answers have ended.
    fn settle(&self) {
        let answered = self.dialogue.borrow().answered();
        let mut pending = self.pending.borrow_mut();
        while pending.front().is_some_and(|pending| pending.unit < answered) {
            if let Some(done) = pending.pop_front() {
                self.count(&done.plan);
            }
        }
    }

    fn count(&self, plan: &Plan) {
        let worker = &self.client.worker;
        let view = worker.view();
        for fault in plan.touched() {
            if let Some(lanes) = view.fault_lanes.get(fault.name()) {
                lanes.lane(worker.index).hits.inc();
            }
        }
    }
}
