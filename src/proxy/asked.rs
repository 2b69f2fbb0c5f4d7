//! A request on its way, and how it ends where no backend answers it.

use std::{rc::Rc, sync::Arc, time::Duration};

use http::{Method, request};

use super::{
    body::Source,
    client::Client,
    error::{Failure, Reason},
    exchange::Course,
    idle::Idle,
    record::Record,
    upload::{Guard, Upload},
    worker::View,
};
use crate::{
    faults::{Answer, Cut},
    route,
    snapshot::{Listener, Route},
    wire::http1::Interim,
};

/// A request on its way.
pub struct Asked<'a> {
    /// Whose it is.
    pub client: &'a Rc<Client>,
    /// The truth that it keeps to its end.
    pub view: &'a View,
    /// Where it came in.
    pub listener: &'a Arc<Listener>,
    /// What it has been through.
    pub record: Box<Record>,
    /// Sends 1xx heads to the client; `None` on HTTP/2, where hyper cannot.
    pub interim: Option<Interim>,
    /// Whether it waits for gRPC's kind of answer.
    pub to_grpc: bool,
    /// Whether it asks for a head alone.
    pub to_head: bool,
}

impl<'a> Asked<'a> {
    /// A request of which the head is there.
    pub fn new(
        client: &'a Rc<Client>,
        (view, listener): &'a (View, Arc<Listener>),
        head: &request::Parts,
        interim: Option<Interim>,
    ) -> Self {
        Self {
            client,
            view,
            listener,
            record: Record::new(client, view, listener, head),
            interim,
            to_grpc: route::is_grpc(head),
            to_head: head.method == Method::HEAD,
        }
    }

    /// Watches a body that has yet to come.
    pub fn guard(&mut self, body: Source) -> Upload {
        if let Source::Empty | Source::Whole(_) = body {
            self.record.whole = body.exact_len().unwrap_or(0);
            return Upload::unguarded(body);
        }
        let settings = &self.listener.settings;
        let progress = self.record.upload.get_or_insert_default().clone();
        // Another attempt reads it from the beginning.
        progress.bytes.set(0);
        progress.cut.set(false);
        let limit = settings.limits.body.0.map_or(u64::MAX, |size| size.0);
        let idle = settings
            .timeouts
            .client_body_idle
            .0
            .map(|limit| Idle::new(&self.client.worker.deadlines, limit.into()));
        Upload::guarded(body, Guard::new(progress, limit, idle))
    }

    /// How long the answer on a route may stand still.
    pub fn idle(&self, route: &Route) -> Option<Idle> {
        let target = &self.view.clusters[route.cluster?];
        let limit = route
            .settings
            .idle_timeout
            .map_or_else(|| target.settings.idle_timeout(), Duration::from);
        Some(Idle::new(&self.client.worker.deadlines, limit))
    }

    /// Whether the rest of the request will not come, or is not wanted: its connection cannot go on.
    pub fn is_half_read(&self, reason: Reason) -> bool {
        self.interim.is_some()
            && matches!(
                reason,
                Reason::ClientTimeout | Reason::ClientGone | Reason::BodyTooLarge | Reason::BadRequest
            )
    }
}

/// How a request ends without a backend's answer.
pub enum Ending {
    /// It failed.
    Failed(Failure),
    /// A fault answers.
    Injected(Arc<Answer>),
    /// A fault ends the connection.
    Cut(Cut),
}

impl From<Failure> for Ending {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl Ending {
    /// How a request ends that a fault does not let go on.
    pub fn of(course: Course) -> Self {
        match course {
            Course::Answer(answer, _) => Self::Injected(answer),
            Course::Cut(cut, _) => Self::Cut(cut),
            Course::Released(fault) => Failure::injected(Reason::Injected, fault.name()).into(),
            Course::On => Failure::real(Reason::NoBackend, "nothing ended it").into(),
        }
    }
}
