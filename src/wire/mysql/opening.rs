//! How a session opens: the server greets, the client says what it can and who it is.

use super::frame::{long, number, text};

/// What server and client can do, as bits (`CLIENT_...` in MySQL's documentation).
pub(super) mod can {
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
    /// Compress packets with zstd.
    pub(crate) const ZSTD: u32 = 0x0400_0000;
    /// Send attributes with a query.
    pub(crate) const QUERY_ATTRIBUTES: u32 = 0x0800_0000;
    /// MariaDB's own, in four more bytes: progress reports, and results without their columns.
    pub(crate) const MARIADB_UNREADABLE: u32 = 0x01 | 0x10;
}

/// The version of the greeting that every server since MySQL 3.21 sends.
const GREETING: u8 = 10;

/// A server's greeting without what would hide the session's bytes: TLS, compression, MariaDB's progress reports and
/// results without columns. `None` where it is no greeting that is known.
pub(super) fn in_clear(payload: &[u8]) -> Option<(Vec<u8>, u32)> {
    if payload.first() != Some(&GREETING) {
        return None;
    }
    // Version with its NUL, thread, salt, filler.
    let version = text(&payload[1..])?.0.len();
    let low = 1 + version + 1 + 4 + 8 + 1;
    let high = low + 2 + 1 + 2;
    let own = high + 2 + 1 + 6;
    let mut greeting = payload.to_vec();
    let bits = |at: usize| {
        Some(u32::from(u16::from_le_bytes([
            *payload.get(at)?,
            *payload.get(at + 1)?,
        ])))
    };
    let said = bits(high)? << 16 | bits(low)?;
    let kept = said & !(can::SSL | can::COMPRESS | can::ZSTD);
    let [a, b, c, d] = kept.to_le_bytes();
    greeting[low..low + 2].copy_from_slice(&[a, b]);
    greeting[high..high + 2].copy_from_slice(&[c, d]);
    // MariaDB does not call itself MySQL, and says what else it can in bytes that MySQL leaves empty.
    const IS_MYSQL: u32 = 0x01;
    if said & IS_MYSQL == 0 {
        let extra = long(payload, own)? & !can::MARIADB_UNREADABLE;
        greeting[own..own + 4].copy_from_slice(&extra.to_le_bytes());
    }
    Some((greeting, kept))
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
