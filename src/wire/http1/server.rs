//! The side that is asked: the requests of one client connection, one after the other.

use std::fmt;
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode, response};
use http_body::Body;
use tokio::io::{AsyncRead, AsyncWrite};

use super::encode::{self, Asker};
use super::farewell::{close, discard, expire, refuse};
use super::fields::Scan;
use super::incoming::Downstream;
use super::pump::{Broken, Pump};
use super::request::{self, RequestHead};
use super::seat::{Look, Seat};
use super::serving::{End, Serving};
use super::{Flaw, Handle, Incoming, Phase};

/// What becomes of a request. `T` is the owner's: what it needs to go on with the connection itself.
#[derive(Debug)]
pub enum Reply<B, T> {
    /// An answer. Framing is the codec's: a `Content-Length` given is held to, without one an exact size hint or chunks are used,
    /// `Transfer-Encoding` is ignored, `Connection: close` is honoured.
    Response(Response<B>),
    /// A head (101, or 200 to `CONNECT`, sent as it is) after which the connection is no longer HTTP.
    Tunnel(Response<()>, T),
    /// No answer: the connection goes back to the owner as it stands, to be closed, reset or filled with nonsense.
    Abort(T),
}

/// A client connection that is no longer served, and why. The owner closes it, resets it or goes on with it.
#[derive(Debug)]
pub struct Served<IO, T> {
    /// The connection.
    pub io: IO,
    /// Why it is no longer served.
    pub end: End<T>,
}

/// A request. Its head is boxed, and may be given back with [`super::recycle_head`].
#[derive(Debug)]
pub struct Ask {
    /// Its head.
    pub head: Box<http::request::Parts>,
    /// Its body.
    pub body: Incoming,
}

impl From<Ask> for Request<Incoming> {
    fn from(ask: Ask) -> Self {
        Self::from_parts(*ask.head, ask.body)
    }
}

/// Sends interim answers (1xx) before the final one.
#[derive(Clone)]
pub struct Interim {
    to: Rc<dyn Downstream>,
    ticket: u32,
}

impl Interim {
    /// Sends a 1xx head to the client, and says whether it could: not after the final head, not to HTTP/1.0, and 100 only to
    /// those who wait for it.
    pub fn send(&self, status: StatusCode, headers: &HeaderMap) -> bool {
        self.to.interim(self.ticket, status, headers)
    }
}

impl fmt::Debug for Interim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Interim").finish_non_exhaustive()
    }
}

/// Serves one client connection until it ends; dropping the future is always safe.
///
/// While an answer is awaited, a client that goes away ends the exchange: the service's future is dropped. An exchange, the
/// service's future with it, is boxed for as long as it lasts, so that an idle connection is small.
pub fn serve<IO, S, R, F, B, T>(
    io: IO,
    how: &Serving,
    handle: Rc<Handle>,
    service: S,
) -> impl Future<Output = Served<IO, T>> + use<IO, S, R, F, B, T>
where
    IO: AsyncRead + AsyncWrite + Unpin + 'static,
    S: Fn(R, Interim) -> F,
    R: From<Ask>,
    F: Future<Output = Reply<B, T>>,
    B: Body<Data = Bytes> + Unpin,
{
    let seat = Seat::new(io, how, handle);
    async move {
        let end = loop {
            let mut scan = Scan::default();
            let head = poll_fn(|cx| poll_head(&seat, &mut scan, cx));
            // In a box for as long as it lasts: an idle connection holds no room for it.
            if let Err(end) = Box::pin(turn(&seat, head.await, &service)).await {
                break end;
            }
            seat.end();
        };
        seat.end();
        leave(&seat, end)
    }
}

/// Gives the stream back, with what the client sent ahead where the owner goes on with it.
fn leave<IO, T>(seat: &Seat<IO>, end: End<T>) -> Served<IO, T> {
    let (io, rest) = seat
        .link
        .borrow_mut()
        .take_io()
        .expect("only the end of serving takes the stream");
    let end = match end {
        End::Tunnel(then, _) => End::Tunnel(then, rest),
        end => end,
    };
    Served { io, end }
}

/// Answers what came, or the lack of it. `Err` when the connection ends with it.
async fn turn<IO, S, R, F, B, T>(
    seat: &Rc<Seat<IO>>,
    head: Result<RequestHead, End<T>>,
    service: &S,
) -> Result<(), End<T>>
where
    IO: AsyncRead + AsyncWrite + Unpin + 'static,
    S: Fn(R, Interim) -> F,
    R: From<Ask>,
    F: Future<Output = Reply<B, T>>,
    B: Body<Data = Bytes> + Unpin,
{
    match head {
        Ok(head) if head.parts.method == Method::CONNECT && !seat.how.connect => {
            Err(refuse(seat, Flaw::Connect).await)
        }
        Ok(head) => exchange(seat, head, service).await,
        Err(End::Refused(flaw)) => Err(refuse(seat, flaw).await),
        Err(End::Expired(Phase::Head)) => Err(expire(seat).await),
        Err(end) => Err(end),
    }
}

