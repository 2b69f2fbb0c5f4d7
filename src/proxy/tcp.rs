//! One TCP connection: faults of the client's leg, a backend, faults of the upstream leg, two pumps.

use std::{rc::Rc, sync::Arc};

use tokio::time::Instant;

use super::{
    attempt::{attempt_number, attempt_of},
    client::Client,
    dial::Way,
    error::{Failure, Reason},
    exchange::{self, Course},
    follow::Legs,
    relay::{self, Joint},
    worker::View,
};
use crate::{
    faults::{Answer, Cut, Fault, Lineup, Plan, Unit},
    net::Stream,
    route::Facts,
    snapshot::{Listener, Route, Target},
    telemetry::{Attempt, Class, Origin, access},
    units::Dice,
    upstream::{Active, Choice, Entered, Outcome},
};

/// How many backends are tried for one connection.
const ATTEMPTS: usize = 3;

/// Rolls for a connection of which no word is understood, at a TCP listener or at a database's.
fn roll(listener: &Listener, faults: &Lineup, dice: Dice, number: u64, facts: &Facts<'_>) -> Plan {
    match listener.settings.protocol.dialect() {
        Some(_) => Plan::of_unread(faults, dice, number, facts),
        None => Plan::roll(faults.sift(facts), dice, number, facts),
    }
}

/// Serves one connection of a TCP listener.
pub async fn serve(client: Rc<Client>, stream: Stream) {
    let worker = client.worker.clone();
    client.meter();
    let (view, listener) = client.seen();
    let number = worker.number();
    let begun = Instant::now();
    let Some(route) = listener.routes.first() else {
        return;
    };
    let facts = client.facts();
    let mut plan = roll(&listener, &route.faults, view.dice, number, &facts);
    let mut record = Record::begun();
    let course = tokio::select! {
        biased;
        () = client.over() => None,
        course = exchange::open(&mut plan, worker.held(), None) => Some(course),
    };
    if !matches!(course, Some(Course::On)) {
        match course {
            Some(Course::Cut(cut, _)) => client.cut(cut),
            Some(_) => {}
            None => client.cut(Cut::Close),
        }
        record.plans.push(plan);
        return record.write(&client, &view, &listener, route, begun);
    }
    // Nobody waits for a backend whose listener is gone.
    let dialled = tokio::select! {
        biased;
        () = client.over() => None,
        dialled = dial(&client, &view, route, number, &mut record.plans) => Some(dialled),
    };
    match dialled {
        None => {
            record.plans.push(plan);
            client.cut(Cut::Close);
        }
        Some(Ok(dialled)) => {
            record.backend = Some((view.clusters[dialled.place].clone(), dialled.backend));
            let plans = join(&client, &view, route, number, stream, plan, dialled).await;
            record.plans.extend(plans);
        }
        Some(Err(undialled)) => {
            record.plans.push(plan);
            match undialled {
                Undialled::Failed(failure) => record.failed(&client, &view, &listener, &failure),
                Undialled::Answered(_, upstream) => record.plans.push(upstream),
            }
            // A client of a bare TCP service can be told only by how its connection ends.
            client.cut(Cut::Reset);
        }
    }
    record.write(&client, &view, &listener, route, begun);
}

/// What one connection has been through.
pub struct Record {
    origin: Origin,
    /// Where it led.
    pub backend: Option<(Arc<Target>, usize)>,
    reason: Option<Reason>,
    /// What it suffered.
    pub plans: Vec<Plan>,
    /// The faults that commands of its session met; they are counted by command.
    pub by_commands: Vec<Arc<Fault>>,
}

impl Record {
    /// One that has just begun.
    pub const fn begun() -> Self {
        Self {
            origin: Origin::Upstream,
            backend: None,
            reason: None,
            plans: Vec::new(),
            by_commands: Vec::new(),
        }
    }

    /// No backend could be had.
    pub fn failed(&mut self, client: &Client, view: &View, listener: &Listener, failure: &Failure) {
        // A fault in a blind drill stays unnamed.
        if !(view.blind && failure.injected) {
            tracing::debug!(listener = &*listener.name, peer = %client.peer, reason = %failure.reason,
                origin = failure.origin().as_str(), detail = %failure.detail, "no backend for the connection");
        }
        self.origin = failure.origin();
        self.reason = Some(failure.reason);
    }

