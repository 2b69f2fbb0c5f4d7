//! A password sealed with a server's own key, for `caching_sha2_password` on a connection in clear (MySQL's protocol, "Caching SHA-2
//! pluggable authentication").

use aws_lc_rs::rsa::{OAEP_SHA1_MGF1SHA1, OaepPublicEncryptingKey, PublicEncryptingKey};
use rustls::pki_types::{SubjectPublicKeyInfoDer, pem::PemObject};

/// Asks the server for its key.
pub const ASK_FOR_KEY: u8 = 2;

/// The password as only the holder of the key can read it, and only for this salt. `None`: the key is none, or too small.
///
/// The key is taken as the server sends it: who can stand between could send another one. TLS tells, this does not.
pub(super) fn sealed(password: &str, salt: &[u8], key: &[u8]) -> Option<Vec<u8>> {
    let key = SubjectPublicKeyInfoDer::from_pem_slice(key).ok()?;
    let key = OaepPublicEncryptingKey::new(PublicEncryptingKey::from_der(&key).ok()?).ok()?;
    let text = password.bytes().chain([0]);
    let masked: Vec<u8> = text.zip(salt.iter().cycle()).map(|(a, b)| a ^ b).collect();
    let mut sealed = vec![0; key.ciphertext_size()];
    let length = key
        .encrypt(&OAEP_SHA1_MGF1SHA1, &masked, &mut sealed, None)
        .ok()?
        .len();
    sealed.truncate(length);
    Some(sealed)
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::{
        encoding::{AsDer, PublicKeyX509Der},
        rsa::{KeySize, OaepPrivateDecryptingKey, PrivateDecryptingKey},
    };
    use base64::{Engine, prelude::BASE64_STANDARD};

    use super::*;

    #[test]
    fn who_has_the_key_reads_the_password() {
        let private = PrivateDecryptingKey::generate(KeySize::Rsa2048).unwrap();
        let der: PublicKeyX509Der<'_> = private.public_key().as_der().unwrap();
        let text = BASE64_STANDARD.encode(der.as_ref());
        let pem = format!("-----BEGIN PUBLIC KEY-----\n{text}\n-----END PUBLIC KEY-----\n");
        let private = OaepPrivateDecryptingKey::new(private).unwrap();
        let salt: Vec<u8> = (1..=20).collect();
        for password in ["secret", "one that is longer than the salt of twenty bytes", ""] {
            let sealed = sealed(password, &salt, pem.as_bytes()).unwrap();
            let mut room = vec![0; sealed.len()];
            let masked = private
                .decrypt(&OAEP_SHA1_MGF1SHA1, &sealed, &mut room, None)
                .unwrap();
            let read: Vec<u8> = masked
                .iter()
                .zip(salt.iter().cycle())
                .map(|(a, b)| a ^ b)
                .collect();
            assert_eq!(read, [password.as_bytes(), b"\0"].concat());
        }
        assert_eq!(sealed(&"x".repeat(300), &salt, pem.as_bytes()), None);
        assert_eq!(sealed("secret", &salt, b"no key"), None);
    }
}
