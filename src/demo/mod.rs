//! Built-in services, database and visitors, for a first run with nothing else installed.
//!
//! The house of the incident in small: a shop whose two application servers stand behind the proxy. One works on the
//! source database and reaches it through the proxy too; the other reads from a replica of its own. Nothing here
//! pretends to fail. Cut the way to the database, and what depends on it fails by itself:
//!
//! ```text
//!               proxy: shop          proxy: orders-db
//! visitors ──┬── writes ──► app-source ──────┴──────► database
//!            └── reads ──┬► app-source                   │ replicates directly
//!                        └► app-replica ───────────► replica
//! ```

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
};

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

pub use self::visitors::{Class, Counts, Failure, Tally, Visits};
use self::{app::App, database::Database, tasks::Tasks, visitors::ITEMS};

mod app;
mod database;
mod tasks;
mod visitors;

/// Where the proxy serves the shop, unless the port is taken.
const SHOP_PORT: u16 = 8080;

/// Where the proxy serves the database, unless the port is taken.
const ORDERS_DB_PORT: u16 = 15432;

/// How many orders the shop has seen before the first visitor comes.
const FIRST_ORDERS: usize = 100;

/// The running demo.
#[derive(Debug)]
pub struct Demo {
    /// Where everything is.
    pub addresses: Addresses,
    seed: u64,
    tasks: Tasks,
}

/// The demo's addresses, all on loopback.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Addresses {
    /// The proxy's listener for the shop, for the proxy to bind.
    pub shop: SocketAddr,
    /// The proxy's listener for the database, for the proxy to bind.
    pub orders_db: SocketAddr,
    /// The application server that reads and writes.
    pub app_source: SocketAddr,
    /// The application server that only reads.
    pub app_replica: SocketAddr,
    /// The source database.
    pub database: SocketAddr,
    /// The replica database.
    pub replica: SocketAddr,
}

impl Demo {
    /// Starts database, replica and application servers on the current runtime; they end when `stop` is cancelled.
    ///
    /// The proxy's two listeners are chosen here and bound by the proxy, which [`document`](Self::document) tells to:
    /// the well-known ports where they are free.
    pub async fn start(seed: u64, stop: CancellationToken) -> io::Result<Self> {
        // Both are held until the services have found ports of their own.
        let (shop, orders_db) = (free_port(SHOP_PORT)?, free_port(ORDERS_DB_PORT)?);
        Self::start_behind(shop.local_addr()?, orders_db.local_addr()?, seed, stop).await
    }

    async fn start_behind(
        shop: SocketAddr,
        orders_db: SocketAddr,
        seed: u64,
        stop: CancellationToken,
    ) -> io::Result<Self> {
        let tasks = Tasks::new(stop);
        let source = Database::source(ITEMS.iter().cycle().take(FIRST_ORDERS).map(ToString::to_string));
        let database = listen(|listener| source.serve(listener, &tasks)).await?;
        let copy = Database::replica(&source, &tasks);
        let replica = listen(|listener| copy.serve(listener, &tasks)).await?;
        let app_source = listen(|listener| App::source(orders_db, &tasks).serve(listener, &tasks)).await?;
        let app_replica = listen(|listener| App::replica(replica, &tasks).serve(listener, &tasks)).await?;

        Ok(Self {
            addresses: Addresses {
                shop,
                orders_db,
                app_source,
                app_replica,
                database,
                replica,
            },
            seed,
            tasks,
        })
    }

    /// The document that puts the proxy in front of the demo.
    pub fn document(&self) -> String {
        let at = &self.addresses;
        [
            ("SHOP", at.shop),
            ("ORDERS_DB", at.orders_db),
            ("APP_SOURCE", at.app_source),
            ("APP_REPLICA", at.app_replica),
            ("DATABASE", at.database),
        ]
        .into_iter()
        .fold(
            include_str!("document.yaml").to_owned(),
            |document, (name, address)| document.replace(name, &address.to_string()),
        )
    }

    /// Sends visitors to the proxy's listener for the shop, which must be bound by now; they come until the demo stops.
    pub fn visit(&self) -> Arc<Tally> {
        visitors::visit(self.addresses.shop, self.seed, &self.tasks)
    }

    /// Waits until everything has ended, which it does once the demo is told to stop.
    pub async fn ended(&self) {
        self.tasks.ended().await;
    }
}

/// Binds a free port for a service of the demo.
async fn listen(serve: impl FnOnce(TcpListener)) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = listener.local_addr()?;
    serve(listener);
    Ok(address)
}

/// Holds a port that was free: the one that is wanted if it was. It is given up again for the proxy to bind; who takes it
/// in between is told to the user as any port in use is.
fn free_port(wanted: u16) -> io::Result<std::net::TcpListener> {
    std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, wanted))
        .or_else(|_| std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))
}

#[cfg(test)]
mod tests;
