//! `/populate`: proxies taken in one after the other, until one cannot be there, and all of them put in force in one change.

use std::{
    collections::{HashMap, HashSet},
    net::SocketAddr,
};

use serde::Serialize;

use super::{
    address,
    api::Toxiproxy,
    obstacle::{self, cannot_listen, not_found},
    populate::{self, Asked},
    ports::Ports,
    registry::{Proxy, Registry},
    reply::{Refusal, Reply},
};
use crate::{config::Bind, control::ChangeError};

/// Where a proxy is to listen, or why that cannot be said.
type Found = Result<SocketAddr, String>;

impl Toxiproxy {
    pub(super) async fn answer_populate(&self, body: &[u8]) -> Reply {
        let read = populate::read(body).and_then(|asked| {
            self.check_panic(asked.iter().any(|asked| !asked.toxics.is_empty()))?;
            Ok(asked)
        });
        match read {
            Ok(asked) => {
                let (done, refusal) = self.populate(asked).await;
                Populated::reply(done, refusal)
            }
            Err(refusal) => Populated::reply(Vec::new(), Some(refusal)),
        }
    }

    /// Takes in proxies one after the other until one fails; gives those that were done, and why the next was not.
    pub(super) async fn populate(&self, asked: Vec<Asked>) -> (Vec<Proxy>, Option<Refusal>) {
        let listens: Vec<&str> = asked.iter().map(|asked| &*asked.listen).collect();
        let found = address::find_all(&listens).await;
        let all: Vec<(Asked, Found)> = asked.into_iter().zip(found).collect();
        let first = self.copy();
        let (mut most, mut failed) = (all.len(), None);
        loop {
            let tried = Tried::of(&first, &all[..most], |name| self.is_of_the_document(name));
            let failed_before = failed.take();
            match self.take_over(&tried).await {
                Ok(()) => return (self.done(&tried), failed_before.or(tried.refusal)),
                // What could not be put in force is tried again without the first that stands in the way, and those after it.
                Err(_) if most == 0 => return (Vec::new(), failed_before),
                Err(error) => (most, failed) = tried.blame(&error),
            }
        }
    }

    /// Puts in force what was tried on a copy. Whoever is to listen where another one does until then waits for that one.
    async fn take_over(&self, tried: &Tried<'_>) -> Result<(), ChangeError> {
        let mut now = self.copy();
        if now == tried.next {
            return Ok(());
        }
        let before = self.control.snapshot();
        let standing = tried.stand_in_the_way(&now);
        if !standing.is_empty() {
            now.end_all(&standing);
            self.publish(now)?;
            self.released(&before).await;
        }
        self.publish(tried.next.clone())?;
        self.show_bound(tried.done.iter().map(|done| done.name));
        self.released(&before).await;
        Ok(())
    }

    fn done(&self, tried: &Tried<'_>) -> Vec<Proxy> {
        let registry = self.lock();
        let proxy = |done: &Done<'_>| {
            let replaced = done.replaced.clone();
            replaced.or_else(|| registry.get(done.name).ok().cloned())
        };
        tried.done.iter().filter_map(proxy).collect()
    }
}

/// A list of proxies, tried on a copy of what there is.
struct Tried<'a> {
    next: Registry,
    ports: Ports,
    done: Vec<Done<'a>>,
    /// Why the one after those that are done cannot be there.
    refusal: Option<Refusal>,
}

/// A proxy that was taken in.
struct Done<'a> {
    name: &'a str,
    /// What it was, where a later one of the list has taken its place.
    replaced: Option<Proxy>,
}

