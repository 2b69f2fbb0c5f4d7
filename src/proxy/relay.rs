//! Two connections joined: each direction is moved by a task of its own, beside the faults where none asks for its bytes,
//! through their chain where one does. A direction follows every change of the truth while it stands.

use std::{
    cell::{Cell, Ref, RefCell},
    io,
    rc::{Rc, Weak},
    sync::Arc,
};

use tokio::{
    task::{JoinHandle, spawn_local},
    time::Instant,
};

use super::{
    client::{Client, added},
    flow::{self, Failed, Shaped, Shaping, drop_rest},
    follow::{Legs, legs},
    parting::{LAST_WORDS, Parted, Parting, Then},
    standing::BackendId,
};
use crate::{
    faults::{Answer, Chain, Cut, Fault, Flow, Plan},
    net::{
        Handle, Reader, Stream, Writer,
        pipe::{Ended, pump},
    },
    route::{Command, Facts, Session},
    snapshot::{Route, Snapshot, Target},
};

/// What a joined connection is looked up by in the truth as of now.
pub struct Place {
    client: Weak<Client>,
    route: Arc<str>,
    cluster: Arc<str>,
    backend: BackendId,
}

impl Place {
    /// That of a connection which took a route to a backend.
    pub fn new(client: &Rc<Client>, route: &Route, target: &Target, backend: usize) -> Self {
        Self {
            client: Rc::downgrade(client),
            route: route.name.clone(),
            cluster: target.name.clone(),
            backend: target.backend_id(backend),
        }
    }

    /// The faults that may touch the connection, as long as client, route and backend are there.
    fn legs(&self) -> Option<Legs> {
        legs(&*self.client.upgrade()?, &self.route, Some(self.backend))
    }

    /// Whether the backend has become another copy of the data than its cluster asks for.
    fn has_turned(&self, view: &Snapshot) -> bool {
        view.cluster(&self.cluster).is_some_and(|target| {
            let place = target.place_of(self.backend);
            place.is_some_and(|place| target.cluster.has_turned(place))
        })
    }
}

/// What the record of a connection says whose backend has become another copy of the data than its cluster asks for.
const TURNED: &str = "its server is not the copy of the data any more that its cluster asks for";

/// A client's connection and a backend's, joined.
pub struct Joint {
    client: Rc<Client>,
    upstream: Handle,
    number: u64,
    place: Option<Place>,
    known: RefCell<Legs>,
    plans: RefCell<Vec<Plan>>,
    generation: Cell<u64>,
    fresh: RefCell<[Option<Chain>; 2]>,
    farewell: RefCell<Option<Arc<Answer>>>,
    turned: Cell<bool>,
    waits_in_transaction: Cell<bool>,
    parting: Parting,
}

impl Joint {
    /// Joins two connections under the plans that were rolled for their legs.
    pub fn new(
        client: &Rc<Client>,
        upstream: &Stream,
        number: u64,
        generation: u64,
        known: Legs,
        place: Option<Place>,
        mut plans: [Plan; 2],
    ) -> Rc<Self> {
        let now = Instant::now();
        let [first, second] = &mut plans;
        let fresh = [
            chain([first, second], Flow::Request, now),
            chain([second, first], Flow::Reply, now),
        ];
        Rc::new(Self {
            client: client.clone(),
            upstream: upstream.handle(),
            number,
            place,
            known: RefCell::new(known),
            plans: RefCell::new(plans.into()),
            generation: Cell::new(generation),
            fresh: RefCell::new(fresh),
            farewell: RefCell::default(),
            turned: Cell::default(),
            waits_in_transaction: Cell::default(),
            parting: Parting::default(),
        })
    }

    /// Moves bytes both ways until both directions have ended, one has failed, or nothing has moved for too long.
    pub async fn run(self: &Rc<Self>, client: Stream, upstream: Stream, idle: std::time::Duration) -> Parted {
        let (to_client, to_server) = (client.handle(), upstream.handle());
        let ((client_reader, client_writer), (reader, writer)) = (client.into_split(), upstream.into_split());
        let (one, other) = (self.clone(), self.clone());
        let request = one.direction(Flow::Request, client_reader, writer, to_server);
        let reply = other.direction(Flow::Reply, reader, client_writer, to_client);
        self.both(spawn_local(request), spawn_local(reply), idle).await
    }

