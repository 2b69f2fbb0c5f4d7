//! Health checks, made on the people's side: they have time limits of their own, see the faults that real traffic to the
//! backend would see, and never stand before or wait for traffic.

mod databases;
mod suffering;

use std::{collections::HashMap, future::pending, sync::Arc};

use self::{
    databases::{ask_mysql, ask_postgres, ask_redis},
    suffering::{may_meet, session_of, suffer},
};
use http::HeaderMap;
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::watch,
    task::JoinSet,
    time::Instant,
};

use crate::{
    faults::{self, Plan, Told},
    net::{Addresses, Dialer, Stream, Terms},
    route::Facts,
    snapshot::{Snapshot, Target},
    telemetry::events::{Event, Events},
    upstream::{
        Condition, Replication,
        health::{Health, HealthSettings},
        probe::{GrpcProbe, HttpProbe, Probe, Reading, TcpProbe, Trouble},
    },
};

/// Probes are numbered apart from traffic's exchanges, so that a fault's odds fall for each anew.
const NUMBERS: u64 = 1 << 62;

/// Checks every backend of every snapshot for as long as the process lives.
pub async fn run(mut truth: watch::Receiver<Arc<Snapshot>>, events: Events) {
    let mut tasks: HashMap<(Arc<str>, String), Watch> = HashMap::new();
    let mut running = JoinSet::new();
    loop {
        let snapshot = truth.borrow_and_update().clone();
        tasks.retain(|(cluster, backend), watch| watch.still_fits(&snapshot, cluster, backend));
        for target in &snapshot.clusters {
            let Some(settings) = &target.settings.health else {
                forget(target);
                continue;
            };
            for backend in target.cluster.backends() {
                let key = (target.name.clone(), backend.name().to_owned());
                tasks.entry(key.clone()).or_insert_with(|| {
                    let checker = Checker {
                        truth: truth.clone(),
                        events: events.clone(),
                        key,
                    };
                    let handle = running.spawn(checker.run(settings.clone()));
                    Watch {
                        settings: settings.clone(),
                        address: backend.address().to_string(),
                        handle,
                    }
                });
            }
        }
        tokio::select! {
            changed = truth.changed() => if changed.is_err() { return },
            // Checkers end when they are aborted. One that ends otherwise is begun again: a backend that nobody checks would
            // keep its last verdict for ever.
            Some(_) = running.join_next(), if !running.is_empty() => {}
        }
    }
}

/// Forgets what checks said about backends that are not checked any more.
fn forget(target: &Target) {
    for backend in target.cluster.backends() {
        if backend.condition() != Condition::Unchecked {
            backend.set_condition(Instant::now(), Condition::Unchecked);
        }
        backend.set_replication(None);
    }
}

/// A running checker; dropped, it ends.
struct Watch {
    settings: HealthSettings,
    address: String,
    handle: tokio::task::AbortHandle,
}

impl Watch {
    fn still_fits(&self, snapshot: &Snapshot, cluster: &str, backend: &str) -> bool {
        !self.handle.is_finished()
            && snapshot.cluster(cluster).is_some_and(|target| {
                let there = target.cluster.backends().iter().find(|one| one.name() == backend);
                target.settings.health.as_ref() == Some(&self.settings)
                    && there.is_some_and(|one| one.address().to_string() == self.address)
            })
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.handle.abort();
    }
}

/// Checks one backend.
struct Checker {
    truth: watch::Receiver<Arc<Snapshot>>,
    events: Events,
    key: (Arc<str>, String),
}

impl Checker {
    async fn run(self, settings: HealthSettings) {
        let Some((target, index)) = self.find() else {
            return;
        };
        let key = crate::units::stable_hash(format!("{}/{}", self.key.0, self.key.1).as_bytes());
        let mut stream = self.truth.borrow().dice.stream(key, 0);
        let known = target.cluster.backends()[index].condition();
        let mut health = Health::new(settings.clone(), known, Instant::now(), &mut stream);
        for number in NUMBERS.. {
            tokio::time::sleep_until(health.due()).await;
            let Some((target, index)) = self.find() else {
                return;
            };
            let limit = settings.timeout();
            let check = self.check(&settings, &target, index, number);
            let result = tokio::time::timeout(limit, check)
                .await
                .unwrap_or(Err(Trouble::Timeout(limit)));
            let (result, is) = match self.as_told_now(result, number) {
                Ok(is) => (Ok(()), is),
                Err(trouble) => (Err(trouble), None),
            };
            if let Some(is) = is {
                self.learn_replication(&target, index, is);
            }
            let now = Instant::now();
            let change = health.learn(now, result, &mut stream);
            if let Some(change) = &change {
                target.cluster.backends()[index].set_condition(now, change.to);
            }
            target.cluster.looked();
            if let Some(change) = change {
                self.events.tell(Event::HealthChanged {
                    cluster: self.key.0.to_string(),
                    backend: self.key.1.clone(),
                    healthy: change.to == Condition::Healthy,
                    cause: match change.cause {
                        // What a fault says is no evidence that grows, and the first check decides by itself.
                        Some(trouble @ Trouble::Injected) => trouble.to_string(),
                        Some(trouble) if change.after == 1 => trouble.to_string(),
                        Some(trouble) => format!("{trouble} ({} in a row)", change.after),
                        None if change.after == 1 => "passed".to_owned(),
                        None => format!("passed {} in a row", change.after),
                    },
                });
            }
        }
    }

