//! The commands that are treated in their own way (`COM_...`), by their first byte.

pub(super) const QUIT: u8 = 0x01;
pub(super) const INIT_DB: u8 = 0x02;
pub(crate) const QUERY: u8 = 0x03;
pub(super) const FIELD_LIST: u8 = 0x04;
pub(super) const STATISTICS: u8 = 0x09;
pub(super) const PING: u8 = 0x0e;
pub(super) const CHANGE_USER: u8 = 0x11;
pub(super) const BINLOG_DUMP: u8 = 0x12;
pub(super) const TABLE_DUMP: u8 = 0x13;
pub(super) const PREPARE: u8 = 0x16;
pub(super) const EXECUTE: u8 = 0x17;
pub(super) const LONG_DATA: u8 = 0x18;
pub(super) const CLOSE: u8 = 0x19;
/// Forgets what was sent ahead for a statement (`COM_STMT_RESET`).
pub(super) const FORGET: u8 = 0x1a;
pub(super) const SET_OPTION: u8 = 0x1b;
pub(super) const FETCH: u8 = 0x1c;
pub(super) const BINLOG_DUMP_GTID: u8 = 0x1e;
pub(super) const RESET: u8 = 0x1f;
pub(super) const BULK_EXECUTE: u8 = 0xfa;
