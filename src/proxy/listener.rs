//! From the accepted connection to its protocol: permits, PROXY protocol, TLS, and the faults that meet a connection
//! before it has said a word.

use std::{rc::Rc, sync::Arc, time::Duration};

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{
    client::{Client, Clients, Kind},
    database,
    exchange::{self, Course},
    http, tcp,
    worker::{View, Worker},
};
use crate::{
    config::Protocol,
    faults::{Handshake, Plan},
    net::{Acceptor, Admitted, Alpn, BadCertificate, Post, Stream, listen::Pause, proxy_protocol},
    route::Dialect,
    snapshot::Listener,
    telemetry::events::Event,
};

/// A handshake without a limit of its own still ends.
const HANDSHAKE: Duration = Duration::from_secs(60);

/// Accepts at one worker's post of a listener until told to stop.
pub async fn accept(
    worker: Rc<Worker>,
    clients: Rc<Clients>,
    view: View,
    listener: Arc<Listener>,
    post: Post,
    stop: CancellationToken,
) {
    let on_pause = {
        let (worker, name, sockets) = (worker.clone(), listener.name.clone(), listener.sockets.clone());
        move |pause: &Pause| {
            let view = worker.view();
            let now = view.listener_at(&name, &sockets).map_or(&name, |now| &now.name);
            worker.shared.events.tell(paused(now, pause));
        }
    };
    let mut acceptor = match Acceptor::new(post, listener.permits.clone(), on_pause) {
        Ok(acceptor) => acceptor,
        Err(error) => {
            tracing::error!(listener = &*listener.name, %error, "a worker cannot accept on this listener");
            return;
        }
    };
    // The listener in the last truth that knew it: its routes mean the clusters of that truth.
    let mut known = (view, listener);
    let mut begin = |stream, admitted| {
        let view = worker.view();
        let newer = view.listener_at(&known.1.name, &known.1.sockets);
        if let Some(newer) = newer.or_else(|| view.listeners.get(&known.1.name)) {
            known = (view.clone(), newer.clone());
        }
        let (view, listener) = known.clone();
        let clients = clients.clone();
        worker
            .tasks
            .spawn_local(serve(worker.clone(), clients, listener, view, stream, admitted));
    };
    loop {
        // Cancelling `accept` loses no connection.
        let (stream, admitted) = tokio::select! {
            accepted = acceptor.accept() => accepted,
            () = stop.cancelled() => break,
        };
        begin(stream, admitted);
    }
    // Whoever has connected before the end is served, though no more than one answer.
    for (stream, admitted) in acceptor.close() {
        begin(stream, admitted);
    }
}

async fn serve(
    worker: Rc<Worker>,
    clients: Rc<Clients>,
    listener: Arc<Listener>,
    view: View,
    stream: Stream,
    _admitted: Admitted,
) {
    let lane = listener.lanes.lane(worker.index);
    lane.connections.came.inc();
    let _open = Open(&listener, worker.index);
    let Some((stream, mut plan)) = welcome(&worker, &listener, &view, stream).await else {
        return;
    };
    let client = Client::new(&worker, &listener, &view, &stream);
    clients.add(&client);
    if worker.is_leaving(&listener.name) {
        client.drain();
    }
    if !plan.is_empty() {
        let course = exchange::open(&mut plan, worker.held(), None).await;
        count(&worker, &view, &plan);
        match course {
            Course::On => {}
            Course::Cut(cut, _) => return client.cut(cut),
            Course::Answer(..) | Course::Released(_) => return,
        }
    }
    drop(view);
    match listener.settings.protocol {
        Protocol::Http => http::serve(client, stream).await,
        Protocol::Tcp => {
            client.speaks(Kind::Bytes);
            tcp::serve(client, stream).await;
        }
        Protocol::Postgres => {
            client.speaks(Kind::Bytes);
            database::serve(client, stream, Dialect::Postgres).await;
        }
        Protocol::Mysql => {
            client.speaks(Kind::Bytes);
            database::serve(client, stream, Dialect::Mysql).await;
        }
        Protocol::Redis => {
            client.speaks(Kind::Bytes);
            database::serve(client, stream, Dialect::Redis).await;
        }
    }
}

