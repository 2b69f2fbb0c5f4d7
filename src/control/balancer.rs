//! What people tell the balancer: a backend out of the choice and back, its share, and how much traffic is let in.

use tokio::time::Instant;

use super::{ChangeError, Control};
use crate::{
    snapshot::Snapshot,
    telemetry::events::Event,
    units::Probability,
    upstream::{Backend, Weight},
};

impl Control {
    /// Takes a backend out of the choice; what runs on it ends by itself.
    ///
    /// # Errors
    /// When there is no such backend.
    pub fn drain(&self, cluster: &str, backend: &str) -> Result<(), ChangeError> {
        self.with_backend(cluster, backend, Backend::drain)
    }

    /// Puts a drained backend back.
    ///
    /// # Errors
    /// When there is no such backend.
    pub fn enable(&self, cluster: &str, backend: &str) -> Result<(), ChangeError> {
        self.with_backend(cluster, backend, |backend| backend.enable(Instant::now()))
    }

    /// Changes a backend's share, until the document says otherwise.
    ///
    /// # Errors
    /// When there is no such backend.
    pub fn set_weight(&self, cluster: &str, backend: &str, weight: Weight) -> Result<(), ChangeError> {
        self.with_backend(cluster, backend, |backend| backend.set_weight(Some(weight)))?;
        // Rounds are laid out when a snapshot is made: one with more turns than before needs another.
        self.settle(&mut self.lock(), "a weight was changed")
    }

    /// Admits a share of a cluster's traffic; the rest is answered 503.
    ///
    /// # Errors
    /// When there is no such cluster.
    pub fn admit(&self, cluster: &str, share: Probability) -> Result<(), ChangeError> {
        let snapshot = self.snapshot();
        let target = snapshot
            .cluster(cluster)
            .ok_or_else(|| no_cluster(&snapshot, cluster))?;
        target.cluster.admit(share);
        self.events.tell(Event::BalancerChanged {
            cluster: cluster.into(),
            backend: None,
            state: format!("admits {share}"),
        });
        Ok(())
    }

    fn with_backend(
        &self,
        cluster: &str,
        backend: &str,
        act: impl FnOnce(&Backend),
    ) -> Result<(), ChangeError> {
        let snapshot = self.snapshot();
        let target = snapshot
            .cluster(cluster)
            .ok_or_else(|| no_cluster(&snapshot, cluster))?;
        let backends = target.cluster.backends();
        let found =
            backends
                .iter()
                .find(|one| one.name() == backend)
                .ok_or_else(|| ChangeError::NotFound {
                    what: "backend",
                    name: format!("{cluster}/{backend}"),
                    known: backends.iter().map(|one| one.name().to_owned()).collect(),
                })?;
        act(found);
        self.events.tell(Event::BalancerChanged {
            cluster: cluster.into(),
            backend: Some(backend.into()),
            state: format!(
                "{}, weight {}",
                found.state_word(Instant::now()),
                found.weight().get()
            ),
        });
        Ok(())
    }
}

fn no_cluster(snapshot: &Snapshot, name: &str) -> ChangeError {
    ChangeError::NotFound {
        what: "cluster",
        name: name.to_owned(),
        known: snapshot
            .clusters
            .iter()
            .map(|target| target.name.to_string())
            .collect(),
    }
}
