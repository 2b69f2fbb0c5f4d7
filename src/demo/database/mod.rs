//! A small database that speaks PostgreSQL's protocol: one table, `orders`, in memory, for `psql` and the demo's application.
//!
//! Read `messages` and `replies` (bytes), `tokens`, `reader` and `sql` (text to statements), `query` (what they do),
//! `prepared` and `session` (who may say what when). This file is the shell around them: sockets, limits, time.

use std::{io, ops::ControlFlow, sync::Arc, time::Duration};

use bytes::BytesMut;
use jiff::Timestamp;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpListener,
    sync::{OwnedSemaphorePermit, Semaphore},
    time,
};

use self::{
    messages::{Opening, take_message, take_opening},
    orders::{Order, Orders},
    refusal::Refusal,
    replies::{Replies, Status},
    session::{Next, Session},
};
use super::tasks::Tasks;

mod messages;
mod orders;
mod prepared;
mod query;
mod reader;
mod refusal;
mod replies;
mod session;
mod sql;
mod tokens;
mod values;

/// Sessions at a time, PostgreSQL's own `max_connections`; one more is refused in PostgreSQL's words.
const MAX_SESSIONS: usize = 100;

/// Connections at a time: the sessions, and some that are still being greeted or refused.
const MAX_CONNECTIONS: usize = MAX_SESSIONS + 16;

/// How long a client may take to start its session (PostgreSQL's `authentication_timeout` is a minute).
const STARTUP_LIMIT: Duration = Duration::from_secs(10);

/// How long a client may leave its answers unread.
const WRITE_LIMIT: Duration = Duration::from_secs(30);

/// Answers are sent once they are so long, or once no more messages wait.
const SEND_AT: usize = 256 << 10;

/// How many requests for encryption are answered before a session must start: one each for TLS and GSSAPI.
const MAX_NEGOTIATIONS: usize = 2;

/// A database: the source, which takes reads and writes, or a read-only replica of one.
#[derive(Clone, Debug)]
pub(super) struct Database {
    orders: Arc<Orders>,
    read_only: bool,
    sessions: Arc<Semaphore>,
}

impl Database {
    /// A source with these items ordered, one each.
    pub(super) fn source(items: impl IntoIterator<Item = String>) -> Self {
        let orders = Orders::new();
        let created = Timestamp::now();
        let ordered = items.into_iter().map(|item| Order {
            id: orders.next_id(),
            item,
            quantity: 1,
            created,
        });
        orders.commit(ordered.collect());
        Self::new(orders, false)
    }

    /// A read-only copy, kept in step directly, so that it stays whole whatever happens on the way to the source.
    pub(super) fn replica(source: &Self, tasks: &Tasks) -> Self {
        let replica = Self::new(Orders::new(), true);
        let (orders, source) = (Arc::clone(&replica.orders), Arc::clone(&source.orders));
        tasks.spawn(async move { orders.follow(&source).await });
        replica
    }

    fn new(orders: Orders, read_only: bool) -> Self {
        Self {
            orders: Arc::new(orders),
            read_only,
            sessions: Arc::new(Semaphore::new(MAX_SESSIONS)),
        }
    }

    /// Serves clients until told to stop; a session is then cut where it stands, as in PostgreSQL's fast shutdown.
    pub(super) fn serve(&self, listener: TcpListener, tasks: &Tasks) {
        let database = self.clone();
        tasks.serve(listener, MAX_CONNECTIONS, move |stream, stop| {
            let client = Client::new(stream);
            let database = database.clone();
            async move {
                tokio::select! {
                    () = stop.cancelled() => {}
                    ended = database.attend(client) => {
                        if let Err(error) = ended {
                            tracing::debug!(%error, "a session of the demo's database broke off");
                        }
                    }
                }
            }
        });
    }

    async fn attend(&self, mut client: Client<impl AsyncRead + AsyncWrite + Unpin>) -> io::Result<()> {
        let started = time::timeout(STARTUP_LIMIT, self.start(&mut client)).await?;
        match started? {
            ControlFlow::Continue(_permit) => self.converse(&mut client).await?,
            ControlFlow::Break(()) => client.send().await?,
        }
        client.close().await
    }

