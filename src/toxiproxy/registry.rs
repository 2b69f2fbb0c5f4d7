//! What there is: proxies with their toxics, as they are shown, and as they stand beside the document.

use std::{
    collections::{BTreeMap, HashSet},
    net::SocketAddr,
};

use serde::{Serialize, Serializer, ser::SerializeMap};
use serde_json::json;

use super::{fields::Fields, reply::Refusal, service, toxic::Toxic};
use crate::{
    config::{Bind, Hop, Listener, Protocol, Tls},
    control::Annex,
    faults::Flow,
    units::{Address, BadUnit},
    upstream::{
        ClusterSettings,
        settings::{BackendSettings, TlsSettings},
    },
};

/// More proxies are a slip: each takes sockets of every worker.
const MOST_PROXIES: usize = 1024;

/// More toxics are a slip: each costs every connection of its proxy a look.
const MOST_TOXICS: usize = 1024;

/// Toxiproxy's connections may stand still for ever; so long is as good as that.
const IDLE: &str = "36500d";

/// Toxiproxy leaves it to the system when to give an upstream up that does not answer; Linux does so after this: 6 retries of a SYN
/// (`net.ipv4.tcp_syn_retries`), each after twice the time of the one before. Less would cut clients that are meant to wait.
const CONNECT: &str = "127s";

/// Toxiproxy looks a name up for every connection; so often at most, for many that come at once.
const LOOKUP: &str = "1s";

/// A proxy.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Proxy {
    pub(super) name: String,
    /// Where it listens, as it is shown: as written until it has been bound, from then on what was bound.
    pub(super) listen: String,
    /// Where it was last asked to listen.
    pub(super) asked: String,
    pub(super) upstream: String,
    pub(super) encryption: Encryption,
    /// Where and in which life it listens, while it is enabled.
    pub(super) up: Option<Up>,
    pub(super) toxics: Vec<Toxic>,
}

/// Where TLS begins and ends: fields of ours, in the grammar of the document, which are shown only where they are set.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Encryption {
    /// How TLS of clients is ended.
    pub(super) tls: Option<Tls>,
    /// How TLS begins towards the upstream.
    pub(super) upstream_tls: Option<TlsSettings>,
}

impl Encryption {
    /// Reads both; what is not named stays.
    pub(super) fn read(&self, fields: &Fields) -> Result<Self, Refusal> {
        Ok(Self {
            tls: fields.grammar("tls")?.or_else(|| self.tls.clone()),
            upstream_tls: fields
                .grammar("upstream_tls")?
                .or_else(|| self.upstream_tls.clone()),
        })
    }
}

/// What an enabled proxy has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Up {
    pub(super) bind: SocketAddr,
    pub(super) life: u64,
}

/// All proxies.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Registry {
    proxies: BTreeMap<String, Proxy>,
    lives: u64,
}

impl Registry {
    pub(super) fn get(&self, name: &str) -> Result<&Proxy, Refusal> {
        self.proxies.get(name).ok_or_else(Refusal::no_proxy)
    }

    pub(super) fn get_mut(&mut self, name: &str) -> Result<&mut Proxy, Refusal> {
        self.proxies.get_mut(name).ok_or_else(Refusal::no_proxy)
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.proxies.contains_key(name)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Proxy> {
        self.proxies.values()
    }

    /// Those that do not listen, and where they would.
    pub(super) fn stopped(&self) -> impl Iterator<Item = (&str, &str)> {
        let stopped = self.iter().filter(|proxy| proxy.up.is_none());
        stopped.map(|proxy| (&*proxy.name, &*proxy.listen))
    }

    /// Ends the lives of some.
    pub(super) fn end_all(&mut self, names: &HashSet<String>) {
        let ending = self.proxies.values_mut();
        ending
            .filter(|proxy| names.contains(&proxy.name))
            .for_each(|proxy| proxy.up = None);
    }

    /// Takes all toxics away.
    pub(super) fn clear_toxics(&mut self) {
        self.proxies.values_mut().for_each(|proxy| proxy.toxics.clear());
    }

    /// Puts a proxy in the place of the one of its name.
    pub(super) fn put(&mut self, proxy: Proxy) -> Result<(), Refusal> {
        if self.proxies.len() >= MOST_PROXIES && !self.has(&proxy.name) {
            let message = format!("there are {MOST_PROXIES} proxies, and that is all there can be");
            return Err(Refusal::new(400, message));
        }
        self.proxies.insert(proxy.name.clone(), proxy);
        Ok(())
    }

    pub(super) fn remove(&mut self, name: &str) {
        self.proxies.remove(name);
    }

    /// Begins a life of a proxy: connections that came in another one end.
    pub(super) fn begin(&mut self, name: &str, bind: SocketAddr) -> Result<(), Refusal> {
        let proxy = self.get(name)?;
        self.check_circle(&self.ports(), name, &proxy.upstream, (&proxy.listen, bind))?;
        self.begin_checked(name, bind);
        Ok(())
    }

    /// The same where it has been looked whether it may.
    pub(super) fn begin_checked(&mut self, name: &str, bind: SocketAddr) {
        self.lives += 1;
        let life = self.lives;
        if let Some(proxy) = self.proxies.get_mut(name) {
            proxy.up = Some(Up { bind, life });
        }
    }

    /// The same where it listens already.
    pub(super) fn rebegin(&mut self, name: &str) -> Result<(), Refusal> {
        match self.get(name)?.up {
            Some(up) => self.begin(name, up.bind),
            None => Ok(()),
        }
    }

    /// Whether there may be so many toxics more.
    pub(super) fn has_room_for(&self, more: usize) -> Result<(), Refusal> {
        let toxics: usize = self.proxies.values().map(|proxy| proxy.toxics.len()).sum();
        match toxics + more <= MOST_TOXICS {
            true => Ok(()),
            false => {
                let message = format!("there can be {MOST_TOXICS} toxics, and not {more} more");
                Err(Refusal::new(400, message))
            }
        }
    }

    /// All of it as it stands beside the document.
    pub(super) fn annex(&self) -> Annex {
        let mut annex = Annex::default();
        let usual = usual_cluster();
        for proxy in self.proxies.values() {
            let Some(up) = proxy.up else { continue };
            annex.listeners.insert(&*proxy.name, proxy.listener(up));
            if let Some(cluster) = usual.as_ref().and_then(|usual| proxy.cluster(usual)) {
                annex.clusters.insert(&*proxy.name, cluster);
            }
            for toxic in &proxy.toxics {
                if let Some(fault) = toxic.fault(&proxy.name) {
                    annex.faults.insert(proxy.name_of_fault(&toxic.name), fault);
                }
            }
        }
        annex
    }
}

impl Proxy {
    /// Adds a toxic: upstream ones first, each kind in order of creation.
    pub(super) fn add(&mut self, toxic: Toxic) {
        let upstream = self.toxics.iter().filter(|toxic| toxic.flow == Flow::Request);
        let place = match toxic.flow {
            Flow::Request => upstream.count(),
            Flow::Reply => self.toxics.len(),
        };
        self.toxics.insert(place, toxic);
    }

