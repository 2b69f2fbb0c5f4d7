//! How much of what comes to a listener a fault can do something to, by its kind and by what its match goes by.

use super::listener::{Encryption, Listener, Protocol};
use crate::{
    faults::{Do, Entry, Leg},
    upstream::ClusterSettings,
};

/// How much of what comes to a listener a fault can do something to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sight {
    /// Nothing.
    Nothing,
    /// What is read, and not sessions of a database that pass encrypted.
    Read,
    /// All of it.
    All,
}

impl Protocol {
    /// Whether a kind can do something to what speaks this.
    pub fn takes(self, kind: &Do) -> bool {
        match self.dialect() {
            Some(dialect) => kind.is_said_in(dialect),
            // A database that is away is away for those, too, whose bytes pass as they are.
            None if matches!(kind, Do::Failover(_)) => self == Self::Tcp,
            None => !kind.is_for_sessions(),
        }
    }
}

impl Listener {
    /// Whether sessions of a database that are encrypted pass it unread.
    pub fn passes_unread(&self) -> bool {
        self.protocol.asks_for_tls() && self.encryption() == Encryption::Pass
    }

    /// How much of what comes here, on its way to this cluster, a fault can do something to.
    pub fn shows(&self, entry: &Entry, cluster: Option<&ClusterSettings>) -> Sight {
        let probe = cluster.and_then(|cluster| Some(&cluster.health.as_ref()?.probe));
        let is_checked =
            || entry.leg() == Leg::Upstream && probe.is_some_and(|probe| probe.login().is_some());
        // These two ask nothing of traffic.
        if matches!(entry.r#do, Do::Health(_) | Do::BadReload(_)) {
            Sight::All
        } else if !self.protocol.takes(&entry.r#do) {
            Sight::Nothing
        } else if !self.passes_unread() || entry.meets_unread() {
            Sight::All
        // A session of MySQL greets before it is encrypted, so there nothing of it is looked at; but a health check is.
        } else if self.protocol == Protocol::Mysql && !is_checked() {
            Sight::Nothing
        } else {
            Sight::Read
        }
    }
}
