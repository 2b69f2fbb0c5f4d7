//! A route that a fault can stand in.

use std::time::Duration;

use crate::{
    config::listener::{Listener, Protocol},
    upstream::{ClusterSettings, settings::BackendSettings},
};

/// A route that a fault can stand in: its listener, and those of its backends that the fault allows.
pub(super) struct Way<'d> {
    pub(super) listener: &'d Listener,
    /// The name of the cluster to which it leads.
    pub(super) to: &'d str,
    pub(super) backends: Vec<&'d BackendSettings>,
    /// Where it leads; `None` where there is no such cluster: what is wrong is the route, and what lies behind it nobody knows.
    pub(super) cluster: Option<&'d ClusterSettings>,
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
}