    /// Waits until both directions have ended, one has failed, or nothing has moved for too long. They run already: a future that
    /// took them in would keep their room for as long as the connection stands.
    pub async fn both(
        &self,
        request: JoinHandle<io::Result<()>>,
        reply: JoinHandle<io::Result<()>>,
        idle: std::time::Duration,
    ) -> Parted {
        let idle = self.upstream.idle(idle);
        let fell = || self.end(Cut::Reset);
        let both = async {
            let (reply, request) = tokio::join!(outcome(reply, fell), outcome(request, fell));
            reply.and(request)
        };
        let error = tokio::select! {
            ended = both => ended.err().map(|error| error.to_string()),
            () = idle => {
                self.end(Cut::Close);
                Some("no byte moved within the idle limit".to_owned())
            }
        };
        let error = if self.turned.get() {
            Some(TURNED.to_owned())
        } else {
            error
        };
        Parted {
            plans: self.plans.take(),
            error,
        }
    }

    async fn direction(
        self: Rc<Self>,
        flow: Flow,
        mut reader: Reader,
        mut writer: Writer,
        to: Handle,
    ) -> io::Result<()> {
        let carried = self.carry(flow, &mut reader, &mut writer).await;
        self.part(carried, &mut reader, &to).await
    }

    /// A direction has ended from this reader to that peer, well or by a failure: does what is to be done about the connections.
    pub async fn part(&self, how: Result<(), Failed>, reader: &mut Reader, to: &Handle) -> io::Result<()> {
        match self.parting.ended(&how) {
            Then::Nothing => {}
            Then::End(cut) => self.end(cut),
            Then::EndAfterAll(cut) => {
                to.all_sent(LAST_WORDS).await;
                self.end(cut);
            }
            Then::Drop => drop_rest(reader).await,
        }
        how.map_err(Failed::into_error)
    }

    /// Moves the bytes of a direction until it ends.
    async fn carry(&self, flow: Flow, reader: &mut Reader, writer: &mut Writer) -> Result<(), Failed> {
        let mut changes = self.client.worker.changes.wait();
        let mut shaping: Option<Shaping> = None;
        let mut ended = false;
        // The truth may have changed while the backend was dialled.
        self.look();
        loop {
            if let Some(more) = self.take_fresh(flow) {
                match &mut shaping {
                    Some(shaping) => shaping.follow(more),
                    none => *none = Some(Shaping::new(more)),
                }
            }
            let change = changes.rung();
            let has_news = || self.has_news(flow);
            let result = match &mut shaping {
                None => match pump(reader, writer, change, &has_news).await.how {
                    Ended::Finished => return Ok(()),
                    Ended::Interrupted => Shaped::Interrupted,
                    Ended::Read(error) => return Err(Failed::Read(error)),
                    Ended::Write(error) => return Err(Failed::Write(error)),
                },
                Some(shaping) => flow::shape(shaping, &mut ended, reader, writer, change, &has_news).await?,
            };
            match result {
                Shaped::Ended => return Ok(()),
                Shaped::Cut(cut) => {
                    self.end(cut);
                    return Ok(());
                }
                Shaped::Free => shaping = None,
                Shaped::Interrupted => self.look(),
            }
        }
    }

    /// What shapes a direction from now on, besides what shaped it before.
    pub fn take_fresh(&self, flow: Flow) -> Option<Chain> {
        self.fresh.borrow_mut()[place(flow)].take()
    }

    /// Something has changed, or may have: the connection ends if its server has become another copy of the data than its
    /// cluster asks for, and else follows.
    pub fn look(&self) {
        let view = self.client.worker.view();
        if self.place.as_ref().is_some_and(|place| place.has_turned(&view)) {
            self.turned.set(true);
            return self.end(Cut::Close);
        }
        self.follow();
    }

    /// Whether the truth has changed since the last look. One comparison.
    fn is_behind(&self) -> bool {
        self.generation.get() != self.client.worker.generation()
    }

    /// Whether a direction has yet to look, or to take in what the other one has found.
    pub fn has_news(&self, flow: Flow) -> bool {
        self.is_behind() || self.fresh.borrow()[place(flow)].is_some()
    }

    /// Rolls for the faults that were added since the last look; whichever direction comes first does it for both.
    pub fn follow(&self) {
        if !self.is_behind() {
            return;
        }
        self.generation.set(self.client.worker.generation());
        if self.client.is_over() {
            return self.end(Cut::Close);
        }
        let Some(now) = self.place.as_ref().and_then(Place::legs) else {
            return;
        };
        let before = self.known.replace(now.clone());
        let session = self.client.session();
        let roll =
            |before: &[Arc<Fault>], now: &[Arc<Fault>]| self.roll(&added(before, now), session.as_deref());
        let mut plans = [
            roll(&before.client, &now.client),
            roll(&before.upstream, &now.upstream),
        ];
        if let Some(session) = &session {
            let at = Instant::now();
            let said = plans
                .iter_mut()
                .find_map(|plan| plan.farewell(at, session.dialect));
            if said.is_some() {
                self.farewell.replace(said);
            }
        }
        self.join(plans);
    }

