//! Both sides over in-memory pipes, against each other, against hyper, and against bytes that no one should send.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Full};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

use super::*;

mod client;
mod interop;
mod server;
mod split;

/// A body of prepared frames; each is ready at the second poll, as from a network.
#[derive(Debug, Default)]
pub(super) struct Frames {
    frames: VecDeque<Result<Frame<Bytes>, &'static str>>,
    ready: bool,
}

impl Frames {
    pub(super) fn of(pieces: &[&str]) -> Self {
        let frame = |piece: &&str| Ok(Frame::data(Bytes::copy_from_slice(piece.as_bytes())));
        Self {
            frames: pieces.iter().map(frame).collect(),
            ready: false,
        }
    }

    pub(super) fn trailer(mut self, name: &'static str, value: &'static str) -> Self {
        let fields = [(HeaderName::from_static(name), HeaderValue::from_static(value))];
        self.frames
            .push_back(Ok(Frame::trailers(HeaderMap::from_iter(fields))));
        self
    }

    pub(super) fn failing(mut self) -> Self {
        self.frames.push_back(Err("broken"));
        self
    }
}

impl Body for Frames {
    type Data = Bytes;
    type Error = &'static str;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, &'static str>>> {
        self.ready = !self.ready;
        if self.ready {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(self.frames.pop_front())
    }
}

/// Answers with what it was asked: method, target and body.
async fn echo(request: Request<Incoming>, _: Interim) -> Reply<Full<Bytes>, ()> {
    let (parts, body) = request.into_parts();
    let Ok(body) = body.collect().await else {
        return Reply::Abort(());
    };
    let trailers = body.trailers().map_or(0, HeaderMap::len);
    let body = String::from_utf8_lossy(&body.to_bytes()).into_owned();
    let text = format!("{} {} [{body}] {trailers}", parts.method, parts.uri);
    Reply::Response(Response::new(Full::from(text)))
}

/// A server that answers however early its client closes its side.
fn patient() -> Serving {
    Serving {
        half_close: true,
        ..Serving::default()
    }
}

/// Sends bytes to a service, closes, and says what came back and how it ended.
async fn talk<S, F, B, T>(how: Serving, sent: &[u8], service: S) -> (String, End<T>)
where
    S: Fn(Request<Incoming>, Interim) -> F,
    F: Future<Output = Reply<B, T>>,
    B: Body<Data = Bytes> + Unpin,
{
    let (near, mut far) = tokio::io::duplex(64 * 1024);
    let client = async {
        far.write_all(sent).await.unwrap();
        far.shutdown().await.unwrap();
        let mut answer = String::new();
        far.read_to_string(&mut answer).await.unwrap();
        answer
    };
    let server = async {
        let served = serve(near, &how, Rc::new(Handle::new()), service).await;
        served.end
    };
    let (answer, end) = tokio::join!(client, server);
    (answer, end)
}

/// Where connections come home to.
type Home = Rc<RefCell<Vec<Connection<DuplexStream>>>>;

/// A connection to a scripted backend, and the place that it comes home to.
fn upstream() -> (Connection<DuplexStream>, DuplexStream, Home) {
    let (near, far) = tokio::io::duplex(64 * 1024);
    let home = Rc::new(RefCell::new(Vec::new()));
    let to = Rc::clone(&home);
    let give_back: GiveBack<DuplexStream> = Rc::new(move |connection| to.borrow_mut().push(connection));
    (Connection::new(near, &Asking::default(), give_back), far, home)
}

/// Reads until this text has come.
async fn read_until(io: &mut DuplexStream, text: &str) -> String {
    let mut read = Vec::new();
    while !read.ends_with(text.as_bytes()) {
        match io.read_u8().await {
            Ok(byte) => read.push(byte),
            Err(_) => break,
        }
    }
    String::from_utf8(read).unwrap()
}

async fn text<B: Body<Data = Bytes> + Unpin>(body: B) -> Result<String, B::Error> {
    Ok(String::from_utf8(body.collect().await?.to_bytes().to_vec()).unwrap())
}
