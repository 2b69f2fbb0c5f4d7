//! A session that may begin: the faults of its opening, a backend, and its record.

use std::{rc::Rc, sync::Arc, time::Duration};

use tokio::{io::AsyncWriteExt, time::Instant};

use super::{
    answers,
    cancels::Owner,
    greeting::{self, Unsettled},
    input::{Input, drain, gone},
    talk::Talk,
};
use crate::{
    faults::{Answer, Cut, Fault, Plan, Unit, stands_by},
    net::Stream,
    proxy::{
        client::Client,
        exchange::{self, Course, Interrupt},
        follow::Legs,
        relay::{self, Joint},
        tcp::{self, Dialled, Record, Undialled},
    },
    route::{Dialect, Session},
    snapshot::{Listener, Route, Snapshot, Target},
    telemetry::Level,
    wire::{dialogue::Dialogue, errors::Refusal},
};

/// A client that was turned away has so long to read why.
const CLOSING: Duration = Duration::from_secs(2);

/// A session that wants to begin.
pub(super) struct Opened {
    /// What is known of it.
    pub(super) session: Session,
    /// The client's connection.
    pub(super) stream: Stream,
    /// What the client has said, to be said to the backend first.
    pub(super) first: bytes::Bytes,
    /// Follows it.
    pub(super) dialogue: Box<dyn Dialogue>,
}

/// Serves a session in which the client has said nothing of itself yet.
pub(super) async fn from_the_first_byte(
    client: Rc<Client>,
    stream: Stream,
    session: Session,
    dialogue: Box<dyn Dialogue>,
) {
    client.carries(session.clone());
    let opened = Opened {
        session,
        stream,
        first: bytes::Bytes::new(),
        dialogue,
    };
    serve(client, opened).await;
}

/// Asks the faults of the opening, dials, and passes the session on to its end.
pub(super) async fn serve(client: Rc<Client>, mut opened: Opened) {
    let worker = client.worker.clone();
    let (view, listener) = client.seen();
    let number = worker.number();
    let begun = Instant::now();
    let Some(route) = listener.routes.first() else {
        return;
    };
    let mut record = Record::begun();
    let facts = client.facts_of(Some(&opened.session));
    let mut plan = Plan::of_database(&route.faults, view.dice, number, &facts, Unit::Session);
    let late = match open(&mut plan, &mut opened.stream, worker.held()).await {
        Course::On => None,
        Course::Answer(answer, _) if answer.is_late(opened.session.dialect) => Some(answer),
        over => {
            match over {
                Course::Answer(answer, _) => turn_away(opened, &answer).await,
                Course::Cut(cut, _) => client.cut(cut),
                Course::On | Course::Released(_) => {}
            }
            record.plans.push(plan);
            return record.write(&client, &view, &listener, route, begun);
        }
    };
    match tcp::dial(&client, &view, route, number, &mut record.plans).await {
        Ok(dialled) => {
            let target = &view.clusters[dialled.place];
            record.backend = Some((target.clone(), dialled.backend));
            match encrypt(&listener, target, opened, dialled).await {
                Ok((opened, dialled)) => {
                    let (plans, by_commands) =
                        join(&client, (&view, route), number, opened, plan, late, dialled).await;
                    record.plans.extend(plans);
                    record.by_commands = by_commands;
                }
                Err(unsettled) => {
                    record.plans.push(plan);
                    match unsettled {
                        Unsettled::Client(why) => {
                            listener.lanes.lane(worker.index).handshakes_failed.inc();
                            tracing::debug!(listener = &*listener.name, peer = %client.peer, why, "no session");
                        }
                        Unsettled::Server(failure) => record.failed(&client, &view, &listener, &failure),
                    }
                    client.cut(Cut::Reset);
                }
            }
        }
        Err(Undialled::Answered(answer, upstream)) => {
            turn_away(opened, &answer).await;
            record.plans.extend([plan, upstream]);
        }
        Err(Undialled::Failed(failure)) => {
            record.failed(&client, &view, &listener, &failure);
            record.plans.push(plan);
            client.cut(Cut::Reset);
        }
    }
    record.write(&client, &view, &listener, route, begun);
}

