//! Origination: TLS to a backend, verified unless that is switched off by name.

use std::{path::PathBuf, sync::Arc, time::Duration};

use rustls::{
    ClientConfig, DigitallySignedStruct, HandshakeKind, RootCertStore, SignatureScheme,
    client::{
        ClientConnection, WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
};
use tokio_rustls::{TlsConnector, TlsStream};

use super::{
    Alpn, TlsError, TlsFacts,
    files::{BadFile, KeyPair, read_authorities},
    provider, within,
};
use crate::net::Stream;

/// The settings of TLS to a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientFiles {
    /// Whose certificates we accept.
    pub trust: Trust,
    /// Our own certificate, where the backend asks for one.
    pub identity: Option<KeyPair>,
    /// The name to ask for and to verify, instead of the one in the address.
    pub server_name: Option<String>,
    /// The protocols offered, in order; none for a cluster that does not speak HTTP.
    pub alpn: Vec<Alpn>,
}

/// Whose certificates are accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trust {
    /// The authorities of this machine.
    System,
    /// The authorities in a file, and no others.
    File(PathBuf),
    /// Anybody's: encrypted, but open to whoever stands in between. Only on explicit request.
    Anybody,
}

/// TLS to a cluster, ready for connections.
#[derive(Clone, Debug)]
pub struct ClientTls {
    config: Arc<ClientConfig>,
    server_name: Option<ServerName<'static>>,
    warnings: Vec<String>,
}

impl ClientFiles {
    /// Reads and checks all files and the name.
    pub fn load(&self) -> Result<ClientTls, BadFile> {
        let provider = provider();
        let mut warnings = Vec::new();
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .expect("aws-lc-rs speaks TLS 1.2 and 1.3")
            .dangerous()
            .with_custom_certificate_verifier(self.trust.verifier(&provider, &mut warnings)?);
        let mut config = match &self.identity {
            None => builder.with_no_client_auth(),
            Some(pair) => {
                let loaded = pair.load(&provider)?;
                warnings.extend(loaded.warning);
                builder.with_client_cert_resolver(Arc::new(rustls::sign::SingleCertAndKey::from(
                    loaded.certified,
                )))
            }
        };
        config.alpn_protocols = self.alpn.iter().map(|alpn| alpn.name().to_vec()).collect();
        let server_name = self.server_name.as_deref().map(parse_name).transpose()?;
        Ok(ClientTls {
            config: Arc::new(config),
            server_name,
            warnings,
        })
    }
}

fn parse_name(name: &str) -> Result<ServerName<'static>, BadFile> {
    let parsed = ServerName::try_from(name).map(|name| name.to_owned());
    parsed.map_err(|_| BadFile::new(name.as_ref(), "this is neither a host name nor an IP address"))
}

impl Trust {
    fn verifier(
        &self,
        provider: &Arc<CryptoProvider>,
        warnings: &mut Vec<String>,
    ) -> Result<Arc<dyn ServerCertVerifier>, BadFile> {
        let (roots, file) = match self {
            Self::Anybody => return Ok(Arc::new(AcceptAnybody(Arc::clone(provider)))),
            Self::File(file) => (read_authorities(file)?, file.clone()),
            Self::System => (
                system_authorities(warnings),
                "the system's certificate store".into(),
            ),
        };
        let verifier =
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider)).build();
        match verifier {
            Ok(verifier) => Ok(verifier),
            Err(error) => Err(BadFile::new(&file, format!("no authority to trust: {error}"))),
        }
    }
}

/// One bad certificate in the system's store is no reason to refuse the others.
fn system_authorities(warnings: &mut Vec<String>) -> RootCertStore {
    let found = rustls_native_certs::load_native_certs();
    warnings.extend(
        found
            .errors
            .iter()
            .map(|error| format!("the system's certificate store: {error}")),
    );
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(found.certs);
    roots
}

impl ClientTls {
    /// What a human should look at although it works.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Makes a TLS connection of a plain one, within `limit`. `host` is the machine in the backend's address; it is asked
    /// for and verified unless the settings name another.
    pub async fn connect(&self, stream: Stream, host: &str, limit: Duration) -> Result<Stream, TlsError> {
        let name = match &self.server_name {
            Some(name) => name.clone(),
            None => parse_name(host).map_err(|bad| TlsError::Certificate(bad.to_string()))?,
        };
        let (plain, peer, local) = stream.into_plain().map_err(TlsError::Lost)?;
        let handshake = TlsConnector::from(Arc::clone(&self.config)).connect(name, plain);
        let secured = within(limit, handshake).await?;
        let facts = facts(secured.get_ref().1);
        Ok(Stream::secured(TlsStream::Client(secured), facts, peer, local))
    }
}

fn facts(connection: &ClientConnection) -> TlsFacts {
    TlsFacts {
        alpn: Alpn::of(connection.alpn_protocol()),
        resumed: connection.handshake_kind() == Some(HandshakeKind::Resumed),
        ..TlsFacts::default()
    }
}

/// Accepts every certificate, but not a handshake signed with a key that does not belong to it.
#[derive(Debug)]
struct AcceptAnybody(Arc<CryptoProvider>);

impl ServerCertVerifier for AcceptAnybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(
            message,
            certificate,
            signature,
            &self.0.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(
            message,
            certificate,
            signature,
            &self.0.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
