//! A request on its way to a backend: who gets it, how often it is tried, and what a failure says about whom.

use std::{cell::RefCell, rc::Rc, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header, request};
use tokio::time::Instant;

use super::{
    body::{Kept, Source},
    client::Client,
    error::{Failure, Reason},
    exchange,
    flow::Shaping,
    headers,
    hop::{Answered, Way},
    http::{Asked, Ending},
    record::{Record, Tried},
};
use crate::{
    faults::{Answer, Cut, Fault, Flow, Leg, Plan},
    route::Facts,
    snapshot::{Route, Target},
    telemetry::{Attempt, events::Event},
    units::Span,
    upstream::{
        Choice, Outcome, OutcomeKind,
        outlier::Verdict,
        retry::{self, Final},
        settings::HostPolicy,
    },
};

/// An attempt that was not, or not yet, the end of it.
struct Missed {
    /// What the client is told if it is not tried again: an answer too, where its status is worth another try.
    instead: Result<Answered, Ending>,
    outcome: Outcome,
    /// Whether the backend may have acted on it.
    sent: bool,
    retry_after: Option<Duration>,
}

/// Sends a request to the backends of its route until one has answered or there is no more to try.
///
/// # Errors
/// What the client is told instead.
pub async fn send(
    asked: &mut Asked<'_>,
    route: &Route,
    head: &mut request::Parts,
    body: Source,
    upgrade: Option<HeaderValue>,
) -> Result<Answered, Ending> {
    let view = asked.view.clone();
    let Some(place) = route.cluster else {
        return Err(Failure::real(Reason::BadConfiguration, &route.settings.cluster).into());
    };
    let target = &view.clusters[place];
    let cluster = &target.cluster;
    if !cluster.admits(view.dice, asked.record.number) {
        return Err(Failure::real(Reason::NotAdmitted, &target.name).into());
    }
    let entered = cluster
        .enter()
        .await
        .map_err(|full| Failure::real(Reason::ClusterFull, full))?;
    asked.record.kept.entered = Some(entered);
    if let Some(protocol) = upgrade {
        head.headers
            .insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
        head.headers.insert(header::UPGRADE, protocol);
    }
    let hash = cluster.hash_key(&Facts {
        head: Some(head),
        ..asked.client.facts()
    });
    if let Some(retry) = &route.retry {
        retry.request();
    }
    let (method, body) = (head.method.clone(), Bodies::new(route, body));
    let mut sending = Sending {
        asked,
        route,
        target,
        place,
        hash,
        method,
        tried: Vec::new(),
        body,
    };
    sending.run(head).await
}

struct Sending<'s, 'a> {
    asked: &'s mut Asked<'a>,
    route: &'s Route,
    target: &'s Arc<Target>,
    place: usize,
    hash: Option<u64>,
    method: Method,
    tried: Vec<usize>,
    body: Bodies,
}

impl Sending<'_, '_> {
    async fn run(&mut self, head: &mut request::Parts) -> Result<Answered, Ending> {
        loop {
            let index = self.pick()?;
            self.tried.push(index);
            self.asked.record.attempts += 1;
            let missed = match self.attempt(index, head).await {
                Ok(answered) => return Ok(answered),
                Err(Course::Missed(missed)) => missed,
                Err(Course::Over(ending)) => return Err(ending),
            };
            let Some(pause) = self.pause(&missed, head) else {
                return missed.instead;
            };
            if !pause.is_zero() {
                tokio::time::sleep(pause).await;
            }
        }
    }

    fn pick(&mut self) -> Result<usize, Ending> {
        let worker = &self.asked.client.worker;
        let turn = worker.turn(self.place);
        if self.tried.is_empty()
            && let Some(cluster) = self.route.cluster
            && let Some(index) = self
                .asked
                .view
                .steered(cluster, &self.method, self.asked.record.number)
        {
            return Ok(index);
        }
        let now = if self.tried.is_empty() {
            self.asked.record.begun
        } else {
            Instant::now()
        };
        let (hash, tried) = (self.hash, &self.tried);
        let picked = worker.draw(|stream| {
            self.target.cluster.pick(&mut Choice {
                now,
                turn,
                hash,
                tried,
                stream,
            })
        });
        match (picked, self.tried.last()) {
            (Ok(index), _) => Ok(index),
            // Where nobody else is left, the one that failed may do better the second time.
            (Err(_), Some(last)) => Ok(*last),
            (Err(none), None) => {
                self.target.lanes.lane(worker.index).without_backend.inc();
                Err(Failure::real(Reason::NoBackend, none).into())
            }
        }
    }

