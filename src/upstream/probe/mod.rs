//! What a health check sends and how it judges what comes back; no sockets. One file per kind.

mod database;
mod grpc;
mod http;
mod tcp;
mod trouble;

pub use self::{
    database::{Login, MysqlProbe, PostgresProbe, RedisProbe},
    grpc::GrpcProbe,
    http::HttpProbe,
    tcp::{Reading, TcpProbe},
    trouble::Trouble,
};

/// One kind of health check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Probe {
    /// A request whose answer must be as expected.
    Http(HttpProbe),
    /// A connection, and bytes where any are given.
    Tcp(TcpProbe),
    /// A call to the gRPC health service.
    Grpc(GrpcProbe),
    /// A login to PostgreSQL.
    Postgres(PostgresProbe),
    /// A login to MySQL or MariaDB.
    Mysql(MysqlProbe),
    /// A question to Redis.
    Redis(RedisProbe),
}

impl Probe {
    /// How it proves who it is, where it does. Such a check also tells a primary from a replica.
    pub fn login(&self) -> Option<Login<'_>> {
        let (user, password, file) = match self {
            Self::Http(_) | Self::Tcp(_) | Self::Grpc(_) => return None,
            Self::Postgres(probe) => (Some(&probe.user), &probe.password, &probe.password_file),
            Self::Mysql(probe) => (Some(&probe.user), &probe.password, &probe.password_file),
            Self::Redis(probe) => (probe.user.as_ref(), &probe.password, &probe.password_file),
        };
        Some(Login {
            user: user.map(String::as_str),
            password: password.as_deref(),
            password_file: file.as_ref(),
        })
    }

    /// Its name in the document.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Http(_) => "http",
            Self::Tcp(_) => "tcp",
            Self::Grpc(_) => "grpc",
            Self::Postgres(_) => "postgres",
            Self::Mysql(_) => "mysql",
            Self::Redis(_) => "redis",
        }
    }
}
