//! PostgreSQL: what a client says before its session, and requests to cancel what another one does.

use std::{io, rc::Rc, time::Duration};

use bytes::{Bytes, BytesMut};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::{Instant, timeout},
};

use super::{
    cancels::key_at,
    opened::{self, Opened},
};
use crate::{
    config::Encryption,
    faults::Plan,
    net::{Stream, TlsError},
    proxy::{client::Client, dial::Way, tcp},
    route::{Dialect, Session},
    snapshot::Listener,
    wire::{
        dialogue::Lost,
        postgres::{self, CancelKey, NO, Opening, Startup, YES, take_opening},
    },
};

/// An opening without a limit of its own still ends.
const OPENING: Duration = Duration::from_secs(60);

/// So often a client may ask for encryption before its session starts: once for each kind, and once more.
const MOST_NEGOTIATIONS: usize = 3;

/// How long a cancel request may take: it has no answer but the end of its connection.
const CANCELLING: Duration = Duration::from_secs(5);

/// A client that has nothing more to hear is told so for no longer than this.
const CLOSING: Duration = Duration::from_secs(2);

/// What a client wants, once that is clear.
enum Wish {
    Session(Startup),
    Cancel(CancelKey, Bytes),
    /// What goes through unread.
    Unread,
}

/// Why a client is not understood.
#[derive(Debug, thiserror::Error)]
enum Unclear {
    #[error(transparent)]
    Lost(#[from] Lost),
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// Serves one connection.
pub(super) async fn serve(client: Rc<Client>, stream: Stream) {
    let (_, listener) = client.seen();
    let limit = listener
        .settings
        .timeouts
        .handshake
        .0
        .map_or(OPENING, Duration::from);
    let (mut stream, wish) = match timeout(limit, greet(&listener, stream, limit)).await {
        Ok(Ok(Some(greeted))) => greeted,
        Ok(Ok(None)) => return,
        Ok(Err(unclear)) => {
            listener.lanes.lane(client.worker.index).handshakes_failed.inc();
            tracing::debug!(listener = &*listener.name, peer = %client.peer, %unclear, "no session");
            return;
        }
        Err(_late) => {
            tracing::debug!(listener = &*listener.name, peer = %client.peer, "no session within the handshake's limit");
            return;
        }
    };
    drop(listener);
    match wish {
        Wish::Unread => tcp::serve(client, stream).await,
        Wish::Cancel(key, packet) => {
            cancel(&client, &key, &packet).await;
            // The end is all that the client waits for. Over TLS one that is not said is a failure to it.
            let _ = timeout(CLOSING, stream.shutdown()).await;
        }
        Wish::Session(startup) => {
            let opened = Opened {
                session: Session {
                    dialect: Dialect::Postgres,
                    user: startup.user,
                    database: startup.database,
                },
                dialogue: Box::new(match stream.tls() {
                    Some(_) => postgres::Session::new(),
                    None => postgres::Session::new().in_clear(),
                }),
                stream,
                first: startup.packet,
            };
            client.carries(opened.session.clone());
            opened::serve(client, opened).await;
        }
    }
}

/// Hears what a client wants, and settles encryption; `None`: it has gone.
async fn greet(
    listener: &Listener,
    mut stream: Stream,
    limit: Duration,
) -> Result<Option<(Stream, Wish)>, Unclear> {
    let mut bytes = BytesMut::new();
    let encryption = listener.settings.encryption();
    for _ in 0..=MOST_NEGOTIATIONS {
        let Some(opening) = next(&mut stream, &mut bytes).await? else {
            return Ok(None);
        };
        let wish = match opening {
            Opening::Startup(startup) if startup.replication => {
                stream.unread(bytes.split().freeze());
                stream.unread(startup.packet);
                Wish::Unread
            }
            Opening::Startup(startup) => Wish::Session(startup),
            // The server says in its own words why it does not let it in.
            Opening::Foreign(packet) => {
                stream.unread(bytes.split().freeze());
                stream.unread(packet);
                Wish::Unread
            }
            Opening::Cancel { key, packet } => Wish::Cancel(key, packet),
            Opening::Encrypt(postgres::Encryption::Tls) if encryption == Encryption::Pass => {
                stream.unread(bytes.split().freeze());
                stream.unread(Bytes::from_static(&postgres::SSL_REQUEST));
                Wish::Unread
            }
            Opening::Tls if encryption == Encryption::Pass => {
                stream.unread(bytes.split().freeze());
                Wish::Unread
            }
            opening => {
                stream = settle(listener, stream, &opening, &mut bytes, limit).await?;
                continue;
            }
        };
        // What the client has sent after its startup belongs to the session.
        if !bytes.is_empty() {
            stream.unread(bytes.freeze());
        }
        return Ok(Some((stream, wish)));
    }
    Err(Lost("the client asks for encryption again and again").into())
}

/// Grants encryption, or says that there is none.
async fn settle(
    listener: &Listener,
    mut stream: Stream,
    opening: &Opening,
    bytes: &mut BytesMut,
    limit: Duration,
) -> Result<Stream, Unclear> {
    let grants = listener.settings.encryption() == Encryption::Terminate && stream.tls().is_none();
    let tls = listener.tls.as_ref().filter(|_| grants);
    match (opening, tls) {
        (Opening::Encrypt(postgres::Encryption::Tls), Some(tls)) => {
            // Whatever came in clear after the request would be taken for encrypted words.
            if !bytes.is_empty() {
                return Err(Lost("the client has sent more than its request for TLS").into());
            }
            stream.write_all(&[YES]).await?;
            Ok(tls.accept(stream, limit).await?)
        }
        (Opening::Tls, Some(tls)) => {
            stream.unread(bytes.split().freeze());
            Ok(tls.accept(stream, limit).await?)
        }
        (Opening::Tls, None) => Err(Lost("the client speaks TLS, which this listener does not end").into()),
        _ => {
            stream.write_all(&[NO]).await?;
            Ok(stream)
        }
    }
}

async fn next(stream: &mut Stream, bytes: &mut BytesMut) -> Result<Option<Opening>, Unclear> {
    loop {
        if let Some(opening) = take_opening(bytes)? {
            return Ok(Some(opening));
        }
        // What is buffered stays within one packet, which is refused when it claims to be longer.
        if stream.read_buf(bytes).await? == 0 {
            return Ok(None);
        }
    }
}

/// Cancels the command that a session holds, or passes the request on to the backend that has given its key. It has no faults: it
/// is no session.
async fn cancel(client: &Rc<Client>, key: &CancelKey, packet: &[u8]) {
    let worker = &client.worker;
    let (view, listener) = client.seen();
    let key = key_at(listener.sockets.bound(), &key.0);
    let Some((owner, holding)) = worker.shared.cancels.find(&key) else {
        tracing::debug!(peer = %client.peer, "a cancel request for a session that is not here");
        return;
    };
    if holding.cancel() {
        return;
    }
    let Some(_passing) = holding.pass() else {
        tracing::debug!(peer = %client.peer, "a cancel request among too many for the same session");
        return;
    };
    let Some(target) = view.clusters.iter().find(|target| target.name == owner.cluster) else {
        return;
    };
    let Some(index) = target.place_of(owner.backend) else {
        return;
    };
    let way = Way {
        target,
        index,
        number: worker.number(),
        ends: client.ends(),
        dialect: Some(Dialect::Postgres),
    };
    let begun = Instant::now();
    let passed = async {
        let mut upstream = worker.hops.dial(&way, &mut Plan::none()).await.ok()?;
        upstream.write_all(packet).await.ok()?;
        // The server closes once it has passed the request on, and so do we.
        let mut end = [0; 1];
        upstream.read(&mut end).await.ok()
    };
    if timeout(CANCELLING, passed).await.ok().flatten().is_none() {
        tracing::debug!(peer = %client.peer, after = ?begun.elapsed(), "a cancel request was not passed on");
    }
}
