//! One HTTP request from its head to its answer: route, faults of the client's leg, backend, faults again.

use std::{rc::Rc, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Request, Response, StatusCode, Version,
    header::{self, Entry},
    request, response,
};

use super::{
    body::{Download, Guard, Idle, Source, Upload},
    client::{Client, Kind},
    deadline::Deadline,
    error::{Failure, Reason},
    exchange::{self, Course},
    flow::Shaping,
    headers,
    hop::Answered,
    record::Record,
    refusal,
    rt::Local,
    send,
    tunnel::{self, Tunnel},
    worker::View,
};
use crate::{
    config::RequestId,
    faults::{Cut, Flow, Leg, Plan},
    net::{Alpn, Stream},
    route,
    snapshot::{Listener, Route},
    telemetry::Origin,
    wire::http1::{self, End, Flaw, Interim, Phase, Reply, Serving},
};

/// Why the proxy itself answered; switched off by a listener's `headers.reason`.
pub(super) static REASON: http::HeaderName = http::HeaderName::from_static("x-chaosproxy-reason");

/// What becomes of a request.
pub type Outcome = Reply<Download<Box<Record>>, After>;

/// What becomes of a connection that no longer speaks HTTP.
pub enum After {
    /// Bytes pass between the client and a backend.
    Tunnel(Box<Tunnel>),
    /// It is ended.
    Cut(Cut),
}

/// Serves a client connection, in the version of HTTP that it speaks.
pub async fn serve(client: Rc<Client>, mut stream: Stream) {
    let limit = client
        .seen()
        .1
        .settings
        .timeouts
        .client_header
        .0
        .map(Duration::from);
    let http2 = match client.tls.as_ref().map(|tls| tls.alpn) {
        Some(alpn) => alpn == Some(Alpn::Http2),
        None => match client.worker.deadlines.within(limit, stream.speaks_http2()).await {
            Ok(Ok(http2)) => http2,
            _ => return,
        },
    };
    if http2 {
        client.speaks(Kind::Http2);
        serve_h2(client, stream).await;
    } else {
        client.speaks(Kind::Http1);
        serve_h1(client, stream).await;
    }
}

async fn serve_h1(client: Rc<Client>, stream: Stream) {
    let (_, listener) = client.seen();
    let limits = &listener.settings.limits;
    let serving = Serving {
        limits: http1::Limits {
            head: usize::try_from(limits.header_size.0).unwrap_or(usize::MAX),
            fields: limits.headers.get() as usize,
            body: limits.body.0.map_or(u64::MAX, |size| size.0),
            ..http1::Limits::default()
        },
        refuse: if listener.settings.headers.reason {
            refusal::answer
        } else {
            Serving::plain
        },
        ..Serving::default()
    };
    drop(listener);
    let handle = client.h1.clone();
    let service = |request: Request<http1::Incoming>, interim: Interim| {
        answer(client.clone(), request.map(Source::H1), Some(interim))
    };
    let served = http1::serve(stream, &serving, handle, service).await;
    match served.end {
        End::Tunnel(After::Tunnel(tunnel), early) => {
            client.speaks(Kind::Bytes);
            tunnel::run(&client, *tunnel, served.io, early).await;
        }
        End::Abort(After::Cut(Cut::Reset | Cut::Refuse)) => served.io.reset(),
        End::Cut if matches!(client.wanted_cut(), Some(Cut::Reset | Cut::Refuse)) => served.io.reset(),
        End::Refused(flaw) => refusal::record(&client, flaw),
        End::Expired(Phase::Head) => refusal::record(&client, Flaw::Late),
        _ => {}
    }
}

async fn serve_h2(client: Rc<Client>, stream: Stream) {
    let (_, listener) = client.seen();
    let limits = &listener.settings.limits;
    let mut builder = hyper::server::conn::http2::Builder::new(Local);
    builder
        .timer(hyper_util::rt::TokioTimer::new())
        .max_concurrent_streams(limits.streams.get())
        .max_header_list_size(u32::try_from(limits.header_size.0).unwrap_or(u32::MAX))
        .auto_date_header(false);
    drop(listener);
    let service = hyper::service::service_fn(|request: Request<hyper::body::Incoming>| {
        let client = client.clone();
        async move {
            let open = OpenStream::new(client.clone());
            let outcome = answer(client.clone(), request.map(Source::H2), None).await;
            drop(open);
            match outcome {
                Reply::Response(response) => Ok(response),
                Reply::Tunnel(..) => Err(Aborted),
                Reply::Abort(After::Cut(cut)) => {
                    // One stream cannot be reset as a TCP connection can; the stream is.
                    tracing::debug!(peer = %client.peer, ?cut, "stream cut");
                    Err(Aborted)
                }
                Reply::Abort(After::Tunnel(_)) => Err(Aborted),
            }
        }
    });
    let connection = builder.serve_connection(stream, service);
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = client.h2.end.notified() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(peer = %client.peer, %error, "HTTP/2 connection failed");
    }
}