/// Counts a connection while it is open.
struct Open<'a>(&'a Listener, usize);

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.lanes.lane(self.1).connections.went.inc();
    }
}

fn paused(listener: &str, pause: &Pause) -> Event {
    let cause = match pause {
        Pause::Full => "its limit of connections is reached; the next ones wait in the system's queue".into(),
        Pause::Exhausted(error) => format!("{error}; raise the limit of open files (`ulimit -n`)"),
    };
    Event::AcceptPaused {
        listener: listener.to_owned(),
        cause,
    }
}

/// PROXY protocol and TLS, each within its limit, and the faults that show in the handshake. `None`: the connection has
/// ended here.
async fn welcome(
    worker: &Rc<Worker>,
    listener: &Arc<Listener>,
    view: &View,
    mut stream: Stream,
) -> Option<(Stream, Plan)> {
    let limit = listener
        .settings
        .timeouts
        .handshake
        .0
        .map_or(HANDSHAKE, Duration::from);
    let begun = Instant::now();
    if listener.settings.proxy_protocol
        && let Err(error) = proxy_protocol::read_header(&mut stream, limit).await
    {
        tracing::debug!(listener = &*listener.name, peer = %stream.peer(), %error, "no PROXY protocol header");
        return None;
    }
    listener.lanes.lane(worker.index).clients.came(stream.peer().ip());
    let mut plan = of_connection(worker, listener, view, &stream);
    // Some databases' clients ask for TLS within their protocol.
    let sound = listener
        .tls
        .as_ref()
        .filter(|_| !listener.settings.protocol.asks_for_tls());
    let Some(sound) = sound else {
        return Some((stream, plan));
    };
    let bad = match plan.handshake() {
        (Handshake::Sound, _) => None,
        (Handshake::Hang, fault) => {
            if let Some(fault) = fault {
                fault.lifted().await;
            }
            None
        }
        (Handshake::Expired, _) => Some(BadCertificate::Expired),
        (Handshake::WrongName, _) => Some(BadCertificate::WrongName),
        (Handshake::Untrusted, _) => Some(BadCertificate::Untrusted),
    };
    let tls = match bad {
        None => sound.clone(),
        Some(kind) => worker
            .shared
            .impostor
            .as_ref()?
            .server(kind, &[Alpn::Http2, Alpn::Http1]),
    };
    let peer = stream.peer();
    match tls
        .accept(
            stream,
            limit
                .saturating_sub(begun.elapsed())
                .max(Duration::from_millis(1)),
        )
        .await
    {
        Ok(stream) => Some((stream, plan)),
        Err(error) => {
            listener.lanes.lane(worker.index).handshakes_failed.inc();
            count(worker, view, &plan);
            tracing::debug!(listener = &*listener.name, %peer, %error, "TLS handshake failed");
            None
        }
    }
}

/// Counts what a connection met before there was a request that could say so.
fn count(worker: &Worker, view: &View, plan: &Plan) {
    plan.touched()
        .for_each(|fault| view.count_hit(fault.name(), worker.index));
}

/// What a connection suffers before there is a request.
fn of_connection(worker: &Worker, listener: &Listener, view: &View, stream: &Stream) -> Plan {
    if listener.faults.is_empty() || listener.settings.protocol != Protocol::Http {
        return Plan::none();
    }
    let facts = crate::route::Facts {
        client: stream.peer().ip(),
        tls_name: None,
        head: None,
        session: None,
        command: None,
    };
    Plan::of_connection(listener.faults.sift(&facts), view.dice, worker.number(), &facts)
}
