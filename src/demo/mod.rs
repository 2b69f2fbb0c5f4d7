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
//! monitor ───────────────┴► app-replica ───────────► replica
//!                             │ proxy: auth
//!                             └────┴──► auth
//! ```
//!
//! Where an incident has a part for it, a standby works on the source database as well, and gets traffic only while the servers before
//! it are down.
//!
//! The auth service and the monitoring play where an incident has a part for them ([`Cast`]).

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
};

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use self::{app::App, auth::Library, database::Database, tasks::Tasks, visitors::ITEMS};
pub use self::{
    monitor::Monitor,
    visitors::{Class, Counts, Failure, Tally, Visits},
};

mod app;
mod auth;
mod database;
mod monitor;
mod tasks;
mod visitors;

/// Where the proxy serves the shop, unless the port is taken.
const SHOP_PORT: u16 = 8080;

/// Where the proxy serves the database, unless the port is taken.
const ORDERS_DB_PORT: u16 = 15432;

/// How many orders the shop has seen before the first visitor comes.
const FIRST_ORDERS: usize = 100;

/// Who plays besides the shop, its database and its visitors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cast {
    /// The auth service, which the application servers then ask for each request.
    pub auth: bool,
    /// The standby, which the proxy then turns to while the application servers are down.
    pub standby: bool,
}

/// The running demo.
#[derive(Debug)]
pub struct Demo {
    /// Where everything is.
    pub addresses: Addresses,
    seed: u64,
    cast: Cast,
    tasks: Tasks,
}

/// The demo's addresses, all on loopback.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Addresses {
    /// The proxy's listener for the shop, for the proxy to bind.
    pub shop: SocketAddr,
    /// The proxy's listener for the database, for the proxy to bind.
    pub orders_db: SocketAddr,
    /// The proxy's listener for the auth service, for the proxy to bind.
    pub auth: SocketAddr,
    /// The application server that reads and writes.
    pub app_source: SocketAddr,
    /// The application server that only reads.
    pub app_replica: SocketAddr,
    /// The application server that stands by.
    pub standby: SocketAddr,
    /// The source database.
    pub database: SocketAddr,
    /// The replica database.
    pub replica: SocketAddr,
    /// The auth service.
    pub auth_service: SocketAddr,
}

impl Demo {
    /// Starts database, replica and application servers on the current runtime; they end when `stop` is cancelled.
    ///
    /// The proxy's listeners are chosen here and bound by the proxy, which [`document`](Self::document) tells to:
    /// the well-known ports where they are free.
    pub async fn start(seed: u64, cast: Cast, stop: CancellationToken) -> io::Result<Self> {
        // All are held until the services have found ports of their own.
        let held = (free_port(SHOP_PORT)?, free_port(ORDERS_DB_PORT)?, free_port(0)?);
        let fronts = Fronts {
            shop: held.0.local_addr()?,
            orders_db: held.1.local_addr()?,
            auth: held.2.local_addr()?,
        };
        Self::start_behind(fronts, cast, seed, stop).await
    }

    async fn start_behind(
        fronts: Fronts,
        cast: Cast,
        seed: u64,
        stop: CancellationToken,
    ) -> io::Result<Self> {
        let Fronts {
            shop,
            orders_db,
            auth,
        } = fronts;
        let tasks = Tasks::new(stop);
        let source = Database::source(ITEMS.iter().cycle().take(FIRST_ORDERS).map(ToString::to_string));
        let database = listen(|listener| source.serve(listener, &tasks)).await?;
        let copy = Database::replica(&source, &tasks);
        let replica = listen(|listener| copy.serve(listener, &tasks)).await?;
        let auth_service = listen(|listener| auth::serve(listener, &tasks)).await?;
        let asks = cast.auth.then_some(Library(auth));
        let app_source = listen(|it| App::source(orders_db, asks, &tasks).serve(it, &tasks)).await?;
        let standby = listen(|it| App::standby(orders_db, asks, &tasks).serve(it, &tasks)).await?;
        let app_replica = listen(|it| App::replica(replica, asks, &tasks).serve(it, &tasks)).await?;

        Ok(Self {
            addresses: Addresses {
                shop,
                orders_db,
                auth,
                app_source,
                app_replica,
                standby,
                database,
                replica,
                auth_service,
            },
            seed,
            cast,
            tasks,
        })
    }

    /// The document that puts the proxy in front of the demo.
    pub fn document(&self) -> String {
        let at = &self.addresses;
        let lines = include_str!("document.yaml").split_inclusive('\n');
        let plays = |line: &&str| self.cast.standby || !line.contains("standby");
        [
            ("SHOP", at.shop),
            ("ORDERS_DB", at.orders_db),
            ("APP_SOURCE", at.app_source),
            ("APP_REPLICA", at.app_replica),
            ("STANDBY", at.standby),
            ("DATABASE", at.database),
            ("AUTH_SERVICE", at.auth_service),
            ("AUTH", at.auth),
        ]
        .into_iter()
        .fold(
            lines.filter(plays).collect::<String>(),
            |document, (name, address)| document.replace(name, &address.to_string()),
        )
    }

    /// Sends visitors to the proxy's listener for the shop, which must be bound by now; they come until the demo stops.
    pub fn visit(&self) -> Arc<Tally> {
        visitors::visit(self.addresses.shop, self.seed, &self.tasks)
    }

    /// Lets the monitoring watch the proxy's listener for the shop, which must be bound by now, where it has a part.
    pub fn monitor(&self) -> Option<Monitor> {
        self.cast
            .auth
            .then(|| Monitor::start(self.addresses.shop, &self.tasks))
    }

    /// Waits until everything has ended, which it does once the demo is told to stop.
    pub async fn ended(&self) {
        self.tasks.ended().await;
    }
}

/// Where the proxy will stand.
struct Fronts {
    shop: SocketAddr,
    orders_db: SocketAddr,
    auth: SocketAddr,
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
