//! `/api/v1/clusters` and `/api/v1/backends`: where traffic goes, and the responder's balancer.

use axum::Json;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::{
    Desk,
    ask::{Ask, Fields},
    refusal::{Kind, Refusal},
};
use crate::{
    snapshot::Target,
    units::{Probability, Span},
    upstream::{self, Backend, Condition, OutcomeKind, Replication, settings::Balance},
};

/// A cluster now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ClusterStatus {
    /// Its name.
    pub name: String,
    /// How it chooses between its backends.
    pub balance: String,
    /// The share of exchanges that it takes; the rest is turned away.
    pub admitted: Probability,
    /// Its backends.
    pub backends: Vec<BackendStatus>,
    /// How long its HTTP requests took, since the process began.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub took: Vec<Took>,
}

/// How many requests took so long.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Took {
    /// At most so many milliseconds, and more than the step before; nothing for those beyond the last step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_most_ms: Option<f64>,
    /// How many.
    pub count: u64,
}

/// A backend now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct BackendStatus {
    /// Its cluster.
    pub cluster: String,
    /// Its name, or its address where it has none.
    pub name: String,
    /// Its address as written.
    pub address: String,
    /// How many tiers must be down before it is used.
    pub tier: u32,
    /// Its weight.
    pub weight: u32,
    /// Whether somebody took it out of service.
    pub drained: bool,
    /// Its health.
    pub health: Health,
    /// Which copy of a database's data it has, where a health check has told: `primary` or `replica`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replication: Option<Replication>,
    /// Why its health is what it is.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub why: String,
    /// Exchanges that run.
    pub active: u64,
    /// Exchanges that it was sent.
    pub exchanges: u64,
    /// Those among them that failed.
    pub failed: u64,
}

/// The health of a backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Health {
    /// Its checks pass, or it has none.
    Up,
    /// Its checks fail.
    Down,
    /// It was put out for errors in traffic, for a while.
    Ejected,
    /// It was not checked yet.
    Unknown,
}

/// Which cluster.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub(super) struct InCluster {
    cluster: String,
}

/// Which backend of which cluster.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub(super) struct OfCluster {
    cluster: String,
    backend: String,
}

/// A new weight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Weight {
    /// The weight, from 0 (it gets nothing) to 1000.
    pub weight: u32,
}

/// How much a cluster takes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Admit {
    /// The share of exchanges: `25%`.
    pub share: Probability,
}

/// Lists the clusters.
pub(super) fn list(desk: &Desk, _: &Ask) -> Result<Json<Vec<ClusterStatus>>, Refusal> {
    Ok(Json(all(desk)))
}

/// Lists the backends of all clusters.
pub(super) fn backends(desk: &Desk, _: &Ask) -> Result<Json<Vec<BackendStatus>>, Refusal> {
    Ok(Json(
        all(desk)
            .into_iter()
            .flat_map(|cluster| cluster.backends)
            .collect(),
    ))
}

/// Shows a cluster.
pub(super) fn show(desk: &Desk, ask: &Ask<InCluster>) -> Result<Json<ClusterStatus>, Refusal> {
    one(desk, &ask.at.cluster)
}

/// Takes a backend out of service.
pub(super) fn drain(desk: &Desk, ask: &Ask<OfCluster>) -> Result<Json<ClusterStatus>, Refusal> {
    let OfCluster { cluster, backend } = &ask.at;
    desk.control.drain(cluster, backend)?;
    one(desk, cluster)
}

/// Puts a backend back into service.
pub(super) fn enable(desk: &Desk, ask: &Ask<OfCluster>) -> Result<Json<ClusterStatus>, Refusal> {
    let OfCluster { cluster, backend } = &ask.at;
    desk.control.enable(cluster, backend)?;
    one(desk, cluster)
}