    /// One attempt on one backend, counted however it ends.
    async fn attempt(&mut self, index: usize, head: &mut request::Parts) -> Result<Answered, Course> {
        let backend = self.target.cluster.backends()[index].clone();
        let active = backend.begin();
        self.asked.record.backend = Some(Tried {
            target: self.target.clone(),
            index,
        });
        let result = self.exchange(index, head).await;
        let outcome = match &result {
            Ok(answered) => Outcome::Status(answered.status().as_u16()),
            Err(Course::Missed(missed)) => missed.outcome,
            Err(Course::Over(_)) => return result,
        };
        let worker = &self.asked.client.worker;
        let verdict = self.target.cluster.record(Instant::now(), &active, outcome);
        if let Some(Verdict::Ejected { time, .. }) = verdict {
            worker.shared.events.tell(Event::Ejected {
                cluster: self.target.name.to_string(),
                backend: backend.name().to_owned(),
                lasts: Span(time),
                cause: format!("errors in a row, the last: {}", outcome.kind().word()),
            });
        }
        self.target.backend_lanes[index]
            .lane(worker.index)
            .attempted(attempt_of(outcome));
        self.asked.record.kept.active = Some(active);
        result
    }

    async fn exchange(&mut self, index: usize, head: &mut request::Parts) -> Result<Answered, Course> {
        let client = self.asked.client.clone();
        // What stood before another backend has nothing to do with this one.
        if let Some(mut plan) = self.asked.record.kept.upstream.take() {
            plan.give_back();
            self.asked.record.kept.parted.push(plan);
        }
        let faults = &self.route.upstream[index];
        if self.target.settings.host == Some(HostPolicy::Rewrite) {
            headers::set_host(head, &self.target.addresses[index].to_string());
        }
        if faults.is_empty() {
            return self.hop(index, &mut Plan::none(), head).await;
        }
        let facts = Facts {
            head: Some(head),
            ..client.facts()
        };
        let number = attempt_number(self.asked.record.number, self.asked.record.attempts);
        let mut plan = Plan::roll(faults, self.asked.view.dice, number, &facts);
        // Faults may rewrite what this backend gets; another one gets the request as it was.
        let mut head = head.clone();
        let course = Box::pin(exchange::open(&mut plan, client.worker.held(), Some(&mut head))).await;
        let result = match course {
            exchange::Course::On => self.hop(index, &mut plan, &mut head).await,
            exchange::Course::Answer(answer, fault) => {
                self.injected(index, &mut plan, &mut head, &answer, &fault).await
            }
            exchange::Course::Cut(Cut::Refuse, fault) => Err(missed(&fault, Reason::ConnectRefused, false)),
            exchange::Course::Cut(_, fault) => Err(missed(&fault, Reason::UpstreamReset, true)),
            exchange::Course::Released(fault) => Err(Course::Over(
                Failure::injected(Reason::Injected, fault.name()).into(),
            )),
        };
        self.asked.record.kept.upstream = Some(plan);
        result
    }

    /// A fault answers in the backend's place; health, retries and ejection see it as the backend's own answer.
    async fn injected(
        &mut self,
        index: usize,
        plan: &mut Plan,
        head: &mut request::Parts,
        answer: &Arc<Answer>,
        fault: &Arc<Fault>,
    ) -> Result<Answered, Course> {
        if answer.after {
            // The backend does what it was asked; only its answer is thrown away.
            let _ = self.hop(index, plan, head).await;
        }
        tracing::trace!(
            fault = fault.name(),
            status = answer.status.as_u16(),
            "answered in a backend's place"
        );
        Err(Course::Missed(Missed {
            instead: Err(Ending::Injected(answer.clone())),
            outcome: Outcome::Status(answer.status.as_u16()),
            sent: true,
            retry_after: None,
        }))
    }

