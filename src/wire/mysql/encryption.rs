//! TLS of MySQL. It begins between greeting and login, so whoever ends it or begins it hears these two first; and each side
//! that has it is one packet further than one that has not, until the client is welcome.

use bytes::Bytes;

use super::{
    errors::{ERR, error},
    frame::{HEAD, Head, head, long, packet},
    opening::{Encrypted, MAX_OPENING, PassedGreeting, can, login},
    session::{Phase, Session},
};
use crate::wire::{
    dialogue::Lost,
    errors::{Moment, Refusal},
};

/// How long a request for TLS is: what the client can, its longest packet, its character set, and room.
const TLS_REQUEST: usize = 32;

/// A packet of an opening.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    /// How long its payload is.
    head: Head,
    payload: Vec<u8>,
}

impl Packet {
    /// How long a head is.
    pub const HEAD: usize = HEAD;

    /// An empty packet with this head; its payload is to be read into [`Self::room`].
    ///
    /// # Errors
    /// No opening has so long a packet.
    pub fn begin(bytes: [u8; HEAD]) -> Result<Self, Lost> {
        match head(&bytes) {
            Some(head) if head.payload <= MAX_OPENING => Ok(Self {
                head,
                payload: vec![0; head.payload],
            }),
            _ => Err(Lost("no packet before a session is so long")),
        }
    }

    /// Where its payload belongs.
    pub fn room(&mut self) -> &mut [u8] {
        &mut self.payload
    }

    /// Its payload.
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }

    /// The packet as it came.
    pub fn bytes(&self) -> Bytes {
        packet(self.head.sequence, &self.payload)
    }

    /// Whether a server refuses at once.
    pub fn is_error(&self) -> bool {
        self.payload.first() == Some(&ERR)
    }

    /// Whether a client asks for TLS before it says who it is.
    pub fn asks_for_tls(&self) -> bool {
        self.payload.len() == TLS_REQUEST && long(&self.payload, 0).is_some_and(|can| can & can::SSL != 0)
    }

    /// A client's login as a request for TLS that comes before it.
    ///
    /// # Errors
    /// It is cut short.
    pub fn tls_request(&self) -> Result<Bytes, Lost> {
        let login = self.login(true)?;
        let request = login.get(..TLS_REQUEST).ok_or(SHORT)?;
        Ok(packet(1, request))
    }

    /// A client's login as the server gets it.
    ///
    /// # Errors
    /// It is cut short.
    pub fn to_server(&self, tls: bool) -> Result<Bytes, Lost> {
        Ok(packet(1 + u8::from(tls), &self.login(tls)?))
    }

    fn login(&self, tls: bool) -> Result<Vec<u8>, Lost> {
        let can = long(&self.payload, 0).ok_or(SHORT)?;
        let can = if tls { can | can::SSL } else { can & !can::SSL };
        let mut login = self.payload.clone();
        login[..4].copy_from_slice(&can.to_le_bytes());
        Ok(login)
    }
}

const SHORT: Lost = Lost("the client's login is cut short");

impl Session {
    /// A session whose server has greeted and whose client has said who it is; its password is to be proved yet.
    ///
    /// # Errors
    /// The login is cut short.
    pub fn logged_in(greeting: &PassedGreeting, said: &Packet, encrypted: Encrypted) -> Result<Self, Lost> {
        let mut session = Self {
            can: greeting.can,
            thread: greeting.thread(),
            encrypted,
            ..Self::default()
        };
        session.logs_in(login(&said.payload).ok_or(SHORT)?);
        Ok(session)
    }

    /// Whether numbers of packets are to be changed: until the client is welcome, where one side alone is encrypted.
    pub(super) const fn renumbers(&self) -> bool {
        self.encrypted.is_one_sided() && matches!(self.phase, Phase::Proof) && self.begun == 0
    }

