//! PEM files: read whole, judged at once, with the file's name in every complaint.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::{
    InconsistentKeys, RootCertStore,
    crypto::CryptoProvider,
    pki_types::{
        CertificateDer, PrivateKeyDer,
        pem::{self, PemObject},
    },
    sign::CertifiedKey,
};
use x509_parser::{certificate::X509Certificate, extensions::GeneralName, prelude::FromDer};

use super::wording::of_handshake;

/// A certificate chain and its private key, both PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyPair {
    /// The chain, the certificate itself first.
    pub certificate: PathBuf,
    /// The key: PKCS#8, PKCS#1 or SEC1, not encrypted.
    pub key: PathBuf,
}

/// A file that TLS cannot be set up with: which, and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: {why}", file.display())]
pub struct BadFile {
    /// The file, as it was named.
    pub file: PathBuf,
    /// What is wrong and how to mend it, in one line.
    pub why: String,
}

impl BadFile {
    pub(super) fn new(file: &Path, why: impl Into<String>) -> Self {
        Self {
            file: file.into(),
            why: why.into(),
        }
    }
}

/// A key pair as read.
pub(super) struct Loaded {
    pub(super) certified: Arc<CertifiedKey>,
    /// The names that it is valid for, in lower case, wildcards as `*.example.org`.
    pub(super) names: Vec<String>,
    /// What a human should look at, although it works.
    pub(super) warning: Option<String>,
}

impl KeyPair {
    pub(super) fn load(&self, provider: &CryptoProvider) -> Result<Loaded, BadFile> {
        let chain = read_certificates(&self.certificate)?;
        let key = read_key(&self.key)?;
        let (names, warning) = judge(&self.certificate, &chain[0])?;
        let certified = CertifiedKey::from_der(chain, key, provider).map_err(|error| self.explain(&error))?;
        Ok(Loaded {
            certified: Arc::new(certified),
            names,
            warning,
        })
    }

    fn explain(&self, error: &rustls::Error) -> BadFile {
        match error {
            rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
                let certificate = self.certificate.display();
                BadFile::new(
                    &self.key,
                    format!("this key does not belong to the certificate in {certificate}"),
                )
            }
            other => BadFile::new(
                &self.key,
                format!("the private key cannot be used: {}", of_handshake(other)),
            ),
        }
    }
}

/// The certificates of a file, at least one.
pub(super) fn read_certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, BadFile> {
    let text = read(file)?;
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    match certificates {
        Ok(all) if all.is_empty() => Err(BadFile::new(
            file,
            "no PEM certificate in it: it needs a block that starts with `-----BEGIN CERTIFICATE-----`",
        )),
        Ok(all) => Ok(all),
        Err(error) => Err(broken_pem(file, &error)),
    }
}

fn read_key(file: &Path) -> Result<PrivateKeyDer<'static>, BadFile> {
    let text = read(file)?;
    PrivateKeyDer::from_pem_slice(&text).map_err(|error| match error {
        pem::Error::NoItemsFound if contains(&text, b"BEGIN ENCRYPTED PRIVATE KEY") => BadFile::new(
            file,
            "the private key is encrypted; write it without a passphrase (`openssl pkey`)",
        ),
        pem::Error::NoItemsFound => BadFile::new(
            file,
            "no PEM private key in it: it needs a block that starts with `-----BEGIN PRIVATE KEY-----`",
        ),
        other => broken_pem(file, &other),
    })
}

/// The certificates of a file as authorities to trust.
pub(super) fn read_authorities(file: &Path) -> Result<RootCertStore, BadFile> {
    let mut roots = RootCertStore::empty();
    for (i, certificate) in read_certificates(file)?.into_iter().enumerate() {
        let unfit = |error| {
            let why = of_handshake(&error);
            BadFile::new(file, format!("certificate {} is no authority: {why}", i + 1))
        };
        roots.add(certificate).map_err(unfit)?;
    }
    Ok(roots)
}

/// The names that a certificate is valid for, and a warning when it is not valid today.
fn judge(file: &Path, certificate: &CertificateDer<'_>) -> Result<(Vec<String>, Option<String>), BadFile> {
    let parsed = parse(certificate).ok_or_else(|| BadFile::new(file, "the certificate is damaged"))?;
    let validity = parsed.validity();
    let warning = if validity.is_valid() {
        None
    } else {
        let (from, to) = (validity.not_before, validity.not_after);
        Some(format!(
            "{}: the certificate is valid from {from} to {to}, not now",
            file.display()
        ))
    };
    Ok((names(&parsed), warning))
}

fn names(certificate: &X509Certificate<'_>) -> Vec<String> {
    let Ok(Some(alternatives)) = certificate.subject_alternative_name() else {
        return Vec::new();
    };
    let dns = alternatives
        .value
        .general_names
        .iter()
        .filter_map(|name| match name {
            GeneralName::DNSName(name) => Some(name.to_ascii_lowercase()),
            _ => None,
        });
    dns.collect()
}

/// The subject of a certificate as text, as in `CN=alice, O=Example`.
pub(super) fn subject(certificate: &CertificateDer<'_>) -> Option<String> {
    parse(certificate).map(|parsed| parsed.subject().to_string())
}

fn parse<'a>(certificate: &'a CertificateDer<'_>) -> Option<X509Certificate<'a>> {
    X509Certificate::from_der(certificate)
        .ok()
        .map(|(_, parsed)| parsed)
}

fn read(file: &Path) -> Result<Vec<u8>, BadFile> {
    fs::read(file).map_err(|error| {
        let why = match error.kind() {
            io::ErrorKind::NotFound => "no such file".into(),
            io::ErrorKind::PermissionDenied => "permission denied: this user may not read it".into(),
            _ => error.to_string(),
        };
        BadFile::new(file, why)
    })
}

fn broken_pem(file: &Path, error: &pem::Error) -> BadFile {
    BadFile::new(file, format!("damaged PEM: {error}"))
}

fn contains(text: &[u8], needle: &[u8]) -> bool {
    text.windows(needle.len()).any(|window| window == needle)
}
