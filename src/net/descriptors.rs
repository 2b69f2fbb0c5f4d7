//! How many descriptors the process may have: every connection needs two. Some are kept back from traffic, so that the admin
//! API and the panic button are there when traffic has taken the rest.

use std::{
    io,
    os::fd::{AsFd, AsRawFd},
    sync::atomic::{AtomicI32, Ordering},
};

use rustix::{
    io::Errno,
    process::{Resource, getrlimit, setrlimit},
};

/// So many descriptors are not for traffic, or a quarter of all where there are few.
const KEPT_BACK: i32 = 128;

/// How many there are.
static ALL: AtomicI32 = AtomicI32::new(i32::MAX);

/// What traffic wants a descriptor for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Use {
    /// A client.
    Accepted,
    /// A backend, for a client that was let in: it may have half of what is kept back from clients.
    Dialled,
}

/// Raises the limit as far as the system allows without asking, and keeps some of it back. Shells set it low for the sake of
/// programs that use `select`, which this one does not; where it cannot be raised, listeners stop accepting while nothing is
/// left.
pub fn raise_descriptors() {
    let mut limit = getrlimit(Resource::Nofile);
    let before = limit.current;
    limit.current = limit.maximum;
    let all = match setrlimit(Resource::Nofile, limit) {
        Ok(()) => limit.maximum,
        Err(error) => {
            tracing::debug!(%error, "the limit of open files stays as it is");
            before
        }
    };
    let all = all.map_or(i32::MAX, |all| i32::try_from(all).unwrap_or(i32::MAX));
    ALL.store(all, Ordering::Relaxed);
}

/// The first of so many descriptors that is kept back from this use. The system gives the lowest that is free.
fn kept_from(all: i32, by: Use) -> i32 {
    let kept = KEPT_BACK.min(all / 4);
    match by {
        Use::Accepted => all - kept,
        Use::Dialled => all - kept / 2,
    }
}

/// Whether traffic may have this descriptor.
///
/// # Errors
/// Only those are left that are kept back: as if there were none.
pub(super) fn for_traffic(socket: &impl AsFd, by: Use) -> io::Result<()> {
    let kept_from = kept_from(ALL.load(Ordering::Relaxed), by);
    let is_kept = |socket: &dyn AsRawFd| socket.as_raw_fd() >= kept_from;
    // One that came late may stay where others have gone since.
    if is_kept(&socket.as_fd()) && is_kept(&socket.as_fd().try_clone_to_owned()?) {
        return Err(Errno::MFILE.into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_kept_back_and_never_all() {
        let both = |all| (kept_from(all, Use::Accepted), kept_from(all, Use::Dialled));
        assert_eq!(both(20_000), (19_872, 19_936));
        assert_eq!(both(100), (75, 88));
        assert_eq!(both(0), (0, 0));
    }
}