    /// Sends it over a connection. One that had been used before and dies without a byte of an answer was most likely
    /// closed by the backend's idle limit: such a request goes out again at once, on a fresh one.
    async fn hop(
        &mut self,
        index: usize,
        plan: &mut Plan,
        head: &mut request::Parts,
    ) -> Result<Answered, Course> {
        let client = self.asked.client.clone();
        let way = Way {
            target: self.target,
            index,
            client: &client,
        };
        let mut fresh = false;
        loop {
            let Some(body) = self.body.next() else {
                return Err(Course::Over(
                    Failure::real(Reason::UpstreamReset, "the body cannot be sent again").into(),
                ));
            };
            let body = self.asked.guard(shaped(plan, head, body));
            let interim = self.asked.interim.clone();
            let tell = move |status: StatusCode, headers: &HeaderMap| {
                if let Some(interim) = &interim {
                    interim.send(status, headers);
                }
            };
            let limit = self.answer_limit();
            let sending = client.worker.hops.send(&way, plan, head, body, tell, fresh);
            let sent = within(&self.asked.record, &client, limit, sending).await;
            let refused = match sent {
                Some(Ok(answered)) => return self.judge(answered),
                Some(Err(refused)) => refused,
                None => {
                    let failure =
                        Failure::real(Reason::AnswerTimeout, format!("no answer within {}", Span(limit)));
                    return Err(self.refused(failure, true));
                }
            };
            let returned = refused.body.is_some();
            if let Some(body) = refused.body {
                self.body.put_back(body.into_source());
            }
            let again = refused.stale && !fresh && head.method.is_idempotent();
            if again && (returned || self.body.can_repeat()) {
                fresh = true;
                continue;
            }
            return Err(self.refused(self.blamed(plan, refused.failure), refused.sent));
        }
    }

    /// A failure, which is a fault's where one has broken the body off.
    fn blamed(&self, plan: &Plan, failure: Failure) -> Failure {
        let is_cut = self
            .asked
            .record
            .upload
            .as_ref()
            .is_some_and(|upload| upload.cut.get());
        match plan.touched().next() {
            Some(fault) if is_cut => Failure::injected(failure.reason, fault.name()),
            _ => failure,
        }
    }

    /// What a failure on the way to a backend means. One of the client's own body is the client's.
    fn refused(&self, failure: Failure, sent: bool) -> Course {
        let blame = self
            .asked
            .record
            .upload
            .as_ref()
            .and_then(|upload| upload.blame.get());
        match (blame, failure.reason.outcome()) {
            (Some(reason), _) => Course::Over(Failure::real(reason, failure.detail).into()),
            (None, Some(outcome)) => Course::Missed(Missed {
                instead: Err(failure.into()),
                outcome,
                sent,
                retry_after: None,
            }),
            (None, None) => Course::Over(failure.into()),
        }
    }

    /// Whether an answer is one that is passed on, or one that is worth another try.
    #[expect(
        clippy::result_large_err,
        reason = "it is the answer; boxing it would cost every request an allocation"
    )]
    fn judge(&self, answered: Answered) -> Result<Answered, Course> {
        let status = answered.status().as_u16();
        if self.route.retry.is_none() || status < 400 {
            return Ok(answered);
        }
        Err(Course::Missed(Missed {
            retry_after: answered.retry_after(),
            instead: Ok(answered),
            outcome: Outcome::Status(status),
            sent: true,
        }))
    }

    fn answer_limit(&self) -> Duration {
        let per_try = self
            .route
            .retry
            .as_ref()
            .and_then(|retry| retry.per_try_timeout());
        let limit = per_try.or(self.route.settings.answer_timeout.map(Duration::from));
        limit.unwrap_or_else(|| self.target.settings.answer_timeout())
    }

    /// How long to wait before trying again; `None`: it is not tried again.
    fn pause(&mut self, missed: &Missed, head: &request::Parts) -> Option<Duration> {
        let retry = self.route.retry.as_ref()?;
        let failure = retry::Failure {
            attempts: self.asked.record.attempts,
            outcome: missed.outcome,
            method: &head.method,
            may_have_run: missed.sent,
            replayable: self.body.can_repeat(),
            answering: false,
            retry_after: missed.retry_after,
        };
        let worker = &self.asked.client.worker;
        match worker.draw(|stream| retry.decide(Instant::now(), &failure, stream)) {
            Ok(pause) => Some(pause),
            Err(why) => {
                if why == Final::Budget {
                    self.target.lanes.lane(worker.index).retries_denied.inc();
                }
                None
            }
        }
    }
}

