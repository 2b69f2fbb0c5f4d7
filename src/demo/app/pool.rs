//! The application's connections to its database: a few that stand, each used by one request at a time.

use std::{
    error::Error,
    io,
    net::SocketAddr,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{net::TcpStream, sync::Semaphore, time};
use tokio_postgres::{Client, Config, NoTls, Row, types::ToSql, types::Type};
use tokio_util::task::AbortOnDropHandle;

use crate::demo::tasks::Tasks;

/// Connections that an application server holds: few, as in most applications, so that a cut is felt at once.
const CONNECTIONS: usize = 8;

/// How long a connection may take to stand, the greeting included.
const CONNECT_LIMIT: Duration = Duration::from_secs(1);

/// How long a query may take in all: waiting for a connection, connecting, asking.
const QUERY_LIMIT: Duration = Duration::from_secs(3);

/// A parameter and its type.
pub(super) type Parameter<'a> = (&'a (dyn ToSql + Sync), Type);

/// Connections to one database.
#[derive(Debug)]
pub(super) struct Pool {
    address: SocketAddr,
    application: &'static str,
    idle: Mutex<Vec<Connection>>,
    room: Semaphore,
    tasks: Tasks,
}

/// A standing connection; its driver ends with it, whatever the database is doing.
#[derive(Debug)]
struct Connection {
    client: Client,
    _driver: AbortOnDropHandle<()>,
}

/// Why a query gave no rows.
#[derive(Debug, thiserror::Error)]
pub(super) enum Trouble {
    /// No connection could be made, or the one that stood was lost.
    #[error("the database cannot be reached")]
    Away(#[source] Box<dyn Error + Send + Sync>),
    /// The database answered, and refused.
    #[error("the database refused the query")]
    Refused(#[source] tokio_postgres::Error),
    /// An answer came that is none to what was asked.
    #[error("the answer of the database makes no sense")]
    Garbled(#[source] Option<tokio_postgres::Error>),
}

impl Trouble {
    /// A column that is not what it should be.
    pub(super) const fn garbled(error: tokio_postgres::Error) -> Self {
        Self::Garbled(Some(error))
    }
}

impl Pool {
    /// A pool that connects as it is asked.
    pub(super) fn new(address: SocketAddr, application: &'static str, tasks: Tasks) -> Self {
        Self {
            address,
            application,
            idle: Mutex::default(),
            room: Semaphore::new(CONNECTIONS),
            tasks,
        }
    }

    /// Asks on a connection that stands, or on a new one. There is no second try: a lost connection is a lost query.
    pub(super) async fn query(&self, sql: &str, parameters: &[Parameter<'_>]) -> Result<Vec<Row>, Trouble> {
        match time::timeout(QUERY_LIMIT, self.ask(sql, parameters)).await {
            Ok(answer) => answer,
            Err(elapsed) => Err(Trouble::Away(elapsed.into())),
        }
    }

    async fn ask(&self, sql: &str, parameters: &[Parameter<'_>]) -> Result<Vec<Row>, Trouble> {
        let _permit = self.room.acquire().await.expect("room is never closed");
        let connection = match self.standing() {
            Some(connection) => connection,
            None => self.connect().await?,
        };
        let answer = connection.client.query_typed(sql, parameters).await;
        let answer = answer.map_err(|error| match error.as_db_error() {
            Some(_) => Trouble::Refused(error),
            None => Trouble::Away(error.into()),
        });
        if !matches!(answer, Err(Trouble::Away(_))) {
            self.idle().push(connection);
        }
        answer
    }

    /// The connection used last that is not known to be lost.
    fn standing(&self) -> Option<Connection> {
        let mut idle = self.idle();
        idle.retain(|connection| !connection.client.is_closed());
        idle.pop()
    }

    async fn connect(&self) -> Result<Connection, Trouble> {
        match time::timeout(CONNECT_LIMIT, self.dial()).await {
            Ok(dialled) => dialled.map_err(Trouble::Away),
            Err(_) => Err(Trouble::Away(io::Error::from(io::ErrorKind::TimedOut).into())),
        }
    }

    async fn dial(&self) -> Result<Connection, Box<dyn Error + Send + Sync>> {
        let stream = TcpStream::connect(self.address).await?;
        stream.set_nodelay(true)?;
        let mut config = Config::new();
        config
            .user("shop")
            .dbname("shop")
            .application_name(self.application);
        let (client, connection) = config.connect_raw(stream, NoTls).await?;
        let driver = self.tasks.spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "the demo's application lost its database connection");
            }
        });
        Ok(Connection {
            client,
            _driver: AbortOnDropHandle::new(driver),
        })
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
