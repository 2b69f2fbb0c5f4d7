//! A fault compiled: shared by all workers, and carried over between snapshots while its entry is equal.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{sync::Notify, time::Instant};

use super::{
    doc::Doc,
    effect::{Counters, Effect},
    entry::Entry,
    hook::{Acts, Leg, Told, Unit},
    stands::{Stands, leg},
};
use crate::{
    route::{
        Dialect,
        matcher::{Facts, Matcher},
    },
    units::stable_hash,
};

/// Where an exchange goes, by name; what is not known yet is `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scope<'a> {
    /// The listener that took it.
    pub listener: Option<&'a str>,
    /// The route that it took.
    pub route: Option<&'a str>,
    /// The cluster that it goes to.
    pub cluster: Option<&'a str>,
    /// The backend that it goes to.
    pub backend: Option<&'a str>,
}

/// A compiled fault.
#[derive(Debug)]
pub struct Fault {
    core: Arc<Core>,
    begun: Instant,
    acts: Box<dyn Acts>,
    places: Mutex<BTreeMap<String, Arc<Fault>>>,
}

/// What a fault has in common at all places where it stands.
#[derive(Debug)]
struct Core {
    name: String,
    entry: Entry,
    matcher: Matcher,
    key: u64,
    stands: Stands,
    lifted: AtomicBool,
    lifting: Notify,
    seen: AtomicU64,
    counters: Counters,
}

impl Fault {
    /// Compiles an entry; its time begins now.
    pub fn compile(name: &str, entry: &Entry, now: Instant) -> Arc<Self> {
        let acts = entry.r#do.compile(now);
        let core = Core {
            name: name.to_owned(),
            entry: entry.clone(),
            matcher: entry.r#where.r#match.compile(),
            key: stable_hash(name.as_bytes()),
            stands: Stands::of(entry, acts.doc()),
            lifted: AtomicBool::new(false),
            lifting: Notify::new(),
            seen: AtomicU64::new(0),
            counters: Counters::default(),
        };
        Arc::new(Self {
            core: Arc::new(core),
            begun: now,
            acts,
            places: Mutex::default(),
        })
    }

    /// The same fault as it stands before one backend (`cluster/backend`): one lease, one count of hits, but threads,
    /// capacity and life of its own. Asked again for the same place it gives the same; a kind that keeps no such state gives
    /// itself.
    pub fn at(self: &Arc<Self>, place: &str) -> Arc<Self> {
        if !self.acts.is_per_backend() {
            return Arc::clone(self);
        }
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(there) = places.get(place) {
            return Arc::clone(there);
        }
        let there = Arc::new(Self {
            core: Arc::clone(&self.core),
            begun: self.begun,
            acts: self.core.entry.r#do.compile(self.begun),
            places: Mutex::default(),
        });
        places.insert(place.to_owned(), Arc::clone(&there));
        there
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.core.name
    }

    /// What was written.
    pub fn entry(&self) -> &Entry {
        &self.core.entry
    }

