//! A client's side of the opening, as a health check needs it: the greeting is answered with a proof of the password.

use sha1::Sha1;
use sha2::{Digest, Sha256};

use super::{
    frame::{number, packet, text},
    opening::can,
    sealing::sealed,
};

/// What the client here says it can do.
const CAN: u32 = can::PROTOCOL_41 | can::SECURE_CONNECTION | can::PLUGIN_AUTH;

/// The longest packet that it takes: its answers are short.
const LONGEST: u32 = 1 << 16;

/// utf8mb4, which every server that is in use knows.
const CHARSET: u8 = 45;

/// The salt has this length, in two parts.
const SALT: usize = 20;

/// The proof of a password that every server knows how to ask for.
const NATIVE: &[u8] = b"mysql_native_password";
/// The one that MySQL 8 asks for.
const SHA2: &[u8] = b"caching_sha2_password";

/// What a server said before it knew who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Greeting {
    salt: Vec<u8>,
    plugin: Vec<u8>,
}

/// What a server says while somebody logs in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// Who asks is let in.
    Welcome,
    /// The password is to be proved in another way, and this is the proof.
    Prove(Vec<u8>),
    /// It has to see the password itself: on a connection in clear, sealed with the key that [`ASK_FOR_KEY`](super::ASK_FOR_KEY)
    /// asks for.
    ShowPassword,
    /// It takes its time; more is to come.
    Wait,
}

/// Why there is no session.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoLogin {
    /// The server turned the login away, in these words.
    #[error("{0}")]
    TurnedAway(String),
    /// What came is not the protocol.
    #[error("this is not MySQL's protocol")]
    Garbled,
    /// It wants a proof that is not known here.
    #[error(
        "the server wants `{0}`, which is not known here: give the user mysql_native_password or caching_sha2_password"
    )]
    Unknown(String),
}

impl Greeting {
    /// Reads the server's first packet.
    ///
    /// # Errors
    /// It is an error, or no greeting.
    pub fn read(payload: &[u8]) -> Result<Self, NoLogin> {
        if let Some(error) = error(payload) {
            return Err(error);
        }
        Self::parse(payload).ok_or(NoLogin::Garbled)
    }

    fn parse(payload: &[u8]) -> Option<Self> {
        const VERSION: u8 = 10;
        let (&VERSION, rest) = payload.split_first()? else {
            return None;
        };
        let (_, rest) = text(rest)?;
        // The thread's number, half of the salt, a NUL; capabilities, charset, status, lengths and what is reserved.
        let first = rest.get(4..12)?;
        let rest = rest.get(13 + 2 + 1 + 2 + 2 + 1 + 10..)?;
        let second = rest.get(..SALT - first.len())?;
        // Where no way is named it is the old one.
        let plugin = rest.get(second.len() + 1..).and_then(text);
        Some(Self {
            salt: [first, second].concat(),
            plugin: plugin.map_or(NATIVE, |(name, _)| name).to_vec(),
        })
    }

    /// The request for TLS, which comes before the login.
    pub fn ask_for_tls() -> Vec<u8> {
        packet(1, &head(CAN | can::SSL)).to_vec()
    }

    /// The login, as packet number `sequence`.
    ///
    /// # Errors
    /// The server wants a proof that is not known here.
    pub fn login(&self, sequence: u8, user: &str, password: &str) -> Result<Vec<u8>, NoLogin> {
        // Whatever is not known here may be asked for again in another way.
        let (proof, plugin) = match proof(&self.plugin, &self.salt, password) {
            Ok(proof) => (proof, &*self.plugin),
            Err(_) => (proof(NATIVE, &self.salt, password)?, NATIVE),
        };
        let mut payload = head(CAN);
        payload.extend_from_slice(user.as_bytes());
        payload.push(0);
        payload.push(u8::try_from(proof.len()).unwrap_or(0));
        payload.extend(proof);
        payload.extend_from_slice(plugin);
        payload.push(0);
        Ok(packet(sequence, &payload).to_vec())
    }

    /// What a server's packet says to the login.
    ///
    /// # Errors
    /// It turns the login away, or wants what is not known here.
    pub fn said(&mut self, payload: &[u8], password: &str) -> Result<Said, NoLogin> {
        match payload {
            [0x00, ..] => Ok(Said::Welcome),
            [0xfe, rest @ ..] => {
                let (plugin, salt) = text(rest).ok_or(NoLogin::Garbled)?;
                self.salt = salt.get(..SALT).ok_or(NoLogin::Garbled)?.to_vec();
                proof(plugin, &self.salt, password).map(Said::Prove)
            }
            // The way of MySQL 8: 3 is that a proof was remembered, 4 that none was; anything longer is the server's key.
            [0x01, 3] => Ok(Said::Wait),
            [0x01, 4] => Ok(Said::ShowPassword),
            [0x01, key @ ..] => sealed(password, &self.salt, key)
                .map(Said::Prove)
                .ok_or(NoLogin::Garbled),
            _ => Err(error(payload).unwrap_or(NoLogin::Garbled)),
        }
    }
}

/// What every answer to the greeting begins with.
fn head(can: u32) -> Vec<u8> {
    let mut payload = Vec::with_capacity(64);
    payload.extend(can.to_le_bytes());
    payload.extend(LONGEST.to_le_bytes());
    payload.push(CHARSET);
    payload.extend([0; 23]);
    payload
}

/// The error that a packet is, as its code and its words.
pub fn error(payload: &[u8]) -> Option<NoLogin> {
    let [0xff, low, high, words @ ..] = payload else {
        return None;
    };
    let words = match words {
        [b'#', _, _, _, _, _, words @ ..] => words,
        words => words,
    };
    let (code, words) = (u16::from_le_bytes([*low, *high]), String::from_utf8_lossy(words));
    Some(NoLogin::TurnedAway(format!("{code} {words}")))
}

