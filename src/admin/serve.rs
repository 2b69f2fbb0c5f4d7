//! The admin port's shell: connections in, requests to the router, a limit on everything.

use std::{sync::Arc, time::Duration};

use axum::{
    BoxError, Router,
    body::{self, Body},
    error_handling::HandleErrorLayer,
    extract::{RawPathParams, Request, State},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{MethodFilter, MethodRouter, on},
};
use http::{HeaderValue, Method, header};
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    time,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::{ServiceBuilder, limit::GlobalConcurrencyLimitLayer, load_shed};

use super::{
    Desk,
    endpoint::{Arrived, Endpoint},
    endpoints,
    guard::Guard,
    refusal::{Kind, Refusal},
    toxiproxy,
};
use crate::{config, toxiproxy::owns};

/// So many connections at most: dashboards, scrapers and a few people.
const MOST_CONNECTIONS: usize = 256;

/// So many requests at a time, urgent ones apart; more are shed, not queued.
const MOST_AT_ONCE: usize = 64;

/// A request that takes longer is given up: everything here answers from memory.
const SLOWEST: Duration = Duration::from_secs(10);

/// A client that idles for longer is cut. Toxiproxy's clients count on 60 seconds, and one that asks just when its connection is cut
/// meets an error. For a head that comes slowly it is the same limit: such a client holds no more than one that idles.
const IDLE_LIMIT: Duration = Duration::from_secs(75);

/// The largest body: a document in its largest form, as JSON, needs no more.
const LARGEST_BODY: usize = 2 * config::LARGEST;

/// How long requests under way may take to end at the proxy's own end.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// How long to wait after an accept that failed, usually for lack of descriptors.
const PAUSE: Duration = Duration::from_millis(100);

/// Where scrapers look.
const METRICS: &str = "/metrics";

/// Builds the router: the endpoints, guarded and limited.
pub(super) fn router(desk: Desk, guard: Guard) -> Router {
    if let Some(people) = guard.people() {
        // A desk that is served twice knows the same people.
        let _ = desk.people.set(people);
    }
    let shows_metrics = desk.toxiproxy.shows_metrics();
    let ours = endpoints()
        .into_iter()
        .filter(|endpoint| !(shows_metrics && endpoint.path == METRICS));
    let (urgent, usual): (Vec<_>, Vec<_>) = ours.partition(|endpoint| endpoint.urgent);
    let limits = ServiceBuilder::new()
        .layer(HandleErrorLayer::new(overrun))
        .load_shed()
        .layer(GlobalConcurrencyLimitLayer::new(MOST_AT_ONCE))
        .timeout(SLOWEST);
    let state = (desk, guard.clone());
    let toxiproxy = toxiproxy::PATHS.iter().fold(routes(usual), |router, path| {
        router.route(path, axum::routing::any(toxiproxy::answer))
    });
    let toxiproxy = match shows_metrics {
        true => toxiproxy.route(METRICS, axum::routing::any(toxiproxy::metrics)),
        false => toxiproxy,
    };
    toxiproxy
        .layer(limits)
        .merge(routes(urgent))
        .fallback(unknown)
        .method_not_allowed_fallback(wrong_method)
        .layer(middleware::from_fn_with_state(guard, pass))
        .with_state(state)
}

fn routes(endpoints: Vec<Endpoint>) -> Router<(Desk, Guard)> {
    endpoints.into_iter().fold(Router::new(), |router, endpoint| {
        router.route(endpoint.path, route(endpoint))
    })
}

fn route(endpoint: Endpoint) -> MethodRouter<(Desk, Guard)> {
    let filter = match endpoint.method {
        Method::POST => MethodFilter::POST,
        Method::PUT => MethodFilter::PUT,
        Method::DELETE => MethodFilter::DELETE,
        _ => MethodFilter::GET,
    };
    on(
        filter,
        async move |State((desk, guard)): State<(Desk, Guard)>, path: RawPathParams, request: Request| {
            let (head, body) = request.into_parts();
            let path = path
                .iter()
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect();
            match body::to_bytes(body, LARGEST_BODY).await {
                Ok(body) => endpoint.answer(desk, &guard, Arrived { head, path, body }).await,
                Err(_) => Refusal::new(
                    Kind::TooLarge,
                    format!("the body has more than {LARGEST_BODY} bytes, or was cut off"),
                    "send less",
                )
                .into_response(),
            }
        },
    )
}