    /// The place of a toxic.
    pub(super) fn place_of(&self, toxic: &str) -> Result<usize, Refusal> {
        let mut toxics = self.toxics.iter();
        toxics
            .position(|known| known.name == toxic)
            .ok_or_else(Refusal::no_toxic)
    }

    /// What a toxic is called among all faults: `redis/latency_downstream`.
    fn name_of_fault(&self, toxic: &str) -> String {
        let part = |name: &str| name.replace('%', "%25").replace('/', "%2F");
        format!("{}/{}", part(&self.name), part(toxic))
    }

    /// It as it was before another one took its place.
    pub(super) fn ended(&self) -> Self {
        let listen = self.up.map(|up| up.bind).filter(|bind| bind.port() != 0);
        Self {
            listen: listen.map_or_else(|| self.listen.clone(), |bind| bind.to_string()),
            up: None,
            toxics: Vec::new(),
            ..self.clone()
        }
    }

    /// Where it listens, while it is enabled.
    pub(super) fn bound(&self) -> Option<SocketAddr> {
        match self.up?.bind {
            // A port that the system chose is only shown.
            any if any.port() == 0 => self.listen.parse().ok(),
            bind => Some(bind),
        }
    }

    /// Where it listens and leads to, while it is enabled.
    pub(super) fn hop(&self) -> Option<Hop<'_>> {
        Some(Hop {
            name: &self.name,
            bind: Bind(self.bound()?),
            to: vec![upstream(&self.upstream).ok()?],
        })
    }

    fn listener(&self, up: Up) -> Listener {
        Listener {
            protocol: Protocol::Tcp,
            tls: self.encryption.tls.clone(),
            life: Some(up.life),
            ..Listener::new(up.bind, &*self.name)
        }
    }

    /// Where it leads to; nowhere, if what was written is no address. Then its connections are reset.
    fn cluster(&self, usual: &ClusterSettings) -> Option<ClusterSettings> {
        let address = upstream(&self.upstream).ok()?;
        Some(ClusterSettings {
            backends: vec![backend(address)],
            tls: self.encryption.upstream_tls.clone(),
            ..usual.clone()
        })
    }
}

/// What the clusters of all proxies have in common.
fn usual_cluster() -> Option<ClusterSettings> {
    let nowhere = backend(SocketAddr::from(([127, 0, 0, 1], 1)).into());
    let usual = json!({
        "backends": [nowhere],
        "idle_timeout": IDLE,
        "connect_timeout": CONNECT,
        "dns": {"at_most": LOOKUP},
    });
    serde_json::from_value(usual).ok()
}

const fn backend(address: Address) -> BackendSettings {
    BackendSettings {
        name: None,
        address,
        weight: None,
        tier: None,
    }
}

/// The address of an upstream: without a host it is this machine, and a port may be the name of a service.
pub(super) fn upstream(written: &str) -> Result<Address, BadUnit> {
    let whole = match written.strip_prefix(':') {
        Some(port) => format!("localhost:{port}"),
        None => written.to_owned(),
    };
    whole.parse().or_else(|bad| {
        let service = || {
            let (host, service) = whole.rsplit_once(':')?;
            let port = service::port_of(service)?;
            format!("{host}:{port}").parse().ok()
        };
        service().ok_or(bad)
    })
}

impl Serialize for Proxy {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("name", &self.name)?;
        map.serialize_entry("listen", &self.listen)?;
        map.serialize_entry("upstream", &self.upstream)?;
        map.serialize_entry("enabled", &self.up.is_some())?;
        map.serialize_entry("toxics", &self.toxics)?;
        if let Some(tls) = &self.encryption.tls {
            map.serialize_entry("tls", tls)?;
        }
        if let Some(tls) = &self.encryption.upstream_tls {
            map.serialize_entry("upstream_tls", tls)?;
        }
        map.end()
    }
}

impl Serialize for Registry {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.proxies.serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn an_upstream_is_dialled_as_toxiproxy_dials_it() {
        let usual = usual_cluster().unwrap();
        assert_eq!(usual.connect_timeout(), Duration::from_secs(127));
        assert_eq!(usual.dns.at_most(), Some(Duration::from_secs(1)));
    }
}