    /// The page of its kind in the catalogue.
    pub fn doc(&self) -> &'static Doc {
        self.acts.doc()
    }

    /// When its time began.
    pub const fn begun(&self) -> Instant {
        self.begun
    }

    /// The side of the proxy that it stands on.
    pub fn leg(&self) -> Leg {
        leg(&self.core.entry.r#where, self.doc())
    }

    /// Lifts it, for good: nothing new is hit, and what it holds is released.
    pub fn lift(&self) {
        self.core.lifted.store(true, Ordering::Release);
        self.core.lifting.notify_waiters();
    }

    /// Whether it has been lifted.
    pub fn is_lifted(&self) -> bool {
        self.core.lifted.load(Ordering::Acquire)
    }

    /// Waits until it is lifted; those who wait are woken in the order in which they came. Cancel-safe.
    pub async fn lifted(&self) {
        // Made before the look, so that a lifting between the two is not missed.
        let lifting = self.core.lifting.notified();
        if !self.is_lifted() {
            lifting.await;
        }
    }

    /// How many exchanges it has touched.
    pub fn hits(&self) -> u64 {
        self.core.counters.hits.load(Ordering::Relaxed)
    }

    /// What came of it otherwise.
    pub fn effect(&self) -> Effect {
        self.core.counters.effect()
    }

    /// It keeps an exchange waiting from here on.
    pub fn hold(&self) {
        self.core.counters.hold();
    }

    /// An exchange that it kept waiting goes on.
    pub fn release(&self) {
        self.core.counters.release();
    }

    /// Whether it stands in traffic of this scope; roles must have been resolved.
    pub fn covers(&self, scope: &Scope<'_>) -> bool {
        let place = &self.core.entry.r#where;
        let named =
            |want: &Option<String>, is: Option<&str>| want.as_deref().is_none_or(|want| is == Some(want));
        named(&place.listener, scope.listener)
            && named(&place.route, scope.route)
            && named(&place.cluster, scope.cluster)
            && match place
                .backend
                .as_deref()
                .and_then(|backend| backend.split_once('/'))
            {
                Some((cluster, backend)) => scope.cluster == Some(cluster) && scope.backend == Some(backend),
                None => named(&place.backend, scope.backend),
            }
    }

    /// Whether a health check may meet it: a check is no request, so what asks for one in its match does not touch it.
    pub fn meets_checks(&self) -> bool {
        self.matcher().holds(&Facts {
            client: std::net::Ipv4Addr::LOCALHOST.into(),
            tls_name: None,
            head: None,
            session: None,
            command: None,
        })
    }

    /// Whether it acts on the connection of an HTTP client, before there is a request (`Plan::of_connection`).
    pub fn at_connection(&self) -> bool {
        self.core.stands.at_connection
    }

    pub(super) fn in_traffic(&self) -> bool {
        self.core.stands.in_traffic
    }

    /// Whether it meets sessions, or commands, on a database listener.
    pub fn meets(&self, unit: Unit, dialect: Dialect) -> bool {
        match unit {
            Unit::Choice => self.is_of_databases(dialect) || self.meets(Unit::Command, dialect),
            Unit::Preparation => self.meets(Unit::Command, dialect) && self.acts.meets_preparation(dialect),
            Unit::Prepared => self.meets(Unit::Command, dialect) && !self.acts.meets_preparation(dialect),
            Unit::Ping => self.acts.meets(Unit::Command, dialect) && !self.core.matcher.needs_command(),
            _ if self.core.matcher.needs_command() => unit == Unit::Command,
            _ => self.acts.meets(unit, dialect),
        }
    }

    /// Whether it ends database sessions that stand when it comes, or shapes their bytes.
    pub(super) fn meets_standing(&self, dialect: Dialect) -> bool {
        let speaks = self.acts.farewell(Duration::ZERO, dialect).is_some();
        let shapes = self.in_bytes() && self.meets(Unit::Session, dialect);
        shapes || (speaks && !self.core.matcher.needs_command())
    }

    pub(super) fn in_bytes(&self) -> bool {
        self.core.stands.in_bytes
    }

    /// Whether a request must be known to tell whether it is hit; else its connection is enough.
    pub(super) fn needs_request(&self) -> bool {
        self.core.stands.needs_request
    }

    /// The backend was restarted: threads that hang are free again, capacities and lives begin anew.
    pub fn restart(&self, now: Instant) {
        self.acts.restart(now);
        let places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        places.values().for_each(|there| there.acts.restart(now));
    }

    /// Tells it what the backend at one place carries when all is well, in exchanges per second; `capacity` as a share needs
    /// it.
    pub fn learn_baseline(self: &Arc<Self>, place: &str, per_second: f64) {
        if self.acts.is_per_backend() {
            self.at(place).acts.learn_baseline(per_second);
        }
    }

    /// Whether it keeps from the balancer that all is not well.
    pub fn hides_trouble(&self) -> bool {
        self.acts.told() == Some(Told::Pass) && !self.is_lifted()
    }

    pub(super) fn acts(&self) -> &dyn Acts {
        self.acts.as_ref()
    }

    pub(super) fn key(&self) -> u64 {
        self.core.key
    }

    pub(super) fn matcher(&self) -> &Matcher {
        &self.core.matcher
    }

    /// Counts an exchange that matches, whether it is spared or not.
    pub(super) fn meet(&self, spared: bool) {
        self.core.counters.met(spared);
    }

    /// Counts an exchange whose turn counts, and gives its number, from 1.
    pub(super) fn see(&self) -> u64 {
        self.core.seen.fetch_add(1, Ordering::Relaxed) + 1
    }

    pub(super) fn touch(&self) {
        self.core.counters.hits.fetch_add(1, Ordering::Relaxed);
    }
}

