//! A small HTTP/1.1 client on hyper: one connection at a time, every failure told apart.

use std::net::SocketAddr;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};

/// A request whose body is whole.
pub type Request = http::Request<Full<Bytes>>;

/// An answer whose body is whole.
pub type Response = http::Response<Bytes>;

/// How a request can fail.
#[derive(Debug)]
pub enum Trouble {
    /// Nobody accepted the connection.
    Connect(#[expect(dead_code, reason = "it is shown where a test fails")] std::io::Error),
    /// The connection was closed before anything of the request was sent: another one may do.
    Closed,
    /// It broke off after the request was sent.
    Broken(#[expect(dead_code, reason = "it is shown where a test fails")] String),
}

/// A connection that is kept.
pub struct Connection(SendRequest<Full<Bytes>>);

impl Connection {
    /// Connects.
    pub async fn open(address: SocketAddr) -> Result<Self, Trouble> {
        let stream = TcpStream::connect(address).await.map_err(Trouble::Connect)?;
        stream.set_nodelay(true).map_err(Trouble::Connect)?;
        Self::over(stream).await
    }

    /// Speaks over a connection that stands.
    pub async fn over(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> Result<Self, Trouble> {
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
        tokio::spawn(connection);
        Ok(Self(sender))
    }

    /// Sends a request and reads its answer to the end.
    pub async fn send(&mut self, request: Request) -> Result<Response, Trouble> {
        self.0.ready().await.map_err(|_| Trouble::Closed)?;
        let response =
            self.0
                .try_send_request(request)
                .await
                .map_err(|mut error| match error.take_message() {
                    Some(_) => Trouble::Closed,
                    None => broken(error.into_error()),
                })?;
        let (head, body) = response.into_parts();
        let body = body.collect().await.map_err(broken)?.to_bytes();
        Ok(Response::from_parts(head, body))
    }
}

fn broken(error: hyper::Error) -> Trouble {
    use std::error::Error;
    let cause = error.source().map(ToString::to_string).unwrap_or_default();
    Trouble::Broken(format!("{error}: {cause}"))
}

/// A request with header fields and a body.
pub fn request(method: &str, path: &str, fields: &[(&str, &str)], body: impl Into<Bytes>) -> Request {
    let mut request = http::Request::builder()
        .method(method)
        .uri(path)
        .header("host", "localhost");
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    request.body(Full::new(body.into())).unwrap()
}

/// One request on a connection of its own.
pub async fn ask(address: SocketAddr, request: Request) -> Result<Response, Trouble> {
    Connection::open(address).await?.send(request).await
}

/// One GET on a connection of its own.
pub async fn get(address: SocketAddr, path: &str) -> Result<Response, Trouble> {
    ask(address, request("GET", path, &[], "")).await
}
