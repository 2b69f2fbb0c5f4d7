//! A route that a fault can stand in.

use std::time::Duration;

use crate::{
    config::{
        listener::{Listener, Protocol},
        sight::Sight,
    },
    faults::Entry,
    route::{Match, RouteSettings},
    upstream::{ClusterSettings, settings::BackendSettings},
};

/// A route that a fault can stand in: its listener, and those of its backends that the fault allows.
pub(super) struct Way<'d> {
    pub(super) listener: &'d Listener,
    /// The listener's name, and the route's place in its table.
    pub(super) place: (&'d str, usize),
    /// What the route is called.
    pub(super) route: String,
    /// The name of the cluster to which it leads.
    pub(super) to: &'d str,
    pub(super) backends: Vec<&'d BackendSettings>,
    /// Where it leads; `None` where there is no such cluster: what is wrong is the route, and what lies behind it nobody knows.
    pub(super) cluster: Option<&'d ClusterSettings>,
}

/// Why no request takes a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Missed {
    /// The route asks for others.
    Apart,
    /// The route of this number takes it before.
    Before(usize),
}

impl<'d> Way<'d> {
    /// The route as written; `None` for the `cluster` of a listener, which takes what is left. Where no HTTP is spoken nothing is
    /// asked of what comes.
    pub(super) fn rule(&self) -> Option<&'d RouteSettings> {
        let routes = &self.listener.routes;
        routes
            .get(self.place.1)
            .filter(|_| self.protocol() == Protocol::Http)
    }

    /// Why no request takes the route that is as this asks, as it came; `None`: one may.
    pub(super) fn misses(&self, asked: &Match) -> Option<Missed> {
        if self.protocol() != Protocol::Http {
            return None;
        }
        let rule = self.rule().map(|route| &route.r#match);
        if rule.is_some_and(|rule| rule.is_apart(asked)) {
            return Some(Missed::Apart);
        }
        let both: Vec<_> = rule.into_iter().chain([asked]).collect();
        let before = self.listener.routes.iter().take(self.place.1);
        let mut takes = before.map(|route| route.r#match.covers(&both));
        takes.position(|takes| takes).map(Missed::Before)
    }
}

impl Way<'_> {
    /// What its clients speak.
    pub(super) const fn protocol(&self) -> Protocol {
        self.listener.protocol
    }

    /// Whether the protocol of a database is spoken there.
    pub(super) fn speaks(&self) -> bool {
        self.protocol().dialect().is_some()
    }

    /// Whether bytes pass there of which nothing is understood. A session of MySQL greets before it is encrypted, so where it may
    /// be nothing of it is looked at.
    pub(super) fn is_blind(&self) -> bool {
        match self.protocol() {
            Protocol::Tcp => true,
            Protocol::Mysql => self.listener.passes_unread(),
            Protocol::Http | Protocol::Postgres | Protocol::Redis => false,
        }
    }

    /// How much of what comes there a fault can do something to.
    pub(super) fn shows(&self, entry: &Entry) -> Sight {
        self.listener.shows(entry, self.cluster)
    }

    /// Whether the proxy begins TLS with the backends.
    pub(super) fn is_secured(&self) -> bool {
        self.cluster.is_none_or(|cluster| cluster.tls.is_some())
    }

    /// After how long the proxy ends connections that stand idle.
    pub(super) fn idle(&self) -> Duration {
        self.cluster.map_or(Duration::MAX, ClusterSettings::idle_timeout)
    }

    /// Who the health check of the backends logs in as.
    pub(super) fn prober(&self) -> Option<&str> {
        self.cluster?.health.as_ref()?.probe.login()?.user
    }

    /// Whether a health check logs in to the backends.
    pub(super) fn is_probed(&self) -> bool {
        let health = self.cluster.and_then(|cluster| cluster.health.as_ref());
        health.is_some_and(|health| health.probe.login().is_some())
    }
}
