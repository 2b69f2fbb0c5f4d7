//! A cluster as written in the document. What is left out is `None`; the defaults stand where they are used.

use std::{collections::BTreeSet, fmt::Display, num::NonZeroU32, time::Duration};

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, de};

pub use super::connection::{
    ClientCertificate, DnsSettings, Family, HostPolicy, KeepAliveSettings, Protocol, ProxyProtocol,
    TlsSettings,
};
use super::{health::HealthSettings, outlier::OutlierSettings, replication::Replication, weight::Weight};
use crate::{
    route::name::FieldName,
    units::{Address, Probability, Span},
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
    /// Which backends get anything, by what a health check of a database says of them: `primary` or `replica`. A promotion is
    /// followed with the next check. Default: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub only: Option<Replication>,
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
        check(json!({"backends": [{"address": "a:1"}], "health": {"redis": {}}, "only": "primary"}));
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