async fn pass(State(guard): State<Guard>, request: Request, next: Next) -> Response {
    let (head, body) = request.into_parts();
    let is_toxiproxys = owns(head.uri.path());
    let mut response = match guard.pass(&head) {
        Ok(()) => next.run(Request::from_parts(head, body)).await,
        Err(refusal) => refusal.into_response(),
    };
    if is_toxiproxys {
        response = toxiproxy::refused(response);
    }
    // What is shown is true now and may be secret: nobody keeps it, and no browser guesses what it could be.
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    response
}

async fn unknown(state: State<(Desk, Guard)>, request: Request) -> Response {
    if owns(request.uri().path()) {
        return toxiproxy::answer(state, request).await;
    }
    let detail = format!("there is nothing at {}", request.uri().path());
    Refusal::new(Kind::NotFound, detail, "/api/openapi.json lists what there is").into_response()
}

async fn wrong_method(request: Request) -> Refusal {
    let detail = format!("{} is not for {}", request.uri().path(), request.method());
    Refusal::new(
        Kind::Method,
        detail,
        "/api/openapi.json lists what there is; `Allow` names the methods",
    )
}

async fn overrun(error: BoxError) -> Refusal {
    if error.is::<load_shed::error::Overloaded>() {
        let detail = format!("{MOST_AT_ONCE} requests are under way");
        return Refusal::new(Kind::Overloaded, detail, "try again in a second");
    }
    let detail = format!("it took more than {}s", SLOWEST.as_secs());
    Refusal::new(
        Kind::TimedOut,
        detail,
        "send the whole body at once; if it goes on, see the proxy's log",
    )
}

/// Serves a listener until the proxy ends; then requests under way may end, but not for long.
pub async fn serve(listener: TcpListener, desk: Desk, guard: Guard) {
    let end = desk.end.clone();
    let following = tokio::spawn(desk.clone().follow(desk.control.events().subscribe()));
    let router = router(desk, guard);
    let permits = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    let connections = TaskTracker::new();
    // Cancel-safe: a permit or connection that is not taken stays where it is.
    while let Some(accepted) = end.run_until_cancelled(accept(&listener, &permits)).await {
        let Some((stream, permit)) = accepted else {
            time::sleep(PAUSE).await;
            continue;
        };
        let (router, end) = (router.clone(), end.clone());
        connections.spawn(async move {
            connection(TokioIo::new(stream), router, end).await;
            drop(permit);
        });
    }
    connections.close();
    let _ = time::timeout(LAST_WORDS, connections.wait()).await;
    following.abort();
}

async fn accept(
    listener: &TcpListener,
    permits: &Arc<Semaphore>,
) -> Option<(TcpStream, OwnedSemaphorePermit)> {
    let permit = Arc::clone(permits).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, _)) => Some((stream, permit)),
        Err(error) => {
            tracing::warn!(%error, "the admin API could not accept a connection");
            None
        }
    }
}

/// Serves one connection, a socket or anything like one.
async fn connection<I>(io: I, router: Router, end: CancellationToken)
where
    I: hyper::rt::Read + hyper::rt::Write + Unpin + 'static,
{
    let service = TowerToHyperService::new(
        ServiceBuilder::new()
            .map_request(|request: hyper::Request<hyper::body::Incoming>| request.map(Body::new))
            .service(router),
    );
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(IDLE_LIMIT);
    let served = builder.serve_connection(io, service);
    let mut served = std::pin::pin!(served);
    let result = tokio::select! {
        result = served.as_mut() => result,
        () = end.cancelled() => {
            served.as_mut().graceful_shutdown();
            served.await
        }
    };
    if let Err(error) = result {
        tracing::debug!(%error, "an admin connection ended");
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_client_may_idle_for_as_long_as_with_toxiproxy_but_not_for_ever() {
        let (mut client, server) = duplex(4096);
        let router = Router::new().fallback(async || "here");
        tokio::spawn(connection(TokioIo::new(server), router, CancellationToken::new()));
        let mut answer = [0; 4096];
        for _ in 0..2 {
            client
                .write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
                .await
                .unwrap();
            assert!(client.read(&mut answer).await.unwrap() > 0);
            time::sleep(Duration::from_secs(70)).await;
        }
        let end = time::timeout(Duration::from_secs(10), client.read(&mut answer)).await;
        assert_eq!(end.unwrap().unwrap(), 0);
    }
}
