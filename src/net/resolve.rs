//! Names: resolved again and again by their time to live, read by traffic without waiting.
//!
//! A [`Directory`] lives on the people's side and follows each name in a task of its own; an [`Addresses`] is what
//! traffic holds. When a lookup fails, the old addresses stay: a resolver that is down takes no backend down.

use std::{
    fmt,
    future::Future,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    str::FromStr,
    sync::Arc,
    time::Duration,
};

use hickory_resolver::{
    Hosts, TokioResolver,
    config::{LookupIpStrategy, ResolveHosts},
    net::NetError,
    proto::{
        op::Query,
        rr::{Name, RecordType},
    },
};
use tokio::{
    runtime,
    sync::{Notify, watch},
    time::{self, Instant},
};
use tracing::{debug, warn};

use crate::units::{Address, Host};

/// A name without addresses, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{name}` cannot be resolved: {why}")]
pub struct Unresolved {
    /// The name.
    pub name: Arc<str>,
    /// What the resolver said.
    pub why: Arc<str>,
}

/// What is asked of the addresses of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// A shorter time to live is taken for this.
    pub at_least: Duration,
    /// Whether those of IPv4 are used.
    pub ipv4: bool,
    /// Whether those of IPv6 are used.
    pub ipv6: bool,
}

impl Default for Terms {
    fn default() -> Self {
        Self {
            at_least: SHORTEST_HOLD,
            ipv4: true,
            ipv6: true,
        }
    }
}

impl Terms {
    /// Those of the addresses that may be used; an error where there is none of them.
    fn fitting(self, mut found: Vec<IpAddr>) -> Result<Vec<IpAddr>, String> {
        found.retain(|ip| if ip.is_ipv4() { self.ipv4 } else { self.ipv6 });
        match found.is_empty() {
            true => Err("it has no address of the family that `dns` asks for".to_owned()),
            false => Ok(found),
        }
    }
}

/// The addresses of a backend as known now.
#[derive(Clone, Debug)]
pub struct Addresses {
    address: Address,
    terms: Terms,
    known: watch::Receiver<Known>,
    /// Who follows the name, where it is one.
    follower: Option<Follower>,
}

/// What those who dial have of the task that follows a name.
#[derive(Clone, Debug)]
struct Follower {
    /// Wakes it, so that it looks the name up before its time.
    wanted: Arc<Notify>,
    /// When the last lookup ended, whatever it found.
    looked: watch::Receiver<Option<Instant>>,
}

/// `None` until the first lookup has ended.
type Known = Option<Result<Arc<[SocketAddr]>, Unresolved>>;

/// Follows names on the runtime it was made on.
#[derive(Clone)]
pub struct Directory {
    lookup: Arc<dyn Lookup>,
    runtime: runtime::Handle,
}

/// One lookup: the addresses of a name and how long they hold.
trait Lookup: Send + Sync {
    fn lookup(&self, name: Arc<str>) -> Pin<Box<dyn Future<Output = Found> + Send + '_>>;
}

type Found = Result<(Vec<IpAddr>, Duration), String>;

/// A shorter time to live would make us a burden to the resolver.
pub const SHORTEST_HOLD: Duration = Duration::from_secs(1);

/// A longer one would keep us at an address long after somebody corrected the zone.
pub const LONGEST_HOLD: Duration = Duration::from_secs(300);

/// After a failed lookup the next comes after this, doubled each time up to [`LONGEST_RETRY`].
pub const FIRST_RETRY: Duration = Duration::from_secs(1);

/// The longest wait between failing lookups.
pub const LONGEST_RETRY: Duration = Duration::from_secs(30);

/// Whoever wants newer addresses waits so long for a lookup before those known so far have to do: name servers that are down
/// take no backend down.
pub const PATIENCE: Duration = Duration::from_secs(1);

impl Directory {
    /// A directory that asks as the system would: hosts file, search domains and name servers of this machine.
    ///
    /// Lookups run on `runtime`, that of the people's side. The system's settings are read when the first name is
    /// followed, so that a machine without any can still use literal addresses.
    pub fn system(runtime: runtime::Handle) -> Self {
        Self {
            lookup: Arc::new(System),
            runtime,
        }
    }

