//! A client connection that speaks HTTP, in the version that it speaks.

use std::{rc::Rc, time::Duration};

use http::Request;

use super::{
    answer::answer,
    body::Source,
    client::{Client, Kind},
    outcome::After,
    refusal,
    rt::Local,
    tunnel,
};
use crate::{
    faults::Cut,
    net::{Alpn, Stream},
    wire::http1::{self, Ask, End, Flaw, Interim, Phase, Reply, Serving},
};

/// Serves a client connection, in the version of HTTP that it speaks.
pub async fn serve(client: Rc<Client>, mut stream: Stream) {
    let limit = client
        .seen()
        .1
        .settings
        .timeouts
        .client_header
        .0
        .map(Duration::from);
    let http2 = match client.tls.as_ref().map(|tls| tls.alpn) {
        Some(alpn) => alpn == Some(Alpn::Http2),
        None => match client.worker.deadlines.within(limit, stream.speaks_http2()).await {
            Ok(Ok(http2)) => http2,
            _ => return,
        },
    };
    if http2 {
        client.speaks(Kind::Http2);
        serve_h2(client, stream).await;
    } else {
        client.speaks(Kind::Http1);
        serve_h1(client, stream).await;
    }
}

async fn serve_h1(client: Rc<Client>, stream: Stream) {
    let (_, listener) = client.seen();
    let limits = &listener.settings.limits;
    let serving = Serving {
        limits: http1::Limits {
            head: usize::try_from(limits.header_size.0).unwrap_or(usize::MAX),
            fields: limits.headers.get() as usize,
            body: limits.body.0.map_or(u64::MAX, |size| size.0),
            ..http1::Limits::default()
        },
        refuse: if listener.settings.headers.reason {
            refusal::answer
        } else {
            Serving::plain
        },
        ..Serving::default()
    };
    drop(listener);
    let handle = client.h1.clone();
    let service =
        |ask: Ask, interim: Interim| answer(client.clone(), ask.head, Source::H1(ask.body), Some(interim));
    let served = http1::serve(stream, &serving, handle, service).await;
    match served.end {
        End::Tunnel(After::Tunnel(tunnel), early) => {
            client.speaks(Kind::Bytes);
            tunnel::run(&client, *tunnel, served.io, early).await;
        }
        End::Abort(After::Cut(Cut::Reset | Cut::Refuse)) => served.io.reset(),
        End::Cut if matches!(client.wanted_cut(), Some(Cut::Reset | Cut::Refuse)) => served.io.reset(),
        End::Refused(flaw) => refusal::record(&client, flaw),
        End::Expired(Phase::Head) => refusal::record(&client, Flaw::Late),
        _ => {}
    }
}

async fn serve_h2(client: Rc<Client>, stream: Stream) {
    let (_, listener) = client.seen();
    let limits = &listener.settings.limits;
    let mut builder = hyper::server::conn::http2::Builder::new(Local);
    builder
        .timer(hyper_util::rt::TokioTimer::new())
        .max_concurrent_streams(limits.streams.get())
        .max_header_list_size(u32::try_from(limits.header_size.0).unwrap_or(u32::MAX))
        .auto_date_header(false);
    drop(listener);
    let service = hyper::service::service_fn(|request: Request<hyper::body::Incoming>| {
        let client = client.clone();
        // In a box: hyper and the runtime hand it on nine times before it runs, and it is large.
        Box::pin(async move {
            let open = OpenStream::new(client.clone());
            let (head, body) = request.into_parts();
            let outcome = answer(client.clone(), Box::new(head), Source::H2(body), None).await;
            drop(open);
            match outcome {
                Reply::Response(response) => Ok(response),
                Reply::Tunnel(..) => Err(Aborted),
                Reply::Abort(After::Cut(cut)) => {
                    // One stream cannot be reset as a TCP connection can; the stream is.
                    tracing::debug!(peer = %client.peer, ?cut, "stream cut");
                    Err(Aborted)
                }
                Reply::Abort(After::Tunnel(_)) => Err(Aborted),
            }
        })
    });
    let connection = builder.serve_connection(stream, service);
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = client.h2.end.notified() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(peer = %client.peer, %error, "HTTP/2 connection failed");
    }
}

/// Counts a stream while it is open.
struct OpenStream(Rc<Client>);

impl OpenStream {
    fn new(client: Rc<Client>) -> Self {
        client.h2.open.set(client.h2.open.get() + 1);
        client.h2.begun.set(client.h2.begun.get() + 1);
        Self(client)
    }
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        self.0.h2.open.set(self.0.h2.open.get() - 1);
    }
}

/// A stream that gets no answer.
#[derive(Debug, thiserror::Error)]
#[error("the exchange was cut")]
struct Aborted;
