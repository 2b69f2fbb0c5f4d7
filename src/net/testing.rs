//! What the tests of this room share: connected pairs on loopback, and an authority that signs certificates.

use std::{path::PathBuf, time::Duration};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair as NewKey};
use tokio::net::{TcpListener, TcpStream};

use super::{
    Stream,
    tls::{Alpn, ClientFiles, ClientTls, KeyPair, ServerFiles, ServerTls, Trust},
};

/// A listener on a free port of loopback.
pub(super) async fn listener() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.unwrap()
}

/// A client's bare socket and the proxy's end of the same connection.
pub(super) async fn connection() -> (TcpStream, Stream) {
    let listener = listener().await;
    let (client, accepted) = tokio::join!(
        TcpStream::connect(listener.local_addr().unwrap()),
        listener.accept()
    );
    let (tcp, peer) = accepted.unwrap();
    (client.unwrap(), Stream::new(tcp, peer))
}

/// A connection with TLS between both ends: the side that connected, the side that accepted.
pub(super) async fn secured() -> (Stream, Stream) {
    let authority = Authority::new();
    let (server, client) = (authority.server(&["localhost"]), authority.client());
    let (tcp, accepted) = connection().await;
    let peer = tcp.peer_addr().unwrap();
    let (client, server) = tokio::join!(
        client.connect(Stream::new(tcp, peer), "localhost", LIMIT),
        server.accept(accepted, LIMIT),
    );
    (client.unwrap(), server.unwrap())
}

/// Longer than any handshake takes on a busy machine.
pub(super) const LIMIT: Duration = Duration::from_secs(20);

/// Files of an authority and of what it signed, gone when dropped.
pub(super) struct Authority {
    pub(super) folder: tempfile::TempDir,
    issuer: CertifiedIssuer<'static, NewKey>,
}

impl Authority {
    pub(super) fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params
            .distinguished_name
            .push(DnType::CommonName, "test authority");
        let issuer = CertifiedIssuer::self_signed(params, NewKey::generate().unwrap()).unwrap();
        let authority = Self {
            folder: tempfile::tempdir().unwrap(),
            issuer,
        };
        authority.write("ca.pem", &authority.issuer.pem());
        authority
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(super) fn write(&self, name: &str, text: &str) -> PathBuf {
        std::fs::write(self.path(name), text).unwrap();
        self.path(name)
    }

    /// A signed certificate for these names; the first names its files and is its subject.
    pub(super) fn sign(&self, names: &[&str], edit: impl FnOnce(&mut CertificateParams)) -> KeyPair {
        let mut params =
            CertificateParams::new(names.iter().map(|name| (*name).into()).collect::<Vec<_>>()).unwrap();
        params.distinguished_name.push(DnType::CommonName, names[0]);
        edit(&mut params);
        let key = NewKey::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        KeyPair {
            certificate: self.write(&format!("{}.pem", names[0]), &certificate.pem()),
            key: self.write(&format!("{}.key", names[0]), &key.serialize_pem()),
        }
    }

    /// A server with one certificate.
    pub(super) fn server(&self, names: &[&str]) -> ServerTls {
        let certificates = vec![self.sign(names, |_| {})];
        ServerFiles {
            certificates,
            client_ca: None,
            client_optional: false,
            tls13_only: false,
            alpn: vec![Alpn::Http2, Alpn::Http1],
        }
        .load()
        .unwrap()
    }

    /// A client that trusts this authority only.
    pub(super) fn client(&self) -> ClientTls {
        self.client_files().load().unwrap()
    }

    pub(super) fn client_files(&self) -> ClientFiles {
        ClientFiles {
            trust: Trust::File(self.path("ca.pem")),
            identity: None,
            server_name: None,
            alpn: vec![Alpn::Http2, Alpn::Http1],
        }
    }
}
