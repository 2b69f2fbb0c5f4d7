//! A cluster as written in the document. What is left out is `None`; the defaults stand where they are used.

use std::{collections::BTreeSet, fmt::Display, num::NonZeroU32, path::PathBuf, time::Duration};

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, de};

use super::{address::Address, health::HealthSettings, outlier::OutlierSettings, weight::Weight};
use crate::{
    route::name::FieldName,
    units::{Probability, Span},
};

/// A group of servers with one balancing policy.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClusterSettings {
    /// How a backend is chosen. Default: `round_robin`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub balance: Option<Balance>,
    /// The servers, at least one.
    #[serde(deserialize_with = "backends")]
    #[schemars(length(min = 1))]
    pub backends: Vec<BackendSettings>,
    /// What the backends speak. Default: `http1`. A cluster of a `tcp` listener needs none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<Protocol>,
    /// TLS towards the backends. Default: none; `tls: {}` is TLS with the system's roots.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<TlsSettings>,
    /// Tells the backend the client's address at the start of each connection. Default: not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proxy_protocol: Option<ProxyProtocol>,
    /// Which `Host` the backend is asked for. Default: `keep`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<HostPolicy>,
    /// Active health checks. Default: none, and every backend counts as healthy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health: Option<HealthSettings>,
    /// Takes out a backend whose answers to traffic are errors. Default: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outlier: Option<OutlierSettings>,
    /// How much the cluster is given at a time. Default: no limits.
    #[serde(default, skip_serializing_if = "LimitSettings::is_empty")]
    pub limits: LimitSettings,
    /// How long the share of a new or recovered backend takes to grow to its weight. Default: its weight at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slow_start: Option<Span>,
    /// A tier with a smaller share of usable backends than this is helped by the next one; where no tier is better off, all
    /// its backends are used, whatever their health, rather than a few being overrun. `0%` turns this off. Default: 50%.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub panic_threshold: Option<Probability>,
    /// How long a connection may take to come about, TLS included. Default: 5s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connect_timeout: Option<Span>,
    /// How long a backend may take for the head of its answer. Default: 60s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer_timeout: Option<Span>,
    /// How long a body, a tunnel or a connection in use may stand still. Default: 5m.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle_timeout: Option<Span>,
    /// Connections that wait for their next request.
    #[serde(default, skip_serializing_if = "KeepAliveSettings::is_empty")]
    pub keep_alive: KeepAliveSettings,
    /// How names are resolved.
    #[serde(default, skip_serializing_if = "DnsSettings::is_empty")]
    pub dns: DnsSettings,
}

/// One server of a cluster.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BackendSettings {
    /// What it is called in faults, logs and metrics. Default: its address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Where it is: `app-a.internal:9001`, `10.0.0.9:5432`, `"[::1]:80"`.
    pub address: Address,
    /// Its share against the others of its tier, 0 to 1000. Default: 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight: Option<Weight>,
    /// Standby: a tier is used when the one before it is down. Default: 0, the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tier: Option<u8>,
}

/// How a backend is chosen.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub enum Balance {
    /// Each in its turn, as often as its weight says, evenly spread.
    #[default]
    RoundRobin,
    /// Of two drawn by weight, the one with fewer requests in flight for its weight.
    LeastRequest,
    /// Drawn by weight.
    Random,
    /// The same key goes to the same backend; when a backend fails only its own keys move. Written
    /// `hash: {on: {header: x-user}}`.
    Hash {
        /// What the key is taken from. An exchange without it goes to a backend drawn by weight.
        on: HashOn,
    },
}

/// What the key of hash balancing is taken from.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub enum HashOn {
    /// The client's address.
    Client,
    /// A header of the request.
    Header(FieldName),
    /// A cookie of the request.
    Cookie(String),
}

/// What a backend speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// HTTP/1.1.
    #[default]
    Http1,
    /// HTTP/2: by ALPN over TLS, by prior knowledge in clear.
    Http2,
}

/// TLS towards the backends.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TlsSettings {
    /// Whether the backend's certificate is checked. Default: true.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verify: Option<bool>,
    /// A PEM file with the authorities that are believed. Default: the system's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub roots: Option<PathBuf>,
    /// The name that is asked for and checked. Default: the host in the backend's address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_name: Option<String>,
    /// The certificate that is shown to the backend (mutual TLS). Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<ClientCertificate>,
}

