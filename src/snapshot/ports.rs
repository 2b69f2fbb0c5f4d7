//! Who of this very process listens at an address: a listener whose place another takes, or one that is in its way.

use std::{io, net::SocketAddr};

use std::sync::Arc;

use super::{Listener, Obstacle, Source};
use crate::{
    config::{self, Bind, Path},
    net::listen::BindError,
};

/// Who listened at the address of a listener before: itself, or another that does so no more. Its sockets carry over, so that no
/// connection in their queues is lost.
pub(super) fn stood_there<'a>(
    source: &Source<'a>,
    before: Option<&'a Arc<Listener>>,
    settings: &config::Listener,
) -> Option<&'a Arc<Listener>> {
    let same = before.filter(|before| before.sockets.asked() == settings.bind.0);
    same.or_else(|| given_up(source, settings))
}

/// A listener of the document in force that gives up this address: it has another name now, or two swap their ports. Of port 0
/// nobody knows who was meant.
fn given_up<'a>(source: &Source<'a>, settings: &config::Listener) -> Option<&'a Arc<Listener>> {
    let bind = settings.bind;
    let keeps = |name: &str| {
        let now = source.document.listeners.get(name);
        now.is_some_and(|now| now.bind == bind)
    };
    let is_written = |settings: &config::Listener| settings.life.is_none();
    let was_there = |(name, listener): &(&Arc<str>, &Arc<Listener>)| {
        listener.sockets.asked() == bind.0 && is_written(&listener.settings) && !keeps(name)
    };
    let before = source
        .previous
        .filter(|_| bind.0.port() != 0 && is_written(settings))?;
    before
        .listeners
        .iter()
        .find(was_there)
        .map(|(_, listener)| listener)
}

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