/// Gives a backend another weight.
pub(super) fn weigh(
    desk: &Desk,
    ask: &Ask<OfCluster, Fields<Weight>>,
) -> Result<Json<ClusterStatus>, Refusal> {
    let OfCluster { cluster, backend } = &ask.at;
    let weight = upstream::Weight::try_from(ask.body.0.weight)
        .map_err(|error| Refusal::new(Kind::Invalid, error.to_string(), "send another weight"))?;
    desk.control.set_weight(cluster, backend, weight)?;
    one(desk, cluster)
}

/// Takes only a share of a cluster's exchanges.
pub(super) fn admit(
    desk: &Desk,
    ask: &Ask<InCluster, Fields<Admit>>,
) -> Result<Json<ClusterStatus>, Refusal> {
    desk.control.admit(&ask.at.cluster, ask.body.0.share)?;
    one(desk, &ask.at.cluster)
}

fn one(desk: &Desk, name: &str) -> Result<Json<ClusterStatus>, Refusal> {
    let snapshot = desk.control.snapshot();
    let known = || {
        snapshot
            .clusters
            .iter()
            .map(|target| target.name.to_string())
            .collect::<Vec<_>>()
            .join(", ")
    };
    snapshot
        .cluster(name)
        .map(|target| Json(cluster(desk, target)))
        .ok_or_else(|| {
            Refusal::new(
                Kind::NotFound,
                format!("there is no cluster `{name}`"),
                format!("there are {}", known()),
            )
        })
}

/// All clusters, in the order written.
pub(super) fn all(desk: &Desk) -> Vec<ClusterStatus> {
    desk.control
        .snapshot()
        .clusters
        .iter()
        .map(|target| cluster(desk, target))
        .collect()
}

fn cluster(desk: &Desk, target: &Target) -> ClusterStatus {
    let now = Instant::now();
    ClusterStatus {
        name: target.name.to_string(),
        balance: balance(&target.settings.balance.clone().unwrap_or_default()).to_owned(),
        admitted: target.cluster.admitted(),
        backends: target
            .cluster
            .backends()
            .iter()
            .map(|one| backend(desk, &target.name, one, now))
            .collect(),
        took: took(target),
    }
}

fn took(target: &Target) -> Vec<Took> {
    let steps = target.lanes.durations(|lane| &lane.duration).into_iter();
    let step = |(at_most, count): (Option<std::time::Duration>, u64)| Took {
        at_most_ms: at_most.map(|at_most| at_most.as_secs_f64() * 1e3),
        count,
    };
    steps.map(step).collect()
}

const fn balance(balance: &Balance) -> &'static str {
    match balance {
        Balance::RoundRobin => "round_robin",
        Balance::LeastRequest => "least_request",
        Balance::Random => "random",
        Balance::Hash { .. } => "hash",
    }
}

fn backend(desk: &Desk, cluster: &str, backend: &Backend, now: Instant) -> BackendStatus {
    let attempts = backend.attempts();
    let (health, why) = health(desk, cluster, backend, now);
    BackendStatus {
        cluster: cluster.to_owned(),
        name: backend.name().to_owned(),
        address: backend.address().to_string(),
        tier: u32::from(backend.tier()),
        weight: backend.weight().get(),
        drained: backend.is_drained(),
        health,
        replication: backend.replication(),
        why,
        active: backend.active() as u64,
        exchanges: attempts,
        failed: attempts - backend.outcomes(OutcomeKind::Ok).min(attempts),
    }
}

/// A failing check first: the end of an ejection does not bring such a backend back.
fn health(desk: &Desk, cluster: &str, backend: &Backend, now: Instant) -> (Health, String) {
    match (backend.condition(), backend.ejected_for(now)) {
        (Condition::Unhealthy, _) => (Health::Down, desk.cause(cluster, backend.name())),
        (_, Some(left)) => {
            let back = Span::secs(left.as_secs() + 1);
            (
                Health::Ejected,
                format!("too many errors in traffic; back in {back}"),
            )
        }
        (Condition::Healthy, None) => (Health::Up, String::new()),
        (Condition::Unchecked, None) => (Health::Up, "no health check".to_owned()),
        (Condition::Joining, None) => (Health::Unknown, "waits for its first check".to_owned()),
    }
}