impl<'a> Tried<'a> {
    fn of(first: &Registry, all: &'a [(Asked, Found)], is_taken: impl Fn(&str) -> bool) -> Self {
        let mut tried = Self {
            next: first.clone(),
            ports: first.ports(),
            done: Vec::new(),
            refusal: None,
        };
        let mut places: HashMap<&str, Vec<usize>> = HashMap::new();
        for (asked, found) in all {
            let before = tried.next.get(&asked.name).ok().cloned();
            if before.is_none() && is_taken(&asked.name) {
                tried.refusal = Some(Refusal::new(409, "proxy already exists"));
                break;
            }
            match tried.take(asked, found, before.as_ref()) {
                Ok(replaces) => {
                    let places = places.entry(&asked.name).or_default();
                    if replaces {
                        for place in places.drain(..) {
                            tried.done[place].replaced = before.as_ref().map(Proxy::ended);
                        }
                    }
                    places.push(tried.done.len());
                    tried.done.push(Done {
                        name: &asked.name,
                        replaced: None,
                    });
                }
                Err(refusal) => {
                    tried.refusal = Some(refusal);
                    break;
                }
            }
        }
        tried
    }

    /// Takes in one proxy, beside or in the place of another one of its name, or not at all; says whether it took a place.
    fn take(&mut self, asked: &Asked, found: &Found, before: Option<&Proxy>) -> Result<bool, Refusal> {
        if let Some(before) = before {
            let found = found
                .as_ref()
                .map_err(|what| Refusal::new(500, what).about("listen"))?;
            let listens_there = before.asked == asked.listen || before.listen == found.to_string();
            if listens_there && before.upstream == asked.upstream && before.encryption == asked.encryption {
                return Ok(false);
            }
        }
        self.next.has_room_for(asked.toxics.len())?;
        if !asked.enabled {
            self.next.put(asked.proxy())?;
            return Ok(before.is_some());
        }
        let bind = found.clone().map_err(|what| not_found(&what))?;
        self.next
            .may_begin(&self.ports, &asked.name, &asked.upstream, (&asked.listen, bind))?;
        self.next.put(asked.proxy())?;
        self.next.begin_checked(&asked.name, bind);
        self.ports.add(&asked.name, bind);
        Ok(before.is_some())
    }

    /// Those that listen now where another one is to listen, or they themselves in another way, and have to let go first.
    fn stand_in_the_way(&self, now: &Registry) -> HashSet<String> {
        let begins = |name: &str| {
            let up = |registry: &Registry| Some(registry.get(name).ok()?.up?.bind);
            up(&self.next).filter(|bind| up(now) != Some(*bind))
        };
        let stays = |proxy: &Proxy| {
            let next = self.next.get(&proxy.name).ok();
            next.and_then(|next| next.up).map(|up| up.bind) == proxy.up.map(|up| up.bind)
        };
        let is_wanted = |bound: SocketAddr| {
            let mut wanted = self.ports.names_on(bound.port()).filter_map(begins);
            wanted.any(|bind| Bind(bind).collides(Bind(bound)))
        };
        let going = now.iter().filter(|proxy| !stays(proxy));
        going
            .filter(|proxy| proxy.bound().is_some_and(is_wanted))
            .map(|proxy| proxy.name.clone())
            .collect()
    }

    /// The first that cannot be there, and why; where none of them is meant, the whole list cannot.
    fn blame(&self, error: &ChangeError) -> (usize, Option<Refusal>) {
        let names: HashSet<&str> = obstacle::failed(error).collect();
        let is_meant = |done: &Done<'_>| done.replaced.is_none() && names.contains(done.name);
        let first = self.done.iter().position(is_meant);
        let bind = first.and_then(|first| Some(self.next.get(self.done[first].name).ok()?.up?.bind));
        match (first, bind) {
            (Some(first), Some(bind)) => {
                let refusal = cannot_listen(self.done[first].name, bind, error);
                (first, Some(refusal))
            }
            _ => (0, Some(obstacle::refusal(error))),
        }
    }
}

/// What `/populate` answers.
#[derive(Serialize)]
struct Populated<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    proxies: Option<Vec<Proxy>>,
}

impl Populated<'_> {
    fn reply(done: Vec<Proxy>, refusal: Option<Refusal>) -> Reply {
        let status = refusal.as_ref().map(|refusal| refusal.status);
        // Two clients stumble over `null` where nothing was asked for; where it failed they do not look.
        let proxies = (refusal.is_none() || !done.is_empty()).then_some(done);
        let error = refusal.as_ref().map(|refusal| &*refusal.message);
        let populated = Populated {
            error,
            status,
            proxies,
        };
        Reply::json(status.unwrap_or(201), &populated)
    }
}
