//! What one request has been through. It is recorded once, when its answer has ended: in the counters, and in the access
//! log where there is one. What the request holds of limits and faults is given back at the same moment.

use std::{rc::Rc, sync::Arc};

use http::{Method, StatusCode, Uri, request};
use tokio::time::Instant;

use super::{
    body::{BodyError, Source},
    client::Client,
    download::Tally,
    error::{Failure, Reason, has_failed},
    follow::{Following, Subject},
    headers::X_REQUEST_ID,
    hop::Stretch,
    lent::Lender,
    parting::Parted,
    upload::Progress,
    worker::View,
};
use crate::{
    faults::{Fault, Leg, Plan},
    route::Facts,
    snapshot::{Listener, Target},
    telemetry::{Class, Origin, access, method_place},
    upstream::{Active, Backend, Entered, Outcome},
};

/// What one request has been through.
pub struct Record {
    /// Whose it is.
    pub client: Rc<Client>,
    /// The truth that it keeps to its end.
    pub view: View,
    /// Where it came in.
    pub listener: Arc<Listener>,
    /// The number by which faults know it.
    pub number: u64,
    /// When its head was there.
    pub begun: Instant,
    /// How its body comes along; `None` without one.
    pub upload: Option<Rc<Progress>>,
    /// The length of a body that was here whole, and needed no watching.
    pub whole: u64,
    /// The route it took.
    pub route: Option<usize>,
    /// How often a backend was tried.
    pub attempts: u32,
    /// The backend that was tried last.
    pub backend: Option<Tried>,
    /// What it holds until it is over.
    pub kept: Kept,
    /// What came while it stood.
    pub following: Following,
    method: usize,
    is_monitoring: bool,
    /// `None`: there is no answer.
    status: Option<StatusCode>,
    origin: Origin,
    reason: Option<Reason>,
    sent: u64,
    complete: bool,
    line: Option<Box<Line>>,
}

/// A backend that was tried.
#[derive(Clone)]
pub struct Tried {
    /// Its cluster.
    pub target: Arc<Target>,
    /// Its place in it.
    pub index: usize,
}

impl Tried {
    /// The backend.
    pub fn backend(&self) -> &Arc<Backend> {
        &self.target.cluster.backends()[self.index]
    }
}

/// What an exchange holds until it is over.
#[derive(Default)]
pub struct Kept {
    /// Its faults on the client's leg.
    pub client: Option<Plan>,
    /// Its faults on the upstream leg.
    pub upstream: Option<Plan>,
    /// Its place in the cluster.
    pub entered: Option<Entered>,
    /// Its place at the backend.
    pub active: Option<Active>,
    /// Its place on an HTTP/2 connection.
    pub stretch: Option<Stretch>,
    /// Faults that it has behind it: those of attempts that failed, and those of the tunnel that it was.
    pub parted: Vec<Plan>,
    /// Those that are away with what is under way.
    pub lender: Lender,
}

/// What only the access log wants to know of a request.
struct Line {
    method: Method,
    uri: Uri,
    request_id: Option<http::HeaderValue>,
}

impl Record {
    /// Begins with a request's head.
    pub fn new(
        client: &Rc<Client>,
        view: &View,
        listener: &Arc<Listener>,
        head: &request::Parts,
    ) -> Box<Self> {
        let line = client.worker.pen.is_some().then(|| {
            Box::new(Line {
                method: head.method.clone(),
                uri: head.uri.clone(),
                request_id: None,
            })
        });
        Box::new(Self {
            client: client.clone(),
            view: view.clone(),
            listener: listener.clone(),
            number: client.worker.number(),
            begun: Instant::now(),
            upload: None,
            whole: 0,
            route: None,
            attempts: 0,
            backend: None,
            kept: Kept::default(),
            following: Following::new(view.generation),
            method: method_place(head.method.as_str()),
            is_monitoring: view.is_monitoring(&Facts {
                head: Some(head),
                ..client.facts()
            }),
            status: None,
            origin: Origin::Proxy,
            reason: None,
            sent: 0,
            complete: false,
            line,
        })
    }

