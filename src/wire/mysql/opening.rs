//! How a session opens: the server greets, the client says what it can and who it is.

use bytes::Bytes;

use super::frame::{long, number, packet, short, text};

/// What server and client can do, as bits (`CLIENT_...` in MySQL's documentation).
pub(super) mod can {
    /// It calls itself MySQL, as MariaDB does not (its `CLIENT_MYSQL`).
    pub(crate) const IS_MYSQL: u32 = 0x01;
    /// Compress packets.
    pub(crate) const COMPRESS: u32 = 0x20;
    /// Begin with a database.
    pub(crate) const CONNECT_WITH_DB: u32 = 0x08;
    /// Errors have a SQLSTATE, and all that came since MySQL 4.1.
    pub(crate) const PROTOCOL_41: u32 = 0x0200;
    /// Name the way in which a password is proved.
    pub(crate) const PLUGIN_AUTH: u32 = 0x0008_0000;
    /// Speak TLS.
    pub(crate) const SSL: u32 = 0x0800;
    /// A password's proof has its length before it.
    pub(crate) const SECURE_CONNECTION: u32 = 0x8000;
    /// That length may be a long one.
    pub(crate) const LONG_PROOF: u32 = 0x0020_0000;
    /// Ends a result with an OK packet, and leaves the EOF after its columns out.
    pub(crate) const DEPRECATE_EOF: u32 = 0x0100_0000;
    /// Leave the columns of a result out.
    pub(crate) const OPTIONAL_COLUMNS: u32 = 0x0200_0000;
    /// Compress packets with zstd.
    pub(crate) const ZSTD: u32 = 0x0400_0000;
    /// Where one of these is used a session cannot be read.
    pub(crate) const UNREADABLE: u32 = COMPRESS | OPTIONAL_COLUMNS | ZSTD;
    /// Send attributes with a query.
    pub(crate) const QUERY_ATTRIBUTES: u32 = 0x0800_0000;
    /// MariaDB's own, in four more bytes: progress reports, and results without their columns.
    pub(crate) const MARIADB_UNREADABLE: u32 = 0x01 | 0x10;
}

/// The longest packet of an opening.
pub(super) const MAX_OPENING: usize = 64 << 10;

/// The version of the greeting that every server since MySQL 3.21 sends.
const GREETING: u8 = 10;

/// A server's greeting as a client is to hear it: without what would hide the session's bytes, which is TLS that does not end
/// here, compression, results without columns and MariaDB's progress reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PassedGreeting {
    payload: Vec<u8>,
    /// Where the two halves of what the server can do stand.
    low: usize,
    high: usize,
    has_tls: bool,
    pub(super) can: u32,
}

impl PassedGreeting {
    /// Reads the payload of a greeting; `None` where it is none that is known.
    pub fn read(payload: &[u8]) -> Option<Self> {
        if payload.first() != Some(&GREETING) {
            return None;
        }
        // Version with its NUL, thread, salt, filler.
        let version = text(&payload[1..])?.0.len();
        let low = 1 + version + 1 + 4 + 8 + 1;
        let high = low + 2 + 1 + 2;
        let own = high + 2 + 1 + 6;
        let said = u32::from(short(payload, high)?) << 16 | u32::from(short(payload, low)?);
        let mut payload = payload.to_vec();
        // MariaDB does not call itself MySQL, and says what else it can in bytes that MySQL leaves empty.
        if said & can::IS_MYSQL == 0 {
            let extra = long(&payload, own)? & !can::MARIADB_UNREADABLE;
            payload[own..own + 4].copy_from_slice(&extra.to_le_bytes());
        }
        Some(Self {
            payload,
            low,
            high,
            has_tls: said & can::SSL != 0,
            can: said & !(can::SSL | can::UNREADABLE),
        })
    }

    /// The number of the session, by which others end it.
    pub(super) fn thread(&self) -> Option<[u8; 4]> {
        // Half of the salt, and a NUL, are between the two.
        let at = self.low.checked_sub(4 + 8 + 1)?;
        self.payload.get(at..at + 4)?.try_into().ok()
    }

    /// Whether the server speaks TLS.
    pub const fn has_tls(&self) -> bool {
        self.has_tls
    }

    /// The packet that the client gets; with `tls` it is told that it may ask for it.
    pub fn packet(&self, tls: bool) -> Bytes {
        let can = self.can | if tls { can::SSL } else { 0 };
        let [a, b, c, d] = can.to_le_bytes();
        let mut payload = self.payload.clone();
        payload[self.low..self.low + 2].copy_from_slice(&[a, b]);
        payload[self.high..self.high + 2].copy_from_slice(&[c, d]);
        packet(0, &payload)
    }
}

/// Which sides of a session are encrypted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Encrypted {
    /// Between the client and us.
    pub client: bool,
    /// Between us and the server.
    pub server: bool,
}

impl Encrypted {
    /// The client's number for a packet of the server.
    pub(super) const fn for_client(self, sequence: u8) -> u8 {
        sequence
            .wrapping_add(self.client as u8)
            .wrapping_sub(self.server as u8)
    }

    /// The server's number for a packet of the client.
    pub(super) const fn for_server(self, sequence: u8) -> u8 {
        sequence
            .wrapping_add(self.server as u8)
            .wrapping_sub(self.client as u8)
    }

    /// Whether only one side is: numbers differ then, and so does what may be said of a password.
    pub(super) const fn is_one_sided(self) -> bool {
        self.client != self.server
    }
}

/// What a client says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Login {
    /// Who it is.
    pub user: String,
    /// The database that it begins with; empty for none.
    pub database: String,
    /// What it can do.
    pub(super) can: u32,
}

/// Reads a client's answer to the greeting; `None` where it is cut short.
pub(super) fn login(payload: &[u8]) -> Option<Login> {
    let can = long(payload, 0)?;
    // Capabilities, longest packet, character set, filler.
    let (user, rest) = text(payload.get(32..)?)?;
    let proof = match can {
        _ if can & can::LONG_PROOF != 0 => number(rest),
        _ if can & can::SECURE_CONNECTION != 0 => rest.split_first().map(|(n, rest)| (u64::from(*n), rest)),
        _ => text(rest).map(|(proof, _)| (proof.len() as u64 + 1, rest)),
    };
    let database = proof
        .filter(|_| can & can::CONNECT_WITH_DB != 0)
        .and_then(|(length, rest)| rest.get(usize::try_from(length).ok()?..))
        .and_then(text);
    let owned = |text: &[u8]| String::from_utf8_lossy(text).into_owned();
    Some(Login {
        user: owned(user),
        database: database.map(|(name, _)| owned(name)).unwrap_or_default(),
        can,
    })
}
