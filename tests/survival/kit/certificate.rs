//! Certificates for `localhost`, and clients that believe exactly one of them.

use std::{net::SocketAddr, path::Path, sync::Arc};

use rustls::{ClientConfig, RootCertStore, pki_types::CertificateDer};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::http::Connection;

/// A certificate that was written to a folder.
pub struct Certificate(CertificateDer<'static>);

impl Certificate {
    /// Makes `NAME.pem` and `NAME.key` in a folder.
    pub fn write(folder: &Path, name: &str) -> Self {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        std::fs::create_dir_all(folder).unwrap();
        std::fs::write(folder.join(format!("{name}.pem")), made.cert.pem()).unwrap();
        std::fs::write(
            folder.join(format!("{name}.key")),
            made.signing_key.serialize_pem(),
        )
        .unwrap();
        Self(made.cert.der().clone())
    }

    /// Connects to a server that must show this certificate.
    pub async fn connect(&self, address: SocketAddr) -> Option<Connection> {
        let mut roots = RootCertStore::empty();
        roots.add(self.0.clone()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let tcp = TcpStream::connect(address).await.ok()?;
        let name = "localhost".try_into().unwrap();
        let tls = TlsConnector::from(Arc::new(config))
            .connect(name, tcp)
            .await
            .ok()?;
        Connection::over(tls).await.ok()
    }
}
