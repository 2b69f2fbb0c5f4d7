//! Requests that stand while the truth changes: faults that were added meet what has yet to come of their bodies.
//!
//! Nobody keeps a list of them. A body compares one number when it is polled, those that wait are woken by a change
//! ([`super::deadline::Deadlines::wake_all`]), and only then is anything looked for.

use std::{pin::Pin, rc::Rc, sync::Arc};

use http::{Uri, request};
use tokio::time::Instant;

use super::{
    attempt::attempt_number,
    body::Source,
    client::{Client, added},
    cover,
    due::{self, Struck},
    standing::BackendId,
    upload::Progress,
    worker::View,
};
use crate::{
    faults::{Fault, Flow, Leg, Plan},
    route::Facts,
    snapshot::{Route, Target},
};

/// The faults that may touch an exchange, by leg.
#[derive(Clone, Default)]
pub struct Legs {
    /// Between the client and the proxy.
    pub client: Vec<Arc<Fault>>,
    /// Between the proxy and the backend.
    pub upstream: Vec<Arc<Fault>>,
}

/// The faults that may touch what took a route to a backend, by the truth as of now; `None`: the route is gone.
pub fn legs(client: &Client, route: &str, backend: Option<BackendId>) -> Option<Legs> {
    let (view, listener) = client.seen();
    let route = listener.routes.iter().find(|known| &*known.name == route)?;
    let target = &view.clusters[route.cluster?];
    let upstream = backend
        .and_then(|id| target.place_of(id))
        .map(|place| route.upstream[place].to_vec());
    Some(Legs {
        client: route.faults.to_vec(),
        upstream: upstream.unwrap_or_default(),
    })
}

/// What a request knows of the truth's changes.
pub struct Following {
    /// The generation of its last look.
    generation: u64,
    /// What could touch it then; `None` before the first look.
    known: Option<Box<Legs>>,
    /// Its head as it went to the backend, for as long as an answer's body has yet to come.
    head: Option<Box<request::Parts>>,
    /// What the client asked for, where the route asks the backend for something else.
    asked_for: Option<Uri>,
    /// The faults that have come.
    plans: Vec<Fresh>,
}

/// A generation that no truth has.
const NEVER: u64 = 0;

/// What was rolled for a request while it stood.
pub struct Fresh {
    /// Where its faults stand.
    pub leg: Leg,
    /// Its faults.
    pub plan: Plan,
    /// The truth in which they were found.
    pub view: View,
}

/// A request, as far as is needed to tell which faults hit it.
pub struct Subject<'a> {
    /// Whose it is.
    pub client: &'a Rc<Client>,
    /// The route that it took, as it was then.
    pub route: &'a Route,
    /// The backend that has it.
    pub backend: Option<(&'a Target, usize)>,
    /// Its number.
    pub number: u64,
    /// How often a backend was tried.
    pub attempts: u32,
}

impl Subject<'_> {
    /// The faults that could touch it when it began.
    fn before(&self) -> Legs {
        Legs {
            client: self.route.faults.to_vec(),
            upstream: self
                .backend
                .map_or_else(Vec::new, |(_, index)| self.route.upstream[index].to_vec()),
        }
    }

    /// Those that may touch it now.
    fn now(&self) -> Option<Legs> {
        let id = self.backend.map(|(target, index)| target.backend_id(index));
        legs(self.client, &self.route.name, id)
    }
}

impl Following {
    /// A request that begins by the truth of this generation.
    pub const fn new(generation: u64) -> Self {
        Self {
            generation,
            known: None,
            head: None,
            asked_for: None,
            plans: Vec::new(),
        }
    }

    /// Whether the truth has changed since the last look. One comparison.
    pub fn is_behind(&self, client: &Client) -> bool {
        self.generation != client.worker.generation()
    }

    /// Keeps the head: the answer will take a while.
    pub fn keep(&mut self, head: Box<request::Parts>) {
        self.head = Some(head);
    }

    /// The target is about to be rewritten.
    pub fn asked_for(&mut self, uri: &Uri) {
        self.asked_for = Some(uri.clone());
    }