    /// It is known now whose session it is, or whose it is has changed: rolls for the faults that ask for that, and did not hold
    /// before.
    pub fn learned(&self, before: Option<&Session>) {
        let session = self.client.session();
        let known = self.known.borrow().clone();
        let roll = |faults: &[Arc<Fault>]| {
            let holds = |fault: &Fault, session| fault.holds(&self.client.facts_of(session));
            let came = |fault: &&Arc<Fault>| !holds(fault, before) && holds(fault, session.as_deref());
            let came: Vec<_> = faults.iter().filter(came).cloned().collect();
            self.roll(&came, session.as_deref())
        };
        self.join([roll(&known.client), roll(&known.upstream)]);
    }

    fn roll(&self, faults: &[Arc<Fault>], session: Option<&Session>) -> Plan {
        // What ends it then would else end the next command.
        let waits = session.filter(|_| self.waits_in_transaction.get());
        let next = waits.map(|session| Command::new(session.dialect, Arc::default()).within(true));
        let facts = Facts {
            command: next.as_ref(),
            ..self.client.facts_of(session)
        };
        Plan::of_standing(faults, self.client.worker.dice(), self.number, &facts)
    }

    /// Puts plans of both legs on what stands.
    fn join(&self, mut plans: [Plan; 2]) {
        let at = Instant::now();
        for flow in [Flow::Request, Flow::Reply] {
            let [client, upstream] = &mut plans;
            let order = if flow == Flow::Request {
                [client, upstream]
            } else {
                [upstream, client]
            };
            let mut fresh = self.fresh.borrow_mut();
            match (&mut fresh[place(flow)], chain(order, flow, at)) {
                (Some(waiting), Some(more)) => waiting.follow(more, at),
                (none, more @ Some(_)) => *none = more,
                (_, None) => {}
            }
        }
        self.plans
            .borrow_mut()
            .extend(plans.into_iter().filter(|plan| !plan.is_empty()));
    }

    /// A database session is idle within a transaction, or is not.
    pub fn waits_in_transaction(&self, waits: bool) {
        self.waits_in_transaction.set(waits);
    }

    /// What a database session is to be told before it ends, if a fault wants it to.
    pub fn farewell(&self) -> Option<Arc<Answer>> {
        self.farewell.borrow().clone()
    }

    /// The faults that may touch the connection, as of the last look.
    pub fn known(&self) -> Ref<'_, Legs> {
        self.known.borrow()
    }

    /// Lets the server go: its client is told the rest by us.
    pub fn leave_upstream(&self) {
        self.upstream.close();
    }

    /// Ends both connections.
    pub fn end(&self, cut: Cut) {
        self.client.cut(cut);
        match cut {
            Cut::Reset | Cut::Refuse => self.upstream.reset(),
            Cut::Close => self.upstream.close(),
        }
    }
}

/// The chain of both legs in the order in which bytes meet them.
fn chain(legs: [&mut Plan; 2], flow: Flow, now: Instant) -> Option<Chain> {
    let [first, second] = legs.map(|plan| plan.flow(flow, now));
    match (first, second) {
        (Some(mut first), Some(second)) => {
            first.extend(second);
            Some(first)
        }
        (first, second) => first.or(second),
    }
}

const fn place(flow: Flow) -> usize {
    match flow {
        Flow::Request => 0,
        Flow::Reply => 1,
    }
}

/// How a direction has ended. One that fell over by a defect takes the other with it, which would wait for its peer for ever.
async fn outcome(direction: JoinHandle<io::Result<()>>, fell: impl FnOnce()) -> io::Result<()> {
    direction.await.unwrap_or_else(|error| {
        fell();
        Err(io::Error::other(error))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_direction_that_falls_over_takes_the_other_with_it() {
        let fell = Cell::new(false);
        let fall = || fell.set(true);
        outcome(tokio::spawn(async { Ok(()) }), fall).await.unwrap();
        assert!(!fell.get());
        let defect = tokio::spawn(async { panic!("a defect, on purpose") });
        let error = outcome(defect, fall).await.unwrap_err();
        assert!(fell.get() && error.to_string().contains("panicked"), "{error}");
    }
}
