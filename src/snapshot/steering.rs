//! What leases say of traffic besides their faults: where requests go, whatever a cluster's policy would choose, who is no
//! user, and which headers of backends' answers somebody wants to know.

use std::sync::Arc;

use http::{HeaderName, Method};

use super::Target;
use crate::{
    route::{Match, Matcher},
    telemetry::LastValue,
    units::{Dice, Probability},
    upstream::Backend,
};

/// What a lease says of traffic besides its faults. Sends requests with some methods to some backends of a cluster, whatever its policy would choose: an incident's system
/// may have sent writes to one server only.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Steering {
    /// The methods.
    pub methods: Vec<String>,
    /// The backends (cluster and name), with their shares of these requests.
    pub to: Vec<(String, String, Probability)>,
    /// Requests of monitoring, which are counted apart from users'; nobody's where nothing is asked.
    pub monitors: Match,
    /// Whether those who look at traffic must not know what is injected.
    pub blind: bool,
    /// Headers of backends' answers whose last value is kept.
    pub watched: Vec<Watched>,
}

/// A header of backends' answers whose last value is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watched {
    /// The cluster.
    pub cluster: String,
    /// The backend; all of the cluster where none is named.
    pub backend: Option<String>,
    /// The header.
    pub name: HeaderName,
}

/// Where a lease sends requests, compiled.
pub(super) struct Steered {
    methods: Vec<Method>,
    cluster: usize,
    to: Vec<(usize, Probability)>,
}

impl Steered {
    /// Whether it decides where such a request to a cluster goes.
    pub(super) fn takes(&self, cluster: usize, method: &Method) -> bool {
        self.cluster == cluster && self.methods.contains(method)
    }

    /// The backend that an exchange is sent to; `None` where the shares leave it to the policy.
    pub(super) fn pick(&self, dice: Dice, exchange: u64) -> Option<usize> {
        let mut left = dice.roll(STEERING, exchange);
        self.to.iter().find_map(|(backend, share)| {
            left -= share.get();
            (left < 0.0).then_some(*backend)
        })
    }
}

/// Which requests are monitoring's.
pub(super) fn monitors(steering: &[&Steering]) -> Vec<Matcher> {
    let asked = steering.iter().filter(|one| !one.monitors.is_empty());
    asked.map(|one| one.monitors.compile()).collect()
}

/// The headers that leases want to know of a cluster's backends. What is known of a backend is carried over.
pub(super) fn watched(
    steering: &[&Steering],
    cluster: &str,
    backends: &[Arc<Backend>],
    before: Option<&Target>,
) -> Vec<(usize, Arc<LastValue>)> {
    let known = |backend: &str, name: &HeaderName| {
        let before = before?;
        let mut watched = before.watched.iter();
        watched.find_map(|(place, value)| {
            let is = before.cluster.backends()[*place].name() == backend && value.name() == name;
            is.then(|| value.clone())
        })
    };
    let mut found: Vec<(usize, Arc<LastValue>)> = Vec::new();
    let asked = steering.iter().flat_map(|one| &one.watched);
    for asked in asked.filter(|asked| asked.cluster == cluster) {
        for (place, backend) in backends.iter().enumerate() {
            let is_other = asked
                .backend
                .as_deref()
                .is_some_and(|name| name != backend.name());
            let is_found = found
                .iter()
                .any(|(at, value)| *at == place && *value.name() == asked.name);
            if is_other || is_found {
                continue;
            }
            let value = known(backend.name(), &asked.name);
            let value = value.unwrap_or_else(|| Arc::new(LastValue::new(asked.name.clone())));
            found.push((place, value));
        }
    }
    found
}

/// The question that steering asks the dice, apart from those of faults.
const STEERING: u64 = 0x5753;

/// Resolves where a lease sends traffic, in every cluster that has one of its backends.
pub(super) fn steered(steering: &Steering, clusters: &[Arc<Target>]) -> Vec<Steered> {
    let methods: Vec<Method> = steering
        .methods
        .iter()
        .filter_map(|method| method.parse().ok())
        .collect();
    let within = |(place, target): (usize, &Arc<Target>)| {
        let backends = target.cluster.backends();
        let to: Vec<(usize, Probability)> = steering
            .to
            .iter()
            .filter(|(cluster, ..)| **cluster == *target.name)
            .filter_map(|(_, name, share)| Some((backends.iter().position(|b| b.name() == name)?, *share)))
            .collect();
        (!to.is_empty()).then(|| Steered {
            methods: methods.clone(),
            cluster: place,
            to,
        })
    };
    clusters.iter().enumerate().filter_map(within).collect()
}
