//! A listener as written: where clients connect, what it speaks, what it allows them.

use std::{borrow::Cow, fmt, net::SocketAddr, num::NonZeroU32, path::PathBuf, str::FromStr};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, de};

use super::{headers::Headers, limit::Limit};
use crate::{
    route::{Dialect, HeaderEdits, Match, RouteSettings},
    units::{BadUnit, ByteSize, Span, as_text},
};

/// Where clients connect, and what becomes of what they ask.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Listener {
    /// The address and port to listen on: `0.0.0.0:8080`, `"[::]:8080"`, `127.0.0.1:0` for any free port.
    pub bind: Bind,
    /// What clients speak. Default: `http`.
    #[serde(default)]
    pub protocol: Protocol,
    /// Ends TLS here. Default: clients speak in clear.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<Tls>,
    /// What becomes of clients of a database that ask for encryption. Default: `terminate` where `tls` is set, else
    /// `prefer_clear`. Beside `tls` nothing else may be written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encryption: Option<Encryption>,
    /// Which cluster serves what, tried in the order written; the first that matches is taken. Only `http` listeners have several.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub routes: Vec<RouteSettings>,
    /// The cluster that serves everything: short for one route without a match.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
    /// Whether each connection begins with a PROXY protocol header (version 1 or 2), which then says who the client is.
    /// Only for listeners that nobody but a trusted balancer can reach. Default: false.
    #[serde(default, skip_serializing_if = "is_default")]
    pub proxy_protocol: bool,
    /// How much clients may ask for.
    #[serde(default, skip_serializing_if = "is_default")]
    pub limits: Limits,
    /// How long clients may take.
    #[serde(default, skip_serializing_if = "is_default")]
    pub timeouts: Timeouts,
    /// What is told to backends and clients about the way through the proxy.
    #[serde(default, skip_serializing_if = "is_default")]
    pub headers: Headers,
    /// Whose connections end with it: those that came in one life of a listener are closed when it is gone or lives anew.
    /// A document has none, and its listeners let connections go on to their end.
    #[serde(skip)]
    pub life: Option<u64>,
}

impl Listener {
    /// An HTTP listener that sends everything to a cluster, with every limit at its default.
    pub fn new(bind: SocketAddr, cluster: impl Into<String>) -> Self {
        Self {
            bind: Bind(bind),
            protocol: Protocol::default(),
            tls: None,
            encryption: None,
            routes: Vec::new(),
            cluster: Some(cluster.into()),
            proxy_protocol: false,
            limits: Limits::default(),
            timeouts: Timeouts::default(),
            headers: Headers::default(),
            life: None,
        }
    }

    /// The name of each route in faults, logs and metrics (its own, or `name` of the listener and its number from 0), and the
    /// cluster that it leads to; in the order of [`Self::table`].
    pub fn ways(&self, name: &str) -> impl Iterator<Item = (String, &str)> {
        let own = self
            .routes
            .iter()
            .map(|route| (route.name.clone(), route.cluster.as_str()));
        let rest = self.cluster.iter().map(|cluster| (None, cluster.as_str()));
        let named = move |(i, (own, cluster)): (usize, (Option<String>, _))| {
            (own.unwrap_or_else(|| format!("{name}/{i}")), cluster)
        };
        own.chain(rest).enumerate().map(named)
    }

    /// What becomes of clients of a database that ask for encryption.
    pub fn encryption(&self) -> Encryption {
        let of_tls = match self.tls {
            Some(_) => Encryption::Terminate,
            None => Encryption::PreferClear,
        };
        self.encryption.unwrap_or(of_tls)
    }

    /// The routes, with `cluster` written out as the route that it is short for.
    pub fn table(&self) -> Cow<'_, [RouteSettings]> {
        match &self.cluster {
            None => Cow::Borrowed(&self.routes),
            Some(cluster) => {
                let mut routes = self.routes.clone();
                routes.push(everything_to(cluster));
                Cow::Owned(routes)
            }
        }
    }
}

