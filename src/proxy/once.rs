//! One attempt of a request at one backend: the faults of the upstream leg, a connection, an answer or what a failure says
//! about whom.

use std::{future::poll_fn, pin::Pin, rc::Rc, sync::Arc, task::Poll, time::Duration};

use http::{HeaderMap, Method, StatusCode, header, request};
use tokio::time::Instant;

use super::{
    asked::{Asked, Ending},
    attempt::attempt_number,
    bodies::Bodies,
    body::Source,
    client::Client,
    cover,
    dial::Way,
    due::{self, Struck},
    error::{Failure, Reason},
    exchange, headers,
    hop::Answered,
    record::Record,
};
use crate::{
    faults::{Answer, Cut, Fault, Flow, Leg, Plan},
    route::Facts,
    snapshot::{Route, Target},
    units::Span,
    upstream::{Outcome, settings::HostPolicy},
};

/// A request that is being sent.
pub struct Sending<'s, 'a> {
    /// What is sent.
    pub asked: &'s mut Asked<'a>,
    /// The route that it takes.
    pub route: &'s Route,
    /// The cluster.
    pub target: &'s Arc<Target>,
    /// The cluster's place in the snapshot.
    pub place: usize,
    /// What its backend is chosen by, where the cluster chooses by a hash.
    pub hash: Option<u64>,
    /// Its method.
    pub method: Method,
    /// The backends that were tried.
    pub tried: Vec<usize>,
    /// Its body.
    pub body: Bodies,
}

/// How an attempt did not give an answer to pass on.
pub enum Course {
    /// Another one may.
    Missed(Missed),
    /// No other one will.
    Over(Ending),
}

/// An attempt that was not, or not yet, the end of it.
pub struct Missed {
    /// What the client is told if it is not tried again: an answer too, where its status is worth another try.
    pub instead: Result<Answered, Ending>,
    /// What it says of the backend.
    pub outcome: Outcome,
    /// Whether the backend may have acted on it.
    pub sent: bool,
    /// How long the backend asks to be left alone.
    pub retry_after: Option<Duration>,
}

impl Sending<'_, '_> {
    /// Sends it to one backend, past the faults of the way there.
    pub async fn exchange(&mut self, index: usize, head: &mut request::Parts) -> Result<Answered, Course> {
        let client = self.asked.client;
        // What stood before another backend has nothing to do with this one.
        if let Some(mut plan) = self.asked.record.kept.upstream.take() {
            plan.give_back();
            self.asked.record.kept.parted.push(plan);
        }
        let faults = &self.route.upstream[index];
        let record = &mut self.asked.record;
        if record.attempts > 1 {
            record
                .kept
                .parted
                .extend(record.following.another_backend(faults));
        }
        if self.target.settings.host == Some(HostPolicy::Rewrite) {
            headers::set_host(head, &self.target.addresses[index].to_string());
        }
        let mut plan = Plan::none();
        if !faults.is_empty() {
            let facts = Facts {
                head: Some(head),
                ..client.facts()
            };
            let number = attempt_number(self.asked.record.number, self.asked.record.attempts);
            plan = Plan::roll(faults.sift(&facts), self.asked.view.dice, number, &facts);
        }
        if plan.is_empty() {
            return self.hop(index, &mut plan, head).await;
        }
        // In a box: what is not suffered takes no room in a request.
        Box::pin(self.suffer(index, plan, head)).await
    }