    /// What the request met since it began.
    pub fn plans(&self) -> impl Iterator<Item = &Fresh> {
        self.plans.iter()
    }

    /// Another backend gets the request, under these faults: what has come before the last one is behind it.
    pub fn another_backend(&mut self, faults: &[Arc<Fault>]) -> impl Iterator<Item = Plan> {
        if let Some(known) = &mut self.known {
            known.upstream = faults.to_vec();
            self.generation = NEVER;
        }
        let parted = self.plans.extract_if(.., |fresh| fresh.leg == Leg::Upstream);
        parted.map(|fresh| fresh.plan)
    }

    /// Looks which faults have come, and rolls for them; gives the place of the first new plan.
    pub fn look(&mut self, of: &Subject<'_>, head: Option<&request::Parts>) -> usize {
        let first = self.plans.len();
        self.generation = of.client.worker.generation();
        let kept = self.head.take();
        if let (Some(head), Some(now)) = (kept.as_deref().or(head), of.now()) {
            let before = self.known.take().map_or_else(|| of.before(), |known| *known);
            self.roll(of, head, &before, &now);
            self.known = Some(Box::new(now));
        }
        self.head = kept;
        first
    }

    fn roll(&mut self, of: &Subject<'_>, head: &request::Parts, before: &Legs, now: &Legs) {
        let view = of.client.worker.view();
        let original = self.asked_for.clone().map(|uri| {
            let mut head = head.clone();
            head.uri = uri;
            head
        });
        let legs = [
            (
                Leg::Client,
                &before.client,
                &now.client,
                of.number,
                original.as_ref().unwrap_or(head),
            ),
            (
                Leg::Upstream,
                &before.upstream,
                &now.upstream,
                attempt_number(of.number, of.attempts),
                head,
            ),
        ];
        for (leg, before, now, number, head) in legs {
            let added = added(before, now);
            if added.is_empty() {
                continue;
            }
            let facts = Facts {
                head: Some(head),
                ..of.client.facts()
            };
            let now = Instant::now();
            let mut plan = Plan::of_standing_request(&added, view.dice, number, &facts, now);
            if !plan.is_empty() {
                plan.begin_flows(now);
                self.plans.push(Fresh {
                    leg,
                    plan,
                    view: view.clone(),
                });
            }
        }
    }

    /// Waits for the first of them that ends the request where no answer comes; `None`: none will.
    pub fn strike(&self) -> Option<Pin<Box<dyn Future<Output = Struck>>>> {
        if self.plans.is_empty() {
            return None;
        }
        let now = Instant::now();
        let due = |fresh: &Fresh| {
            let leg = fresh.leg;
            fresh.plan.due(now).into_iter().map(move |due| (leg, due))
        };
        let mut all: Vec<_> = self.plans.iter().flat_map(due).collect();
        all.sort_by_key(|(_, due)| due.at);
        (!all.is_empty()).then(|| Box::pin(due::strike(all)) as _)
    }

    /// Puts the plans from this one on around a request's body that is under way.
    pub fn cover_upload(&mut self, from: usize, upload: &Progress, client: &Rc<Client>) {
        for Fresh { leg, plan, .. } in &mut self.plans[from..] {
            if let Some(chain) = plan.flow(Flow::Request, Instant::now()) {
                upload.cover(cover::of_request(chain, *leg, client));
            }
        }
    }

    /// Puts all plans around a request's body that is sent once more.
    pub fn cover_request(&mut self, body: &mut Source, client: &Rc<Client>) {
        for Fresh { leg, plan, .. } in &mut self.plans {
            if let Some(chain) = plan.flow(Flow::Request, Instant::now()) {
                body.cover(cover::of_request(chain, *leg, client));
            }
        }
    }

    /// Puts the plans from this one on around an answer's body.
    pub fn cover_reply(&mut self, from: usize, body: &mut Source, client: &Rc<Client>) {
        for Fresh { leg, plan, .. } in &mut self.plans[from..] {
            if let Some(chain) = plan.flow(Flow::Reply, Instant::now()) {
                body.cover(cover::of_reply(chain, *leg, client));
            }
        }
    }
}
