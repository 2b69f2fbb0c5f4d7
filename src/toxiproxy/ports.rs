//! Who listens on which port, and what must not listen there: a second one, or one that leads back to itself.

use std::{collections::HashMap, net::SocketAddr};

use super::{
    obstacle::in_use,
    registry::{Proxy, Registry, upstream},
    reply::Refusal,
};
use crate::config::{Bind, way_back_by};

/// Who listens on which port: of many, few have to be looked at. Whoever has moved since may still be in it.
#[derive(Debug, Default)]
pub(super) struct Ports(HashMap<u16, Vec<String>>);

impl Ports {
    /// One more listens there.
    pub(super) fn add(&mut self, name: &str, bind: SocketAddr) {
        self.0.entry(bind.port()).or_default().push(name.to_owned());
    }

    /// Who is known for a port.
    pub(super) fn names_on(&self, port: u16) -> impl Iterator<Item = &str> {
        let names = self.0.get(&port).into_iter().flatten();
        names.map(String::as_str)
    }
}

impl Registry {
    /// Begins a life of a proxy that is to listen as written and found, beside those on these ports, if it may.
    pub(super) fn begin_among(
        &mut self,
        ports: &mut Ports,
        name: &str,
        at: (&str, SocketAddr),
    ) -> Result<(), Refusal> {
        self.may_begin(ports, name, &self.get(name)?.upstream, at)?;
        self.begin_checked(name, at.1);
        ports.add(name, at.1);
        Ok(())
    }

    /// Whether a proxy may listen as written and found, and lead there, beside those on these ports.
    pub(super) fn may_begin(
        &self,
        ports: &Ports,
        name: &str,
        to: &str,
        at: (&str, SocketAddr),
    ) -> Result<(), Refusal> {
        self.check_circle(ports, name, to, at)?;
        let mut others = self.others_on(ports, at.1.port(), name).filter_map(Proxy::bound);
        match others.any(|other| Bind(other).collides(Bind(at.1))) {
            true => Err(in_use(at.1)),
            false => Ok(()),
        }
    }

    /// Who listens on which port.
    pub(super) fn ports(&self) -> Ports {
        let mut ports = Ports::default();
        for proxy in self.iter() {
            if let Some(bind) = proxy.bound() {
                ports.add(&proxy.name, bind);
            }
        }
        ports
    }

    /// The others that listen on a port.
    fn others_on<'a>(
        &'a self,
        ports: &'a Ports,
        port: u16,
        name: &'a str,
    ) -> impl Iterator<Item = &'a Proxy> {
        let known = ports.0.get(&port).into_iter().flatten();
        let others = known.filter(move |other| *other != name);
        others.filter_map(|other| self.get(other).ok())
    }

    /// Refuses an upstream that leads back to the proxy, which listens as written and found: it would go in circles, until it has
    /// taken every descriptor of the process.
    pub(super) fn check_circle(
        &self,
        ports: &Ports,
        name: &str,
        to: &str,
        (listen, bind): (&str, SocketAddr),
    ) -> Result<(), Refusal> {
        let Ok(address) = upstream(to) else {
            return Ok(());
        };
        let listen_on = |port| {
            let others = self.others_on(ports, port, name);
            others.filter_map(Proxy::hop).collect()
        };
        let message = match way_back_by(name, Bind(bind), &address, listen_on).as_deref() {
            None => return Ok(()),
            Some([_, _]) => format!("the upstream {to} is the proxy itself, which listens on {listen}"),
            Some(way) => {
                let way = way.join(" -> ");
                format!("the upstream {to} leads back to the proxy: {way}; one of them must lead to a server")
            }
        };
        Err(Refusal::bad(message).about("upstream"))
    }
}