    /// What a server is holds at once, so that a promotion is followed with the first check that sees it.
    fn learn_replication(&self, target: &Target, index: usize, is: Replication) {
        if target.cluster.backends()[index].set_replication(Some(is)) {
            self.events.tell(Event::ReplicationChanged {
                cluster: self.key.0.to_string(),
                backend: self.key.1.clone(),
                is: is.to_string(),
            });
        }
    }

    /// A fault that came while the check ran hides what it found, as it does from the next check on.
    fn as_told_now(&self, result: Seen, number: u64) -> Seen {
        let dice = self.truth.borrow().dice;
        let hides = |(target, index): (Arc<Target>, usize)| {
            matches!(
                faults::told(&target.faults[index], dice, number),
                Some((Told::Pass, _))
            )
        };
        if result.is_err() && self.find().is_some_and(hides) {
            return Ok(None);
        }
        result
    }

    fn find(&self) -> Option<(Arc<Target>, usize)> {
        let snapshot = self.truth.borrow();
        let target = snapshot.cluster(&self.key.0)?;
        let index = target
            .cluster
            .backends()
            .iter()
            .position(|backend| backend.name() == self.key.1)?;
        Some((target.clone(), index))
    }

    async fn check(&self, settings: &HealthSettings, target: &Target, index: usize, number: u64) -> Seen {
        let (told, dice, blind) = {
            let truth = self.truth.borrow();
            let told = faults::told(&target.faults[index], truth.dice, number);
            if let Some((_, fault)) = &told {
                truth.count_hit(fault.name(), 0);
            }
            (told, truth.dice, truth.blind)
        };
        let refused = || Trouble::Connect(format!("connection to {} refused", target.addresses[index]));
        match told {
            Some((Told::Pass, _)) => return Ok(None),
            Some((Told::Fail, _)) if blind => return Err(refused()),
            Some((Told::Fail, _)) => return Err(Trouble::Injected),
            Some((Told::Hang, fault)) => fault.lifted().await,
            None => {}
        }
        let addresses = &target.addresses[index];
        let session = session_of(&settings.probe);
        let facts = Facts {
            client: std::net::Ipv4Addr::LOCALHOST.into(),
            tls_name: None,
            head: None,
            session: session.as_ref(),
            command: None,
        };
        let faults = target.faults[index].sift(&facts);
        let meets =
            |fault: &&Arc<faults::Fault>| may_meet(fault, session.as_ref(), target.password.is_some());
        let mut plan = Plan::of_check(faults.filter(meets), dice, number, &facts);
        suffer(&mut plan, session.as_ref(), refused).await?;
        let stream = connect(settings, target, addresses, &mut plan).await?;
        let password = target.password.as_deref();
        match &settings.probe {
            Probe::Http(probe) => {
                let heard = |headers: &HeaderMap| target.heard(index, headers);
                ask_http(probe, stream, &addresses.to_string(), heard).await?;
            }
            Probe::Tcp(probe) => ask_tcp(probe, stream).await?,
            Probe::Grpc(probe) => ask_grpc(probe, stream, &addresses.to_string()).await?,
            Probe::Postgres(probe) => return ask_postgres(probe, password, stream).await.map(Some),
            Probe::Redis(probe) => return ask_redis(probe, password, stream).await.map(Some),
            Probe::Mysql(probe) => {
                let host = super::dial::host_of(addresses);
                let secure = target.tls.as_ref().map(|tls| (tls, &*host, settings.timeout()));
                return ask_mysql(probe, password, stream, secure).await.map(Some);
            }
        }
        Ok(None)
    }
}