/// Whether a fault has done something to one exchange, for everybody who carries it out.
#[derive(Debug)]
pub(super) struct Mark {
    fault: Arc<Fault>,
    touched: AtomicBool,
}

impl Mark {
    /// One of an exchange to which nothing has happened yet.
    pub(super) fn of(fault: &Arc<Fault>) -> Arc<Self> {
        Arc::new(Self {
            fault: Arc::clone(fault),
            touched: AtomicBool::new(false),
        })
    }

    pub(super) const fn fault(&self) -> &Arc<Fault> {
        &self.fault
    }

    /// It has; the exchange counts once.
    pub(super) fn touch(&self) {
        if !self.touched.swap(true, Ordering::Relaxed) {
            self.fault.touch();
        }
    }

    pub(super) fn is_touched(&self) -> bool {
        self.touched.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::faults::trial::entry;

    fn compiled(text: &str) -> Arc<Fault> {
        Fault::compile("some", &entry(text), Instant::now())
    }

    #[test]
    fn a_fault_covers_what_its_names_say() {
        let scope = Scope {
            listener: Some("public"),
            route: Some("orders"),
            cluster: Some("app"),
            backend: Some("app-a"),
        };
        let check = |place: &str, covers: bool| {
            let fault = compiled(&format!("{{where: {place}, do: reset}}"));
            assert_eq!(fault.covers(&scope), covers, "{place}");
        };
        check("{}", true);
        check(
            "{listener: public, route: orders, cluster: app, backend: app-a}",
            true,
        );
        check("{backend: app/app-a}", true);
        check("{listener: other}", false);
        check("{cluster: app, backend: app-b}", false);
        check("{backend: db/app-a}", false);
    }

    #[test]
    fn a_fault_stands_where_its_names_or_its_kind_point() {
        let check = |text: &str, leg: Leg| assert_eq!(compiled(text).leg(), leg, "{text}");
        check("{do: reset}", Leg::Client);
        check("{where: {listener: public}, do: reset}", Leg::Client);
        check("{where: {cluster: app}, do: reset}", Leg::Upstream);
        check("{where: {role: http.source}, do: reset}", Leg::Upstream);
        check("{where: {cluster: app, leg: client}, do: reset}", Leg::Client);
        check("{do: {misroute: {to: \"a:1\"}}}", Leg::Upstream);
        check("{do: {health: pass}}", Leg::Upstream);
        check("{where: {leg: upstream}, do: reset}", Leg::Upstream);
    }

    #[test]
    fn before_each_backend_a_fault_has_state_of_its_own_but_one_lease() {
        let fault = compiled("{do: {capacity: {carries: 1/s}}}");
        let (a, b) = (fault.at("app/app-a"), fault.at("app/app-b"));
        assert!(Arc::ptr_eq(&a, &fault.at("app/app-a")) && !Arc::ptr_eq(&a, &b));
        a.touch();
        assert_eq!((fault.hits(), b.hits()), (1, 1));
        fault.lift();
        assert!(a.is_lifted() && b.is_lifted());
        let limit = compiled("{do: {rate_limit: {rate: 1/s}}}");
        assert!(Arc::ptr_eq(&limit, &limit.at("app/app-a")));
    }

    #[test]
    fn what_asks_for_a_request_spares_health_checks() {
        let check = |text: &str, meets: bool| assert_eq!(compiled(text).meets_checks(), meets, "{text}");
        check("{do: hang}", true);
        check("{where: {match: {client: 127.0.0.0/8}}, do: hang}", true);
        check("{where: {match: {path: \"/**\"}}, do: hang}", false);
    }

    #[tokio::test]
    async fn those_who_wait_for_the_lifting_are_woken() {
        let fault = compiled("{do: hang}");
        let there = fault.at("app/app-a");
        let waiting = tokio::spawn(async move { there.lifted().await });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        fault.lift();
        waiting.await.unwrap();
    }
}
