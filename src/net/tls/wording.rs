//! What is wrong with a certificate or a handshake, in words for people: rustls shows the names that it has in its own code.

use std::{fmt::Debug, time::Duration};

use rustls::{CertificateError, pki_types::UnixTime};

use crate::units::Span;

/// What is wrong with the other side's certificate.
pub(super) fn of_certificate(error: &CertificateError) -> String {
    use CertificateError as E;
    match error {
        E::Expired => "it has expired".into(),
        E::ExpiredContext { time, not_after } => format!("it expired {} ago", between(*not_after, *time)),
        E::NotValidYet => "it is not valid yet".into(),
        E::NotValidYetContext { time, not_before } => {
            format!("it is valid in {}, and not yet", between(*time, *not_before))
        }
        E::NotValidForName => "it is for another name".into(),
        E::NotValidForNameContext { expected, presented } => {
            let names: Vec<_> = presented.iter().map(|name| bare(name)).collect();
            let of = match names.as_slice() {
                [] => ": it names nobody (subjectAltName)".into(),
                names => format!(", but for {}", names.join(", ")),
            };
            format!("it is not for {}{of}", expected.to_str())
        }
        E::UnknownIssuer => {
            "nobody who is trusted here has issued it (whom to trust say `roots` of a cluster's `tls` and \
             `client_ca` of a listener's)"
                .into()
        }
        E::BadEncoding => "it is damaged".into(),
        E::BadSignature => "its signature is not that of its issuer".into(),
        E::Revoked => "it was revoked".into(),
        E::UnhandledCriticalExtension => "it has a critical extension that nobody here knows".into(),
        E::InvalidPurpose => "it was issued for another purpose".into(),
        E::InvalidPurposeContext { required, presented } => {
            let presented: Vec<_> = presented.iter().map(ToString::to_string).collect();
            let purposes = presented.join(", ");
            format!("it was issued for {purposes}, and not for {required} (extendedKeyUsage)")
        }
        E::UnsupportedSignatureAlgorithmContext { .. }
        | E::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
            "it is signed in a way that nobody here knows".into()
        }
        // The verifier's own names come in no other way.
        E::Other(other) => of_verifier(&other.to_string()),
        other => words(other),
    }
}

/// What the verifier says that rustls has no name for.
fn of_verifier(name: &str) -> String {
    match name {
        "CaUsedAsEndEntity" => "it is one of an authority (CA:TRUE), which stands for nobody but the authority itself: show one that \
             the authority has issued, or make one that is none (`openssl req -x509 ... -addext \
             basicConstraints=critical,CA:FALSE`)"
            .into(),
        "EndEntityUsedAsCa" => "whoever has issued it is no authority (CA:FALSE)".into(),
        other => apart(other),
    }
}

/// What is wrong with a handshake.
pub(super) fn of_handshake(error: &rustls::Error) -> String {
    use rustls::Error as E;
    match error {
        E::InvalidCertificate(error) => of_certificate(error),
        E::AlertReceived(alert) => format!("the other side says: {}", words(alert)),
        E::InvalidMessage(why) => format!("what the other side says is no TLS: {}", words(why)),
        E::PeerIncompatible(why) => format!("the other side's TLS does not fit ours: {}", words(why)),
        E::PeerMisbehaved(why) => format!("the other side breaks the rules of TLS: {}", words(why)),
        E::InappropriateMessage { .. } | E::InappropriateHandshakeMessage { .. } => {
            "the other side says something out of turn".into()
        }
        E::NoCertificatesPresented => "the other side shows no certificate".into(),
        E::InconsistentKeys(why) => words(why),
        other => other.to_string(),
    }
}

/// The time between two moments.
fn between(from: UnixTime, to: UnixTime) -> Span {
    Span(Duration::from_secs(to.as_secs().saturating_sub(from.as_secs())))
}

/// A name of a certificate without the kind that it is shown with: `DnsName("shop.example")`.
fn bare(name: &str) -> &str {
    name.split_once('(')
        .map_or(name, |(_, name)| name.trim_end_matches(')').trim_matches('"'))
}

/// A name in code as words.
fn words(name: &dyn Debug) -> String {
    apart(&format!("{name:?}"))
}

/// `NoCipherSuitesInCommon` as `no cipher suites in common`; what it holds is left away.
fn apart(name: &str) -> String {
    let name = name
        .split(|c: char| !c.is_ascii_alphanumeric())
        .next()
        .unwrap_or_default();
    let mut words: Vec<String> = Vec::new();
    let mut before: Option<char> = None;
    for (at, c) in name.char_indices() {
        let next_is_small = name[at + 1..].starts_with(|next: char| next.is_ascii_lowercase());
        let begins = before.is_none_or(|before| {
            (c.is_ascii_uppercase() && (!before.is_ascii_uppercase() || next_is_small))
                || (c.is_ascii_digit() && !before.is_ascii_digit())
        });
        match words.last_mut() {
            Some(word) if !begins => word.push(c),
            _ => words.push(c.into()),
        }
        before = Some(c);
    }
    for word in &mut words {
        // Letters that stand for words stay large.
        if word.len() == 1 || word.contains(|c: char| c.is_ascii_lowercase()) {
            word.make_ascii_lowercase();
        }
    }
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use rustls::{AlertDescription, InvalidMessage, OtherError, PeerIncompatible};

    use super::*;

    #[test]
    fn no_name_of_code_reaches_people() {
        let at = |seconds| UnixTime::since_unix_epoch(Duration::from_secs(seconds));
        let other = |name: &str| {
            let error: Box<dyn std::error::Error + Send + Sync> = name.into();
            CertificateError::Other(OtherError(std::sync::Arc::from(error)))
        };
        for (error, expected) in [
            (
                CertificateError::ExpiredContext {
                    time: at(10_000),
                    not_after: at(2_800),
                },
                "it expired 2h ago",
            ),
            (
                CertificateError::NotValidYetContext {
                    time: at(0),
                    not_before: at(3_600),
                },
                "it is valid in 1h, and not yet",
            ),
            (
                CertificateError::NotValidForNameContext {
                    expected: "shop.example".try_into().unwrap(),
                    presented: vec!["DnsName(\"a.example\")".into(), "IpAddress(127.0.0.1)".into()],
                },
                "it is not for shop.example, but for a.example, 127.0.0.1",
            ),
            (
                CertificateError::NotValidForNameContext {
                    expected: "shop.example".try_into().unwrap(),
                    presented: vec![],
                },
                "it is not for shop.example: it names nobody (subjectAltName)",
            ),
            (other("UnsupportedCertVersion"), "unsupported cert version"),
            (other("EmptyEkuExtension(1)"), "empty eku extension"),
            (
                other("EndEntityUsedAsCa"),
                "whoever has issued it is no authority (CA:FALSE)",
            ),
            (
                CertificateError::UnknownRevocationStatus,
                "unknown revocation status",
            ),
        ] {
            assert_eq!(of_certificate(&error), expected);
        }
        for (error, expected) in [
            (
                rustls::Error::AlertReceived(AlertDescription::UnknownCA),
                "the other side says: unknown CA",
            ),
            (
                rustls::Error::PeerIncompatible(PeerIncompatible::ServerDoesNotSupportTls12Or13),
                "the other side's TLS does not fit ours: server does not support tls 12 or 13",
            ),
            (
                rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType),
                "what the other side says is no TLS: invalid content type",
            ),
        ] {
            assert_eq!(of_handshake(&error), expected);
        }
    }
}
