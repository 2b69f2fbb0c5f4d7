//! How a cluster's backends are connected to, as written in the document: protocol, TLS, names, connections kept.

use std::{num::NonZeroU32, path::PathBuf, time::Duration};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::units::Span;

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

/// How names are resolved: again when their TTL ends, and soon after a connection could not be made, at most once a second; when
/// that fails, the addresses known so far are kept.
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

impl KeepAliveSettings {
    /// How long a connection may wait.
    pub fn idle(&self) -> Duration {
        self.idle.map_or(Duration::from_secs(30), Into::into)
    }

    /// How many wait per backend and worker.
    pub fn connections(&self) -> usize {
        self.connections.map_or(128, |n| n as usize)
    }

    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl DnsSettings {
    /// How old an answer may be when somebody dials, whatever its TTL; where it is not said, the resolver's own limit holds.
    pub fn at_most(&self) -> Option<Duration> {
        self.at_most.map(Into::into)
    }

    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}
