//! The demo's application servers: a shop's orders over HTTP, kept in a database.
//!
//! `app-source` reads from and writes to the source database, and so does `standby` when it is needed; `app-replica` reads
//! from a replica and refuses writes. Their health check answers without asking the database: while that is out of
//! reach they look healthy and fail, which is the grey failure that the incident is about.

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, SystemTime},
};

use axum::{
    Json, Router,
    extract::{
        DefaultBodyLimit, Path, Request, State,
        rejection::{JsonRejection, PathRejection},
    },
    http::{HeaderValue, StatusCode, header},
    middleware::{Next, from_fn_with_state},
    response::{Html, IntoResponse, Response},
    routing::get,
};
use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::{
    net::{TcpListener, TcpStream},
    time,
};
use tokio_postgres::{Row, types::Type};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use self::{
    crew::{Crew, Unserved},
    pool::{Pool, Trouble},
};
use super::{auth::Library, tasks::Tasks};

mod crew;
mod pool;

/// Connections at a time; the proxy keeps a few per worker.
const MAX_CONNECTIONS: usize = 512;

/// How long a connection may stay without a request. Longer than any proxy keeps one, so that the proxy is always the
/// one to close it and no request meets a connection that is just going away.
const IDLE_LIMIT: Duration = Duration::from_secs(600);

/// How long requests may go on once the demo stops.
const DRAIN_LIMIT: Duration = Duration::from_secs(5);

/// The longest body: an order is a line.
const MAX_BODY: usize = 16 << 10;

/// How many orders a list shows, the newest first.
const LIST_LENGTH: i64 = 20;

/// The longest item, the database's own limit.
const MAX_ITEM: usize = 200;

/// Said as `x-version`.
const VERSION: &str = "1.0.0";

/// An application server.
#[derive(Debug)]
pub(super) struct App {
    name: &'static str,
    writes: bool,
    database: Pool,
    /// Where every request is checked by an auth service, those who ask it.
    crew: Option<Crew>,
}

/// An order as HTTP says it.
#[derive(Debug, Serialize)]
struct Order {
    id: i64,
    item: String,
    quantity: i32,
    created: Timestamp,
}

/// What a client orders.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct NewOrder {
    item: String,
    quantity: i32,
}

impl App {
    /// The server of the source database, which takes all writes.
    pub(super) fn source(database: SocketAddr, auth: Option<Library>, tasks: &Tasks) -> Self {
        Self::new("app-source", true, database, auth, tasks)
    }

    /// A second server of the source database, which stands by.
    pub(super) fn standby(database: SocketAddr, auth: Option<Library>, tasks: &Tasks) -> Self {
        Self::new("standby", true, database, auth, tasks)
    }

    /// The server of a replica, which only reads.
    pub(super) fn replica(database: SocketAddr, auth: Option<Library>, tasks: &Tasks) -> Self {
        Self::new("app-replica", false, database, auth, tasks)
    }

    fn new(
        name: &'static str,
        writes: bool,
        database: SocketAddr,
        auth: Option<Library>,
        tasks: &Tasks,
    ) -> Self {
        Self {
            name,
            writes,
            database: Pool::new(database, name, tasks.clone()),
            crew: auth.map(|library| Crew::new(library, tasks)),
        }
    }

    /// Serves HTTP until told to stop; requests then end in their own time, up to a limit.
    pub(super) fn serve(self, listener: TcpListener, tasks: &Tasks) {
        let router = routes(Arc::new(self));
        tasks.serve(listener, MAX_CONNECTIONS, move |stream, stop| {
            attend(stream, router.clone(), stop)
        });
    }
}

async fn attend(stream: TcpStream, router: Router, stop: CancellationToken) {
    let service = service_fn(move |request| router.clone().oneshot(request));
    let mut connection = std::pin::pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(IDLE_LIMIT)
            .serve_connection(TokioIo::new(stream), service)
    );
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            time::timeout(DRAIN_LIMIT, connection).await.unwrap_or(Ok(()))
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection of the demo's application broke off");
    }
}

fn routes(app: Arc<App>) -> Router {
    Router::new()
        .route("/", get(page))
        .route("/orders", get(list).post(create))
        .route("/orders/{id}", get(show))
        .route_layer(from_fn_with_state(Arc::clone(&app), guard))
        // It asks nobody, and needs none of the serving threads.
        .route("/healthz", get(|| async { Json(json!({"status": "ok"})) }))
        .fallback(|| async { problem(StatusCode::NOT_FOUND, "there is no such page") })
        .method_not_allowed_fallback(|| async {
            problem(
                StatusCode::METHOD_NOT_ALLOWED,
                "this page does not take this method",
            )
        })
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(from_fn_with_state(Arc::clone(&app), sign))
        .with_state(app)
}

