//! The visitors' HTTP client: keep-alive connections to one address, each used by one request at a time.

use std::{
    net::SocketAddr,
    sync::{Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio_util::task::AbortOnDropHandle;

use super::tally::Failure;
use crate::demo::tasks::Tasks;

/// Connections kept for later; a slow answer opens more, which are closed when they are done.
const MAX_IDLE: usize = 32;

/// The longest answer that is read; a list of orders is about 2 KiB, or 20 KiB of the longest items.
const MAX_ANSWER: usize = 64 << 10;

/// What visitors look through.
#[derive(Debug)]
pub(in crate::demo) struct Browser {
    address: SocketAddr,
    idle: Mutex<Vec<Connection>>,
    tasks: Tasks,
}

#[derive(Debug)]
struct Connection {
    sender: SendRequest<Full<Bytes>>,
    /// Drives the connection, and ends with it, so that an abandoned request leaves nothing behind.
    _driver: AbortOnDropHandle<()>,
}

impl Browser {
    /// A browser without any connection yet.
    pub(in crate::demo) fn new(address: SocketAddr, tasks: Tasks) -> Self {
        Self {
            address,
            idle: Mutex::default(),
            tasks,
        }
    }

    /// Sends a request and reads the whole answer.
    pub(in crate::demo) async fn ask(
        &self,
        request: Request<Full<Bytes>>,
    ) -> Result<(StatusCode, Bytes), Failure> {
        let mut request = request;
        // A standing connection may be closed just as it is used; what it gives back unsent goes out on the next one.
        while let Some(mut connection) = self.standing() {
            match connection.sender.try_send_request(request).await {
                Ok(response) => return self.read(connection, response).await,
                Err(mut error) => request = error.take_message().ok_or(Failure::Broken)?,
            }
        }
        let mut connection = self.connect().await?;
        match connection.sender.send_request(request).await {
            Ok(response) => self.read(connection, response).await,
            Err(_) => Err(Failure::Broken),
        }
    }

    async fn read(
        &self,
        connection: Connection,
        response: http::Response<hyper::body::Incoming>,
    ) -> Result<(StatusCode, Bytes), Failure> {
        let status = response.status();
        let body = Limited::new(response.into_body(), MAX_ANSWER)
            .collect()
            .await
            .map_err(|_| Failure::Broken)?
            .to_bytes();
        let mut idle = self.idle();
        if idle.len() < MAX_IDLE {
            idle.push(connection);
        }
        Ok((status, body))
    }

    /// The connection used last that is not known to be closed.
    fn standing(&self) -> Option<Connection> {
        let mut idle = self.idle();
        idle.retain(|connection| !connection.sender.is_closed());
        idle.pop()
    }

    async fn connect(&self) -> Result<Connection, Failure> {
        let stream = TcpStream::connect(self.address)
            .await
            .map_err(|_| Failure::Unreachable)?;
        stream.set_nodelay(true).map_err(|_| Failure::Unreachable)?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|_| Failure::Broken)?;
        let driver = self.tasks.spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a visitor's connection broke off");
            }
        });
        Ok(Connection {
            sender,
            _driver: AbortOnDropHandle::new(driver),
        })
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