    /// Greets a client; breaks where no session follows.
    async fn start(
        &self,
        client: &mut Client<impl AsyncRead + AsyncWrite + Unpin>,
    ) -> io::Result<ControlFlow<(), OwnedSemaphorePermit>> {
        for _ in 0..=MAX_NEGOTIATIONS {
            match client.next(take_opening).await? {
                Some(Opening::Encryption) => {
                    client.out.no_encryption();
                    client.send().await?;
                }
                Some(Opening::Startup { minor, options }) => {
                    return Ok(self.admit(minor, &options, &mut client.out));
                }
                Some(Opening::Cancel) | None => break,
            }
        }
        Ok(ControlFlow::Break(()))
    }

    fn admit(
        &self,
        minor: u16,
        options: &[(String, String)],
        out: &mut Replies,
    ) -> ControlFlow<(), OwnedSemaphorePermit> {
        let Ok(permit) = Arc::clone(&self.sessions).try_acquire_owned() else {
            out.fatal(&Refusal::new("53300", "sorry, too many clients already"));
            return ControlFlow::Break(());
        };
        // Names with this prefix are protocol extensions, of which there are none here.
        let unknown: Vec<&str> = options
            .iter()
            .filter_map(|(name, _)| name.starts_with("_pq_.").then_some(name.as_str()))
            .collect();
        if minor > 0 || !unknown.is_empty() {
            out.negotiate(&unknown);
        }
        self.greet(options, out);
        ControlFlow::Continue(permit)
    }

    fn greet(&self, options: &[(String, String)], out: &mut Replies) {
        let replica = if self.read_only { "on" } else { "off" };
        let said = |wanted| {
            options
                .iter()
                .find_map(|(name, value)| (name == wanted).then_some(value.as_str()))
        };
        out.authenticated();
        for (name, value) in [
            ("server_version", query::SERVER_VERSION),
            ("server_encoding", "UTF8"),
            ("client_encoding", "UTF8"),
            ("DateStyle", "ISO, MDY"),
            ("IntervalStyle", "postgres"),
            ("TimeZone", "UTC"),
            ("integer_datetimes", "on"),
            ("standard_conforming_strings", "on"),
            ("is_superuser", "off"),
            ("in_hot_standby", replica),
            ("default_transaction_read_only", replica),
            ("session_authorization", said("user").unwrap_or_default()),
            ("application_name", said("application_name").unwrap_or_default()),
        ] {
            out.parameter_status(name, value);
        }
        out.key_data(std::process::id());
        out.ready(Status::Idle);
    }

    async fn converse(&self, client: &mut Client<impl AsyncRead + AsyncWrite + Unpin>) -> io::Result<()> {
        let mut session = Session::new(Arc::clone(&self.orders), self.read_only);
        while let Some(message) = client.next(take_message).await? {
            if session.handle(message, Timestamp::now(), &mut client.out) == Next::End {
                break;
            }
            if client.out.0.len() >= SEND_AT {
                client.send().await?;
            }
        }
        Ok(())
    }
}

/// A client's connection, and the bytes on their way in and out.
struct Client<S> {
    stream: S,
    bytes: BytesMut,
    out: Replies,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Client<S> {
    fn new(stream: S) -> Self {
        Self {
            stream,
            bytes: BytesMut::new(),
            out: Replies::default(),
        }
    }

    /// The next message; `None` when the client has gone, or broke the protocol and was told so.
    async fn next<T>(
        &mut self,
        take: impl Fn(&mut BytesMut) -> Result<Option<T>, messages::Broken>,
    ) -> io::Result<Option<T>> {
        loop {
            match take(&mut self.bytes) {
                Ok(Some(message)) => return Ok(Some(message)),
                Ok(None) => {}
                Err(broken) => {
                    self.out.fatal(&Refusal::new(broken.code(), broken.to_string()));
                    return Ok(None);
                }
            }
            self.send().await?;
            // What is buffered stays within one message and what came with it: longer ones are refused above.
            if self.stream.read_buf(&mut self.bytes).await? == 0 {
                return Ok(None);
            }
        }
    }

    async fn send(&mut self) -> io::Result<()> {
        if !self.out.0.is_empty() {
            time::timeout(WRITE_LIMIT, self.stream.write_all(&self.out.0)).await??;
            self.out.0.clear();
        }
        Ok(())
    }

    /// Sends what is left to say, then a plain end.
    async fn close(&mut self) -> io::Result<()> {
        self.send().await?;
        self.stream.shutdown().await
    }
}

#[cfg(test)]
mod tests;
