//! MySQL with TLS: it begins between the server's greeting and the client's login, on each side by itself, so both are heard
//! here before the session is passed on.

use std::{io, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::timeout,
};

use crate::{
    config::Encryption,
    faults::Plan,
    net::Stream,
    proxy::{
        dial,
        error::{Failure, Reason},
    },
    snapshot::{Listener, Target},
    wire::{
        dialogue::Lost,
        mysql::{Encrypted, Packet, PassedGreeting, Session},
    },
};

/// An opening without a limit of its own still ends.
const OPENING: Duration = Duration::from_secs(60);

/// Both sides once encryption is settled, and what follows the session.
pub(super) struct Settled {
    /// The client's connection.
    pub(super) client: Stream,
    /// The backend's.
    pub(super) upstream: Stream,
    /// Follows the session.
    pub(super) session: Session,
}

/// Why there is no session.
#[derive(Debug)]
pub(super) enum Unsettled {
    /// The client is not understood, has gone, or has failed to speak TLS.
    Client(String),
    /// The backend has.
    Server(Failure),
}

/// Whether greeting and login are to be heard before the session is passed on.
pub(super) fn is_needed(listener: &Listener, target: &Target) -> bool {
    terminates(listener) || target.tls.is_some()
}

fn terminates(listener: &Listener) -> bool {
    listener.tls.is_some() && listener.settings.encryption() == Encryption::Terminate
}

/// Hears greeting and login, and begins TLS on each side that is to have it, within the listener's limit for handshakes.
pub(super) async fn settle(
    listener: &Listener,
    (target, index): (&Target, usize),
    client: Stream,
    upstream: Stream,
    plan: &mut Plan,
) -> Result<Settled, Unsettled> {
    let limit = listener
        .settings
        .timeouts
        .handshake
        .0
        .map_or(OPENING, Duration::from);
    let settling = hear(listener, (target, index), client, upstream, plan, limit);
    match timeout(limit, settling).await {
        Ok(settled) => settled,
        Err(_) => Err(Unsettled::Client(
            "no login within the handshake's limit".to_owned(),
        )),
    }
}

async fn hear(
    listener: &Listener,
    (target, index): (&Target, usize),
    mut client: Stream,
    mut upstream: Stream,
    plan: &mut Plan,
    limit: Duration,
) -> Result<Settled, Unsettled> {
    let greeted = read(&mut upstream).await.map_err(of_server)?;
    if greeted.is_error() {
        upstream.unread(greeted.bytes());
        return Ok(Settled {
            client,
            upstream,
            session: Session::new(),
        });
    }
    let garbage = || of_server(Lost("the server's greeting is of an unknown form").into());
    let greeting = PassedGreeting::read(greeted.payload()).ok_or_else(garbage)?;
    let may_encrypt = listener.tls.as_ref().filter(|_| terminates(listener));
    client
        .write_all(&greeting.packet(may_encrypt.is_some()))
        .await
        .map_err(of_client)?;
    let mut said = read(&mut client).await.map_err(of_client)?;
    if let Some(tls) = may_encrypt.filter(|_| said.asks_for_tls()) {
        client = tls.accept(client, limit).await.map_err(of_client)?;
        said = read(&mut client).await.map_err(of_client)?;
    }
    if target.tls.is_some() {
        if !greeting.has_tls() {
            let failure = Failure::real(Reason::TlsHandshake, "the server speaks no TLS");
            return Err(Unsettled::Server(failure));
        }
        let request = said.tls_request().map_err(of_client)?;
        upstream.write_all(&request).await.map_err(lost)?;
        upstream = dial::secure(target, index, upstream, plan, limit)
            .await
            .map_err(Unsettled::Server)?;
    }
    let encrypted = Encrypted {
        client: client.tls().is_some(),
        server: target.tls.is_some(),
    };
    let session = Session::logged_in(&greeting, &said, encrypted).map_err(of_client)?;
    let login = said.to_server(encrypted.server).map_err(of_client)?;
    upstream.write_all(&login).await.map_err(lost)?;
    upstream.flush().await.map_err(lost)?;
    Ok(Settled {
        client,
        upstream,
        session,
    })
}

/// Why no packet was read.
#[derive(Debug, thiserror::Error)]
enum Unread {
    #[error(transparent)]
    Lost(#[from] Lost),
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Reads one packet, and no byte more: what follows may be a TLS handshake.
async fn read(stream: &mut Stream) -> Result<Packet, Unread> {
    let mut head = [0; Packet::HEAD];
    stream.read_exact(&mut head).await?;
    let mut packet = Packet::begin(head)?;
    stream.read_exact(packet.room()).await?;
    Ok(packet)
}

fn of_client(why: impl std::fmt::Display) -> Unsettled {
    Unsettled::Client(why.to_string())
}

fn of_server(why: Unread) -> Unsettled {
    Unsettled::Server(match why {
        Unread::Lost(lost) => Failure::real(Reason::UpstreamGarbage, lost),
        Unread::Io(error) => Failure::real(Reason::UpstreamReset, error),
    })
}

fn lost(error: io::Error) -> Unsettled {
    Unsettled::Server(Failure::real(Reason::UpstreamReset, error))
}