    /// Refuses a proof that cannot pass: on an encrypted line a client says its password as it is, on a clear one it encrypts
    /// it with the server's key, and here one would meet the other.
    pub(super) fn refuses_proof(&self, front: &[u8], sequence: u8) -> Option<Refusal> {
        const WHOLE_PASSWORD: &[u8] = b"\x01\x04";
        const SWITCH: &[u8] = b"\xfesha256_password\0";
        let asks = front == WHOLE_PASSWORD || front.starts_with(SWITCH);
        if !asks || self.phase != Phase::Proof || !self.encrypted.is_one_sided() {
            return None;
        }
        let text = if self.encrypted.client {
            "chaosproxy: the server wants the whole password, which needs TLS to the server too: set `tls` on the cluster"
        } else {
            "chaosproxy: the server wants the whole password, which needs TLS from the client too: set `tls` on the listener"
        };
        /// `ER_NOT_SUPPORTED_AUTH_MODE`.
        const CODE: u16 = 1251;
        Some(Refusal {
            bytes: error(sequence, CODE, Some("08004"), text),
            moment: Moment::Proof,
            closes: true,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{dialogue::Dialogue as _, testing::Line};

    fn greeting() -> PassedGreeting {
        let parts: [&[u8]; 5] = [
            b"\x0a8.0.36\0\x07\0\0\0saltsalt\0",
            &(0x01_u16 | can::SSL as u16 | can::COMPRESS as u16).to_le_bytes(),
            &[33, 2, 0, 0, 0, 21],
            &[0; 10],
            b"moresaltmore\0caching_sha2_password\0",
        ];
        PassedGreeting::read(&parts.concat()).unwrap()
    }

    fn said(sequence: u8, payload: &[u8]) -> Packet {
        let bytes = packet(sequence, payload);
        let mut said = Packet::begin(bytes[..HEAD].try_into().unwrap()).unwrap();
        said.room().copy_from_slice(&bytes[HEAD..]);
        said
    }

    fn login(can: u32) -> Vec<u8> {
        let mut payload = can.to_le_bytes().to_vec();
        payload.extend([0; 28]);
        payload.extend(b"web\0\0");
        payload
    }

    const WITH_TLS: u32 = can::SSL | can::SECURE_CONNECTION;

    fn line(encrypted: Encrypted) -> Line<Session> {
        let login = said(2, &login(WITH_TLS));
        let mut line = Line::default();
        line.session = Session::logged_in(&greeting(), &login, encrypted).unwrap();
        line
    }

    #[test]
    fn the_client_is_told_of_tls_where_it_ends_here() {
        let greeting = greeting();
        assert!(greeting.has_tls());
        let payload = greeting.packet(true)[HEAD..].to_vec();
        assert!(PassedGreeting::read(&payload).unwrap().has_tls());
        let payload = greeting.packet(false)[HEAD..].to_vec();
        assert!(!PassedGreeting::read(&payload).unwrap().has_tls());
    }

    #[test]
    fn a_request_for_tls_is_a_login_that_stops_early() {
        let whole = said(1, &login(WITH_TLS));
        assert!(!whole.asks_for_tls());
        let request = whole.tls_request().unwrap();
        assert_eq!((request.len(), request[3]), (HEAD + TLS_REQUEST, 1));
        assert!(said(1, &request[HEAD..]).asks_for_tls());
        assert!(!said(1, &login(can::SECURE_CONNECTION)[..TLS_REQUEST]).asks_for_tls());
        let clear = whole.to_server(false).unwrap();
        assert_eq!((clear[3], long(&clear, HEAD)), (1, Some(can::SECURE_CONNECTION)));
        let secured = said(1, &login(can::SECURE_CONNECTION)).to_server(true).unwrap();
        assert_eq!((secured[3], long(&secured, HEAD)), (2, Some(WITH_TLS)));
        assert!(said(1, b"sho").to_server(true).is_err() && said(1, b"short").tls_request().is_err());
    }

    #[test]
    fn until_the_client_is_welcome_each_side_counts_for_itself() {
        for (client, server) in [(true, false), (false, true), (true, true)] {
            let mut line = line(Encrypted { client, server });
            // The login's number, as each side sees it.
            let (ours, theirs) = (1 + u8::from(client), 1 + u8::from(server));
            line.says(&packet(theirs + 1, b"\xfemysql_native_password\0salt"));
            line.asks(&packet(ours + 2, b"proof"), &|_| None);
            line.says(&packet(theirs + 3, &[0, 0, 0, 2, 0, 0, 0]));
            let expected = [
                packet(ours + 1, b"\xfemysql_native_password\0salt"),
                packet(ours + 3, &[0, 0, 0, 2, 0, 0, 0]),
            ];
            assert_eq!(line.client, expected.concat());
            assert_eq!(line.server, packet(theirs + 2, b"proof"));
            line.took();
            // Each command begins anew.
            line.asks(&packet(0, b"\x0e"), &|_| None);
            line.says(&packet(1, &[0, 0, 0, 2, 0, 0, 0]));
            let both = (
                packet(0, b"\x0e").to_vec(),
                packet(1, &[0, 0, 0, 2, 0, 0, 0]).to_vec(),
            );
            assert_eq!(line.took(), both);
        }
    }

    #[test]
    fn a_further_factor_is_one_more_proof() {
        let mut line = line(Encrypted {
            client: true,
            server: false,
        });
        line.says(&packet(2, b"\x01\x03"));
        line.says(&packet(3, b"\x02authentication_webauthn_client\0challenge"));
        line.asks(&packet(5, b"signed"), &|_| None);
        line.says(&packet(5, &[0, 0, 0, 2, 0, 0, 0]));
        assert_eq!(line.server, packet(4, b"signed"));
        line.took();
        line.asks(&packet(0, b"\x0e"), &|_| None);
        assert_eq!(line.server, packet(0, b"\x0e"));
        assert_eq!(line.session.begun(), 1);
    }

    #[test]
    fn a_whole_password_does_not_pass_from_an_encrypted_line_to_a_clear_one() {
        for (client, server, refused) in [(true, false, true), (false, true, true), (true, true, false)] {
            let mut line = line(Encrypted { client, server });
            line.says(&packet(2 + u8::from(server), b"\x01\x04"));
            assert_eq!(line.closed, refused);
            let text = String::from_utf8_lossy(&line.client).into_owned();
            assert_eq!(text.contains("set `tls` on the"), refused, "{text}");
            assert_eq!(line.client[3], 2 + u8::from(client));
        }
    }

    #[test]
    fn no_opening_is_long() {
        assert!(Packet::begin([0, 0, 2, 0]).is_err());
        assert!(Packet::begin([0xff, 0xff, 0, 0]).is_ok());
    }
}
