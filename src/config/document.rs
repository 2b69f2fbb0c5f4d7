//! The document as written: listeners, clusters, roles, faults, and how the proxy itself is run.

use std::{fmt, net::SocketAddr, path::PathBuf, str::FromStr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    allow::PublicHost,
    listener::{Bind, Listener, is_default},
    named::Named,
};
use crate::{
    faults::Entry,
    route::OneOrMany,
    units::{BadUnit, Span, as_text},
    upstream::ClusterSettings,
};

/// What the user wrote: everything that the proxy does follows from it, and from the leases of live faults.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Document {
    /// Where clients connect, by name.
    #[serde(skip_serializing_if = "Named::is_empty")]
    pub listeners: Named<Listener>,
    /// Groups of servers, by name.
    #[serde(skip_serializing_if = "Named::is_empty")]
    pub clusters: Named<ClusterSettings>,
    /// What stands for the roles of profiles: `http.source: app/app-a`, `db.source: orders-db`.
    #[serde(skip_serializing_if = "Named::is_empty")]
    pub roles: Named<OneOrMany<Target>>,
    /// The port for people and their tools.
    #[serde(skip_serializing_if = "is_default")]
    pub admin: Admin,
    /// A line for each exchange on standard output. Default: `off`.
    #[serde(skip_serializing_if = "is_default")]
    pub access_log: AccessLog,
    /// How the proxy ends.
    #[serde(skip_serializing_if = "is_default")]
    pub drain: Drain,
    /// Where history, journals and reports are kept, relative to the document. Default: history is kept in memory only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state_folder: Option<PathBuf>,
    /// What faults may never do.
    #[serde(skip_serializing_if = "is_default")]
    pub safety: Safety,
    /// Faults that stand as long as the document does, tried in the order written. Usually none.
    #[serde(skip_serializing_if = "Named::is_empty")]
    pub faults: Named<Entry>,
}

/// What a role stands for: a cluster, or one backend of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Target {
    /// The cluster.
    pub cluster: String,
    /// The backend's name (its address where it has none); `None` for the whole cluster.
    pub backend: Option<String>,
}

impl FromStr for Target {
    type Err = BadUnit;

    fn from_str(text: &str) -> Result<Self, BadUnit> {
        let (cluster, backend) = match text.split_once('/') {
            Some((cluster, backend)) => (cluster, Some(backend)),
            None => (text, None),
        };
        if cluster.is_empty() || backend.is_some_and(|name| name.is_empty() || name.contains('/')) {
            return Err(BadUnit::new(format!(
                "`{text}` names nothing: write `cluster` or `cluster/backend`"
            )));
        }
        Ok(Self {
            cluster: cluster.to_owned(),
            backend: backend.map(str::to_owned),
        })
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.cluster)?;
        self.backend
            .iter()
            .try_for_each(|backend| write!(f, "/{backend}"))
    }
}

as_text! {
    Target, "Target", r"^[^/]+(/[^/]+)?$",
        "what a role stands for is written in one word: write `cluster` or `cluster/backend`, as in `db/primary`";
}

/// The port for people and their tools: API, metrics, dashboard.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Admin {
    /// The address and port. Without a tokens file only loopback is allowed. Default: `127.0.0.1:8474`.
    pub bind: Bind,
    /// Who may do what (YAML), relative to the document. Default: whoever reaches the port may do everything.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens_file: Option<PathBuf>,
    /// Further names by which browsers and tools reach the port: `chaos.staging.internal`. Requests under any other name
    /// than these, `localhost` and the address itself are refused, so that no web page can reach it (DNS rebinding).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<String>,
}

/// Toxiproxy's port, so that its clients find it.
const ADMIN_PORT: u16 = 8474;

impl Default for Admin {
    fn default() -> Self {
        let bind = Bind(SocketAddr::from(([127, 0, 0, 1], ADMIN_PORT)));
        Self {
            bind,
            tokens_file: None,
            names: Vec::new(),
        }
    }
}

/// Whether and how exchanges are logged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AccessLog {
    /// Not at all.
    #[default]
    Off,
    /// For people.
    Text,
    /// For programs: one JSON object a line.
    Json,
}

/// How the proxy ends on SIGTERM: it says that it is not ready, goes on for `delay`, stops accepting, and gives what runs
/// until `limit` to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Drain {
    /// How long new connections are still accepted, until the balancer in front has noticed. Default: 0s.
    pub delay: Span,
    /// How long exchanges may still run after that. Default: 30s.
    pub limit: Span,
}

impl Default for Drain {
    fn default() -> Self {
        // As long as Kubernetes waits between SIGTERM and SIGKILL.
        Self {
            delay: Span::ZERO,
            limit: Span::secs(30),
        }
    }
}

/// What faults may never do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Safety {
    /// Public backends that faults may hit all the same, by host: `shop.example.com`, `203.0.113.7`. Backends on loopback
    /// and private addresses, and names under `.internal`, `.local`, `.svc` and the like, need not be listed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub allow_public: Vec<PublicHost>,
}