/// Waits for a request.
fn poll_head<IO, T>(
    seat: &Seat<IO>,
    scan: &mut Scan,
    cx: &mut Context<'_>,
) -> Poll<Result<RequestHead, End<T>>>
where
    IO: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let mut link = seat.link.borrow_mut();
    loop {
        match request::read(&mut link.inbox, scan, &seat.how.limits) {
            Ok(Some(head)) => return Poll::Ready(Ok(head)),
            Ok(None) => {}
            Err(flaw) => return Poll::Ready(Err(End::Refused(flaw))),
        }
        let phase = if link.inbox.is_empty() {
            Phase::Idle
        } else {
            Phase::Head
        };
        seat.handle.enter(phase);
        if seat.is_expired() {
            return Poll::Ready(Err(End::Expired(phase)));
        }
        match link.poll_fill(cx, 0) {
            Poll::Ready(Ok(0)) if phase == Phase::Idle => return Poll::Ready(Err(End::Closed)),
            Poll::Ready(Ok(0)) => return Poll::Ready(Err(End::Gone(phase, None))),
            Poll::Ready(Ok(_)) => {}
            Poll::Ready(Err(error)) => return Poll::Ready(Err(End::Gone(phase, Some(error)))),
            // Only now: a request that has come already is still answered.
            Poll::Pending if phase == Phase::Idle && seat.is_draining() => {
                return Poll::Ready(Err(End::Closed));
            }
            Poll::Pending => {
                drop(link);
                seat.pause(cx);
                return Poll::Pending;
            }
        }
    }
}

/// One request and its answer. `Err` when the connection ends with it.
async fn exchange<IO, S, R, F, B, T>(
    seat: &Rc<Seat<IO>>,
    head: RequestHead,
    service: &S,
) -> Result<(), End<T>>
where
    IO: AsyncRead + AsyncWrite + Unpin + 'static,
    S: Fn(R, Interim) -> F,
    R: From<Ask>,
    F: Future<Output = Reply<B, T>>,
    B: Body<Data = Bytes> + Unpin,
{
    seat.handle.enter(Phase::Exchange);
    let body = seat.begin(&head);
    let asker = Asker {
        head: head.parts.method == Method::HEAD,
        old: head.is_old(),
        trailers: head.facts.trailers,
    };
    let persist = head.facts.persists(asker.old);
    let interim = Interim {
        to: Rc::<Seat<IO>>::clone(seat),
        ticket: seat.ticket(),
    };
    let reply = {
        let mut work = pin!(service(
            R::from(Ask {
                head: head.parts,
                body
            }),
            interim
        ));
        poll_fn(|cx| match work.as_mut().poll(cx) {
            Poll::Ready(reply) => Poll::Ready(Ok(reply)),
            Poll::Pending => poll_client(seat, cx).map(Err),
        })
        .await?
    };
    match reply {
        Reply::Response(response) => answer(seat, response, asker, persist).await,
        Reply::Tunnel(head, then) => tunnel(seat, &head.into_parts().0, then).await,
        Reply::Abort(then) => Err(End::Abort(then)),
    }
}

/// What happens while an answer is awaited: interim answers go out, the client may go away, the owner may lose patience.
fn poll_client<IO, T>(seat: &Seat<IO>, cx: &mut Context<'_>) -> Poll<End<T>>
where
    IO: AsyncRead + AsyncWrite + Unpin + 'static,
{
    if seat.is_expired() {
        return Poll::Ready(End::Expired(Phase::Exchange));
    }
    let flushed = seat.link.borrow_mut().poll_flush(cx);
    if let Poll::Ready(Err(error)) = flushed {
        return Poll::Ready(End::Gone(Phase::Exchange, Some(error)));
    }
    match seat.watch(cx) {
        Look::Gone(error) => Poll::Ready(End::Gone(Phase::Exchange, error)),
        Look::There => {
            seat.pause(cx);
            Poll::Pending
        }
    }
}

/// Writes an answer and sees to what its request left unread.
async fn answer<IO, B, T>(
    seat: &Seat<IO>,
    response: Response<B>,
    asker: Asker,
    persist: bool,
) -> Result<(), End<T>>
where
    IO: AsyncRead + AsyncWrite + Unpin + 'static,
    B: Body<Data = Bytes> + Unpin,
{
    let (parts, body) = response.into_parts();
    let persist = seat.close_interim() && persist && !seat.is_retiring();
    let (writer, lives) = seat
        .link
        .borrow_mut()
        .outbox
        .write(|out| encode::response(out, &parts, body.size_hint(), asker, persist));
    super::recycle(parts.headers);
    let mut pump = Pump::new(body, writer);
    poll_fn(|cx| match pump.poll(&seat.link, cx) {
        Poll::Ready(Ok(())) => Poll::Ready(Ok(())),
        Poll::Ready(Err(Broken::Write(error))) => Poll::Ready(Err(End::Gone(Phase::Exchange, Some(error)))),
        Poll::Ready(Err(_)) => Poll::Ready(Err(End::Cut)),
        Poll::Pending => poll_client(seat, cx).map(Err),
    })
    .await?;
    // Dropped here, so that what it held of the request is known to be unread.
    drop(pump);
    if lives && discard(seat).await {
        return Ok(());
    }
    close(seat, false).await;
    Err(End::Closed)
}

/// Writes the head after which the connection is no longer HTTP.
async fn tunnel<IO, T>(seat: &Seat<IO>, head: &response::Parts, then: T) -> Result<(), End<T>>
where
    IO: AsyncRead + AsyncWrite + Unpin + 'static,
{
    if !seat.has_whole_request() {
        return Err(End::Abort(then));
    }
    seat.link
        .borrow_mut()
        .outbox
        .write(|out| encode::bare_response(out, head.status, &head.headers));
    let flushed = poll_fn(|cx| match seat.link.borrow_mut().poll_flush(cx) {
        Poll::Pending if seat.is_expired() => Poll::Ready(Err(None)),
        Poll::Pending => {
            seat.handle.attend(cx);
            Poll::Pending
        }
        Poll::Ready(flushed) => Poll::Ready(flushed.map_err(Some)),
    });
    match flushed.await {
        Ok(()) => Err(End::Tunnel(then, Bytes::new())),
        Err(None) => Err(End::Expired(Phase::Exchange)),
        Err(error) => Err(End::Gone(Phase::Exchange, error)),
    }
}
