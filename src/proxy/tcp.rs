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
    faults::{Cut, Plan},
    net::Stream,
    snapshot::{Listener, Route, Target},
    telemetry::{Attempt, Class, Origin, access},
    upstream::{Active, Choice, Entered, Outcome},
};

/// How many backends are tried for one connection.
const ATTEMPTS: usize = 3;

/// Serves one connection of a TCP listener.
pub async fn serve(client: Rc<Client>, stream: Stream) {
    let worker = client.worker.clone();
    let (view, listener) = client.seen();
    let number = worker.number();
    let begun = Instant::now();
    let Some(route) = listener.routes.first() else {
        return;
    };
    let mut plan = Plan::roll(&route.faults, view.dice, number, &client.facts());
    match exchange::open(&mut plan, worker.held(), None).await {
        Course::On => {}
        Course::Cut(cut, _) => return client.cut(cut),
        Course::Answer(..) | Course::Released(_) => return,
    }
    let mut record = Record {
        origin: Origin::Upstream,
        backend: None,
        reason: None,
        plans: Vec::new(),
    };
    match dial(&client, &view, route, number).await {
        Ok(dialled) => {
            record.backend = Some((view.clusters[dialled.place].clone(), dialled.backend));
            record.plans = join(&client, &view, route, number, stream, plan, dialled).await;
        }
        Err(failure) => {
            tracing::debug!(listener = &*listener.name, peer = %client.peer, reason = %failure.reason,
                origin = failure.origin().as_str(), detail = %failure.detail, "no backend for the connection");
            record.origin = failure.origin();
            record.reason = Some(failure.reason);
            record.plans.push(plan);
            // A client of a bare TCP service can be told only by how its connection ends.
            client.cut(Cut::Reset);
        }
    }
    record.write(&client, &view, &listener, route, begun);
}

/// What one connection has been through.
struct Record {
    origin: Origin,
    backend: Option<(Arc<Target>, usize)>,
    reason: Option<Reason>,
    plans: Vec<Plan>,
}

impl Record {
    fn write(&self, client: &Client, view: &View, listener: &Listener, route: &Route, begun: Instant) {
        let worker = &client.worker;
        let (received, sent) = client.bytes();
        let lane = listener.lanes.lane(worker.index);
        lane.received.add(received);
        lane.sent.add(sent);
        let touched = || self.plans.iter().flat_map(Plan::touched);
        let origin = if touched().next().is_some() {
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
            if let Some(lanes) = view.fault_lanes.get(fault.name()) {
                lanes.lane(worker.index).hits.inc();
            }
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
            faults: &mut touched().map(|fault| fault.name()),
            reason: self.reason.map(Reason::as_str),
            request_id: None,
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
    } = dialled;
    let target = &view.clusters[place];
    let known = Legs {
        client: route.faults.clone(),
        upstream: route.upstream[backend].clone(),
    };
    let candidates = relay::candidates(client, route, target, backend);
    let plans = [plan, upstream_plan];
    let joint = Joint::new(
        client,
        &upstream,
        number,
        view.generation,
        known,
        candidates,
        plans,
    );
    let lane = target.backend_lanes[backend].lane(client.worker.index);
    lane.connections.came.inc();
    let parted = joint.run(stream, upstream, target.settings.idle_timeout()).await;
    lane.connections.went.inc();
    if let Some(error) = &parted.error {
        tracing::debug!(peer = %client.peer, backend = target.cluster.backends()[backend].name(), error, "connection failed");
    }
    drop((active, entered));
    parted.plans
}

struct Dialled {
    place: usize,
    backend: usize,
    upstream: Stream,
    plan: Plan,
    active: Active,
    entered: Option<Entered>,
}

/// Dials one backend after the other until one takes the connection.
async fn dial(client: &Rc<Client>, view: &View, route: &Route, number: u64) -> Result<Dialled, Failure> {
    let worker = &client.worker;
    let Some(place) = route.cluster else {
        return Err(Failure::real(Reason::BadConfiguration, &route.settings.cluster));
    };
    let target = &view.clusters[place];
    let cluster = &target.cluster;
    if !cluster.admits(view.dice, number) {
        return Err(Failure::real(Reason::NotAdmitted, &target.name));
    }
    let entered = cluster
        .enter()
        .await
        .map_err(|full| Failure::real(Reason::ClusterFull, full))?;
    let hash = cluster.hash_key(&client.facts());
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
        let Ok(index) = picked else { break };
        tried.push(index);
        let number = attempt_number(number, u32::try_from(tried.len()).unwrap_or(u32::MAX));
        match attempt(client, view, route, target, index, number).await {
            Ok(dialled) => {
                return Ok(Dialled {
                    place,
                    entered: Some(entered),
                    ..dialled
                });
            }
            Err(failure) if failure.reason == Reason::ClusterFull => return Err(failure),
            Err(failure) => last = Some(failure),
        }
    }
    Err(last.unwrap_or_else(|| Failure::real(Reason::NoBackend, &target.name)))
}

async fn attempt(
    client: &Rc<Client>,
    view: &View,
    route: &Route,
    target: &Target,
    index: usize,
    number: u64,
) -> Result<Dialled, Failure> {
    let worker = &client.worker;
    let backend = &target.cluster.backends()[index];
    let active = backend.begin();
    let mut plan = Plan::roll(&route.upstream[index], view.dice, number, &client.facts());
    let opened = match exchange::open(&mut plan, worker.held(), None).await {
        Course::On => {
            let way = Way {
                target,
                index,
                number,
                ends: client.ends(),
            };
            worker.hops.dial(&way, &mut plan).await
        }
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
            target.cluster.record(now, &active, Outcome::Ok);
            lane.attempted(Attempt::Ok);
            Ok(Dialled {
                place: 0,
                backend: index,
                upstream,
                plan,
                active,
                entered: None,
            })
        }
        Err(failure) => {
            if let Some(outcome) = failure.reason.outcome() {
                target.cluster.record(now, &active, outcome);
                lane.attempted(attempt_of(outcome));
            }
            Err(failure)
        }
    }
}
