//! How many descriptors the process may have: every connection needs two.

use rustix::process::{Resource, getrlimit, setrlimit};

/// Raises the limit as far as the system allows without asking. Shells set it low for the sake of programs that use
/// `select`, which this one does not; where it cannot be raised, listeners stop accepting while nothing is left.
pub fn raise_descriptors() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        tracing::debug!(%error, "the limit of open files stays as it is");
    }
}