    /// Counts it, and writes its line of the access log.
    pub fn write(&self, client: &Client, view: &View, listener: &Listener, route: &Route, begun: Instant) {
        let worker = &client.worker;
        let (received, sent) = client.bytes();
        client.meter().count();
        let touched = || self.plans.iter().flat_map(Plan::touched);
        let mut names = Vec::new();
        for fault in touched().chain(&self.by_commands) {
            if !names.contains(&fault.name()) {
                names.push(fault.name());
            }
        }
        let origin = if !names.is_empty() {
            Origin::Injected
        } else {
            self.origin
        };
        let backend = self.backend.as_ref().map(|(_, index)| *index);
        route
            .metrics
            .lane(worker.index, backend)
            .answered(Class::None, origin);
        for fault in touched() {
            view.count_hit(fault.name(), worker.index);
        }
        let Some(pen) = &worker.pen else { return };
        pen.write(access::Entry {
            client: client.peer,
            listener: &listener.name,
            route: Some(&route.name),
            method: None,
            path: None,
            status: None,
            received,
            sent,
            duration: begun.elapsed(),
            backend: self
                .backend
                .as_ref()
                .map(|(target, index)| target.cluster.backends()[*index].name()),
            attempts: u32::from(self.backend.is_some()),
            origin,
            faults: &mut names.into_iter(),
            reason: self.reason.map(Reason::as_str),
            request_id: None,
            blind: view.blind,
        });
    }
}

/// Joins the client to its backend until they part; gives back the plans, for the record.
async fn join(
    client: &Rc<Client>,
    view: &View,
    route: &Route,
    number: u64,
    stream: Stream,
    plan: Plan,
    dialled: Dialled,
) -> Vec<Plan> {
    let Dialled {
        place,
        backend,
        upstream,
        plan: upstream_plan,
        active,
        entered,
        ..
    } = dialled;
    let target = &view.clusters[place];
    let known = Legs {
        client: route.faults.to_vec(),
        upstream: route.upstream[backend].to_vec(),
    };
    let place = relay::Place::new(client, route, target, backend);
    let plans = [plan, upstream_plan];
    let joint = Joint::new(
        client,
        &upstream,
        number,
        view.generation,
        known,
        Some(place),
        plans,
    );
    let lanes = &target.backend_lanes[backend];
    client.meter().joins(lanes.clone(), upstream.handle());
    let lane = lanes.lane(client.worker.index);
    lane.connections.came.inc();
    let parted = joint.run(stream, upstream, target.settings.idle_timeout()).await;
    lane.connections.went.inc();
    if let Some(error) = &parted.error {
        tracing::debug!(peer = %client.peer, backend = target.cluster.backends()[backend].name(), error, "connection failed");
    }
    drop((active, entered));
    parted.plans
}

/// A backend that has taken a connection.
pub struct Dialled {
    /// The cluster's place in the snapshot.
    pub place: usize,
    /// The backend's place in it.
    pub backend: usize,
    /// The connection.
    pub upstream: Stream,
    /// What its leg suffers.
    pub plan: Plan,
    /// Counts it at the backend.
    pub active: Active,
    /// Its place within the cluster's limits.
    pub entered: Option<Entered>,
    /// What a session of a database is told later in its opening.
    pub late: Option<Arc<Answer>>,
}

/// Why there is no connection to a backend.
pub enum Undialled {
    /// None could be had.
    Failed(Failure),
    /// A fault answers in the backend's place.
    Answered(Arc<Answer>, Plan),
}