/// Counts a stream while it is open.
struct OpenStream(Rc<Client>);

impl OpenStream {
    fn new(client: Rc<Client>) -> Self {
        client.h2.open.set(client.h2.open.get() + 1);
        client.h2.begun.set(client.h2.begun.get() + 1);
        Self(client)
    }
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        self.0.h2.open.set(self.0.h2.open.get() - 1);
    }
}

/// A stream that gets no answer.
#[derive(Debug, thiserror::Error)]
#[error("the exchange was cut")]
struct Aborted;

/// Answers one request.
async fn answer(client: Rc<Client>, request: Request<Source>, interim: Option<Interim>) -> Outcome {
    let (view, listener) = client.seen();
    let (head, body) = request.into_parts();
    let record = Record::new(&client, &view, &listener, &head);
    let to_grpc = route::is_grpc(&head);
    let mut asked = Asked {
        client: &client,
        view: &view,
        listener: &listener,
        record,
        interim,
        to_grpc,
    };
    let result = match choose(&asked, &head) {
        Ok(place) => asked.pursue(place, head, body).await,
        Err(failure) => Err(Ending::Failed(failure)),
    };
    match result {
        Ok(made) => made.outcome(asked),
        Err(ending) => asked.end(ending),
    }
}

fn choose(asked: &Asked<'_>, head: &request::Parts) -> Result<usize, Failure> {
    let facts = route::Facts {
        head: Some(head),
        ..asked.client.facts()
    };
    asked
        .listener
        .table
        .find(&facts)
        .ok_or_else(|| Failure::real(Reason::NoRoute, head.uri.path()))
}

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
    to_grpc: bool,
}

/// What a backend made of a request.
enum Made {
    Response {
        head: response::Parts,
        body: Source,
        idle: Option<Idle>,
        whole: Option<Deadline>,
    },
    Tunnel {
        response: Response<()>,
        upstream: Stream,
        early: Bytes,
        idle: Duration,
        plans: [Plan; 2],
    },
}

impl Made {
    /// Hands the record over to the answer's body, or to the tunnel: the exchange is over when they are.
    fn outcome(self, asked: Asked<'_>) -> Outcome {
        let record = asked.record;
        match self {
            Self::Response {
                head,
                body,
                idle,
                whole,
            } => {
                let idle = idle.filter(|_| !http_body::Body::is_end_stream(&body));
                Reply::Response(Response::from_parts(
                    head,
                    Download::new(body, idle, whole, record),
                ))
            }
            Self::Tunnel {
                response,
                upstream,
                early,
                idle,
                plans,
            } => {
                let tunnel = Tunnel {
                    upstream,
                    early,
                    idle,
                    record,
                    plans,
                };
                Reply::Tunnel(response, After::Tunnel(Box::new(tunnel)))
            }
        }
    }
}

/// How a request ends without a backend's answer.
pub enum Ending {
    /// It failed.
    Failed(Failure),
    /// A fault answers.
    Injected(Arc<crate::faults::Answer>),
    /// A fault ends the connection.
    Cut(Cut),
}

impl From<Failure> for Ending {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

/// How a request ends that a fault does not let go on.
fn ending(course: Course) -> Ending {
    match course {
        Course::Answer(answer, _) => Ending::Injected(answer),
        Course::Cut(cut, _) => Ending::Cut(cut),
        Course::Released(fault) => Failure::injected(Reason::Injected, fault.name()).into(),
        Course::On => Failure::real(Reason::NoBackend, "nothing ended it").into(),
    }
}

impl Asked<'_> {
    /// Takes the route: faults of the client's leg, a backend, faults again.
    async fn pursue(&mut self, place: usize, mut head: request::Parts, body: Source) -> Result<Made, Ending> {
        let listener = self.listener.clone();
        let route = &listener.routes[place];
        self.record.route = Some(place);
        let mut plan = Plan::none();
        if !route.faults.is_empty() {
            let facts = route::Facts {
                head: Some(&head),
                ..self.client.facts()
            };
            plan = Plan::roll(&route.faults, self.view.dice, self.record.number, &facts);
        }
        if !plan.is_empty() {
            let course = Box::pin(exchange::open(
                &mut plan,
                self.client.worker.held(),
                Some(&mut head),
            ))
            .await;
            let result = self.open(course, route, &mut head, body, &mut plan).await;
            self.record.kept.client = Some(plan);
            return result;
        }
        self.send(route, &mut head, body, &mut plan).await
    }