    /// Remembers the number that follows the request through every service's log.
    pub fn follow(&mut self, headers: &http::HeaderMap) {
        if let Some(line) = &mut self.line {
            line.request_id = headers.get(&X_REQUEST_ID).cloned();
        }
    }

    /// The answer is a backend's, or a fault's.
    pub fn answered(&mut self, status: StatusCode, origin: Origin) {
        self.status = Some(status);
        self.origin = origin;
    }

    /// There is no backend's answer.
    pub fn failed(&mut self, failure: &Failure) {
        self.origin = failure.origin();
        self.reason = Some(failure.reason);
        self.status = Some(failure.reason.status());
    }

    fn received(&self) -> u64 {
        self.upload
            .as_ref()
            .map_or(self.whole, |upload| upload.bytes.get())
    }

    /// The connection was cut: there is no answer.
    pub fn cut(&mut self) {
        self.origin = Origin::Injected;
        self.reason = Some(Reason::Injected);
        self.status = None;
    }

    /// The faults that really did something to it.
    pub fn faults(&self) -> impl Iterator<Item = &Arc<Fault>> {
        let fresh = self.following.plans().map(|fresh| &fresh.plan);
        self.plans().chain(fresh).flat_map(Plan::touched)
    }

    fn plans(&self) -> impl Iterator<Item = &Plan> {
        let kept = &self.kept;
        kept.client.iter().chain(&kept.upstream).chain(&kept.parted)
    }

    /// Looks which faults have come since it began; gives the place of the first new plan.
    fn look(&mut self, head: Option<&request::Parts>) -> usize {
        let (Some(route), client) = (self.route, &self.client) else {
            return 0;
        };
        let subject = Subject {
            client,
            route: &self.listener.routes[route],
            backend: self.backend.as_ref().map(|tried| (&*tried.target, tried.index)),
            number: self.number,
            attempts: self.attempts,
        };
        self.following.look(&subject, head)
    }

    /// Looks which faults have come while an answer is awaited, puts them around the request's body, and says whether it looked.
    pub fn keep_up(&mut self, head: &request::Parts) -> bool {
        let is_behind = self.following.is_behind(&self.client);
        if is_behind {
            let first = self.look(Some(head));
            self.cover_upload(first);
        }
        is_behind
    }

    fn cover_upload(&mut self, first: usize) {
        if let Some(upload) = &self.upload {
            self.following.cover_upload(first, upload, &self.client);
        }
    }
}

impl Record {
    /// The tunnel that it became has ended.
    pub fn tunnelled(&mut self, parted: Parted) {
        self.complete = true;
        self.kept.parted.extend(parted.plans);
    }
}

impl Tally for Box<Record> {
    fn sent(&mut self, bytes: usize) {
        self.sent += bytes as u64;
    }

    fn is_behind(&self) -> bool {
        self.following.is_behind(&self.client)
    }

    fn catch_up(&mut self, source: &mut Source) {
        let first = self.look(None);
        self.cover_upload(first);
        self.following.cover_reply(first, source, &self.client);
    }

    fn broke(&mut self, error: &BodyError) {
        let cut = self.backend.as_ref().and_then(|tried| {
            let standing = &self.client.worker.hops.standing;
            standing.cut_since(tried.target.backend_id(tried.index), self.begun)
        });
        let (reason, injected) = match error {
            BodyError::Cut(_) => (Reason::Injected, true),
            BodyError::Source(_) if cut.is_some() => (Reason::Injected, true),
            BodyError::Idle(_) => (Reason::AnswerTimeout, false),
            BodyError::TooSlow => (Reason::RequestTimeout, false),
            _ => (Reason::UpstreamReset, false),
        };
        self.reason = Some(reason);
        if injected {
            self.origin = Origin::Injected;
        }
        // What breaks on the upstream leg speaks against the backend, whoever broke it.
        let outcome = match error {
            BodyError::Cut(Leg::Client) => None,
            _ if injected => Some(Outcome::Reset),
            _ => reason.outcome(),
        };
        if let (Some(tried), Some(outcome), Some(active)) = (&self.backend, outcome, &self.kept.active) {
            // An ejection that follows shows in the backend's own state; the answer that broke off is over.
            let _ = tried.target.record(tried.index, Instant::now(), active, outcome);
        }
    }

