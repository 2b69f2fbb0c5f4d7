//! One HTTP request from its head to its answer: route, faults of the client's leg, backend, faults again.

use std::{rc::Rc, time::Duration};

use bytes::Bytes;
use http::{
    HeaderValue, Response, Version,
    header::{self, Entry},
    request,
};
use tokio::time::Instant;

use super::{
    asked::{Asked, Ending},
    body::Source,
    client::Client,
    cover,
    deadline::Deadline,
    due,
    error::{Failure, Reason},
    exchange::{self, Course},
    headers,
    hop::Answered,
    lent::Lent,
    outcome::{Made, Outcome},
    passed, send,
};
use crate::{
    config::RequestId,
    faults::{Flow, Leg, Plan},
    net::Stream,
    route,
    snapshot::Route,
    telemetry::Origin,
    wire::http1::{Interim, recycle_head},
};

/// Answers one request.
pub async fn answer(
    client: Rc<Client>,
    mut head: Box<request::Parts>,
    body: Source,
    interim: Option<Interim>,
) -> Outcome {
    let seen = client.seen();
    let mut asked = Asked::new(&client, &seen, &head, interim);
    let result = match choose(&asked, &head) {
        Ok(place) => asked.pursue(place, &mut head, body).await,
        Err(failure) => Err(Ending::Failed(failure)),
    };
    match &result {
        // Faults that come while the answer's body comes will ask for it.
        Ok(Made::Response { body, .. }) if body.is_to_come() => asked.record.following.keep(head),
        _ => recycle_head(head),
    }
    match result {
        Ok(made) => made.outcome(asked),
        Err(ending) => {
            if asked.view.blind {
                // In a box: what only a blind drill needs takes no room in a request.
                Box::pin(asked.linger(&ending)).await;
            }
            asked.end(ending)
        }
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

impl Asked<'_> {
    /// Takes the route: faults of the client's leg, a backend, faults again.
    async fn pursue(
        &mut self,
        place: usize,
        head: &mut request::Parts,
        body: Source,
    ) -> Result<Made, Ending> {
        let listener = self.listener;
        let route = &listener.routes[place];
        self.record.route = Some(place);
        let mut plan = Plan::none();
        if !route.faults.is_empty() {
            let facts = route::Facts {
                head: Some(head),
                ..self.client.facts()
            };
            plan = Plan::roll(
                route.faults.sift(&facts),
                self.view.dice,
                self.record.number,
                &facts,
            );
        }
        if !plan.is_empty() {
            let mut plan = self.record.kept.lender.lend(plan);
            let course = Box::pin(exchange::open(&mut plan, self.client.worker.held(), Some(head))).await;
            // In a box, as all that only faults need: what is never suffered takes no room in a request.
            let result = Box::pin(self.open(course, route, head, body, &mut plan)).await;
            self.record.kept.client = Some(plan.done());
            return result;
        }
        self.send(route, head, body, &mut plan).await
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
            Course::On => {
                let now = Instant::now();
                plan.begin_flows(now);
                let due = plan.due(now);
                let sending = self.send(route, head, body, plan);
                let sent = due::race(Leg::Client, due, sending).await;
                sent.unwrap_or_else(|struck| Err(Ending::Cut(struck.cut)))
            }
            Course::Answer(answer, _) if answer.after => {
                // The backend does what it was asked; only its answer is thrown away.
                let _ = self.send(route, head, body, &mut Plan::none()).await;
                Err(Ending::Injected(answer))
            }
            course => Err(Ending::of(course)),
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
            self.record.following.asked_for(&head.uri);
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
        let is_over = http_body::Body::is_end_stream(&body);
        if is_over && (plan.is_empty() || !cover::is_promised(&head.headers)) {
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
        Ok(match plan.flow(Flow::Request, Instant::now()) {
            None => body,
            Some(chain) => {
                head.headers.remove(header::CONTENT_LENGTH);
                body.shaped(cover::of_request(chain, Leg::Client, self.client))
            }
        })
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
        passed::passed_on(&mut head.headers, head.version, self.listener, Some(route));
        let kept = &mut self.record.kept;
        let mut upstream = kept.upstream.take().map(|plan| kept.lender.lend(plan));
        let (mut origin, mut over) = (Origin::Upstream, None);
        for (leg, plan) in [
            (Leg::Upstream, upstream.as_deref_mut()),
            (Leg::Client, Some(&mut *plan)),
        ] {
            let Some(plan) = plan.filter(|plan| !plan.is_empty()) else {
                continue;
            };
            let before = head.status;
            let course = Box::pin(exchange::reply(plan, self.client.worker.held(), &mut head)).await;
            if head.status != before {
                origin = Origin::Injected;
            }
            if !matches!(course, Course::On) {
                over = Some(course);
                break;
            }
            if let Some(chain) = plan.flow(Flow::Reply, Instant::now()) {
                head.headers.remove(header::CONTENT_LENGTH);
                body = body.shaped(cover::of_reply(chain, leg, self.client));
            }
        }
        let following = &mut self.record.following;
        if following.plans().next().is_some() {
            head.headers.remove(header::CONTENT_LENGTH);
            following.cover_reply(0, &mut body, self.client);
        }
        self.record.kept.upstream = upstream.map(Lent::done);
        if let Some(course) = over {
            return Err(Ending::of(course));
        }
        // Not before: a client that goes while a fault holds the answer back has seen no status.
        self.record.answered(head.status, origin);
        Ok(Made::Response {
            head,
            body,
            idle: self.idle(route),
            whole,
        })
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
}

/// A tunnel without a cluster's limit does not stand still for ever either.
const TUNNEL_IDLE: Duration = Duration::from_secs(300);
