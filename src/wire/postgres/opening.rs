//! What a client says before its session: the packets without a type byte.

use bytes::{Buf, Bytes, BytesMut};

use crate::wire::dialogue::Lost;

/// The longest packet before a session (PostgreSQL's own limit is as long).
pub const MAX_OPENING: usize = 10_000;

/// The request for TLS, as a client sends it.
pub const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];

/// The answer to a request for encryption that is refused.
pub const NO: u8 = b'N';

/// The answer to a request for TLS that is granted.
pub const YES: u8 = b'S';

/// What a client may say before its session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Opening {
    /// It asks for encryption on this connection.
    Encrypt(Encryption),
    /// It asks, on a connection of its own, that another session's command be cancelled.
    Cancel {
        /// Which session.
        key: CancelKey,
        /// The packet as it came.
        packet: Bytes,
    },
    /// It starts a session.
    Startup(Startup),
    /// It begins with a TLS handshake, without asking first (PostgreSQL 17).
    Tls,
    /// It starts a session as no server lets it: in another version of the protocol, or without a user. The packet as it came.
    Foreign(Bytes),
}

/// A kind of encryption.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encryption {
    /// TLS.
    Tls,
    /// GSSAPI.
    Gss,
}

/// What a cancel request must name: process and secret, as the server gave them to the session.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CancelKey(pub Bytes);

/// How a session starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Startup {
    /// Who it is.
    pub user: String,
    /// The database; the user's name where none is named.
    pub database: String,
    /// Whether it is a stream of changes for a replica and no session of commands.
    pub replication: bool,
    /// The packet as it came.
    pub packet: Bytes,
}

/// The codes that stand where a version would.
const CANCEL: u32 = 80_877_102;
const SSL: u32 = 80_877_103;
const GSS: u32 = 80_877_104;

/// The first byte of a TLS handshake.
const HANDSHAKE: u8 = 0x16;

/// Takes the packet at the front; `None` until it is all there.
///
/// # Errors
/// It is no packet of this protocol, or longer than [`MAX_OPENING`].
pub fn take_opening(bytes: &mut BytesMut) -> Result<Option<Opening>, Lost> {
    match bytes.first() {
        Some(&HANDSHAKE) => return Ok(Some(Opening::Tls)),
        Some(0) | None => {}
        Some(_) => return Err(Lost("the client does not speak PostgreSQL's protocol")),
    }
    let Some(mut length) = bytes.get(..4) else {
        return Ok(None);
    };
    let length = length.get_u32() as usize;
    if !(8..=MAX_OPENING).contains(&length) {
        return Err(Lost("no packet before a session has such a length"));
    }
    if bytes.len() < length {
        return Ok(None);
    }
    let packet = bytes.split_to(length).freeze();
    let mut body = packet.slice(4..);
    Ok(Some(match body.get_u32() {
        SSL => Opening::Encrypt(Encryption::Tls),
        GSS => Opening::Encrypt(Encryption::Gss),
        CANCEL => Opening::Cancel {
            key: CancelKey(body),
            packet,
        },
        code if code >> 16 == 3 => match startup(&body, packet.clone()) {
            Some(startup) => Opening::Startup(startup),
            None => Opening::Foreign(packet),
        },
        _ => Opening::Foreign(packet),
    }))
}

/// How a session starts; `None` where the packet names nobody, or ends too early.
fn startup(body: &[u8], packet: Bytes) -> Option<Startup> {
    let (mut user, mut database, mut replication) = (None, None, false);
    let mut rest = body;
    loop {
        let (name, after) = super::frame::text(rest)?;
        if name.is_empty() {
            break;
        }
        let (value, after) = super::frame::text(after)?;
        let value = String::from_utf8_lossy(value).into_owned();
        match name {
            b"user" => user = Some(value),
            b"database" => database = Some(value),
            b"replication" => replication = !matches!(&*value, "" | "0" | "false" | "off" | "no"),
            _ => {}
        }
        rest = after;
    }
    let user = user.filter(|user| !user.is_empty())?;
    Some(Startup {
        database: database
            .filter(|name| !name.is_empty())
            .unwrap_or_else(|| user.clone()),
        user,
        replication,
        packet,
    })
}