    fn ended(&mut self) {
        self.complete = true;
        // What the exchange held of its backend is free as soon as the backend is done with it.
        self.kept.active = None;
        self.kept.stretch = None;
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        if !self.complete && self.reason.is_none() {
            self.gone();
        }
        self.count();
        if self.line.is_some() {
            self.write_line();
        }
    }
}

impl Record {
    /// The client went. Where it got no answer and faults had their hands on it, it went because of them.
    fn gone(&mut self) {
        self.reason = Some(Reason::ClientGone);
        let returned = self.kept.lender.returned();
        self.kept.parted.extend(returned);
        if self.status.is_none() && self.faults().next().is_some() {
            self.origin = Origin::Injected;
        }
    }

    fn count(&self) {
        let worker = self.client.worker.index;
        let routed = self.route.map(|place| &self.listener.routes[place]);
        let metrics = routed.map_or(&self.listener.no_route, |route| &route.metrics);
        let class = self
            .status
            .map_or(Class::None, |status| Class::of(status.as_u16()));
        let lane = metrics.lane(worker, self.backend.as_ref().map(|backend| backend.index));
        lane.answered(class, self.origin);
        if self.origin == Origin::Injected && self.reason.is_some_and(|reason| reason != Reason::Injected) {
            lane.posed(class);
        }
        if let Some(backend) = &self.backend {
            let lane = backend.target.lanes.lane(worker);
            let took = self.begun.elapsed();
            lane.duration.observe(took);
            if self.view.blind && self.complete && self.origin == Origin::Upstream {
                lane.usual.note(took);
            }
            lane.retries.add(u64::from(self.attempts.saturating_sub(1)));
        }
        let failed = self
            .status
            .is_none_or(|status| has_failed(status, self.origin, self.reason));
        let failed = failed.then_some(self.origin);
        let metrics = &self.client.worker.shared.metrics;
        if let Some(status) = self.status {
            metrics.refusals.lane(worker).answered(status.as_u16());
        }
        let method = match self.is_monitoring {
            true => metrics.monitors.lane(worker),
            false => metrics.methods[self.method].lane(worker),
        };
        method.ended(self.attempts, failed);
        if self.reason == Some(Reason::NotAdmitted) {
            method.turned_away.inc();
        }
        let first = self.plans().map(|plan| (&self.view, plan));
        let fresh = self.following.plans().map(|fresh| (&fresh.view, &fresh.plan));
        for (view, plan) in first.chain(fresh) {
            for fault in plan.touched() {
                view.count_hit(fault.name(), worker);
            }
        }
    }

    fn write_line(&mut self) {
        let (Some(line), Some(pen)) = (self.line.take(), &self.client.worker.pen) else {
            return;
        };
        let routed = self.route.map(|place| &*self.listener.routes[place].name);
        pen.write(access::Entry {
            client: self.client.peer,
            listener: &self.listener.name,
            route: routed,
            method: Some(line.method.as_str()),
            path: line.uri.path_and_query().map(|target| target.as_str().as_bytes()),
            status: self.status.map(|status| status.as_u16()),
            received: self.received(),
            sent: self.sent,
            duration: self.begun.elapsed(),
            backend: self.backend.as_ref().map(|tried| tried.backend().name()),
            attempts: self.attempts,
            origin: self.origin,
            faults: &mut self.faults().map(|fault| fault.name()),
            reason: self.reason.map(Reason::as_str),
            request_id: line.request_id.as_ref().map(http::HeaderValue::as_bytes),
            blind: self.view.blind,
        });
    }
}