/// The certificate that is shown to a backend.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClientCertificate {
    /// A PEM file with the certificate and its chain.
    pub certificate: PathBuf,
    /// A PEM file with its private key.
    pub key: PathBuf,
}

/// The version of the PROXY protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ProxyProtocol {
    /// The line of text.
    V1,
    /// The binary header.
    V2,
}

/// Which `Host` a backend is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum HostPolicy {
    /// The one that the client asked for.
    #[default]
    Keep,
    /// The backend's own address.
    Rewrite,
}

/// How much a cluster is given at a time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LimitSettings {
    /// Open connections, idle ones included. Default: no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connections: Option<NonZeroU32>,
    /// Requests in flight; for a `tcp` listener, connections. Default: no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requests: Option<NonZeroU32>,
    /// How many more may wait for their turn, first come, first served; the next is refused. Default: 1024.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waiting: Option<u32>,
    /// How long one may wait. Default: 5s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waiting_timeout: Option<Span>,
}

/// Connections that wait for their next request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct KeepAliveSettings {
    /// How long a connection may wait: less than the backend allows, so that it is not closed under a request. Default: 30s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idle: Option<Span>,
    /// How many wait per backend and worker. Default: 128.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connections: Option<u32>,
    /// How many requests a connection carries at most. Default: no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requests: Option<NonZeroU32>,
    /// How old a connection gets at most. Default: no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub age: Option<Span>,
}

/// How names are resolved: again when their TTL ends; when that fails, the addresses known so far are kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DnsSettings {
    /// A shorter TTL is taken for this. Default: 1s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at_least: Option<Span>,
    /// A longer TTL is taken for this. Default: 5m.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at_most: Option<Span>,
    /// The addresses that are used. Default: `any`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub family: Option<Family>,
}

/// Families of addresses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Family {
    /// Both; a connection is tried over both, IPv6 first (happy eyeballs, RFC 8305).
    #[default]
    Any,
    /// IPv4 only.
    Ipv4,
    /// IPv6 only.
    Ipv6,
}

impl ClusterSettings {
    /// How long a connection may take to come about.
    pub fn connect_timeout(&self) -> Duration {
        self.connect_timeout.map_or(Duration::from_secs(5), Into::into)
    }

    /// How long a backend may take for the head of its answer.
    pub fn answer_timeout(&self) -> Duration {
        self.answer_timeout.map_or(Duration::from_secs(60), Into::into)
    }

    /// How long a body, a tunnel or a connection in use may stand still.
    pub fn idle_timeout(&self) -> Duration {
        self.idle_timeout.map_or(Duration::from_secs(300), Into::into)
    }

    /// The share of usable backends below which a tier is in panic.
    pub fn panic_threshold(&self) -> f64 {
        self.panic_threshold.map_or(0.5, Probability::get)
    }
}

impl BackendSettings {
    /// Its name, or its address where it has none.
    pub fn name(&self) -> String {
        self.name.clone().unwrap_or_else(|| self.address.to_string())
    }
}

impl KeepAliveSettings {
    /// How long a connection may wait.
    pub fn idle(&self) -> Duration {
        self.idle.map_or(Duration::from_secs(30), Into::into)
    }