/// The route that takes everything to a cluster.
fn everything_to(cluster: &str) -> RouteSettings {
    RouteSettings {
        name: None,
        r#match: Match::default(),
        cluster: cluster.to_owned(),
        timeout: None,
        answer_timeout: None,
        idle_timeout: None,
        retry: None,
        rewrite: None,
        request_headers: HeaderEdits::default(),
        answer_headers: HeaderEdits::default(),
    }
}

/// What becomes of clients of a database that ask for encryption.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Encryption {
    /// They are told that there is none: those that only prefer it go on in clear, those that insist give up.
    PreferClear,
    /// It ends here, with the certificate of `tls`.
    Terminate,
    /// It goes through to the server, and the session with it unread: only faults of bytes can touch it.
    Pass,
}

/// An address and port to listen on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Bind(pub SocketAddr);

impl FromStr for Bind {
    type Err = BadUnit;

    fn from_str(text: &str) -> Result<Self, BadUnit> {
        let bad = |mend: String| BadUnit::new(format!("`{text}` is no address to listen on: {mend}"));
        let all = |port: &str| {
            format!("write `0.0.0.0:{port}` for all networks, `127.0.0.1:{port}` for this machine only")
        };
        text.parse().map(Self).map_err(|_| match text.rsplit_once(':') {
            None if text.parse::<u16>().is_ok() => bad(all(text)),
            None => bad("it needs a port, as in `127.0.0.1:8080`".to_owned()),
            Some((_, port)) if port.parse::<u16>().is_err() => {
                bad("its port must be a number up to 65535".to_owned())
            }
            Some(("" | "*" | "localhost", port)) => bad(all(port)),
            Some((host, port)) if host.contains(':') => bad(format!("write it as `\"[{host}]:{port}\"`")),
            Some((_, port)) => bad(format!("a name is none; {}", all(port))),
        })
    }
}

impl fmt::Display for Bind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

as_text! {
    Bind, "Bind", r"^(\d+\.\d+\.\d+\.\d+|\[[0-9a-fA-F:.]+\]):\d+$";
}

/// What clients of a listener speak.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// HTTP/1.1 and HTTP/2, told apart by themselves; gRPC and WebSocket too.
    #[default]
    Http,
    /// Bytes, whatever they mean.
    Tcp,
    /// PostgreSQL.
    Postgres,
    /// MySQL and MariaDB.
    Mysql,
    /// Redis.
    Redis,
}

impl Protocol {
    /// Its name, as it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Tcp => "tcp",
            Self::Postgres => "postgres",
            Self::Mysql => "mysql",
            Self::Redis => "redis",
        }
    }

    /// The database that clients speak to, if it is one.
    pub const fn dialect(self) -> Option<Dialect> {
        match self {
            Self::Http | Self::Tcp => None,
            Self::Postgres => Some(Dialect::Postgres),
            Self::Mysql => Some(Dialect::Mysql),
            Self::Redis => Some(Dialect::Redis),
        }
    }

    /// Whether clients ask for TLS within the protocol, and do not begin with it.
    pub const fn asks_for_tls(self) -> bool {
        matches!(self, Self::Postgres | Self::Mysql)
    }
}

impl<'de> Deserialize<'de> for Protocol {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match &*String::deserialize(deserializer)? {
            "http" => Ok(Self::Http),
            "tcp" => Ok(Self::Tcp),
            "postgres" => Ok(Self::Postgres),
            "mysql" => Ok(Self::Mysql),
            "redis" => Ok(Self::Redis),
            "mariadb" => Err(de::Error::custom(
                "MariaDB speaks MySQL's protocol: write `mysql`",
            )),
            "valkey" => Err(de::Error::custom("Valkey speaks Redis's protocol: write `redis`")),
            other => Err(de::Error::unknown_variant(
                other,
                &["http", "tcp", "postgres", "mysql", "redis"],
            )),
        }
    }
}

impl JsonSchema for Protocol {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Protocol".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"enum": ["http", "tcp", "postgres", "mysql", "redis"], "default": "http"})
    }
}

