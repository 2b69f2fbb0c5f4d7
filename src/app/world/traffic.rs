//! What a drill's lease says of traffic besides its faults, and what traffic says back in headers.

use std::collections::BTreeMap;

use http::HeaderName;

use super::Proxy;
use crate::{
    drill::{Refusal, Steer, profile::Header},
    route::{Match, pattern::Pattern},
    snapshot::{Steering, Watched},
};

impl Proxy {
    /// What the lease says of traffic: where each class goes, and who is no user.
    pub(super) fn steering(&self, steer: &[Steer]) -> Result<Vec<Steering>, Refusal> {
        let steered = steer.iter().map(|steer| {
            let place = |(role, share): &(String, crate::units::Probability)| {
                let places = self.roles.get(role).into_iter().flatten();
                let of = |(cluster, backend): &(String, Option<String>)| {
                    backend.clone().map(|backend| (cluster.clone(), backend, *share))
                };
                places.filter_map(of).collect::<Vec<_>>()
            };
            Steering {
                methods: steer.methods.clone(),
                to: steer.to.iter().flat_map(place).collect(),
                ..Steering::default()
            }
        });
        let patterns = self.monitors.iter().map(|pattern| pattern.parse::<Pattern>());
        let patterns = patterns.collect::<Result<Vec<_>, _>>();
        let monitors = Steering {
            monitors: Match {
                user_agent: patterns.map_err(|error| Refusal(error.to_string()))?.into(),
                ..Match::default()
            },
            blind: self.blind,
            ..Steering::default()
        };
        Ok(steered.chain([monitors]).collect())
    }

    /// Keeps what the servers of these roles say in these headers, and nothing else.
    pub(super) fn watch_for(&self, headers: &[Header]) -> Result<(), Refusal> {
        let mut watched = Vec::new();
        for header in headers {
            let name = HeaderName::from_bytes(header.name.as_bytes());
            let name = name.map_err(|error| Refusal(format!("header `{}`: {error}", header.name)))?;
            let places = self.roles.get(&header.role).into_iter().flatten();
            watched.extend(places.map(|(cluster, backend)| Watched {
                cluster: cluster.clone(),
                backend: backend.clone(),
                name: name.clone(),
            }));
        }
        let (lease, mut steering) = {
            let state = self.state();
            (state.lease, state.steering.clone())
        };
        let Some((id, _)) = lease else {
            return Err(Refusal("the lease is gone".into()));
        };
        steering.push(Steering {
            watched,
            ..Steering::default()
        });
        let steered = self.control.steer(id, steering);
        steered.map_err(|error| Refusal(error.to_string()))
    }

    /// What backends last said in headers that are watched.
    pub(super) fn headers(&self) -> BTreeMap<(String, String), String> {
        let snapshot = self.control.snapshot();
        let mut headers = BTreeMap::new();
        for target in &snapshot.clusters {
            for (index, value) in &target.watched {
                let place = format!("{}/{}", target.name, target.cluster.backends()[*index].name());
                let said = value.value();
                headers.extend(said.map(|said| ((place, value.name().to_string()), said)));
            }
        }
        headers
    }
}
