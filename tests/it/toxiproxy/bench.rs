//! A proxy made through Toxiproxy's API before a server, and what clients do with both.

use std::{net::SocketAddr, time::Duration};

use bytes::Bytes;
use http::{Method, Request};
use serde_json::{Value, json};

use crate::kit::{Answer, Doc, H1, Place, Proxy, Raw, origin::Server, origin::whole};

/// A chaosproxy whose API is asked as Toxiproxy's clients ask it, and a server that sends back what it gets.
pub struct Bench {
    pub proxy: Proxy,
    pub place: Place,
    _server: Server,
}

/// The name of the proxy that every test has.
pub const NAME: &str = "redis";

/// A time that nobody takes for a delay of the machine, and nobody minds waiting for.
pub const WHILE: Duration = Duration::from_millis(300);

impl Bench {
    /// With a proxy called `redis` before a server that sends back what it gets.
    pub async fn start() -> Self {
        Self::with(&["--seed", "7"]).await
    }

    /// The same, with these arguments.
    pub async fn with(arguments: &[&str]) -> Self {
        let place = Place::new();
        let _server = place.serve(async |mut stream| {
            let (mut reader, mut writer) = stream.split();
            let _ = tokio::io::copy(&mut reader, &mut writer).await;
            let _ = tokio::io::AsyncWriteExt::shutdown(&mut writer).await;
        });
        let setup = Proxy::setup().arguments(arguments);
        let proxy = setup.start(Doc::tcp(&[place.address]).text()).await;
        let bench = Self {
            proxy,
            place,
            _server,
        };
        bench.create(NAME, bench.place.address).await;
        bench
    }

    /// Makes a proxy before a server.
    pub async fn create(&self, name: &str, upstream: SocketAddr) {
        let body = json!({"name": name, "listen": "127.0.0.1:0", "upstream": upstream.to_string()});
        let answer = self.post("/proxies", &body).await;
        assert_eq!(answer.status, 201, "{}", answer.text());
    }

    /// Asks the API.
    pub async fn ask(&self, method: Method, path: &str, body: &[u8]) -> Answer {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", self.proxy.admin().to_string());
        let body = whole(Bytes::copy_from_slice(body));
        let mut api = H1::connect(self.proxy.admin()).await;
        api.ask(request.body(body).unwrap()).await
    }

    /// Sends JSON to the API.
    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.ask(Method::POST, path, body.to_string().as_bytes()).await
    }

    /// The proxy as the API shows it.
    pub async fn shown(&self) -> Value {
        let answer = self.ask(Method::GET, &format!("/proxies/{NAME}"), b"").await;
        serde_json::from_slice(&answer.body).unwrap()
    }

    /// Where the proxy listens.
    pub async fn address(&self) -> SocketAddr {
        self.shown().await["listen"].as_str().unwrap().parse().unwrap()
    }

    /// Changes the proxy.
    pub async fn update(&self, body: &Value) {
        let answer = self.post(&format!("/proxies/{NAME}"), body).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
    }

    /// Adds a toxic.
    pub async fn add(&self, toxic: &Value) {
        let answer = self.post(&format!("/proxies/{NAME}/toxics"), toxic).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
    }

    /// Adds a toxic of a type with these attributes, on what the server sends.
    pub async fn downstream(&self, kind: &str, attributes: Value) {
        self.add(&json!({"name": "t", "type": kind, "attributes": attributes}))
            .await;
    }

    /// The same on what the client sends.
    pub async fn upstream(&self, kind: &str, attributes: Value) {
        self.add(&json!({"name": "t", "type": kind, "stream": "upstream", "attributes": attributes}))
            .await;
    }

    /// Changes the toxic.
    pub async fn change(&self, body: &Value) {
        let answer = self.post(&format!("/proxies/{NAME}/toxics/t"), body).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
    }

    /// Removes the toxic.
    pub async fn remove(&self) {
        let path = format!("/proxies/{NAME}/toxics/t");
        assert_eq!(self.ask(Method::DELETE, &path, b"").await.status, 204);
    }

    /// A connection through the proxy.
    pub async fn connect(&self) -> Raw {
        Raw::connect(self.address().await).await
    }

    /// A connection through the proxy that has come through to the server.
    pub async fn connected(&self) -> Raw {
        let mut raw = self.connect().await;
        raw.say("hello\n").await;
        raw.until("hello\n").await;
        raw
    }
}