/// What a check has seen: whether the backend is well, and which copy of a database's data it has where that is asked for.
type Seen = Result<Option<Replication>, Trouble>;

async fn connect(
    settings: &HealthSettings,
    target: &Target,
    addresses: &Addresses,
    plan: &mut Plan,
) -> Result<Stream, Trouble> {
    let fail = |error: &dyn std::fmt::Display| Trouble::Connect(error.to_string());
    let dialler = Dialer {
        limit: settings.timeout(),
        most_age: target.settings.dns.at_most(),
    };
    let moved;
    let to = match plan.dial() {
        (faults::Dial::Hang, _) => pending().await,
        (faults::Dial::To(wrong), _) => {
            moved = target.directory.follow(&wrong, Terms::default());
            &moved
        }
        (faults::Dial::Backend, _) => addresses,
    };
    let stream = match settings.port() {
        None => dialler.dial(to, 0).await,
        Some(port) => {
            let known = to.first().await.map_err(|error| fail(&error))?;
            let first = known.first().ok_or_else(|| fail(&"no address"))?;
            let connected = dialler.connect((first.ip(), port).into()).await;
            if connected.is_err() {
                to.doubt();
            }
            connected
        }
    };
    let mut stream = stream.map_err(|error| fail(&error))?;
    match &target.tls {
        None => Ok(stream),
        // TLS begins after the greeting there.
        Some(_) if matches!(settings.probe, Probe::Mysql(_)) => Ok(stream),
        Some(tls) => {
            if matches!(settings.probe, Probe::Postgres(_)) {
                let asked = super::dial::ask_for_tls(&mut stream, settings.timeout()).await;
                asked.map_err(|error| fail(&error.detail))?;
            }
            let host = super::dial::host_of(to);
            tls.connect(stream, &host, settings.timeout())
                .await
                .map_err(|error| fail(&error))
        }
    }
}

fn broken(error: impl std::fmt::Display) -> Trouble {
    Trouble::Broken(error.to_string())
}

async fn ask_http(
    probe: &HttpProbe,
    stream: Stream,
    address: &str,
    heard: impl Fn(&HeaderMap),
) -> Result<(), Trouble> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
    let asking = async {
        let request = probe.request(address).map(|()| Full::<bytes::Bytes>::default());
        let (head, body) = sender.send_request(request).await.map_err(broken)?.into_parts();
        heard(&head.headers);
        let body = if probe.wants_body() {
            let part = Limited::new(body, HttpProbe::MOST_BODY).collect().await;
            part.map_err(broken)?.to_bytes()
        } else {
            bytes::Bytes::new()
        };
        probe.judge(head.status.as_u16(), &body)
    };
    alongside(connection, asking).await
}

async fn ask_grpc(probe: &GrpcProbe, stream: Stream, address: &str) -> Result<(), Trouble> {
    let executor = TokioExecutor::new();
    let (mut sender, connection) = http2::handshake(executor, TokioIo::new(stream))
        .await
        .map_err(broken)?;
    let asking = async {
        let answer = sender
            .send_request(probe.request(address).map(Full::new))
            .await
            .map_err(broken)?;
        let (head, body) = answer.into_parts();
        let body = Limited::new(body, GrpcProbe::MOST)
            .collect()
            .await
            .map_err(broken)?;
        let trailers = body.trailers().cloned().unwrap_or(head.headers);
        probe.judge(head.status.as_u16(), &body.to_bytes(), &trailers)
    };
    alongside(connection, asking).await
}

/// Drives a connection while it is asked.
async fn alongside<T, E: std::fmt::Display>(
    connection: impl Future<Output = Result<(), E>>,
    asking: impl Future<Output = Result<T, Trouble>>,
) -> Result<T, Trouble> {
    let mut asking = std::pin::pin!(asking);
    tokio::select! {
        biased;
        judged = &mut asking => judged,
        ended = connection => match ended {
            Ok(()) => asking.await,
            Err(error) => Err(broken(error)),
        },
    }
}

async fn ask_tcp(probe: &TcpProbe, mut stream: Stream) -> Result<(), Trouble> {
    if !probe.request().is_empty() {
        stream.write_all(probe.request()).await.map_err(broken)?;
    }
    let mut received = Vec::new();
    let mut ended = false;
    loop {
        match probe.judge(&received, ended) {
            Reading::Done(judged) => return judged,
            Reading::More => {}
        }
        let room = TcpProbe::MOST.saturating_sub(received.len());
        let read = (&mut stream)
            .take(room as u64)
            .read_buf(&mut received)
            .await
            .map_err(broken)?;
        ended = read == 0;
    }
}