    /// The addresses of `address`, followed until nobody holds the result any more.
    pub fn follow(&self, address: &Address, terms: Terms) -> Addresses {
        let name = match address.host() {
            Host::Ip(ip) => return Addresses::fixed(SocketAddr::new(*ip, address.port())),
            Host::Name(name) => Arc::clone(name),
        };
        let (publish, known) = watch::channel(None);
        let (tell, looked) = watch::channel(None);
        let wanted = Arc::new(Notify::new());
        let follower = Follower {
            wanted: Arc::clone(&wanted),
            looked,
        };
        let lookup = Arc::clone(&self.lookup);
        let port = address.port();
        self.runtime
            .spawn(async move { follow(&*lookup, (name, port), terms, publish, &wanted, tell).await });
        Addresses {
            address: address.clone(),
            terms,
            known,
            follower: Some(follower),
        }
    }

    /// The same addresses, followed anew where other terms are asked of them than before.
    pub fn on_terms(&self, known: &Addresses, terms: Terms) -> Addresses {
        if known.follower.is_none() || known.terms == terms {
            return known.clone();
        }
        self.follow(&known.address, terms)
    }
}

impl Addresses {
    /// Exactly these addresses, for ever.
    pub fn fixed(address: SocketAddr) -> Self {
        let known = watch::channel(Some(Ok([address].into()))).1;
        Self {
            address: address.into(),
            terms: Terms::default(),
            known,
            follower: None,
        }
    }

    /// What is known now, without waiting; `None` while the first lookup runs.
    pub fn now(&self) -> Option<Result<Arc<[SocketAddr]>, Unresolved>> {
        self.known.borrow().clone()
    }

    /// Waits for the first lookup to end; its time limit is the caller's.
    pub async fn first(&self) -> Result<Arc<[SocketAddr]>, Unresolved> {
        let mut known = self.known.clone();
        let first = known.wait_for(Option::is_some).await.map(|known| known.clone());
        first
            .ok()
            .flatten()
            .unwrap_or_else(|| Err(self.unresolved("its lookup was given up")))
    }

    /// Waits until they are no older than that, or it is clear that they cannot be had: the time to live of a name says how long
    /// an address may be used, and not how long a container keeps it. An age below [`SHORTEST_HOLD`] is taken for that.
    pub async fn renew(&self, most_age: Duration) {
        let Some(follower) = &self.follower else { return };
        let mut looked = follower.looked.clone();
        let last = *looked.borrow_and_update();
        // Without a first lookup there is nothing to renew: that one is waited for by itself.
        if last.is_some_and(|at| at.elapsed() >= most_age.max(SHORTEST_HOLD)) {
            follower.wanted.notify_one();
            let _ = time::timeout(PATIENCE, looked.changed()).await;
        }
    }

    /// A dial has failed: whoever was there may be elsewhere by now. The name is looked up soon, but not more often than its
    /// shortest time to live allows.
    pub fn doubt(&self) {
        if let Some(follower) = &self.follower {
            follower.wanted.notify_one();
        }
    }

    /// The address as written.
    pub fn address(&self) -> &Address {
        &self.address
    }

    fn unresolved(&self, why: &str) -> Unresolved {
        Unresolved {
            name: self.address.to_string().into(),
            why: why.into(),
        }
    }
}

impl fmt::Display for Addresses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.address.fmt(f)
    }
}

async fn follow(
    lookup: &dyn Lookup,
    (name, port): (Arc<str>, u16),
    terms: Terms,
    publish: watch::Sender<Known>,
    wanted: &Notify,
    tell: watch::Sender<Option<Instant>>,
) {
    let mut failures = 0;
    loop {
        let found = lookup.lookup(Arc::clone(&name)).await;
        let pause = match found.and_then(|(found, holds)| Ok((terms.fitting(found)?, holds))) {
            Ok((found, holds)) => {
                failures = 0;
                announce(
                    &publish,
                    &name,
                    found.iter().map(|ip| SocketAddr::new(*ip, port)).collect(),
                );
                holds.min(LONGEST_HOLD).max(terms.at_least).max(SHORTEST_HOLD)
            }
            Err(why) => {
                keep(&publish, &name, &why, failures == 0);
                failures += 1;
                retry_after(failures)
            }
        };
        let now = Instant::now();
        tell.send_replace(Some(now));
        let asked = async {
            wanted.notified().await;
            time::sleep_until(now + SHORTEST_HOLD).await;
        };
        tokio::select! {
            () = time::sleep(pause) => {}
            () = asked => {}
            () = publish.closed() => return,
        }
    }
}