/// Asks the faults of the opening. A client that goes while it waits leaves its place in the queue.
async fn open(plan: &mut Plan, stream: &mut Stream, held: &Level) -> Course {
    let mut ahead = Input::default();
    let gone = async {
        gone(stream, &mut ahead).await;
        Interrupt::Gone
    };
    let course = exchange::open_for(plan, held, None, gone).await;
    if !ahead.is_empty() {
        stream.unread(ahead.take(ahead.len()));
    }
    course
}

/// Tells a client why it gets no session, and closes.
async fn turn_away(opened: Opened, answer: &Answer) {
    let Refusal { bytes, .. } = answers::turned_away(answer, &opened.session, opened.stream.tls().is_some());
    let mut stream = opened.stream;
    let said = async {
        stream.write_all(&bytes).await?;
        stream.shutdown().await
    };
    if let Ok(Ok(())) = tokio::time::timeout(CLOSING, said).await {
        let (mut reader, _writer) = stream.into_split();
        // Nobody has to wait for longer: the socket is closed either way.
        let _ = tokio::time::timeout(CLOSING, drain(&mut reader)).await;
    }
}

/// Begins TLS on the sides that are to have it, where that can be done only once the server has greeted.
async fn encrypt(
    listener: &Listener,
    target: &Target,
    opened: Opened,
    mut dialled: Dialled,
) -> Result<(Opened, Dialled), Unsettled> {
    if opened.session.dialect != Dialect::Mysql || !greeting::is_needed(listener, target) {
        return Ok((opened, dialled));
    }
    let settled = greeting::settle(
        listener,
        (target, dialled.backend),
        opened.stream,
        dialled.upstream,
        &mut dialled.plan,
    )
    .await?;
    let opened = Opened {
        stream: settled.client,
        dialogue: Box::new(settled.session),
        ..opened
    };
    dialled.upstream = settled.upstream;
    Ok((opened, dialled))
}

/// Whether a fault makes a replica of the backend.
fn is_standby(client: &Client, session: &Session, (route, backend): (&Route, usize)) -> bool {
    let (facts, now) = (client.facts_of(Some(session)), Instant::now());
    let mut faults = route.faults.iter().chain(route.upstream[backend].iter());
    faults.any(|fault| stands_by(fault, &facts, now))
}

/// Joins the client to its backend until they part, by the truth by which it was dialled: what has changed since is looked for then.
/// Gives back the plans and what the commands met, for the record.
async fn join(
    client: &Rc<Client>,
    (view, route): (&Snapshot, &Route),
    number: u64,
    opened: Opened,
    plan: Plan,
    late: Option<Arc<Answer>>,
    dialled: Dialled,
) -> (Vec<Plan>, Vec<Arc<Fault>>) {
    let Dialled {
        place,
        backend,
        mut upstream,
        plan: upstream_plan,
        active,
        entered,
        late: late_upstream,
    } = dialled;
    let target = &view.clusters[place];
    let Opened {
        session,
        stream,
        first,
        mut dialogue,
    } = opened;
    if is_standby(client, &session, (route, backend)) {
        dialogue.stands_by();
    }
    let of = usize::from(late.is_none());
    if let Some(answer) = late.or(late_upstream) {
        dialogue.refuse_opening(answers::refusal(&answer, &session, None));
    }
    if upstream.write_all(&first).await.is_err() {
        client.cut(Cut::Reset);
        return (vec![plan, upstream_plan], Vec::new());
    }
    let known = Legs {
        client: route.faults.to_vec(),
        upstream: route.upstream[backend].to_vec(),
    };
    let place = relay::Place::new(client, route, target, backend);
    let joint = Joint::new(
        client,
        &upstream,
        number,
        view.generation,
        known,
        Some(place),
        [plan, upstream_plan],
    );
    let owner = Owner {
        cluster: target.name.clone(),
        backend: target.backend_id(backend),
        address: upstream.peer(),
        listener: client.seen().1.sockets.bound(),
    };
    let talk = Talk::new(client, session, joint, dialogue, owner);
    let lane = target.backend_lanes[backend].lane(client.worker.index);
    lane.connections.came.inc();
    let (parted, by_commands) = talk.run(stream, upstream, target.settings.idle_timeout()).await;
    lane.connections.went.inc();
    if talk.dialogue.borrow().has_refused_opening() {
        parted.plans[of].say_late();
    }
    if let Some(error) = &parted.error {
        tracing::debug!(peer = %client.peer, backend = target.cluster.backends()[backend].name(), error, "session failed");
    }
    drop((active, entered));
    (parted.plans, by_commands)
}
