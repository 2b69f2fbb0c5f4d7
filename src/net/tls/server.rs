//! Termination: certificates chosen by the name that the client asks for.

use std::{collections::HashMap, path::PathBuf, sync::Arc, time::Duration};

use rustls::{
    HandshakeKind, ServerConfig,
    crypto::aws_lc_rs::Ticketer,
    server::{
        ClientHello, NoServerSessionStorage, ResolvesServerCert, ServerConnection, WebPkiClientVerifier,
    },
    sign::CertifiedKey,
};
use tokio_rustls::{TlsAcceptor, TlsStream};

use super::{
    Alpn, TlsError, TlsFacts,
    files::{BadFile, KeyPair, read_authorities, subject},
    provider, within,
};
use crate::net::Stream;

/// The files that a listener's TLS is set up with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerFiles {
    /// At least one; the first is the default for clients that ask for no name that we have.
    pub certificates: Vec<KeyPair>,
    /// Authorities of client certificates: where set, a client must have one.
    pub client_ca: Option<PathBuf>,
    /// Whether a client may come without a certificate where there are authorities for them.
    pub client_optional: bool,
    /// Whether TLS 1.2 is refused.
    pub tls13_only: bool,
    /// The protocols offered, in order; none for a listener that does not speak HTTP.
    pub alpn: Vec<Alpn>,
}

/// A listener's TLS, ready for connections.
#[derive(Clone, Debug)]
pub struct ServerTls {
    config: Arc<ServerConfig>,
    warnings: Vec<String>,
}

impl ServerFiles {
    /// Reads and checks all files; the first that is wrong ends it.
    pub fn load(&self) -> Result<ServerTls, BadFile> {
        let provider = provider();
        let mut chooser = Chooser::default();
        let mut warnings = Vec::new();
        for pair in &self.certificates {
            let loaded = pair.load(&provider)?;
            warnings.extend(loaded.warning);
            chooser.add(loaded.certified, &loaded.names);
        }
        let versions: &[_] = if self.tls13_only {
            &[&rustls::version::TLS13]
        } else {
            rustls::DEFAULT_VERSIONS
        };
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(versions)
            .expect("aws-lc-rs speaks TLS 1.2 and 1.3");
        let builder = match &self.client_ca {
            None => builder.with_no_client_auth(),
            Some(file) => {
                let roots = Arc::new(read_authorities(file)?);
                let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider);
                let verifier = if self.client_optional {
                    verifier.allow_unauthenticated()
                } else {
                    verifier
                }
                .build();
                builder.with_client_cert_verifier(
                    verifier.map_err(|error| BadFile::new(file, error.to_string()))?,
                )
            }
        };
        let config = builder.with_cert_resolver(Arc::new(chooser));
        Ok(ServerTls {
            config: Arc::new(finish(config, &self.alpn)),
            warnings,
        })
    }
}

/// What is the same for true and false certificates: protocols, and tickets instead of a store behind a lock.
///
/// The keys of tickets are new with each configuration, so that a session begun before a reload with a new `client_ca`
/// cannot be resumed past it.
pub(super) fn finish(mut config: ServerConfig, alpn: &[Alpn]) -> ServerConfig {
    config.alpn_protocols = alpn.iter().map(|alpn| alpn.name().to_vec()).collect();
    config.session_storage = Arc::new(NoServerSessionStorage {});
    if let Ok(ticketer) = Ticketer::new() {
        config.ticketer = ticketer;
    }
    config
}

impl ServerTls {
    pub(super) fn new(config: ServerConfig) -> Self {
        Self {
            config: Arc::new(config),
            warnings: Vec::new(),
        }
    }

    /// What a human should look at although it works, such as a certificate that has expired.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Makes a TLS connection of a plain one, within `limit`.
    pub async fn accept(&self, stream: Stream, limit: Duration) -> Result<Stream, TlsError> {
        let (plain, peer, local) = stream.into_plain().map_err(TlsError::Lost)?;
        let handshake = TlsAcceptor::from(Arc::clone(&self.config)).accept(plain);
        let secured = within(limit, handshake).await?;
        let facts = facts(secured.get_ref().1);
        Ok(Stream::secured(TlsStream::Server(secured), facts, peer, local))
    }
}

fn facts(connection: &ServerConnection) -> TlsFacts {
    TlsFacts {
        server_name: connection.server_name().map(Into::into),
        alpn: Alpn::of(connection.alpn_protocol()),
        client_subject: connection
            .peer_certificates()
            .and_then(|chain| chain.first())
            .and_then(subject),
        resumed: connection.handshake_kind() == Some(HandshakeKind::Resumed),
    }
}

/// Chooses a certificate: the exact name, then a wildcard of one label, then the first.
#[derive(Debug, Default)]
struct Chooser {
    exact: HashMap<String, Arc<CertifiedKey>>,
    /// By what follows the `*.`
    wildcard: HashMap<String, Arc<CertifiedKey>>,
    default: Option<Arc<CertifiedKey>>,
}

impl Chooser {
    /// A name that an earlier certificate has stays with that.
    fn add(&mut self, certified: Arc<CertifiedKey>, names: &[String]) {
        for name in names {
            let (map, name) = match name.strip_prefix("*.") {
                Some(rest) => (&mut self.wildcard, rest),
                None => (&mut self.exact, name.as_str()),
            };
            map.entry(name.into()).or_insert_with(|| Arc::clone(&certified));
        }
        self.default.get_or_insert(certified);
    }

    fn choose(&self, name: Option<&str>) -> Option<&Arc<CertifiedKey>> {
        let Some(name) = name else {
            return self.default.as_ref();
        };
        // rustls hands the name over in lower case.
        let by_wildcard = || self.wildcard.get(name.split_once('.')?.1);
        self.exact
            .get(name)
            .or_else(by_wildcard)
            .or(self.default.as_ref())
    }
}

impl ResolvesServerCert for Chooser {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.choose(hello.server_name()).cloned()
    }
}
