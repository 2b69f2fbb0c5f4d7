//! TLS with rustls and aws-lc-rs: who we are ([`ServerTls`]), whom we trust ([`ClientTls`]), and, for a fault, who we
//! pretend to be ([`Impostor`]).
//!
//! Settings are files read once into an immutable configuration; a reload reads them again into a new one, and standing
//! connections go on with theirs.

mod client;
mod files;
mod impostor;
mod server;
mod wording;

use std::{io, sync::Arc, time::Duration};

use rustls::crypto::{CryptoProvider, aws_lc_rs};

pub use client::{ClientFiles, ClientTls, Trust};
pub use files::{BadFile, KeyPair};
pub use impostor::{BadCertificate, Impostor};
pub use server::{ServerFiles, ServerTls};

/// What a handshake established.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsFacts {
    /// The name that the client asked for (SNI).
    pub server_name: Option<String>,
    /// The protocol agreed on; `None` when the other side offered none that we know.
    pub alpn: Option<Alpn>,
    /// The subject of the client's certificate, as in `CN=alice,O=Example`, when it gave one.
    pub client_subject: Option<String>,
    /// Whether an earlier session was resumed.
    pub resumed: bool,
}

/// The protocols that we agree on within TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alpn {
    /// `h2`
    Http2,
    /// `http/1.1`
    Http1,
    /// `postgresql`
    Postgres,
}

impl Alpn {
    /// The name on the wire.
    pub const fn name(self) -> &'static [u8] {
        match self {
            Self::Http2 => b"h2",
            Self::Http1 => b"http/1.1",
            Self::Postgres => b"postgresql",
        }
    }

    fn of(name: Option<&[u8]>) -> Option<Self> {
        [Self::Http2, Self::Http1, Self::Postgres]
            .into_iter()
            .find(|alpn| Some(alpn.name()) == name)
    }
}

/// Why a handshake failed.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// It took too long.
    #[error("no TLS handshake within {}", crate::units::Span(*.0))]
    Timeout(Duration),
    /// We do not accept the other side's certificate.
    #[error("certificate refused: {0}")]
    Certificate(String),
    /// The other side broke the rules or does not accept us.
    #[error("TLS handshake failed: {}", wording::of_handshake(.0))]
    Protocol(rustls::Error),
    /// The connection broke meanwhile.
    #[error("connection lost during the TLS handshake: {0}")]
    Lost(io::Error),
}

impl TlsError {
    fn from_io(error: io::Error) -> Self {
        match error
            .get_ref()
            .and_then(|inner| inner.downcast_ref::<rustls::Error>())
        {
            Some(rustls::Error::InvalidCertificate(why)) => Self::Certificate(wording::of_certificate(why)),
            Some(other) => Self::Protocol(other.clone()),
            None => Self::Lost(error),
        }
    }
}

/// Runs a handshake within its time limit.
async fn within<T>(limit: Duration, handshake: impl Future<Output = io::Result<T>>) -> Result<T, TlsError> {
    match tokio::time::timeout(limit, handshake).await {
        Ok(done) => done.map_err(TlsError::from_io),
        Err(_) => Err(TlsError::Timeout(limit)),
    }
}

/// The cryptography, named instead of left to a process-wide default that another crate might have set.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

#[cfg(test)]
mod tests;
