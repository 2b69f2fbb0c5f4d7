//! What there is: proxies with their toxics, as they are shown, and as they stand beside the document.

use std::{collections::BTreeMap, net::SocketAddr};

use serde::{Serialize, Serializer, ser::SerializeMap};
use serde_json::json;

use super::{fields::Fields, reply::Refusal, toxic::Toxic};
use crate::{
    config::{Bind, Hop, Listener, Protocol, Tls, way_back},
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
#[derive(Clone, Debug, Default)]
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

    pub(super) fn names(&self) -> Vec<String> {
        self.proxies.keys().cloned().collect()
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
        self.lives += 1;
        let life = self.lives;
        let proxy = self.get(name)?;
        self.check_circle(name, &proxy.upstream, (&proxy.listen, bind))?;
        self.get_mut(name)?.up = Some(Up { bind, life });
        Ok(())
    }

    /// The same where it listens already.
    pub(super) fn rebegin(&mut self, name: &str) -> Result<(), Refusal> {
        match self.get(name)?.up {
            Some(up) => self.begin(name, up.bind),
            None => Ok(()),
        }
    }

    /// Refuses an upstream that leads back to the proxy, which listens as written and found: it would go in circles, until it has
    /// taken every descriptor of the process.
    pub(super) fn check_circle(
        &self,
        name: &str,
        to: &str,
        (listen, bind): (&str, SocketAddr),
    ) -> Result<(), Refusal> {
        let Ok(address) = upstream(to) else {
            return Ok(());
        };
        let others = self.proxies.values().filter(|proxy| proxy.name != name);
        let others: Vec<Hop<'_>> = others.filter_map(Proxy::hop).collect();
        let message = match way_back(name, Bind(bind), &address, &others).as_deref() {
            None => return Ok(()),
            Some([_, _]) => format!("the upstream {to} is the proxy itself, which listens on {listen}"),
            Some(way) => {
                let way = way.join(" -> ");
                format!("the upstream {to} leads back to the proxy: {way}; one of them must lead to a server")
            }
        };
        Err(Refusal::bad(message).about("upstream"))
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
        for proxy in self.proxies.values() {
            let Some(up) = proxy.up else { continue };
            annex.listeners.insert(&*proxy.name, proxy.listener(up));
            if let Some(cluster) = proxy.cluster() {
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

    /// Where it listens and leads to, while it is enabled.
    fn hop(&self) -> Option<Hop<'_>> {
        let bind = match self.up?.bind {
            // A port that the system chose is only shown.
            any if any.port() == 0 => self.listen.parse().ok()?,
            bind => bind,
        };
        Some(Hop {
            name: &self.name,
            bind: Bind(bind),
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
    fn cluster(&self) -> Option<ClusterSettings> {
        let address = upstream(&self.upstream).ok()?;
        let backend = BackendSettings {
            name: None,
            address,
            weight: None,
            tier: None,
        };
        serde_json::from_value(json!({
            "backends": [backend], "idle_timeout": IDLE, "tls": self.encryption.upstream_tls,
        }))
        .ok()
    }
}

/// The address of an upstream: without a host it is this machine.
pub(super) fn upstream(written: &str) -> Result<Address, BadUnit> {
    match written.strip_prefix(':') {
        Some(port) => format!("localhost:{port}").parse(),
        None => written.parse(),
    }
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
