//! How a client connection ends: so that the last answer arrives, and what is left unread does no harm.

use std::future::poll_fn;
use std::task::{Context, Poll};

use http_body::SizeHint;
use tokio::io::{AsyncRead, AsyncWrite};

use super::Flaw;
use super::encode::{self, Asker};
use super::handle::Phase;
use super::seat::Seat;
use super::serving::End;

/// Answers a flawed request; nothing after it can be understood.
pub(super) async fn refuse<IO, T>(seat: &Seat<IO>, flaw: Flaw) -> End<T>
where
    IO: AsyncRead + AsyncWrite + Unpin + 'static,
{
    write_refusal(seat, flaw);
    close(seat, true).await;
    End::Refused(flaw)
}

/// Tells a client that its head is late: one try, for there is no more time to wait for it.
pub(super) async fn expire<IO, T>(seat: &Seat<IO>) -> End<T>
where
    IO: AsyncRead + AsyncWrite + Unpin + 'static,
{
    write_refusal(seat, Flaw::Late);
    poll_fn(|cx| Poll::Ready(poll_bye(seat, cx).is_ready())).await;
    End::Expired(Phase::Head)
}

/// Throws away what is left of a request that nobody wants to read; says whether the connection can go on. A client that
/// does not send the rest has as long for it as one that does not close.
pub(super) async fn discard<IO>(seat: &Seat<IO>) -> bool
where
    IO: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let mut allowed = seat.how.unread;
    if seat.left() > allowed {
        return false;
    }
    poll_fn(|cx| {
        while !seat.has_whole_request() {
            let size = match seat.poll_unread(cx) {
                Poll::Ready(Some(Ok(frame))) => frame.data_ref().map_or(0, |piece| piece.len() as u64),
                Poll::Ready(Some(Err(_))) => return Poll::Ready(false),
                Poll::Ready(None) => break,
                Poll::Pending => {
                    seat.handle.enter(Phase::Closing);
                    return wait(seat, cx, false);
                }
            };
            match allowed.checked_sub(size) {
                Some(left) => allowed = left,
                None => return Poll::Ready(false),
            }
        }
        Poll::Ready(true)
    })
    .await
}

/// Says goodbye after the last answer. A client that may still be sending is heard out for a while: closing on it would reset the
/// connection, and the reset may overtake the answer (RFC 9112 section 9.6).
pub(super) async fn close<IO>(seat: &Seat<IO>, linger: bool)
where
    IO: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let linger = linger || !seat.has_whole_request() || !seat.link.borrow().inbox.is_empty();
    seat.handle.enter(Phase::Closing);
    let gone = poll_fn(|cx| match poll_bye(seat, cx) {
        Poll::Ready(gone) => Poll::Ready(gone),
        Poll::Pending => wait(seat, cx, true),
    });
    if !gone.await && linger {
        let mut allowed = seat.how.unread;
        poll_fn(|cx| poll_linger(seat, &mut allowed, cx)).await;
    }
}

/// Writes what waits and closes the sending side; says whether the client is gone.
fn poll_bye<IO>(seat: &Seat<IO>, cx: &mut Context<'_>) -> Poll<bool>
where
    IO: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let mut link = seat.link.borrow_mut();
    match link.poll_flush(cx) {
        Poll::Ready(Ok(())) => link.poll_shutdown(cx).map(|shut| shut.is_err()),
        Poll::Ready(Err(_)) => Poll::Ready(true),
        Poll::Pending => Poll::Pending,
    }
}

fn poll_linger<IO>(seat: &Seat<IO>, allowed: &mut u64, cx: &mut Context<'_>) -> Poll<()>
where
    IO: AsyncRead + AsyncWrite + Unpin + 'static,
{
    loop {
        let mut link = seat.link.borrow_mut();
        let rest = link.inbox.len();
        link.inbox.skip(rest);
        match link.poll_fill(cx, 0) {
            Poll::Ready(Ok(n @ 1..)) if n as u64 <= *allowed => *allowed -= n as u64,
            Poll::Ready(_) => return Poll::Ready(()),
            Poll::Pending => {
                drop(link);
                return wait(seat, cx, ());
            }
        }
    }
}

/// Waits, unless the owner's time limit has struck: then it is `late`.
fn wait<IO, R>(seat: &Seat<IO>, cx: &Context<'_>, late: R) -> Poll<R>
where
    IO: AsyncRead + AsyncWrite + Unpin + 'static,
{
    if seat.is_expired() {
        return Poll::Ready(late);
    }
    seat.pause(cx);
    Poll::Pending
}

fn write_refusal<IO>(seat: &Seat<IO>, flaw: Flaw)
where
    IO: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let (parts, body) = (seat.how.refuse)(flaw).into_parts();
    let asker = Asker {
        head: false,
        old: false,
        trailers: false,
    };
    let outbox = &mut seat.link.borrow_mut().outbox;
    outbox.write(|out| {
        encode::response(out, &parts, SizeHint::with_exact(body.len() as u64), asker, false);
    });
    outbox.push(body);
}
