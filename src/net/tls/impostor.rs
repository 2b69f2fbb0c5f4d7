//! Deliberately wrong certificates, for faults that need one.
//!
//! Each is wrong in one respect only: `expired` and `wrong_name` are signed by an authority made for this process, whose
//! certificate can be handed to test clients, so that they see exactly that one error; `untrusted` is signed by nobody.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair as NewKey, KeyUsagePurpose,
    date_time_ymd,
};
use rustls::{
    ServerConfig,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};

use super::{
    Alpn, provider,
    server::{ServerTls, finish},
};

/// What is wrong with the certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BadCertificate {
    /// It was valid once.
    Expired,
    /// It is for another name.
    WrongName,
    /// Nobody vouches for it.
    Untrusted,
}

/// Makes wrong certificates, each for the name that the client asks for.
#[derive(Clone)]
pub struct Impostor(Arc<Shared>);

struct Shared {
    authority: CertifiedIssuer<'static, NewKey>,
    made: Mutex<HashMap<(BadCertificate, String), Arc<CertifiedKey>>>,
}

/// Names come from clients: beyond so many, certificates are made anew instead of kept.
const KEPT: usize = 256;

/// The name in a certificate that is for somebody else. RFC 6761 keeps it from ever being real.
const SOMEBODY_ELSE: &str = "somebody-else.invalid";

impl Impostor {
    /// An impostor with an authority of its own.
    pub fn new() -> Result<Self, rcgen::Error> {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        params
            .distinguished_name
            .push(DnType::CommonName, "chaosproxy fault authority");
        let authority = CertifiedIssuer::self_signed(params, NewKey::generate()?)?;
        Ok(Self(Arc::new(Shared {
            authority,
            made: Mutex::default(),
        })))
    }

    /// The authority's certificate: a client that trusts it sees `expired` and `wrong_name` as just that.
    pub fn authority_pem(&self) -> String {
        self.0.authority.pem()
    }

    /// A listener's TLS that presents wrong certificates of this kind.
    pub fn server(&self, kind: BadCertificate, alpn: &[Alpn]) -> ServerTls {
        let presenter = Presenter {
            kind,
            impostor: Arc::clone(&self.0),
        };
        let config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .expect("aws-lc-rs speaks TLS 1.2 and 1.3")
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(presenter));
        ServerTls::new(finish(config, alpn))
    }
}

impl Shared {
    fn present(&self, kind: BadCertificate, name: &str) -> Option<Arc<CertifiedKey>> {
        let wanted = (kind, name.to_owned());
        // A panic between lock and unlock leaves whole entries only.
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(kept) = made.get(&wanted) {
            return Some(Arc::clone(kept));
        }
        let fresh = Arc::new(self.make(kind, name).ok()?);
        if made.len() < KEPT {
            made.insert(wanted, Arc::clone(&fresh));
        }
        Some(fresh)
    }

    fn make(&self, kind: BadCertificate, name: &str) -> Result<CertifiedKey, Box<dyn std::error::Error>> {
        let name = if kind == BadCertificate::WrongName {
            SOMEBODY_ELSE
        } else {
            name
        };
        let mut params = CertificateParams::new([name.to_owned()])?;
        params.distinguished_name.push(DnType::CommonName, name);
        if kind == BadCertificate::Expired {
            params.not_before = date_time_ymd(2019, 1, 1);
            params.not_after = date_time_ymd(2020, 1, 1);
        }
        let key = NewKey::generate()?;
        let certificate = match kind {
            BadCertificate::Untrusted => params.self_signed(&key)?,
            _ => params.signed_by(&key, &self.authority)?,
        };
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        Ok(CertifiedKey::from_der(
            vec![certificate.into()],
            key,
            &provider(),
        )?)
    }
}

struct Presenter {
    kind: BadCertificate,
    impostor: Arc<Shared>,
}

impl std::fmt::Debug for Presenter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Presenter").field(&self.kind).finish()
    }
}

impl ResolvesServerCert for Presenter {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.impostor
            .present(self.kind, hello.server_name().unwrap_or("localhost"))
    }
}
