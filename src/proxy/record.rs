//! What one request has been through. It is recorded once, when its answer has ended: in the counters, and in the access
//! log where there is one. What the request holds of limits and faults is given back at the same moment.

use std::{rc::Rc, sync::Arc};

use http::{Method, StatusCode, Uri, request};
use tokio::time::Instant;

use super::{
    body::{BodyError, Progress, Tally},
    client::Client,
    error::{Failure, Origin, Reason},
    hop::Stretch,
    relay::Parted,
};
use crate::{
    faults::{Fault, Plan},
    snapshot::Listener,
    telemetry::{access, metrics},
    upstream::{Active, Backend, Entered},
};

/// What one request has been through.
pub struct Record {
    /// Whose it is.
    pub client: Rc<Client>,
    /// Where it came in.
    pub listener: Arc<Listener>,
    /// The number by which faults know it.
    pub number: u64,
    /// When its head was there.
    pub begun: Instant,
    /// How its body comes along; `None` without one.
    pub upload: Option<Rc<Progress>>,
    /// The route it took.
    pub route: Option<usize>,
    /// How often a backend was tried.
    pub attempts: u32,
    /// The backend that was tried last.
    pub backend: Option<Arc<Backend>>,
    /// What it holds until it is over.
    pub kept: Kept,
    status: StatusCode,
    origin: Origin,
    reason: Option<Reason>,
    detail: Option<String>,
    sent: u64,
    complete: bool,
    line: Option<Box<Line>>,
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
}

/// What only the access log wants to know of a request.
struct Line {
    method: Method,
    uri: Uri,
    request_id: Option<http::HeaderValue>,
}

impl Record {
    /// Begins with a request's head.
    pub fn new(client: &Rc<Client>, listener: &Arc<Listener>, head: &request::Parts) -> Box<Self> {
        let line = client.worker.access.is_some().then(|| {
            Box::new(Line {
                method: head.method.clone(),
                uri: head.uri.clone(),
                request_id: None,
            })
        });
        Box::new(Self {
            client: client.clone(),
            listener: listener.clone(),
            number: client.worker.number(),
            begun: Instant::now(),
            upload: None,
            route: None,
            attempts: 0,
            backend: None,
            kept: Kept::default(),
            status: StatusCode::OK,
            origin: Origin::Proxy,
            reason: None,
            detail: None,
            sent: 0,
            complete: false,
            line,
        })
    }

    /// Remembers the number that follows the request through every service's log.
    pub fn follow(&mut self, request_id: Option<&http::HeaderValue>) {
        if let Some(line) = &mut self.line {
            line.request_id = request_id.cloned();
        }
    }

    /// The answer is a backend's, or a fault's.
    pub fn answered(&mut self, status: StatusCode, origin: Origin) {
        self.status = status;
        self.origin = origin;
    }

    /// There is no backend's answer.
    pub fn failed(&mut self, failure: &Failure) {
        self.origin = failure.origin();
        self.reason = Some(failure.reason);
        self.detail = Some(failure.detail.clone());
        self.status = failure.reason.status();
    }

    fn received(&self) -> u64 {
        self.upload.as_ref().map_or(0, |upload| upload.bytes.get())
    }

    /// The faults that really did something to it.
    pub fn faults(&self) -> impl Iterator<Item = &Arc<Fault>> {
        let plans = self.kept.client.iter().chain(&self.kept.upstream);
        plans.flat_map(Plan::touched)
    }
}

impl Record {
    /// The tunnel that it became has ended.
    pub fn tunnelled(&mut self, parted: Parted) {
        self.complete = true;
        self.detail = parted.error;
    }
}

impl Tally for Box<Record> {
    fn sent(&mut self, bytes: usize) {
        self.sent += bytes as u64;
    }

    fn broke(&mut self, error: &BodyError) {
        let (reason, injected) = match error {
            BodyError::Cut(_) => (Reason::Injected, true),
            BodyError::Idle(_) => (Reason::AnswerTimeout, false),
            BodyError::TooSlow => (Reason::RequestTimeout, false),
            _ => (Reason::UpstreamReset, false),
        };
        self.reason = Some(reason);
        self.detail = Some(error.to_string());
        if injected {
            self.origin = Origin::Injected;
        }
        if let (Some(backend), Some(outcome), false) = (&self.backend, reason.outcome(), injected) {
            backend.record(Instant::now(), outcome);
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
            self.reason = Some(Reason::ClientGone);
        }
        let took = self.begun.elapsed();
        let route = self.route.map(|route| &self.listener.routes[route]);
        self.client.worker.shard.request(&metrics::Request {
            listener: &self.listener.metrics,
            route: route.map(|route| &route.metrics),
            backend: self.backend.as_deref(),
            status: self.status.as_u16(),
            origin: self.origin,
            attempts: self.attempts,
            received: self.received(),
            sent: self.sent,
            took,
        });
        for fault in self.faults() {
            self.client.worker.shard.fault(fault.name());
        }
        let (Some(line), Some(access)) = (self.line.take(), &self.client.worker.access) else { return };
        access.write(&access::Line {
            client: self.client.peer,
            listener: &self.listener.name,
            route: route.map(|route| &*route.name),
            method: line.method.as_str(),
            target: &line.uri,
            status: self.status.as_u16(),
            received: self.received(),
            sent: self.sent,
            took,
            backend: self.backend.as_ref().map(|backend| backend.name()),
            attempts: self.attempts,
            origin: self.origin,
            reason: self.reason,
            detail: self.detail.as_deref(),
            faults: &mut self.faults().map(|fault| fault.name()),
            request_id: line.request_id.as_ref(),
        });
    }
}