impl From<Failure> for Undialled {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

/// Dials one backend after the other until one takes the connection.
pub async fn dial(
    client: &Rc<Client>,
    view: &View,
    route: &Route,
    number: u64,
    failed: &mut Vec<Plan>,
) -> Result<Dialled, Undialled> {
    let worker = &client.worker;
    let Some(place) = route.cluster else {
        return Err(Failure::real(Reason::BadConfiguration, &route.settings.cluster).into());
    };
    let target = &view.clusters[place];
    let cluster = &target.cluster;
    if !cluster.admits(view.dice, number) {
        return Err(Failure::real(Reason::NotAdmitted, &target.name).into());
    }
    let entered = cluster
        .enter()
        .await
        .map_err(|full| Failure::real(Reason::ClusterFull, full))?;
    let limit = cluster.settings().connect_timeout();
    // Whoever has not been told by then is turned away.
    let _ = tokio::time::timeout(limit, cluster.first_look()).await;
    let hash = cluster.hash_key(&client.facts_of(client.session().as_deref()));
    let mut tried = Vec::new();
    let mut last = None;
    while tried.len() < ATTEMPTS {
        let now = Instant::now();
        let turn = worker.turn(place);
        let picked = worker.draw(|stream| {
            cluster.pick(&mut Choice {
                now,
                turn,
                hash,
                tried: &tried,
                stream,
            })
        });
        let index = match picked {
            Ok(index) => index,
            Err(none) => {
                last.get_or_insert_with(|| Failure::real(Reason::NoBackend, none));
                break;
            }
        };
        tried.push(index);
        let number = attempt_number(number, u32::try_from(tried.len()).unwrap_or(u32::MAX));
        match attempt(client, view, route, (target, index), number, failed).await {
            Ok(dialled) => {
                return Ok(Dialled {
                    place,
                    entered: Some(entered),
                    ..dialled
                });
            }
            Err(Undialled::Failed(failure)) if failure.reason != Reason::ClusterFull => last = Some(failure),
            Err(undialled) => return Err(undialled),
        }
    }
    Err(last
        .unwrap_or_else(|| Failure::real(Reason::NoBackend, &target.name))
        .into())
}

async fn attempt(
    client: &Rc<Client>,
    view: &View,
    route: &Route,
    (target, index): (&Target, usize),
    number: u64,
    failed: &mut Vec<Plan>,
) -> Result<Dialled, Undialled> {
    let worker = &client.worker;
    let session = client.session();
    let dialect = session.as_ref().map(|session| session.dialect);
    let backend = &target.cluster.backends()[index];
    let active = backend.begin();
    let (faults, facts) = (&route.upstream[index], client.facts_of(session.as_deref()));
    let mut plan = match dialect {
        Some(_) => Plan::of_database(faults, view.dice, number, &facts, Unit::Session),
        None => roll(&client.seen().1, faults, view.dice, number, &facts),
    };
    let way = Way {
        target,
        index,
        number,
        ends: client.ends(),
        dialect,
    };
    let mut late = None;
    let opened = match exchange::open(&mut plan, worker.held(), None).await {
        Course::On => worker.hops.dial(&way, &mut plan).await,
        Course::Answer(answer, _) if dialect.is_some_and(|dialect| answer.is_late(dialect)) => {
            late = Some(answer);
            worker.hops.dial(&way, &mut plan).await
        }
        Course::Answer(answer, _) if dialect.is_some() => return Err(Undialled::Answered(answer, plan)),
        Course::Cut(Cut::Refuse, fault) => Err(Failure::injected(Reason::ConnectRefused, fault.name())),
        Course::Cut(_, fault) => Err(Failure::injected(Reason::UpstreamReset, fault.name())),
        Course::Answer(_, fault) | Course::Released(fault) => {
            Err(Failure::injected(Reason::Injected, fault.name()))
        }
    };
    let now = Instant::now();
    let lane = target.backend_lanes[index].lane(worker.index);
    match opened {
        Ok(upstream) => {
            target.record(index, now, &active, Outcome::Ok);
            lane.attempted(Attempt::Ok);
            Ok(Dialled {
                place: 0,
                backend: index,
                upstream,
                plan,
                active,
                entered: None,
                late,
            })
        }
        Err(failure) => {
            if let Some(outcome) = failure.reason.outcome() {
                target.record(index, now, &active, outcome);
                lane.attempted(attempt_of(outcome));
            }
            failed.push(plan);
            Err(failure.into())
        }
    }
}
