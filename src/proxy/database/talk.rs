//! A session under way: each command is an exchange, which its faults may delay, answer or cut; everything else passes as it
//! comes.

use std::{
    cell::{Cell, OnceCell, RefCell},
    io,
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use tokio::{sync::Notify, task::spawn_local};

use super::{
    answers,
    cancels::{Holding, Known, Owner},
    commands::Commands,
    input::Input,
    side::{Event, Side},
};
use crate::{
    faults::{Answer, Fault, Flow},
    net::{Handle, Stream},
    proxy::{bell::Bell, client::Client, exchange::Course, flow::Failed, parting::Parted, relay::Joint},
    route::{self, Session},
    wire::{
        dialogue::{After, Command, Dialogue, Heard, Next, Told, Watch},
        errors::Refusal,
    },
};

/// A client that was told the end has so long to close.
const CLOSING: Duration = Duration::from_secs(2);

/// A session between a client and its server.
pub(super) struct Talk {
    pub(super) client: Rc<Client>,
    pub(super) session: Session,
    pub(super) joint: Rc<Joint>,
    pub(super) dialogue: RefCell<Box<dyn Dialogue>>,
    /// Whose session it is at the server's side.
    pub(super) owner: Owner,
    /// By what its commands can be cancelled.
    pub(super) cancel: OnceCell<Known>,
    /// What such a request meets of them here.
    pub(super) holding: Arc<Holding>,
    pub(super) commands: Commands,
    /// The unit of the last command that has gone on to the server.
    pub(super) sent: Cell<Option<u64>>,
    /// The bytes are not understood any more, and pass as they come.
    lost: Cell<bool>,
    /// The client was told the end.
    told: Rc<Bell>,
    /// The client says no more.
    pub(super) left: Notify,
}

impl Talk {
    pub(super) fn new(
        client: &Rc<Client>,
        session: Session,
        joint: Rc<Joint>,
        dialogue: Box<dyn Dialogue>,
        owner: Owner,
    ) -> Rc<Self> {
        let commands = Commands::new(client, &joint, session.dialect);
        Rc::new(Self {
            client: client.clone(),
            session,
            joint,
            dialogue: RefCell::new(dialogue),
            owner,
            cancel: OnceCell::new(),
            holding: Arc::default(),
            commands,
            sent: Cell::default(),
            lost: Cell::new(false),
            told: Rc::default(),
            left: Notify::new(),
        })
    }

    /// Passes the session on until both sides have ended; gives the faults that its commands met, too.
    pub(super) async fn run(
        self: &Rc<Self>,
        client: Stream,
        upstream: Stream,
        idle: Duration,
    ) -> (Parted, Vec<Arc<Fault>>) {
        let (to_client, to_server) = (client.handle(), upstream.handle());
        let ((client_reader, client_writer), (reader, writer)) = (client.into_split(), upstream.into_split());
        // Listened for before anything runs: the reply may have ended before the request's task begins.
        let told = self.told.wait();
        let side = |reader, writer, told| Side::new(reader, writer, self.client.worker.changes.wait(), told);
        let (request, reply) = (
            side(client_reader, writer, Some(told)),
            side(reader, client_writer, None),
        );
        let request = self.clone().direction(Flow::Request, request, to_server);
        let reply = self.clone().direction(Flow::Reply, reply, to_client);
        let silence = self.commands.watch();
        let both = self.joint.both(spawn_local(request), spawn_local(reply), idle);
        // Beside the directions, which are woken by every byte: a session that meets no such fault never looks.
        let parted = tokio::select! {
            parted = both => parted,
            never = self.end_silence(silence) => match never {},
        };
        (parted, self.commands.end())
    }

    async fn direction(self: Rc<Self>, flow: Flow, mut side: Side, to: Handle) -> io::Result<()> {
        // The truth may have changed while the backend was dialled.
        self.joint.look();
        let carried = self.follow(flow, &mut side).await;
        let carried = carried.map_err(|error| side.failed(error));
        // Whose server takes no more is there still, for what it has said.
        if flow == Flow::Request && !matches!(carried, Err(Failed::Write(_))) {
            self.left.notify_one();
        }
        let parted = self.joint.part(carried, side.reader(), &to).await;
        if flow == Flow::Request {
            self.left.notify_one();
        }
        parted
    }

    async fn follow(&self, flow: Flow, side: &mut Side) -> io::Result<()> {
        let mut input = Input::default();
        loop {
            // A fault that was in force before a command came meets it, whether the bell has been heard yet or not.
            self.joint_now(flow, &input).follow();
            side.shape(self.joint.take_fresh(flow));
            let goes_on = match flow {
                Flow::Request => self.hear(side, &mut input).await?,
                Flow::Reply => self.tell(side, &mut input).await?,
            };
            if !goes_on {
                return Ok(());
            }
            let has_news = || self.joint.has_news(flow);
            match side.next(&mut input, &has_news).await? {
                Event::Bytes => {}
                Event::End => {
                    // The beginning of a message that will never end goes on as it is.
                    let left = input.len();
                    side.pass(&mut input, left).await?;
                    if side.end().await? {
                        return Ok(());
                    }
                }
                Event::Change => self.joint_now(flow, &input).look(),
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
    async fn hear(&self, side: &mut Side, input: &mut Input) -> io::Result<bool> {
        while !input.is_empty() {
            if self.lost.get() {
                let all = input.len();
                side.pass(input, all).await?;
                return Ok(true);
            }
            let stops = self.commands.stops();
            let heard = self.dialogue.borrow_mut().hear(input, stops);
            let Some(Heard {
                pass,
                drop,
                say,
                then,
            }) = self.understood(heard)
            else {
                continue;
            };
            self.learn_login();
            side.pass(input, pass).await?;
            input.advance(drop);
            side.say(say).await?;
            match then {
                Next::More => break,
                Next::Again => {}
                Next::Command(command) => {
                    if !self.decide(side, input, command).await? {
                        return Ok(false);
                    }
                }
            }
        }
        Ok(true)
    }

    /// Passes on what the server has said; false: the session is over.
    async fn tell(&self, side: &mut Side, input: &mut Input) -> io::Result<bool> {
        loop {
            if self.lost.get() {
                let all = input.len();
                side.pass(input, all).await?;
                return Ok(true);
            }
            let farewell = self.joint.farewell();
            let watch = Watch {
                unit: self.commands.awaited(),
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
            self.end_waits();
            if !self.settle(side).await? {
                return Ok(false);
            }
            match then {
                After::More => return Ok(true),
                After::Again => {}
                After::Border => {
                    if let Some(answer) = farewell {
                        let said = answers::farewell(&answer, &self.session);
                        let said = self.dialogue.borrow().parting(said);
                        side.say(said).await?;
                    }
                    return self.close(side, input).await;
                }
                After::Answer => {
                    if !self.reply(side).await {
                        return Ok(false);
                    }
                }
                After::Close => return self.close(side, input).await,
            }
        }
    }

    /// Ends the session after what its client was told.
    async fn close(&self, side: &mut Side, input: &mut Input) -> io::Result<bool> {
        self.joint.leave_upstream();
        if !side.end().await? {
            // What a fault of bytes still holds comes out first.
            while !matches!(
                side.next(input, &|| false).await?,
                Event::Finished | Event::Cut(_)
            ) {}
        }
        self.told.ring();
        Ok(false)
    }

    fn understood<T>(&self, result: Result<T, crate::wire::dialogue::Lost>) -> Option<T> {
        result
            .inspect_err(|lost| {
                tracing::debug!(peer = %self.client.peer, %lost, "the session passes unread from here on");
                self.lost.set(true);
                self.commands.lose();
            })
            .ok()
    }

    /// Knows whose session it is and with which database, where that is said only once the server has spoken, and anew.
    fn learn_login(&self) {
        let dialogue = self.dialogue.borrow();
        let Some((user, database)) = dialogue.login() else {
            return;
        };
        let before = self.client.session();
        let is_known = |known: &Rc<Session>| known.user == user && known.database == database;
        if before.as_ref().is_some_and(is_known) {
            return;
        }
        self.client.carries(Session {
            dialect: self.session.dialect,
            user: user.to_owned(),
            database: database.to_owned(),
        });
        self.joint.learned(before.as_deref());
    }

    /// Asks the faults about a command, and does as they say; false: the session is over.
    async fn decide(&self, side: &mut Side, input: &mut Input, command: Command) -> io::Result<bool> {
        self.joint.follow();
        if command.doomed {
            self.accept();
            return Ok(true);
        }
        let step = command.step;
        let command = self.read(command);
        let (course, is_cancelled) = self.ask(side, input, &command, step).await;
        let (answer, fault) = match course {
            // The request came at the last moment, and whoever passed it on counts on us.
            Course::On if is_cancelled => (answers::canceled(), None),
            Course::On => {
                self.accept();
                return Ok(true);
            }
            Course::Answer(answer, fault) => (answer, Some(fault)),
            Course::Cut(cut, _) => {
                self.joint.end(cut);
                return Ok(false);
            }
            Course::Released(fault) => {
                let answer = Answer::new(http::StatusCode::SERVICE_UNAVAILABLE);
                (Arc::new(answer), Some(fault))
            }
        };
        self.answer(side, input, (&answer, fault.as_deref()), command)
            .await?;
        Ok(true)
    }

    /// Answers a command in the server's place, or once it is done. Of several statements it is the first with which the fault
    /// has to do that is answered, and those before it are done; of a text that only meets it as a whole, the first.
    async fn answer(
        &self,
        side: &mut Side,
        input: &Input,
        (answer, fault): (&Answer, Option<&Fault>),
        command: route::Command,
    ) -> io::Result<()> {
        let statements = self.dialogue.borrow().statements(input);
        let first = statements.first().map_or(0, |first| first.before);
        let met = fault.and_then(|fault| self.commands.first_met(fault, statements));
        let (before, command) = met.unwrap_or((first, command));
        let table = fault.and_then(|fault| fault.subject(&command)).map(str::to_owned);
        let command = command.about(table);
        let known = self.client.session();
        let session = known.as_deref().unwrap_or(&self.session);
        let refusal: Refusal = answers::refusal(answer, session, Some(&command));
        if answer.after {
            self.dialogue.borrow_mut().replace(refusal);
            self.goes_on();
            return Ok(());
        }
        let instead = self
            .dialogue
            .borrow_mut()
            .refuse(refusal, &input[..before], command.text());
        side.say(instead).await
    }
}
