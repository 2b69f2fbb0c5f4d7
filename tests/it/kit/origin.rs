//! Servers behind the proxy: HTTP ones that answer as a test says and remember what they were asked, and places where
//! a server comes and goes.

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, Uri, Version};
use http_body_util::{BodyExt, Empty, Full};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

use super::{Body, ports};

/// An address that is taken, so that nobody else gets it, and refuses connections until something listens.
pub struct Place {
    /// Where it is.
    pub address: SocketAddr,
    _kept: Socket,
}

impl Place {
    /// Takes a free port.
    pub fn new() -> Self {
        let (address, kept) = ports::take();
        Self { address, _kept: kept }
    }

    /// Listens here.
    pub fn listen(&self) -> TcpListener {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP)).unwrap();
        socket.set_reuse_address(true).unwrap();
        socket.set_nonblocking(true).unwrap();
        socket.bind(&self.address.into()).unwrap();
        socket.listen(1024).unwrap();
        TcpListener::from_std(socket.into()).unwrap()
    }

    /// Listens here and gives each connection to a script, as long as what is returned lives.
    pub fn serve<F, S>(&self, script: S) -> Server
    where
        S: Fn(TcpStream) -> F + Send + Sync + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = self.listen();
        let connections = Arc::new(AtomicUsize::new(0));
        let count = connections.clone();
        let task = tokio::spawn(async move {
            // Dropped with the task, and every connection with it.
            let mut open = JoinSet::new();
            loop {
                tokio::select! {
                    accepted = listener.accept() => {
                        let Ok((stream, _)) = accepted else { continue };
                        let _ = stream.set_nodelay(true);
                        count.fetch_add(1, Ordering::SeqCst);
                        open.spawn(script(stream));
                    }
                    Some(_) = open.join_next(), if !open.is_empty() => {}
                }
            }
        });
        Server { task, connections }
    }
}

/// Something that listens; dropped, it is gone with all its connections.
pub struct Server {
    task: tokio::task::JoinHandle<()>,
    connections: Arc<AtomicUsize>,
}

impl Server {
    /// How many connections it has accepted.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// Goes away, and its connections with it; once this returns, nobody listens.
    pub async fn stop(mut self) {
        self.task.abort();
        let _ = (&mut self.task).await;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A request as an origin saw it.
#[derive(Clone, Debug)]
pub struct Seen {
    /// The method.
    pub method: Method,
    /// The target.
    pub uri: Uri,
    /// The version.
    pub version: Version,
    /// The headers.
    pub headers: HeaderMap,
}

impl Seen {
    /// A header's value, or nothing.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

/// An HTTP server.
pub struct Origin {
    /// Where it is.
    pub address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    server: Server,
    _place: Option<Place>,
}

impl Origin {
    /// Answers each request as the function says, over HTTP/1.1 or HTTP/2, as the client wants it.
    pub fn new<F, A>(answer: A) -> Self
    where
        A: Fn(Request<Incoming>) -> F + Send + Sync + 'static,
        F: Future<Output = Response<Body>> + Send + 'static,
    {
        let place = Place::new();
        Self {
            _place: None,
            ..Self::at(&place, answer)
        }
        .keeping(place)
    }

    fn keeping(mut self, place: Place) -> Self {
        self._place = Some(place);
        self
    }

    /// The same, at a place of the test's own, so that it can go and come back.
    pub fn at<F, A>(place: &Place, answer: A) -> Self
    where
        A: Fn(Request<Incoming>) -> F + Send + Sync + 'static,
        F: Future<Output = Response<Body>> + Send + 'static,
    {
        let seen = Arc::<Mutex<Vec<Seen>>>::default();
        let (notes, answer) = (seen.clone(), Arc::new(answer));
        let server = place.serve(move |stream| {
            let (notes, answer) = (notes.clone(), answer.clone());
            async move {
                let service = service_fn(move |request: Request<Incoming>| {
                    notes.lock().unwrap().push(Seen {
                        method: request.method().clone(),
                        uri: request.uri().clone(),
                        version: request.version(),
                        headers: request.headers().clone(),
                    });
                    let answered = answer(request);
                    async move { Ok::<_, Infallible>(answered.await) }
                });
                speak(stream, service).await;
            }
        });
        Self {
            address: place.address,
            seen,
            server,
            _place: None,
        }
    }

    /// Answers everything with 200 and its name; a body that comes is read first.
    pub fn named(name: &'static str) -> Self {
        Self::new(move |request| says(name, request))
    }

    /// The same, at a place of the test's own.
    pub fn named_at(place: &Place, name: &'static str) -> Self {
        Self::at(place, move |request| says(name, request))
    }

    /// Answers with what it was sent, as it comes.
    pub fn echo() -> Self {
        Self::new(async |request| echo(request))
    }

    /// The requests that it got so far.
    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// How many requests it got so far, health checks not counted.
    pub fn requests(&self) -> usize {
        let seen = self.seen.lock().unwrap();
        seen.iter()
            .filter(|seen| seen.header("user-agent") != "chaosproxy-health")
            .count()
    }

    /// The last request that it got.
    pub fn last(&self) -> Seen {
        self.seen
            .lock()
            .unwrap()
            .last()
            .expect("the origin was asked nothing")
            .clone()
    }

    /// How many connections it accepted so far.
    pub fn connections(&self) -> usize {
        self.server.connections()
    }

    /// Goes away, with all its connections.
    pub async fn stop(self) {
        self.server.stop().await;
    }
}

async fn speak<S>(stream: TcpStream, service: S)
where
    S: hyper::service::Service<Request<Incoming>, Response = Response<Body>, Error = Infallible>
        + Send
        + 'static,
    S::Future: Send,
{
    let mut start = [0; 3];
    let Ok(_) = stream.peek(&mut start).await else {
        return;
    };
    let io = TokioIo::new(stream);
    if &start == b"PRI" {
        let mut builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
        let _ = builder
            .timer(TokioTimer::new())
            .serve_connection(io, service)
            .await;
    } else {
        let mut builder = hyper::server::conn::http1::Builder::new();
        let connection = builder
            .timer(TokioTimer::new())
            .half_close(true)
            .serve_connection(io, service);
        let _ = connection.with_upgrades().await;
    }
}

async fn says(name: &'static str, request: Request<Incoming>) -> Response<Body> {
    let _ = request.into_body().collect().await;
    text(200, name)
}

/// Sends a request's body back.
pub fn echo(request: Request<Incoming>) -> Response<Body> {
    let kind = request.headers().get("content-type").cloned();
    let mut response = Response::new(request.into_body().map_err(Into::into).boxed());
    if let Some(kind) = kind {
        response.headers_mut().insert("content-type", kind);
    }
    response
}

/// An answer with a text.
pub fn text(status: u16, body: impl Into<Bytes>) -> Response<Body> {
    Response::builder().status(status).body(whole(body)).unwrap()
}

/// A body that is there already.
pub fn whole(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed()
}

/// No body.
pub fn empty() -> Body {
    Empty::new().map_err(|never| match never {}).boxed()
}

/// A body that a test sends piece by piece.
pub fn piecemeal() -> (http_body_util::channel::Sender<Bytes, super::BoxError>, Body) {
    let (sender, body) = http_body_util::channel::Channel::new(1);
    (sender, body.boxed())
}