/// Says on every answer which server gave it.
async fn sign(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.insert("x-app", HeaderValue::from_static(app.name));
    headers.insert("x-version", HeaderValue::from_static(VERSION));
    response
}

/// Serves a request by one of the serving threads, once the auth service has let it pass.
async fn guard(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let Some(crew) = &app.crew else {
        return next.run(request).await;
    };
    match crew.take().await {
        Ok(_thread) => next.run(request).await,
        Err(why @ Unserved::Barred) => problem(StatusCode::FORBIDDEN, &why.to_string()),
        Err(why) => problem(StatusCode::INTERNAL_SERVER_ERROR, &why.to_string()),
    }
}

async fn page(State(app): State<Arc<App>>) -> Html<String> {
    Html(include_str!("page.html").replace("{{server}}", app.name))
}

async fn list(State(app): State<Arc<App>>) -> Result<Json<Vec<Order>>, Trouble> {
    let sql = "select id, item, quantity, created from orders order by id desc limit $1";
    let rows = app.database.query(sql, &[(&LIST_LENGTH, Type::INT8)]).await?;
    Ok(Json(rows.iter().map(Order::read).collect::<Result<_, _>>()?))
}

async fn show(
    State(app): State<Arc<App>>,
    id: Result<Path<i64>, PathRejection>,
) -> Result<Response, Trouble> {
    let no_such_order = || problem(StatusCode::NOT_FOUND, "there is no such order");
    let Ok(Path(id)) = id else {
        return Ok(no_such_order());
    };
    let sql = "select id, item, quantity, created from orders where id = $1";
    let rows = app.database.query(sql, &[(&id, Type::INT8)]).await?;
    Ok(match rows.first() {
        Some(row) => Json(Order::read(row)?).into_response(),
        None => no_such_order(),
    })
}

async fn create(
    State(app): State<Arc<App>>,
    new: Result<Json<NewOrder>, JsonRejection>,
) -> Result<Response, Trouble> {
    if !app.writes {
        let refusal = problem(
            StatusCode::METHOD_NOT_ALLOWED,
            "this server reads from a replica: orders are taken by the source",
        );
        return Ok(([(header::ALLOW, "GET, HEAD")], refusal).into_response());
    }
    let new = match new {
        Ok(Json(new)) if new.is_sound() => new,
        Ok(_) => return refuse(&app, StatusCode::UNPROCESSABLE_ENTITY, UNSOUND).await,
        Err(rejection) => return refuse(&app, rejection.status(), &rejection.body_text()).await,
    };
    let sql = "insert into orders (item, quantity) values ($1, $2) returning id, item, quantity, created";
    let parameters: [pool::Parameter<'_>; 2] = [(&new.item, Type::TEXT), (&new.quantity, Type::INT4)];
    let rows = app.database.query(sql, &parameters).await?;
    let order = Order::read(rows.first().ok_or(Trouble::Garbled(None))?)?;
    let place = format!("/orders/{}", order.id);
    Ok((StatusCode::CREATED, [(header::LOCATION, place)], Json(order)).into_response())
}

/// Refuses an order. Like most applications it has its transaction open by then, so that without a database nobody is
/// told of mistakes of his own.
async fn refuse(app: &App, status: StatusCode, why: &str) -> Result<Response, Trouble> {
    app.database.query("select 1", &[]).await?;
    Ok(problem(status, why))
}

/// Why an order that reads well is still refused.
const UNSOUND: &str = "an order needs an item of 1 to 200 characters and a quantity of at least 1";

impl NewOrder {
    fn is_sound(&self) -> bool {
        (1..=MAX_ITEM).contains(&self.item.chars().count()) && self.quantity >= 1
    }
}

impl Order {
    /// Reads a row without trust: on its way here, a fault may have changed it.
    fn read(row: &Row) -> Result<Self, Trouble> {
        let created: SystemTime = row.try_get("created").map_err(Trouble::garbled)?;
        Ok(Self {
            id: row.try_get("id").map_err(Trouble::garbled)?,
            item: row.try_get("item").map_err(Trouble::garbled)?,
            quantity: row.try_get("quantity").map_err(Trouble::garbled)?,
            created: created.try_into().map_err(|_| Trouble::Garbled(None))?,
        })
    }
}

impl IntoResponse for Trouble {
    fn into_response(self) -> Response {
        let source = std::error::Error::source(&self).map(ToString::to_string);
        let body = Json(json!({"error": self.to_string(), "detail": source}));
        (StatusCode::INTERNAL_SERVER_ERROR, body).into_response()
    }
}

fn problem(status: StatusCode, error: &str) -> Response {
    (status, Json(json!({"error": error}))).into_response()
}
