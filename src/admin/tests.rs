//! The router as its clients meet it, over the real control and without sockets.

use std::path::PathBuf;

use axum::{Router, body::Body};
use http::{Method, Request, StatusCode, header};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::watch};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use super::{Desk, Feed, Guard, Stage, Tokens, endpoints, serve::router};
use crate::{
    config,
    control::{Author, Control, History},
    net::Directory,
    snapshot::Compiler,
    telemetry::{Metrics, events::Events},
    units::Dice,
};

mod access;
mod blind;
mod drill;
mod nouns;
mod page;
mod preflight;
mod reference;

const DOCUMENT: &str = "\
listeners:
  public: {bind: 127.0.0.1:0, cluster: app}
clusters:
  app:
    balance: least_request
    backends: [{name: app-a, address: 127.0.0.1:9001}, {name: app-b, address: 127.0.0.1:9002}]
";

/// An admin API to be asked.
struct Proxy {
    desk: Desk,
    router: Router,
}

/// What came back.
struct Reply {
    status: StatusCode,
    media: String,
    text: String,
}

impl Reply {
    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }
}

fn proxy() -> Proxy {
    proxy_with(Guard::default())
}

/// Serves an admin API on a socket of this machine, until it is told to end.
pub(crate) async fn serve() -> (String, CancellationToken) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let desk = proxy().desk;
    let end = desk.end.clone();
    tokio::spawn(super::serve(listener, desk, Guard::default()));
    (address, end)
}

fn proxy_with(guard: Guard) -> Proxy {
    let stage = Stage {
        drill: watch::Sender::new(None).subscribe(),
        feed: Feed::default(),
        starts: tokio::sync::mpsc::channel(1).0,
    };
    proxy_on(guard, stage, std::env::temp_dir().join("chaosproxy-admin-tests"))
}

fn proxy_on(guard: Guard, stage: Stage, reports: PathBuf) -> Proxy {
    let metrics = Metrics::new(1);
    // There is no worker; one that follows every change is meant.
    metrics.follow(0, u64::MAX);
    let directory = Directory::system(tokio::runtime::Handle::current());
    let compiler = Compiler::new(directory, metrics.clone(), 1, PathBuf::from("."), Dice::new(7));
    let document = config::read_document("chaosproxy.yaml", DOCUMENT)
        .unwrap()
        .document;
    let revision = (Author::new("root", "start"), "chaosproxy.yaml", DOCUMENT);
    let control = Control::start(
        document,
        revision,
        compiler,
        History::default(),
        Events::default(),
    )
    .unwrap();
    let desk = Desk::new(control, metrics, stage, reports, CancellationToken::new());
    Proxy {
        router: router(desk.clone(), guard),
        desk,
    }
}

impl Proxy {
    async fn ask(&self, request: Request<Body>) -> Reply {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (head, body) = response.into_parts();
        let media = head
            .headers
            .get(header::CONTENT_TYPE)
            .map(|value| value.to_str().unwrap().to_owned());
        let text = String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
        Reply {
            status: head.status,
            media: media.unwrap_or_default(),
            text,
        }
    }

    async fn get(&self, path: &str) -> Reply {
        self.ask(request(Method::GET, path).body(Body::empty()).unwrap())
            .await
    }

    async fn send(&self, method: Method, path: &str, body: &Value) -> Reply {
        let request = request(method, path).header(header::CONTENT_TYPE, "application/json");
        self.ask(request.body(Body::from(body.to_string())).unwrap())
            .await
    }

    async fn post(&self, path: &str, body: &Value) -> Reply {
        self.send(Method::POST, path, body).await
    }
}

fn request(method: Method, path: &str) -> http::request::Builder {
    Request::builder()
        .method(method)
        .uri(path)
        .header(header::HOST, "localhost:8474")
}