fn proof(plugin: &[u8], salt: &[u8], password: &str) -> Result<Vec<u8>, NoLogin> {
    let password = password.as_bytes();
    match plugin {
        NATIVE | SHA2 if password.is_empty() => Ok(Vec::new()),
        NATIVE => {
            let once = Sha1::digest(password);
            let mask = Sha1::new()
                .chain_update(salt)
                .chain_update(Sha1::digest(once))
                .finalize();
            Ok(xor(&once, &mask))
        }
        SHA2 => {
            let once = Sha256::digest(password);
            let mask = Sha256::new()
                .chain_update(Sha256::digest(once))
                .chain_update(salt)
                .finalize();
            Ok(xor(&once, &mask))
        }
        other => Err(NoLogin::Unknown(String::from_utf8_lossy(other).into_owned())),
    }
}

fn xor(one: &[u8], other: &[u8]) -> Vec<u8> {
    one.iter().zip(other).map(|(a, b)| a ^ b).collect()
}

/// The first column of a row of text.
pub fn first_column(payload: &[u8]) -> Option<&[u8]> {
    let (length, rest) = number(payload)?;
    rest.get(..usize::try_from(length).ok()?)
}

/// A command with its text, as the first packet of an exchange.
pub fn command(code: u8, words: &str) -> Vec<u8> {
    packet(0, &[&[code], words.as_bytes()].concat()).to_vec()
}

/// An answer within a login.
pub fn answer(sequence: u8, payload: &[u8]) -> Vec<u8> {
    packet(sequence, payload).to_vec()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The salt of these tests: 1 to 20.
    fn salt() -> Vec<u8> {
        (1..=20).collect()
    }

    /// A greeting as servers send it; the plugin is left out by old ones.
    fn greeting(plugin: &str) -> Vec<u8> {
        let mut payload = b"\x0a10.11.6-MariaDB\0\x07\0\0\0".to_vec();
        payload.extend(&salt()[..8]);
        payload.extend(b"\0\xfe\xf7\x2d\x02\0\xff\x81\x15\0\0\0\0\0\0\0\0\0\0");
        payload.extend(&salt()[8..]);
        payload.push(0);
        if !plugin.is_empty() {
            payload.extend(plugin.as_bytes());
            payload.push(0);
        }
        payload
    }

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn the_greetings_salt_and_plugin_are_read() {
        for (written, plugin) in [
            ("", "mysql_native_password"),
            ("caching_sha2_password", "caching_sha2_password"),
        ] {
            let read = Greeting::read(&greeting(written)).unwrap();
            assert_eq!((read.salt, read.plugin), (salt(), plugin.as_bytes().to_vec()));
        }
        let full = Greeting::read(b"\xff\x10\x04Too many connections").unwrap_err();
        assert_eq!(full.to_string(), "1040 Too many connections");
        assert_eq!(Greeting::read(b"HTTP/1.1 400 Bad Request"), Err(NoLogin::Garbled));
    }

    #[test]
    fn a_password_is_proved_as_servers_expect_it() {
        let proved = |plugin: &[u8], password| proof(plugin, &salt(), password).map(|proof| hex(&proof));
        assert_eq!(
            proved(NATIVE, "secret").unwrap(),
            "b32bb3a583e1340c0a1108d58b1be49781ad8c2f"
        );
        let sha2 = "746ebe205d56a0707acb3e796e834e0dd7b1d61743b26bd5202c7a623230c7c9";
        assert_eq!(proved(SHA2, "secret").unwrap(), sha2);
        assert_eq!(proved(NATIVE, "").unwrap(), "");
        let unknown = proved(b"client_ed25519", "secret").unwrap_err();
        assert!(unknown.to_string().contains("client_ed25519"), "{unknown}");
    }

    #[test]
    fn a_server_is_followed_through_its_login() {
        let mut greeted = Greeting::read(&greeting("")).unwrap();
        let mut said = |payload: &[u8], password| greeted.said(payload, password);
        let switch = [b"\xfemysql_native_password\0", &*salt(), b"\0"].concat();
        let proof = proof(NATIVE, &salt(), "secret").unwrap();
        assert_eq!(said(&switch, "secret"), Ok(Said::Prove(proof)));
        assert_eq!(said(b"\x01no key", "secret"), Err(NoLogin::Garbled));
        assert_eq!(said(b"\0\0\0\x02\0\0\0", "secret"), Ok(Said::Welcome));
        assert_eq!(said(&[1, 3], "secret"), Ok(Said::Wait));
        assert_eq!(said(&[1, 4], "secret"), Ok(Said::ShowPassword));
        let denied = said(b"\xff\x15\x04#28000Access denied for user 'web'", "secret").unwrap_err();
        assert_eq!(denied.to_string(), "1045 Access denied for user 'web'");
        assert_eq!(said(b"", "secret"), Err(NoLogin::Garbled));
    }

    #[test]
    fn the_first_column_is_read() {
        assert_eq!(first_column(b"\x010"), Some(&b"0"[..]));
        assert_eq!(first_column(b"\x05ON"), None);
        assert_eq!(first_column(b""), None);
    }

    proptest! {
        #[test]
        fn whatever_comes_is_read_or_refused(payload: Vec<u8>) {
            let _ = Greeting::read(&payload);
            let _ = Greeting::read(&greeting("")).unwrap().said(&payload, "secret");
            let _ = first_column(&payload);
        }
    }
}
