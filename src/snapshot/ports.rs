//! Why an address cannot be listened on, where it is this very process that listens there.

use std::{io, net::SocketAddr};

use super::{Obstacle, Source};
use crate::{
    config::{Bind, Path},
    net::listen::BindError,
};

/// What stands in the way of a listener: who of this process has its address, or what the system says.
pub(super) fn obstacle(
    source: &Source<'_>,
    admin: Option<SocketAddr>,
    name: &str,
    bad: &BindError,
) -> Obstacle {
    let error = bad.error.kind();
    let own = || own(source, admin, Bind(bad.address));
    let own = (error == io::ErrorKind::AddrInUse).then(own).flatten();
    let what = own.map_or_else(
        || bad.to_string(),
        |own| {
            let address = bad.address;
            format!("cannot listen on {address}: address in use: this process listens there already, {own}")
        },
    );
    Obstacle {
        path: Path::of(["listeners", name, "bind"]),
        what,
        error: Some(error),
    }
}

/// What of this process listens there, and what to do about it.
fn own(source: &Source<'_>, admin: Option<SocketAddr>, bind: Bind) -> Option<String> {
    if admin.is_some_and(|admin| Bind(admin).collides(bind)) {
        return Some(
            "for its admin API; choose another port, or another `admin.bind` (`--admin`)".to_owned(),
        );
    }
    let listeners = &source.previous?.listeners;
    let mut there = listeners
        .iter()
        .filter(|(_, listener)| Bind(listener.sockets.bound()).collides(bind));
    let (other, _) = there.next()?;
    Some(if source.beside.has(other) {
        format!(
            "for the proxy `{other}` that was made through Toxiproxy's API; delete it (`DELETE /proxies/{other}`) or choose \
             another port"
        )
    } else {
        format!(
            "for listener `{other}` of the document in force, which stays until the next one holds; free the port with a \
             document of its own first, or choose another port"
        )
    })
}