    /// How many wait per backend and worker.
    pub fn connections(&self) -> usize {
        self.connections.map_or(128, |n| n as usize)
    }

    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl LimitSettings {
    /// How many may wait for their turn.
    pub fn waiting(&self) -> u32 {
        self.waiting.unwrap_or(1024)
    }

    /// How long one may wait.
    pub fn waiting_timeout(&self) -> Duration {
        self.waiting_timeout.map_or(Duration::from_secs(5), Into::into)
    }

    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl DnsSettings {
    /// How long an answer with this TTL is believed.
    pub fn lifetime(&self, ttl: Duration) -> Duration {
        let at_least = self.at_least.map_or(Duration::from_secs(1), Into::into);
        let at_most = self.at_most.map_or(Duration::from_secs(300), Into::into);
        ttl.min(at_most).max(at_least)
    }

    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// The most backends of a cluster: choosing among them takes no allocation up to this many.
pub(crate) const MOST_BACKENDS: usize = 512;

/// Reads the backends; names and addresses must tell them apart, as both are what they are known by.
fn backends<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<BackendSettings>, D::Error> {
    let backends = Vec::<BackendSettings>::deserialize(deserializer)?;
    let twice = |what: &str, which: &dyn Display| {
        Err(de::Error::custom(format!(
            "two backends have the {what} `{which}`: give one of them another"
        )))
    };
    let (mut names, mut addresses) = (BTreeSet::new(), BTreeSet::new());
    for backend in &backends {
        if !addresses.insert(backend.address.to_string()) {
            return twice("address", &backend.address);
        }
        if !names.insert(backend.name()) {
            return twice("name", &backend.name());
        }
    }
    match backends.len() {
        0 => Err(de::Error::custom(
            "a cluster needs a backend: `backends: [{address: \"127.0.0.1:9001\"}]`",
        )),
        1..=MOST_BACKENDS => Ok(backends),
        n => Err(de::Error::custom(format!(
            "a cluster has at most {MOST_BACKENDS} backends, this one has {n}"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn what_is_written_reads_back() {
        let check = |written: Value| {
            let read: ClusterSettings = serde_json::from_value(written.clone()).unwrap();
            assert_eq!(serde_json::to_value(&read).unwrap(), written);
        };
        check(json!({"backends": [{"address": "10.0.0.9:5432"}]}));
        check(json!({"balance": "least_request", "backends": [{"address": "a:1"}]}));
        check(json!({"balance": {"hash": {"on": "client"}}, "backends": [{"address": "a:1"}]}));
        check(json!({
            "balance": {"hash": {"on": {"cookie": "session"}}},
            "backends": [{"name": "a", "address": "a:1", "weight": 2, "tier": 0}, {"address": "a:2", "weight": 0}],
            "protocol": "http2", "proxy_protocol": "v2", "host": "rewrite",
            "tls": {"verify": true, "roots": "ca.pem", "server_name": "a", "client": {"certificate": "c.pem", "key": "k.pem"}},
            "health": {"http": {"path": "/healthz", "expect": 200}, "every": "2s"},
            "outlier": {"consecutive_errors": 5, "eject_for": "30s", "at_most": "50%"},
            "limits": {"connections": 1024, "waiting": 1024, "requests": 4096, "waiting_timeout": "5s"},
            "slow_start": "30s", "panic_threshold": "50%",
            "connect_timeout": "5s", "answer_timeout": "1m", "idle_timeout": "5m",
            "keep_alive": {"idle": "30s", "connections": 64, "requests": 1000, "age": "1h"},
            "dns": {"at_least": "1s", "at_most": "5m", "family": "ipv4"},
        }));
    }

    #[test]
    fn what_is_no_cluster_is_refused_with_the_way_to_mend_it() {
        let check = |written: Value, mend: &str| {
            let error = serde_json::from_value::<ClusterSettings>(written)
                .unwrap_err()
                .to_string();
            assert!(error.contains(mend), "{error}");
        };
        let one = json!([{"address": "a:1"}]);
        check(json!({"backends": []}), "needs a backend");
        check(
            json!({"backends": [{"address": "a:1"}, {"name": "b", "address": "A:1"}]}),
            "the address `a:1`",
        );
        check(
            json!({"backends": [{"name": "a", "address": "a:1"}, {"name": "a", "address": "b:1"}]}),
            "the name `a`",
        );
        check(
            json!({"backends": [{"address": "a:1", "weight": 1001}]}),
            "between 0 and 1000",
        );
        check(
            json!({"backends": one, "balance": "fastest"}),
            "unknown variant `fastest`",
        );
        check(
            json!({"backends": one, "balance": {"hash": {}}}),
            "missing field `on`",
        );
        check(json!({"backends": one, "limits": {"requests": 0}}), "nonzero");
        check(
            json!({"backends": one, "healthcheck": {}}),
            "unknown field `healthcheck`",
        );
    }

    #[test]
    fn the_schema_says_what_the_fields_mean() {
        let schema = schemars::schema_for!(ClusterSettings);
        let text = schema.as_value().to_string();
        for phrase in [
            "Default: `round_robin`",
            "Passes in a row",
            "\"maximum\":1000",
            "Errors in a row",
        ] {
            assert!(text.contains(phrase), "{phrase}");
        }
    }
}
