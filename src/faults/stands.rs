//! Where a fault stands, by what was written and by its kind: on which side, and which exchanges need to ask it at all.

use tokio::time::Instant;

use super::{
    Do,
    database_error::catalogue_of,
    doc::{Doc, Hook},
    entry::{Entry, Where},
    hook::Leg,
};
use crate::route::{Dialect, matcher::Match};

/// Which exchanges need to ask it at all; known once, for the hot path.
#[derive(Debug)]
pub(super) struct Stands {
    pub(super) at_connection: bool,
    pub(super) in_traffic: bool,
    pub(super) in_bytes: bool,
    pub(super) needs_request: bool,
    /// Databases whose servers do not have the error that it gives: it leaves them alone.
    pub(super) unsaid: Vec<Dialect>,
}

impl Stands {
    pub(super) fn of(entry: &Entry, doc: &Doc) -> Self {
        Self {
            at_connection: at_connection(entry, doc),
            in_traffic: doc
                .acts_at
                .iter()
                .any(|hook| !matches!(hook, Hook::Probe | Hook::Control)),
            in_bytes: doc.acts_at.contains(&Hook::Flow),
            needs_request: needs_request(entry, doc),
            unsaid: unsaid(&entry.r#do),
        }
    }
}

/// The databases that have no such error. One that fails over does something else there.
fn unsaid(kind: &Do) -> Vec<Dialect> {
    let error = kind.error().filter(|_| !matches!(kind, Do::Failover(_)));
    let has = |dialect: &Dialect| {
        error.is_none_or(|name| catalogue_of(*dialect).iter().any(|known| known.name == name))
    };
    let all = [Dialect::Postgres, Dialect::Mysql, Dialect::Redis];
    all.into_iter().filter(|dialect| !has(dialect)).collect()
}

/// The side of the proxy: as written, or where the kind can only stand, or where the names point.
pub(super) fn leg(place: &Where, doc: &Doc) -> Leg {
    let upstream_only = doc.acts_at.contains(&Hook::Dial) || doc.acts_at.contains(&Hook::Probe);
    match place.leg {
        None if upstream_only => Leg::Upstream,
        _ => place.leg(),
    }
}

impl Entry {
    /// The side of the proxy that it stands on.
    pub fn leg(&self) -> Leg {
        leg(&self.r#where, self.r#do.compile(Instant::now()).doc())
    }

    /// Whether it can be told before a client's TLS handshake who is hit: only listener and address are known then.
    pub fn is_known_at_handshake(&self) -> bool {
        let place = &self.r#where;
        let address = Match {
            client: place.r#match.client.clone(),
            ..Match::default()
        };
        let names = [&place.route, &place.cluster, &place.backend, &place.role];
        place.r#match == address && names.iter().all(|name| name.is_none())
    }
}

/// A client's connection is turned away before there is a request only if no request needs to be known for it.
fn at_connection(entry: &Entry, doc: &Doc) -> bool {
    leg(&entry.r#where, doc) == Leg::Client
        && doc.acts_at.contains(&Hook::Connection)
        && !needs_request(entry, doc)
}

/// What stands on a leg of its own accord knows less than a request: a client's connection has taken no route yet, and one to
/// a backend serves many clients.
fn needs_request(entry: &Entry, doc: &Doc) -> bool {
    let place = &entry.r#where;
    match leg(place, doc) {
        Leg::Client => {
            let rest = Match {
                client: Default::default(),
                tls_name: Default::default(),
                ..place.r#match.clone()
            };
            let names_way = place.cluster.is_some() || place.backend.is_some() || place.role.is_some();
            names_way || place.route.is_some() || !rest.is_empty()
        }
        Leg::Upstream => place.listener.is_some() || place.route.is_some() || !place.r#match.is_empty(),
    }
}
