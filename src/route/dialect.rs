//! The protocols of databases.

/// The protocol of a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// PostgreSQL.
    Postgres,
    /// MySQL and MariaDB.
    Mysql,
    /// Redis.
    Redis,
}

impl Dialect {
    /// Whether a session begins before its client has said who it is: MySQL's server speaks first, Redis asks nobody.
    pub const fn begins_unnamed(self) -> bool {
        match self {
            Self::Postgres => false,
            Self::Mysql | Self::Redis => true,
        }
    }
}
