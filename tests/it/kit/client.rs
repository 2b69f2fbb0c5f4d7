//! HTTP clients on hyper: one connection each, so that a test knows which request went where.

use std::net::SocketAddr;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, Version, request::Builder};
use http_body_util::BodyExt;
use hyper::{
    body::Incoming,
    client::conn::{http1, http2},
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};

use super::{
    Body,
    origin::{empty, whole},
    within,
};

/// An answer that has come to its end.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The version.
    pub version: Version,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
    /// What came after the body.
    pub trailers: HeaderMap,
}

impl Answer {
    /// Reads an answer to its end.
    pub async fn of(response: Response<Incoming>) -> Result<Self, hyper::Error> {
        let (head, body) = response.into_parts();
        let collected = body.collect().await?;
        let trailers = collected.trailers().cloned().unwrap_or_default();
        Ok(Self {
            status: head.status.as_u16(),
            version: head.version,
            headers: head.headers,
            body: collected.to_bytes(),
            trailers,
        })
    }

    /// A header's value, or nothing.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// Why the proxy answered in the backend's place, if it did.
    pub fn reason(&self) -> &str {
        self.header("x-chaosproxy-reason")
    }

    /// The body as text.
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

/// The beginning of a request to `shop.test`.
pub fn request(method: Method, path: &str) -> Builder {
    Request::builder()
        .method(method)
        .uri(path)
        .header("host", "shop.test")
}

/// A GET request.
pub fn a_get(path: &str) -> Request<Body> {
    request(Method::GET, path).body(empty()).unwrap()
}

/// A POST request.
pub fn a_post(path: &str, body: impl Into<Bytes>) -> Request<Body> {
    request(Method::POST, path).body(whole(body)).unwrap()
}

/// A GET on a connection of its own.
pub async fn get(address: SocketAddr, path: &str) -> Answer {
    H1::connect(address).await.get(path).await
}

/// A POST on a connection of its own.
pub async fn post(address: SocketAddr, path: &str, body: impl Into<Bytes>) -> Answer {
    H1::connect(address).await.ask(a_post(path, body)).await
}

/// A request on a connection of its own, whether or not there is an answer.
pub async fn attempt(address: SocketAddr, request: Request<Body>) -> Result<Answer, hyper::Error> {
    H1::connect(address).await.send(request).await
}

/// An HTTP/1.1 connection.
pub struct H1(http1::SendRequest<Body>);

impl H1 {
    /// Connects.
    pub async fn connect(address: SocketAddr) -> Self {
        let stream = within("a connection", TcpStream::connect(address)).await.unwrap();
        Self::over(stream).await
    }

    /// Speaks over a connection that stands.
    pub async fn over<S: AsyncRead + AsyncWrite + Send + Unpin + 'static>(stream: S) -> Self {
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection.with_upgrades());
        Self(sender)
    }

    /// Sends a request and reads the answer to its end.
    pub async fn send(&mut self, request: Request<Body>) -> Result<Answer, hyper::Error> {
        let response = self.begin(request).await?;
        within("the end of an answer", Answer::of(response)).await
    }

    /// Sends a request and waits for the head of its answer.
    pub async fn begin(&mut self, request: Request<Body>) -> Result<Response<Incoming>, hyper::Error> {
        within("a free connection", self.0.ready()).await?;
        within("the head of an answer", self.0.send_request(request)).await
    }

    /// The same, where there must be an answer.
    pub async fn ask(&mut self, request: Request<Body>) -> Answer {
        self.send(request).await.unwrap()
    }

    /// A GET.
    pub async fn get(&mut self, path: &str) -> Answer {
        self.ask(a_get(path)).await
    }

    /// Whether the other side has ended the connection.
    pub fn is_closed(&self) -> bool {
        self.0.is_closed()
    }
}

/// An HTTP/2 connection; its clones share it.
#[derive(Clone)]
pub struct H2(http2::SendRequest<Body>);

impl H2 {
    /// Connects with prior knowledge.
    pub async fn connect(address: SocketAddr) -> Self {
        let stream = within("a connection", TcpStream::connect(address)).await.unwrap();
        Self::over(stream).await
    }

    /// Speaks over a connection that stands.
    pub async fn over<S: AsyncRead + AsyncWrite + Send + Unpin + 'static>(stream: S) -> Self {
        let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .unwrap();
        tokio::spawn(connection);
        Self(sender)
    }

    /// Sends a request and waits for the head of its answer.
    pub async fn begin(&self, mut request: Request<Body>) -> Result<Response<Incoming>, hyper::Error> {
        // HTTP/2 says the host in the target.
        if let Some(host) = request.headers_mut().remove("host") {
            let target = format!("http://{}{}", host.to_str().unwrap(), request.uri());
            *request.uri_mut() = target.parse().unwrap();
        }
        let mut sender = self.0.clone();
        within("a free stream", sender.ready()).await?;
        within("the head of an answer", sender.send_request(request)).await
    }

    /// Sends a request and reads the answer to its end.
    pub async fn send(&self, request: Request<Body>) -> Result<Answer, hyper::Error> {
        let response = self.begin(request).await?;
        within("the end of an answer", Answer::of(response)).await
    }

    /// The same, where there must be an answer.
    pub async fn ask(&self, request: Request<Body>) -> Answer {
        self.send(request).await.unwrap()
    }

    /// A GET.
    pub async fn get(&self, path: &str) -> Answer {
        self.ask(a_get(path)).await
    }

    /// Whether the other side has ended the connection.
    pub fn is_closed(&self) -> bool {
        self.0.is_closed()
    }
}
