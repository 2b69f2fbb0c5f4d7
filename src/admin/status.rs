//! `/api/v1/status`: everything that stands, at a glance.

use axum::Json;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Desk,
    ask::Ask,
    clusters::{self, ClusterStatus},
    drill::{self, DrillStatus},
    faults::{self, FaultStatus},
    panic::{self, Panicked},
    refusal::Refusal,
};
use crate::{snapshot::Listener, units::Span};

/// What the proxy is doing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Status {
    /// The proxy's version.
    pub version: String,
    /// How long it has run.
    pub up: Span,
    /// Whether it can forward.
    pub ready: bool,
    /// The revision of the document in force.
    pub revision: u64,
    /// The seed of the dice, which repeats a run; nothing where it is not for whoever asks to know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// Where clients connect.
    pub listeners: Vec<ListenerStatus>,
    /// Where traffic goes.
    pub clusters: Vec<ClusterStatus>,
    /// What is broken on purpose, in the order tried; nothing where it is not for whoever asks to know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub faults: Option<Vec<FaultStatus>>,
    /// The panic that is in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub panic: Option<Panicked>,
    /// The drill that runs, or the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drill: Option<DrillStatus>,
}

/// A listener now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ListenerStatus {
    /// Its name.
    pub name: String,
    /// The address it is bound to.
    pub address: String,
    /// What clients speak.
    pub protocol: String,
    /// Whether TLS ends here.
    pub tls: bool,
    /// Whether sessions of a database that are encrypted pass unread: only faults of connections and of bytes meet them.
    pub passes_unread: bool,
    /// How many connections it serves.
    pub connections: usize,
    /// How many it may serve.
    pub connections_at_most: usize,
    /// The addresses that have connected most, the first most often; ten at most.
    pub busiest_clients: Vec<ClientStatus>,
}

/// An address that connects.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ClientStatus {
    /// The address.
    pub address: String,
    /// How often it has connected, at least: of one that was long away some may be forgotten.
    pub connections: u64,
}

/// Shows everything that stands.
pub(super) fn show(desk: &Desk, _: &Ask) -> Result<Json<Status>, Refusal> {
    Ok(Json(status(desk)))
}

pub(super) fn status(desk: &Desk) -> Status {
    let snapshot = desk.control.snapshot();
    Status {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        up: Span::millis(u64::try_from(desk.up().as_millis()).unwrap_or(u64::MAX)),
        ready: desk.is_ready(),
        revision: desk
            .control
            .history()
            .last()
            .map_or(0, |revision| revision.number),
        seed: Some(snapshot.dice.seed()),
        listeners: snapshot
            .listeners
            .values()
            .map(|listener| listening(listener))
            .collect(),
        clusters: clusters::all(desk),
        faults: Some(faults::all(desk)),
        panic: panic::in_force(desk),
        drill: drill::now(desk).ok(),
    }
}

fn listening(listener: &Listener) -> ListenerStatus {
    let settings = &listener.settings;
    ListenerStatus {
        name: listener.name.to_string(),
        address: listener.sockets.bound().to_string(),
        protocol: settings.protocol.as_str().to_owned(),
        tls: listener.tls.is_some(),
        passes_unread: settings.passes_unread(),
        connections: listener.permits.taken(),
        connections_at_most: settings.limits.connections.get() as usize,
        busiest_clients: listener
            .lanes
            .busiest()
            .into_iter()
            .map(|(address, connections)| ClientStatus {
                address: address.to_string(),
                connections,
            })
            .collect(),
    }
}