    /// Sends it to one backend under the faults of the way there.
    async fn suffer(&mut self, index: usize, plan: Plan, head: &request::Parts) -> Result<Answered, Course> {
        let mut plan = self.asked.record.kept.lender.lend(plan);
        // Faults may rewrite what this backend gets; another one gets the request as it was.
        let mut head = head.clone();
        let worker = self.asked.client.worker.clone();
        let course = exchange::open(&mut plan, worker.held(), Some(&mut head)).await;
        let result = match course {
            exchange::Course::On => {
                let now = Instant::now();
                plan.begin_flows(now);
                let due = plan.due(now);
                let sent = due::race(Leg::Upstream, due, self.hop(index, &mut plan, &mut head)).await;
                match sent {
                    Ok(sent) => sent,
                    Err(struck) => Err(struck.into()),
                }
            }
            exchange::Course::Answer(answer, fault) => {
                self.injected(index, &mut plan, &mut head, &answer, &fault).await
            }
            exchange::Course::Cut(Cut::Refuse, fault) => Err(missed(&fault, Reason::ConnectRefused, false)),
            exchange::Course::Cut(_, fault) => Err(missed(&fault, Reason::UpstreamReset, true)),
            exchange::Course::Released(fault) => Err(Course::Over(
                Failure::injected(Reason::Injected, fault.name()).into(),
            )),
        };
        self.asked.record.kept.upstream = Some(plan.done());
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
        if !self.asked.view.blind {
            tracing::trace!(
                fault = fault.name(),
                status = answer.status.as_u16(),
                "answered in a backend's place"
            );
        }
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
        let client = self.asked.client;
        let way = Way {
            target: self.target,
            index,
            number: self.asked.record.number,
            ends: client.ends(),
            dialect: None,
        };
        let mut fresh = false;
        let promised = !plan.is_empty() && cover::is_promised(&head.headers);
        loop {
            let Some(body) = self.body.take() else {
                return Err(Course::Over(
                    Failure::real(Reason::UpstreamReset, "the body cannot be sent again").into(),
                ));
            };
            let mut body = shaped(plan, head, body, promised, client);
            let following = &mut self.asked.record.following;
            if following.plans().next().is_some() {
                head.headers.remove(header::CONTENT_LENGTH);
                following.cover_request(&mut body, client);
            }
            let body = self.asked.guard(body);
            let interim = self.asked.interim.clone();
            let tell = move |status: StatusCode, headers: &HeaderMap| {
                if let Some(interim) = &interim {
                    interim.send(status, headers);
                }
            };
            let limit = self.answer_limit();
            let sent = {
                let sending = client.worker.hops.send(&way, plan, head, body, tell, fresh);
                // Pinned here and not handed over: a future that is moved into another one takes its room twice.
                let sending = std::pin::pin!(sending);
                within(&mut self.asked.record, head, limit, sending).await
            };
            let refused = match sent {
                Ok(Some(Ok(answered))) => {
                    self.target.heard(index, answered.headers());
                    return self.judge(answered);
                }
                Ok(Some(Err(refused))) => refused,
                Ok(None) => {
                    let failure =
                        Failure::real(Reason::AnswerTimeout, format!("no answer within {}", Span(limit)));
                    return Err(self.refused(failure, true));
                }
                Err(struck) => return Err(struck.into()),
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
}

/// A body under the faults of the upstream leg.
fn shaped(
    plan: &mut Plan,
    head: &mut request::Parts,
    body: Source,
    promised: bool,
    client: &Rc<Client>,
) -> Source {
    if plan.is_empty() || (http_body::Body::is_end_stream(&body) && !promised) {
        return body;
    }
    match plan.flow(Flow::Request, Instant::now()) {
        None => body,
        Some(chain) => {
            head.headers.remove(header::CONTENT_LENGTH);
            body.shaped(cover::of_request(chain, Leg::Upstream, client))
        }
    }
}

impl From<Struck> for Course {
    fn from(struck: Struck) -> Self {
        match struck.leg {
            Leg::Client => Self::Over(Ending::Cut(struck.cut)),
            Leg::Upstream => missed(&struck.fault, Reason::UpstreamReset, true),
        }
    }
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
/// a slow backend. Faults that come meanwhile meet what has yet to come of the body, or end it where nothing comes.
async fn within<F: Future>(
    record: &mut Record,
    head: &request::Parts,
    limit: Duration,
    mut sending: Pin<&mut F>,
) -> Result<Option<F::Output>, Struck> {
    let deadlines = record.client.worker.deadlines.clone();
    let upload = record.upload.clone();
    let moved = || upload.as_ref().map_or(0, |upload| upload.bytes.get());
    let mut before = moved();
    let mut striking = record.following.strike();
    loop {
        let following = poll_fn(|cx| {
            if record.keep_up(head) {
                striking = record.following.strike();
            }
            if let Some(striking) = &mut striking
                && let Poll::Ready(struck) = striking.as_mut().poll(cx)
            {
                return Poll::Ready(Err(struck));
            }
            sending.as_mut().poll(cx).map(Ok)
        });
        match deadlines.within(Some(limit), following).await {
            Ok(sent) => return sent.map(Some),
            Err(_) if moved() != before => before = moved(),
            Err(_) => return Ok(None),
        }
    }
}
