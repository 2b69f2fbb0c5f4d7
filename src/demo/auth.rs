//! The demo's auth service, and the library by which the application asks it.
//!
//! The library is as it was in the incident: it dials anew for each call, and it has no time limit. A way to the service
//! that never comes about is a call that never comes back.

use std::{convert::Infallible, error::Error, net::SocketAddr};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{Empty, Full};
use hyper::{client, server, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};

use super::tasks::Tasks;

/// Calls at a time; the application servers have fewer threads to call from.
const MAX_CALLS: usize = 512;

/// Serves the auth service until told to stop: who asks may pass.
pub(super) fn serve(listener: TcpListener, tasks: &Tasks) {
    tasks.serve(listener, MAX_CALLS, |stream, stop| async move {
        let pass = service_fn(|_| async {
            let answer = Response::new(Full::new(Bytes::from_static(b"{\"pass\":true}\n")));
            Ok::<_, Infallible>(answer)
        });
        let connection = server::conn::http1::Builder::new()
            .timer(TokioTimer::new())
            .serve_connection(TokioIo::new(stream), pass);
        tokio::select! {
            () = stop.cancelled() => {}
            ended = connection => if let Err(error) = ended {
                tracing::debug!(%error, "a call of the demo's auth service broke off");
            },
        }
    });
}

/// How the application asks the auth service.
#[derive(Clone, Copy, Debug)]
pub(super) struct Library(pub(super) SocketAddr);

/// Why nobody could be let pass.
#[derive(Debug, thiserror::Error)]
#[error("the auth service cannot be asked")]
pub(super) struct Unasked(#[source] Box<dyn Error + Send + Sync>);

impl Library {
    /// Asks whether a visitor may pass. Takes as long as it takes.
    pub(super) async fn may_pass(self) -> Result<bool, Unasked> {
        self.ask().await.map_err(Unasked)
    }

    async fn ask(self) -> Result<bool, Box<dyn Error + Send + Sync>> {
        let stream = TcpStream::connect(self.0).await?;
        stream.set_nodelay(true)?;
        let (mut sender, connection) = client::conn::http1::handshake(TokioIo::new(stream)).await?;
        let request = Request::builder()
            .uri("/pass")
            .header("host", "auth")
            .header("connection", "close")
            .body(Empty::<Bytes>::new())?;
        // The connection is driven here: it ends with the call.
        let (answer, ended) = tokio::join!(sender.send_request(request), connection);
        ended?;
        Ok(answer?.status() == StatusCode::OK)
    }
}