/// The number by which faults of the upstream leg know an attempt: were it the exchange's own, every retry would share the
/// fate of the first.
pub const fn attempt_number(exchange: u64, attempt: u32) -> u64 {
    exchange ^ ((attempt.saturating_sub(1) as u64) << ATTEMPTS_FROM)
}

/// The bit from which attempts are counted: above it a worker numbers no exchanges in practice, below the next worker's.
const ATTEMPTS_FROM: u32 = 40;

/// A body under the faults of the upstream leg.
fn shaped(plan: &mut Plan, head: &mut request::Parts, body: Source) -> Source {
    if plan.is_empty() || http_body::Body::is_end_stream(&body) {
        return body;
    }
    match plan.flow(Flow::Request, Instant::now()) {
        None => body,
        Some(chain) => {
            head.headers.remove(header::CONTENT_LENGTH);
            // What breaks off here breaks off the attempt, not the client.
            body.shaped(Shaping::new(chain), Leg::Upstream, |_| {})
        }
    }
}

/// How an attempt did not give an answer to pass on.
enum Course {
    Missed(Missed),
    Over(Ending),
}

fn missed(fault: &Arc<Fault>, reason: Reason, sent: bool) -> Course {
    let outcome = reason.outcome().unwrap_or(Outcome::Reset);
    let instead = Err(Failure::injected(reason, fault.name()).into());
    Course::Missed(Missed {
        instead,
        outcome,
        sent,
        retry_after: None,
    })
}

/// Waits for the head of an answer. The time counts anew while the request's body is still moving: a large upload is not
/// a slow backend.
async fn within<F: Future>(
    record: &Record,
    client: &Rc<Client>,
    limit: Duration,
    sending: F,
) -> Option<F::Output> {
    let moved = || record.upload.as_ref().map_or(0, |upload| upload.bytes.get());
    let mut sending = std::pin::pin!(sending);
    let mut before = moved();
    loop {
        match client
            .worker
            .deadlines
            .within(Some(limit), sending.as_mut())
            .await
        {
            Ok(sent) => return Some(sent),
            Err(_) if moved() != before => before = moved(),
            Err(_) => return None,
        }
    }
}

/// A request's body, for as many attempts as it can be sent.
enum Bodies {
    Empty,
    Whole(Bytes),
    Kept(Rc<RefCell<Kept>>),
    Once(Option<Source>),
}

impl Bodies {
    fn new(route: &Route, body: Source) -> Self {
        match (body, &route.retry) {
            (Source::Empty, _) => Self::Empty,
            (Source::Whole(bytes), _) => Self::Whole(bytes),
            (Source::H1(incoming), retry) => match (incoming.buffered(), retry) {
                (Some(bytes), _) => Self::Whole(bytes),
                (None, Some(retry)) => {
                    Self::Kept(Kept::new(Source::H1(incoming), retry.largest_body() as u64))
                }
                (None, None) => Self::Once(Some(Source::H1(incoming))),
            },
            (body, Some(retry)) => Self::Kept(Kept::new(body, retry.largest_body() as u64)),
            (body, None) => Self::Once(Some(body)),
        }
    }

    fn next(&mut self) -> Option<Source> {
        match self {
            Self::Empty => Some(Source::Empty),
            Self::Whole(bytes) => Some(Source::Whole(bytes.clone())),
            Self::Kept(kept) => kept.borrow().can_repeat().then(|| Source::Kept(kept.clone(), 0)),
            Self::Once(body) => body.take(),
        }
    }

    fn can_repeat(&self) -> bool {
        match self {
            Self::Empty | Self::Whole(_) => true,
            Self::Kept(kept) => kept.borrow().can_repeat(),
            Self::Once(body) => body.is_some(),
        }
    }

    /// A body of which nothing was read.
    fn put_back(&mut self, body: Source) {
        if let Self::Once(empty) = self {
            *empty = Some(body);
        }
    }
}

/// The word by which an attempt that ended so is counted.
pub const fn attempt_of(outcome: Outcome) -> Attempt {
    match outcome.kind() {
        OutcomeKind::Ok => Attempt::Ok,
        OutcomeKind::Error => Attempt::ServerError,
        OutcomeKind::Connect => Attempt::Connect,
        OutcomeKind::Refused => Attempt::Refused,
        OutcomeKind::Reset => Attempt::Reset,
        OutcomeKind::Timeout => Attempt::Timeout,
        OutcomeKind::Garbage => Attempt::Garbage,
    }
}
