//! One TCP connection: faults of the client's leg, a backend, faults of the upstream leg, two pumps.

use std::rc::Rc;

use tokio::time::Instant;

use super::{
    client::Client,
    error::{Failure, Origin, Reason},
    exchange::{self, Course},
    hop::Way,
    relay::{Joint, Legs},
    worker::View,
};
use crate::{
    faults::{Cut, Plan},
    net::Stream,
    snapshot::{Route, Target},
    telemetry::metrics,
    upstream::{Active, Choice, Outcome},
};

/// How many backends are tried for one connection.
const ATTEMPTS: usize = 3;

/// Serves one connection of a TCP listener.
pub async fn serve(client: Rc<Client>, stream: Stream) {
    let worker = client.worker.clone();
    let view = worker.view();
    let listener = client.listener(&view);
    let number = worker.number();
    let begun = Instant::now();
    let Some(route) = listener.routes.first() else { return };
    let mut plan = Plan::roll(&route.faults, view.dice, number, &client.facts());
    match exchange::open(&mut plan, &worker.shared.held, None).await {
        Course::On => {}
        Course::Cut(cut, _) => return client.cut(cut),
        Course::Answer(..) | Course::Released(_) => return,
    }
    let mut connection = metrics::Connection::new(&listener.metrics, begun);
    match dial(&client, &view, route, number).await {
        Ok(Dialled { backend, upstream, plan: upstream_plan, active }) => {
            let known = Legs { client: route.faults.clone(), upstream: route.upstream[backend].clone() };
            let target = &view.clusters[route.cluster.unwrap_or_default()];
            let joint = Joint::new(
                &client,
                &upstream,
                number,
                view.generation,
                known,
                candidates(&client, target, backend),
                [plan, upstream_plan],
            );
            let idle = target.settings.idle_timeout();
            drop(view);
            let parted = joint.run(stream, upstream, idle).await;
            connection.parted(&parted.plans, parted.error.as_deref());
            drop(active);
        }
        Err(failure) => {
            tracing::debug!(listener = &*listener.name, peer = %client.peer, reason = %failure.reason,
                origin = failure.origin().as_str(), detail = %failure.detail, "no backend for the connection");
            connection.failed(failure.origin() == Origin::Injected);
            // A client of a bare TCP service can be told only by how its connection ends.
            client.cut(Cut::Reset);
        }
    }
    let (received, sent) = client.bytes();
    connection.finish(&worker.shard, received, sent);
}

/// The faults that may touch this connection, in any snapshot in which its listener and backend still are.
fn candidates(client: &Rc<Client>, target: &Target, backend: usize) -> Box<dyn Fn(&View) -> Option<Legs>> {
    let (client, id) = (Rc::downgrade(client), target.cluster.backends()[backend].id());
    Box::new(move |view| {
        let listener = client.upgrade()?.listener(view);
        let route = listener.routes.first()?;
        let target = &view.clusters[route.cluster?];
        let backend = target.cluster.backends().iter().position(|b| b.id() == id);
        let upstream = backend.map(|backend| route.upstream[backend].clone()).unwrap_or_default();
        Some(Legs { client: route.faults.clone(), upstream })
    })
}

struct Dialled {
    backend: usize,
    upstream: Stream,
    plan: Plan,
    active: Active,
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
    let _entered = cluster.enter().await.map_err(|full| Failure::real(Reason::ClusterFull, full))?;
    let hash = cluster.hash_key(&client.facts());
    let mut tried = Vec::new();
    let mut last = None;
    while tried.len() < ATTEMPTS {
        let now = Instant::now();
        let turn = worker.turn(&target.name);
        let picked = worker.draw(|stream| cluster.pick(&mut Choice { now, turn, hash, tried: &tried, stream }));
        let Ok(index) = picked else { break };
        tried.push(index);
        match attempt(client, view, route, target, index, number).await {
            Ok(dialled) => return Ok(dialled),
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
    let active = backend.begin().map_err(|full| Failure::real(Reason::ClusterFull, full))?;
    let mut plan = Plan::roll(&route.upstream[index], view.dice, number, &client.facts());
    let opened = match exchange::open(&mut plan, &worker.shared.held, None).await {
        Course::On => {
            let way = Way { target, index, client };
            worker.hops.dial(&way, &mut plan).await
        }
        Course::Cut(Cut::Refuse, fault) => Err(Failure::injected(Reason::ConnectRefused, fault.name())),
        Course::Cut(_, fault) => Err(Failure::injected(Reason::UpstreamReset, fault.name())),
        Course::Answer(_, fault) | Course::Released(fault) => Err(Failure::injected(Reason::Injected, fault.name())),
    };
    let now = Instant::now();
    match opened {
        Ok(upstream) => {
            backend.record(now, Outcome::Ok);
            Ok(Dialled { backend: index, upstream, plan, active })
        }
        Err(failure) => {
            if let Some(outcome) = failure.reason.outcome() {
                backend.record(now, outcome);
            }
            Err(failure)
        }
    }
}