/// How a listener ends TLS. Files are read again when the document is; paths are relative to it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// The certificate and those between it and its authority (PEM), shown to clients that name no host or one that no
    /// other certificate is for.
    pub certificate: PathBuf,
    /// Its private key (PEM).
    pub key: PathBuf,
    /// Further certificates, each shown to clients that name a host which it is for (SNI).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub more: Vec<Pair>,
    /// Authorities (PEM) for the certificates of clients. Default: clients show none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_ca: Option<PathBuf>,
    /// Whether a client may come without a certificate, where `client_ca` is set. Default: `required`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub client_certificate: ClientCertificate,
    /// The oldest version that is spoken. Default: `"1.2"`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub oldest_version: TlsVersion,
}

impl Tls {
    /// All certificates with their keys, the default first.
    pub fn pairs(&self) -> impl Iterator<Item = Pair> {
        let first = Pair {
            certificate: self.certificate.clone(),
            key: self.key.clone(),
        };
        std::iter::once(first).chain(self.more.iter().cloned())
    }
}

/// A certificate and its key.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Pair {
    /// The certificate and those between it and its authority (PEM).
    pub certificate: PathBuf,
    /// Its private key (PEM).
    pub key: PathBuf,
}

/// Whether clients must show a certificate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ClientCertificate {
    /// A client without one is turned away.
    #[default]
    Required,
    /// A client may come without one; one that is shown must be good.
    Optional,
}

/// A version of TLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize, JsonSchema)]
pub enum TlsVersion {
    /// TLS 1.2.
    #[default]
    #[serde(rename = "1.2")]
    V1_2,
    /// TLS 1.3.
    #[serde(rename = "1.3")]
    V1_3,
}

/// How much the clients of a listener may ask for. What is over a limit is refused at once, with the status that says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Connections at the same time; more wait in the system's queue. Default: 65536.
    pub connections: NonZeroU32,
    /// The head of a request; a larger one is answered 431. Default: 64KiB.
    pub header_size: ByteSize,
    /// Header fields of a request; more are answered 431. Default: 100.
    pub headers: NonZeroU32,
    /// The body of a request, or `none`; a larger one is answered 413. Default: none.
    pub body: Limit<ByteSize>,
    /// Requests at the same time on an HTTP/2 connection. Default: 128.
    pub streams: NonZeroU32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            // Enough for any load that one machine serves; each idle connection costs some 20 KiB.
            connections: at_least_one(65_536),
            // As large as Envoy's; nginx and HAProxy stop at 32 and 16 KiB.
            header_size: ByteSize(64 << 10),
            headers: at_least_one(100),
            body: Limit::NONE,
            // RFC 9113 section 6.5.2 asks for at least 100.
            streams: at_least_one(128),
        }
    }
}

const fn at_least_one(n: u32) -> NonZeroU32 {
    NonZeroU32::MIN.saturating_add(n.saturating_sub(1))
}

/// How long the clients of a listener may take, each limit `none` for no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Timeouts {
    /// The TLS handshake, and the PROXY protocol header before it. Default: 10s.
    pub handshake: Limit<Span>,
    /// The head of a request, from its first byte to its last; answered 408. Default: 10s.
    pub client_header: Limit<Span>,
    /// A request body of which no byte comes; answered 408. Default: 30s.
    pub client_body_idle: Limit<Span>,
    /// A connection on which no request is under way. Default: 75s.
    pub keep_alive_idle: Limit<Span>,
    /// A whole request, from its head to the last byte of its answer; answered 504. A route's `timeout` goes before it.
    /// Default: none.
    pub request: Limit<Span>,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            handshake: Limit::at(Span::secs(10)),
            // A client that sends its head byte by byte (slowloris) is gone soon.
            client_header: Limit::at(Span::secs(10)),
            client_body_idle: Limit::at(Span::secs(30)),
            // nginx's: longer than the 60 s after which many balancers drop an idle connection themselves.
            keep_alive_idle: Limit::at(Span::secs(75)),
            request: Limit::NONE,
        }
    }
}

/// Whether a setting is what it would be if it were left out; such settings are not written.
pub(super) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
