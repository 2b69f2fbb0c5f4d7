//! Where leases send requests, whatever a cluster's policy would choose.

use std::sync::Arc;

use http::Method;

use super::Target;
use crate::{
    route::{Match, Matcher},
    units::{Dice, Probability},
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
