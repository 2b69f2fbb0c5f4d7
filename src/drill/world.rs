//! What a drill needs of the world it runs in. The composition root gives it one made of control and telemetry; tests give
//! it a simulated one.

use std::{fmt, time::Duration};

use super::{
    facts::Observed,
    profile::{Header, Sight},
    script::{Named, Steer},
};

/// The proxy, as a drill sees it. None of its functions waits for traffic.
pub trait World: Send + Sync {
    /// Takes a lease that ends by itself when it is not renewed for so long, and sends each class of traffic where the
    /// incident's system sent it, for as long as the lease lives.
    fn begin(&self, lease: Duration, steering: &[Steer]) -> Result<(), Refusal>;

    /// Makes these all the faults of the lease, in this order; none of the ones before stays.
    fn hold(&self, faults: &[Named]) -> Result<(), Refusal>;

    /// Lets nobody put a broken document right while these words stand; none lets them again.
    fn obstruct(&self, words: Option<&str>) -> Result<(), Refusal>;

    /// Rolls the configuration back, as the original team did. Nothing where no broken document is live.
    fn roll_back(&self) -> Result<(), Refusal>;

    /// Keeps what the servers of these roles say in these headers, from here on and as long as the lease lives; in place of
    /// what was watched before.
    fn watch(&self, headers: &[Header]) -> Result<(), Refusal>;

    /// Renews the lease; `false` when it is gone.
    fn renew(&self) -> bool;

    /// What there is to see now: totals that only grow, and what people were seen to do since the last call.
    fn observe(&self) -> Observed;

    /// Does what the original team did, where this proxy can: admits a share, drains a backend, switches the demo's
    /// monitoring off. What it changed of the balancer is put back by [`World::end`].
    fn perform(&self, deed: &Sight);

    /// Gives the lease back, and with it every fault. Also called when the drill's task is dropped, and may be called
    /// twice.
    fn end(&self);
}

/// Why the world does not do what a drill asks, such as a backend that must not be touched.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Refusal(pub String);

/// Holds the lease for as long as the drill's task lives: a task that is dropped, or that panics, leaves no fault.
pub(super) struct Leased<'a, W: World + ?Sized>(pub(super) &'a W);

impl<W: World + ?Sized> Drop for Leased<'_, W> {
    fn drop(&mut self) {
        self.0.end();
    }
}

impl<W: World + ?Sized> fmt::Debug for Leased<'_, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Leased")
    }
}