/// Publishes a set of addresses, unless it is the one already known: an order that changes is no change.
fn announce(publish: &watch::Sender<Known>, name: &str, mut found: Vec<SocketAddr>) {
    found.sort_unstable();
    found.dedup();
    publish.send_if_modified(|known| {
        let news = !matches!(known, Some(Ok(old)) if **old == *found);
        if news {
            debug!(name, addresses = ?found, "resolved");
            *known = Some(Ok(found.into()));
        }
        news
    });
}

/// After a failed lookup the addresses stay as they were; without any the failure is the answer.
fn keep(publish: &watch::Sender<Known>, name: &Arc<str>, why: &str, first: bool) {
    publish.send_if_modified(|known| {
        let kept = matches!(known, Some(Ok(_)));
        if first {
            warn!(%name, why, kept, "name not resolved");
        }
        if !kept {
            *known = Some(Err(Unresolved {
                name: Arc::clone(name),
                why: why.into(),
            }));
        }
        !kept
    });
}

fn retry_after(failures: u32) -> Duration {
    FIRST_RETRY
        .saturating_mul(1 << (failures - 1).min(10))
        .min(LONGEST_RETRY)
}

/// The system's own way to resolve. Its files are read anew for each lookup: that is rare, and a change in them counts.
struct System;

impl Lookup for System {
    fn lookup(&self, name: Arc<str>) -> Pin<Box<dyn Future<Output = Found> + Send + '_>> {
        Box::pin(async move {
            if let Some(found) = in_hosts_file(&name) {
                return Ok((found, HOSTS_HOLD));
            }
            ask_name_servers(&name).await
        })
    }
}

/// Lines of the hosts file have no time to live.
const HOSTS_HOLD: Duration = Duration::from_secs(10);

/// Asked by itself so that a name found there never waits for a name server, not even for its other family.
fn in_hosts_file(name: &str) -> Option<Vec<IpAddr>> {
    let hosts = Hosts::from_system().ok()?;
    let name = Name::from_str(name).ok()?;
    let found: Vec<IpAddr> = [RecordType::A, RecordType::AAAA]
        .into_iter()
        .filter_map(|family| hosts.lookup_static_host(&Query::query(name.clone(), family)))
        .flat_map(|lookup| {
            lookup
                .answers()
                .iter()
                .filter_map(|record| record.data.ip_addr())
                .collect::<Vec<_>>()
        })
        .collect();
    (!found.is_empty()).then_some(found)
}

async fn ask_name_servers(name: &str) -> Found {
    let resolver = system_resolver().map_err(|error| explain(&error))?;
    let answer = resolver.lookup_ip(name).await.map_err(|error| explain(&error))?;
    let found: Vec<IpAddr> = answer.iter().collect();
    if found.is_empty() {
        return Err("it has no addresses".into());
    }
    let holds = answer
        .as_lookup()
        .answers()
        .iter()
        .map(|record| record.ttl)
        .min()
        .unwrap_or(0);
    Ok((found, Duration::from_secs(holds.into())))
}

fn explain(error: &NetError) -> String {
    match error {
        error if error.is_nx_domain() => "there is no such name".into(),
        error if error.is_no_records_found() => "it has no addresses".into(),
        NetError::Timeout => "the name servers do not answer".into(),
        other => other.to_string(),
    }
}

fn system_resolver() -> Result<TokioResolver, NetError> {
    let mut builder = TokioResolver::builder_tokio()?;
    let options = builder.options_mut();
    options.cache_size = 0;
    options.use_hosts_file = ResolveHosts::Never;
    options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
    builder.build()
}

#[cfg(test)]
mod tests;
