//! What stands in the way of proxies, in the words of Go where it has some.

use std::{io, net::SocketAddr};

use super::reply::Refusal;
use crate::{config::Step, control::ChangeError, snapshot::Obstacle};

/// What Go says of an address that is taken.
const IN_USE: &str = "address already in use";

/// What is wrong with what was asked for, or what stands in its way.
pub(super) fn refusal(error: &ChangeError) -> Refusal {
    match error {
        ChangeError::Problems(_) | ChangeError::Obstacles(_) => Refusal::bad(error),
        _ => Refusal::new(500, error.to_string()),
    }
}

/// An address that is none, or whose name nobody knows.
pub(super) fn not_found(what: &str) -> Refusal {
    Refusal::new(500, format!("listen tcp: {what}")).about("listen")
}

/// Another proxy listens there.
pub(super) fn in_use(bind: SocketAddr) -> Refusal {
    not_there(bind, IN_USE)
}

/// Why a proxy cannot listen; a certificate that cannot be read is another matter.
pub(super) fn cannot_listen(name: &str, bind: SocketAddr, error: &ChangeError) -> Refusal {
    let own: Vec<&Obstacle> = obstacles(error)
        .iter()
        .filter(|one| named(one) == Some(name))
        .collect();
    match own.iter().find_map(|obstacle| obstacle.error) {
        Some(io::ErrorKind::AddrInUse) => in_use(bind),
        Some(io::ErrorKind::AddrNotAvailable) => not_there(bind, "cannot assign requested address"),
        Some(io::ErrorKind::PermissionDenied) => not_there(bind, "permission denied"),
        told => {
            let own: Vec<Obstacle> = own.into_iter().cloned().collect();
            match (own.is_empty(), told) {
                (true, _) => refusal(error),
                (_, None) => refusal(&ChangeError::Obstacles(own)),
                (_, Some(_)) => not_there(bind, &ChangeError::Obstacles(own).to_string()),
            }
        }
    }
}

/// The names of those that a change failed at.
pub(super) fn failed(error: &ChangeError) -> impl Iterator<Item = &str> {
    obstacles(error).iter().filter_map(named)
}

fn not_there(bind: SocketAddr, cause: &str) -> Refusal {
    Refusal::new(500, format!("listen tcp {bind}: bind: {cause}")).about("listen")
}

fn obstacles(error: &ChangeError) -> &[Obstacle] {
    match error {
        ChangeError::Obstacles(obstacles) => obstacles,
        _ => &[],
    }
}

/// Whose it is: `listeners.NAME.bind`, `clusters.NAME.tls`.
fn named(obstacle: &Obstacle) -> Option<&str> {
    match obstacle.path.steps().get(1)? {
        Step::Key(name) => Some(name),
        Step::Item(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Path;

    #[test]
    fn each_is_told_what_stands_in_its_own_way() {
        let obstacle = |name: &str, error| Obstacle {
            path: Path::of(["listeners", name, "bind"]),
            what: format!("{name} cannot"),
            error,
        };
        let error = ChangeError::Obstacles(vec![
            obstacle("a", Some(io::ErrorKind::AddrInUse)),
            obstacle("b", None),
        ]);
        let bind = SocketAddr::from(([127, 0, 0, 1], 80));
        let message = |name: &str| cannot_listen(name, bind, &error).message;
        assert_eq!(
            message("a"),
            "listen tcp 127.0.0.1:80: bind: address already in use"
        );
        assert!(
            message("b").ends_with("b cannot") && !message("b").contains("a cannot"),
            "{}",
            message("b")
        );
        assert_eq!(failed(&error).collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(failed(&ChangeError::Panicked).count(), 0);
    }
}