    /// Carries out what the client's leg has decided.
    async fn open(
        &mut self,
        course: Course,
        route: &Route,
        head: &mut request::Parts,
        body: Source,
        plan: &mut Plan,
    ) -> Result<Made, Ending> {
        match course {
            Course::On => self.send(route, head, body, plan).await,
            Course::Answer(answer, _) if answer.after => {
                // The backend does what it was asked; only its answer is thrown away.
                let _ = self.send(route, head, body, &mut Plan::none()).await;
                Err(Ending::Injected(answer))
            }
            course => Err(ending(course)),
        }
    }

    async fn send(
        &mut self,
        route: &Route,
        head: &mut request::Parts,
        body: Source,
        plan: &mut Plan,
    ) -> Result<Made, Ending> {
        let upgrade = self.prepare(route, head);
        let body = self.upload(head, body, plan)?;
        let limit = route
            .settings
            .timeout
            .or(self.listener.settings.timeouts.request.0)
            .map(Duration::from);
        let whole = limit.map(|limit| {
            let slot = self.client.worker.deadlines.slot();
            slot.set(self.record.begun + limit);
            slot
        });
        let answered = {
            let mut sending = std::pin::pin!(send::send(self, route, head, body, upgrade));
            match &whole {
                None => sending.await,
                Some(whole) => whole.race(sending.as_mut()).await.unwrap_or_else(|_| {
                    Err(Failure::real(Reason::RequestTimeout, "the route's time limit was reached").into())
                }),
            }
        };
        match answered? {
            Answered::Response(response, stretch) => {
                self.record.kept.stretch = stretch;
                self.pass_on(route, response, plan, whole).await
            }
            Answered::Tunnel(response, upstream, early) => Ok(self.tunnel(response, *upstream, early, plan)),
        }
    }

    /// Makes the client's head the backend's. Returns the protocol of an upgrade, if one is asked for.
    fn prepare(&mut self, route: &Route, head: &mut request::Parts) -> Option<HeaderValue> {
        let settings = &self.listener.settings.headers;
        let upgrade =
            headers::strip_hop_by_hop(&mut head.headers).filter(|_| head.version == Version::HTTP_11);
        headers::to_origin_form(head);
        let about = headers::Client {
            address: self.client.peer.ip(),
            text: &self.client.text,
            tls: self.client.tls.is_some(),
        };
        headers::forward(
            &mut head.headers,
            settings.forwarded,
            settings.forwarded_as,
            &about,
        );
        if let Some(via) = &settings.via {
            headers::via(&mut head.headers, head.version, via);
        }
        let fresh = || self.client.worker.draw(headers::request_id);
        match (settings.request_id, head.headers.entry(&headers::X_REQUEST_ID)) {
            (RequestId::Replace, Entry::Occupied(mut taken)) => drop(taken.insert(fresh())),
            (RequestId::Keep | RequestId::Replace, Entry::Vacant(free)) => drop(free.insert(fresh())),
            _ => {}
        }
        self.record.follow(&head.headers);
        route.settings.request_headers.apply(&mut head.headers);
        if let Some(rewrite) = &route.settings.rewrite {
            if let Some(target) = head
                .uri
                .path_and_query()
                .and_then(|target| rewrite.target(target))
            {
                head.uri = target.into();
            }
            if let Some(host) = &rewrite.host {
                head.headers.insert(header::HOST, host.0.clone());
            }
        }
        upgrade
    }

