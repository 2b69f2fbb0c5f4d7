//! Faults that are set while the proxy runs: each lives by a lease, and goes when that is given back or ends.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;

use super::{ChangeError, Control, FaultStatus, Lease, LeaseId, Owner, Truth, held, lease};
use crate::{
    config,
    faults::{Entry, Fault},
    snapshot::Steering,
    telemetry::events::Event,
};

/// How soon it is tried again to publish what could not be published.
pub(super) const SETTLE_AGAIN: Duration = Duration::from_secs(1);

impl Control {
    /// Sets faults that live as long as the lease is renewed, or until its end.
    ///
    /// # Errors
    /// When a fault does not fit the document in force, a name is taken, or a panic is in force.
    pub fn take_lease(
        &self,
        owner: Owner,
        ttl: Duration,
        faults: Vec<(String, Entry)>,
    ) -> Result<LeaseId, ChangeError> {
        let mut truth = self.lock();
        if truth.panic.is_some() {
            return Err(ChangeError::Panicked);
        }
        self.may_set(&truth, None, &faults)?;
        let lease = Lease {
            owner,
            ends: Instant::now() + ttl,
            faults,
            steering: Vec::new(),
            obstruction: None,
        };
        let id = truth.leases.take(lease);
        if let Err(error) = self.settle(&mut truth, "") {
            truth.leases.end(id);
            return Err(error);
        }
        Ok(id)
    }

    /// Sends traffic where it went in an incident's system, for as long as a lease lives.
    ///
    /// # Errors
    /// When the lease has ended.
    pub fn steer(&self, id: LeaseId, steering: Vec<Steering>) -> Result<(), ChangeError> {
        let mut truth = self.lock();
        held(&mut truth.leases, id)?.steering = steering;
        self.settle(&mut truth, "")
    }

    /// Puts a complete new set in the place of a lease's faults, all at once.
    ///
    /// # Errors
    /// As [`Control::take_lease`]; the set before stands then.
    pub fn replace(&self, id: LeaseId, faults: Vec<(String, Entry)>) -> Result<(), ChangeError> {
        let mut truth = self.lock();
        self.may_set(&truth, Some(id), &faults)?;
        let before = std::mem::replace(&mut held(&mut truth.leases, id)?.faults, faults);
        self.settle(&mut truth, "its holder replaced it")
            .inspect_err(|_| {
                if let Some(lease) = truth.leases.live(id, Instant::now()) {
                    lease.faults = before;
                }
            })
    }

    /// Keeps a lease alive for so long from now.
    ///
    /// # Errors
    /// When it has ended.
    pub fn renew(&self, id: LeaseId, ttl: Duration) -> Result<(), ChangeError> {
        held(&mut self.lock().leases, id)?.ends = Instant::now() + ttl;
        self.leases_changed.notify_one();
        Ok(())
    }

    /// Whether a lease is still held.
    pub fn holds(&self, id: LeaseId) -> bool {
        self.lock().leases.live(id, Instant::now()).is_some()
    }

    /// Gives a lease back: its faults are gone. False when it had ended before.
    pub fn release(&self, id: LeaseId) -> bool {
        let mut truth = self.lock();
        let ended = truth.leases.end(id).is_some();
        self.settle_for_less(&mut truth, "its lease was given back");
        ended
    }

    /// Removes one fault that was set by hand. False when there is none of that name.
    pub fn remove_fault(&self, name: &str) -> bool {
        let mut truth = self.lock();
        let removed = truth.leases.remove_fault(name);
        self.settle_for_less(&mut truth, "it was removed");
        removed
    }

    fn may_set(
        &self,
        truth: &Truth,
        own: Option<LeaseId>,
        faults: &[(String, Entry)],
    ) -> Result<(), ChangeError> {
        if truth.panic.is_some() && !faults.is_empty() {
            return Err(ChangeError::Panicked);
        }
        let others: usize = truth
            .leases
            .iter()
            .filter(|(id, _)| Some(*id) != own)
            .map(|(_, l)| l.faults.len())
            .sum();
        if others + faults.len() > lease::FAULTS_AT_MOST {
            return Err(ChangeError::Refused(format!(
                "more than {} faults at once",
                lease::FAULTS_AT_MOST
            )));
        }
        let document = truth.annex.beside(&truth.document);
        for (place, (name, entry)) in faults.iter().enumerate() {
            let elsewhere = truth.leases.iter().filter(|(id, _)| Some(*id) != own);
            let taken = document.faults.has(name)
                || elsewhere
                    .flat_map(|(_, lease)| &lease.faults)
                    .any(|(other, _)| other == name)
                || faults[..place].iter().any(|(other, _)| other == name);
            if taken {
                return Err(ChangeError::Refused(format!(
                    "there is already a fault `{name}`; remove it first, or give this one another name"
                )));
            }
            let findings = config::check_fault(&document, &config::Path::of(["faults", name]), entry);
            if let Some(finding) = findings.first() {
                return Err(ChangeError::Refused(format!(
                    "{}: {}; {}",
                    finding.path, finding.what, finding.mend
                )));
            }
        }
        Ok(())
    }

    /// The faults that stand, in the order in which they are tried.
    pub fn faults(&self) -> Vec<FaultStatus> {
        let truth = self.lock();
        let now = Instant::now();
        let snapshot = self.snapshot();
        let status = |fault: &Arc<Fault>| {
            let (owner, held) = truth.holder(fault.name()).unzip();
            let held = held.flatten();
            FaultStatus {
                fault: fault.clone(),
                owner,
                lease: held.map(|(id, _)| id),
                ends_in: held.map(|(_, lease)| lease.ends.saturating_duration_since(now)),
            }
        };
        let stands = |fault: &&Arc<Fault>| !fault.is_lifted();
        snapshot.faults.iter().filter(stands).map(status).collect()
    }

    /// Ends the leases whose time is over, at that time, for as long as the process lives.
    pub async fn expire_leases(self: Arc<Self>) {
        loop {
            let next = {
                let truth = self.lock();
                let again = truth.unsettled.then(|| Instant::now() + SETTLE_AGAIN);
                truth.leases.next_end().into_iter().chain(again).min()
            };
            let over = async {
                match next {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = over => self.expire(Instant::now()),
                () = self.leases_changed.notified() => {}
            }
        }
    }

    fn expire(&self, now: Instant) {
        let mut truth = self.lock();
        let over = truth.leases.expire(now);
        if over.is_empty() && !truth.unsettled {
            return;
        }
        self.settle_for_less(&mut truth, "its lease was not renewed in time");
        for lease in over {
            self.events.tell(Event::LeaseEnded {
                lease: lease.owner.to_string(),
                cause: "it was not renewed in time".into(),
            });
        }
    }
}
