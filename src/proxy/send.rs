//! A request on its way to a backend: who gets it, and how often it is tried.

use std::time::Duration;

use http::{HeaderValue, header, request};
use tokio::time::Instant;

use super::{
    asked::{Asked, Ending},
    attempt::attempt_of,
    bodies::Bodies,
    body::Source,
    error::{Failure, Reason},
    hop::Answered,
    once::{Course, Missed, Sending},
    record::Tried,
};
use crate::{
    route::Facts,
    snapshot::Route,
    telemetry::events::Event,
    units::Span,
    upstream::{
        Choice, Outcome,
        outlier::Verdict,
        retry::{self, Final},
    },
};

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
    let view = asked.view;
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
        let target = self.target;
        let backend = &target.cluster.backends()[index];
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
        let verdict = self.target.record(index, Instant::now(), &active, outcome);
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