    /// The body as the backend gets it: shaped where a fault asks for it, watched where it has yet to come.
    fn upload(&mut self, head: &mut request::Parts, body: Source, plan: &mut Plan) -> Result<Source, Ending> {
        if http_body::Body::is_end_stream(&body) {
            return Ok(Source::Empty);
        }
        let limit = self
            .listener
            .settings
            .limits
            .body
            .0
            .map_or(u64::MAX, |size| size.0);
        if body.exact_len().is_some_and(|length| length > limit) {
            return Err(Failure::real(
                Reason::BodyTooLarge,
                "Content-Length is over the listener's limit",
            )
            .into());
        }
        Ok(match plan.flow(Flow::Request, tokio::time::Instant::now()) {
            None => body,
            Some(chain) => {
                head.headers.remove(header::CONTENT_LENGTH);
                let client = self.client.clone();
                body.shaped(Shaping::new(chain), Leg::Client, move |cut| {
                    client.cut_exchange(cut);
                })
            }
        })
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

    /// Passes a backend's answer on to the client.
    async fn pass_on(
        &mut self,
        route: &Route,
        response: Response<Source>,
        plan: &mut Plan,
        whole: Option<Deadline>,
    ) -> Result<Made, Ending> {
        let (mut head, mut body) = response.into_parts();
        headers::strip_hop_by_hop(&mut head.headers);
        if let Some(via) = &self.listener.settings.headers.via {
            headers::via(&mut head.headers, head.version, via);
        }
        route.settings.answer_headers.apply(&mut head.headers);
        self.record.answered(head.status, Origin::Upstream);
        let mut upstream = self.record.kept.upstream.take().unwrap_or(Plan::none());
        let mut over = None;
        for (leg, plan) in [(Leg::Upstream, &mut upstream), (Leg::Client, &mut *plan)] {
            if plan.is_empty() {
                continue;
            }
            let before = head.status;
            let course = Box::pin(exchange::reply(plan, self.client.worker.held(), &mut head)).await;
            if head.status != before {
                self.record.answered(head.status, Origin::Injected);
            }
            if !matches!(course, Course::On) {
                over = Some(course);
                break;
            }
            if let Some(chain) = plan.flow(Flow::Reply, tokio::time::Instant::now()) {
                head.headers.remove(header::CONTENT_LENGTH);
                let client = self.client.clone();
                body = body.shaped(Shaping::new(chain), leg, move |cut| {
                    // Where the backend's end of it breaks, the client is not cut but gets an answer that breaks off.
                    if leg == Leg::Client {
                        client.cut_after_answer(cut);
                    }
                });
            }
        }
        if !upstream.is_empty() {
            self.record.kept.upstream = Some(upstream);
        }
        if let Some(course) = over {
            return Err(ending(course));
        }
        Ok(Made::Response {
            head,
            body,
            idle: self.idle(route),
            whole,
        })
    }

    fn idle(&self, route: &Route) -> Option<Idle> {
        let target = &self.view.clusters[route.cluster?];
        let limit = route
            .settings
            .idle_timeout
            .map_or_else(|| target.settings.idle_timeout(), Duration::from);
        Some(Idle::new(&self.client.worker.deadlines, limit))
    }

    fn tunnel(&mut self, response: Response<()>, upstream: Stream, early: Bytes, plan: &mut Plan) -> Made {
        self.record.answered(response.status(), Origin::Upstream);
        let upstream_plan = self.record.kept.upstream.take();
        let plans = [
            std::mem::replace(plan, Plan::none()),
            upstream_plan.unwrap_or(Plan::none()),
        ];
        let idle = self
            .record
            .route
            .and_then(|place| self.idle(&self.listener.routes[place]));
        Made::Tunnel {
            response,
            upstream,
            early,
            idle: idle.map_or(TUNNEL_IDLE, |idle| idle.limit()),
            plans,
        }
    }

    /// Ends a request without a backend's answer.
    fn end(mut self, ending: Ending) -> Outcome {
        let (response, reason) = match ending {
            Ending::Cut(cut) => {
                self.record.cut();
                return Reply::Abort(After::Cut(cut));
            }
            Ending::Injected(answer) => {
                let response = answer.response(self.to_grpc);
                self.record.answered(response.status(), Origin::Injected);
                (response, Reason::Injected)
            }
            Ending::Failed(failure) => {
                self.log(&failure);
                self.record.failed(&failure);
                (own_answer(failure.reason, self.to_grpc), failure.reason)
            }
        };
        let (mut head, body) = response.into_parts();
        self.say(&mut head.headers, reason);
        if self.is_half_read(reason) {
            head.headers
                .insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        Made::Response {
            head,
            body: Source::Whole(body),
            idle: None,
            whole: None,
        }
        .outcome(self)
    }

    fn say(&self, headers: &mut HeaderMap, reason: Reason) {
        if self.listener.settings.headers.reason {
            headers.insert(&REASON, HeaderValue::from_static(reason.as_str()));
        }
    }

    /// Whether the rest of the request will not come, or is not wanted: its connection cannot go on.
    fn is_half_read(&self, reason: Reason) -> bool {
        self.interim.is_some()
            && matches!(
                reason,
                Reason::ClientTimeout | Reason::ClientGone | Reason::BodyTooLarge | Reason::BadRequest
            )
    }

    fn log(&self, failure: &Failure) {
        let backend = self
            .record
            .backend
            .as_ref()
            .map_or("none", |tried| tried.backend().name());
        tracing::debug!(listener = &*self.listener.name, backend, reason = failure.reason.as_str(),
            origin = failure.origin().as_str(), detail = %failure.detail, "request failed");
    }
}

/// A tunnel without a cluster's limit does not stand still for ever either.
const TUNNEL_IDLE: Duration = Duration::from_secs(300);

/// The proxy's own answer to a request that failed.
fn own_answer(reason: Reason, to_grpc: bool) -> Response<Bytes> {
    if to_grpc {
        let mut answer = crate::faults::Answer::new(reason.status());
        answer.grpc = None;
        return answer.response(true);
    }
    let mut response = Response::new(Bytes::from(format!("{reason}: {}\n", reason.explanation())));
    *response.status_mut() = reason.status();
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    if response.status() == StatusCode::SERVICE_UNAVAILABLE {
        response
            .headers_mut()
            .insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    }
    response
}
