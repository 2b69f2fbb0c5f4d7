//! A body written to a link: polled only while there is room, written together with what waits.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame};
use tokio::io::{AsyncRead, AsyncWrite};

use super::encode::{self, Writer};
use super::link::Link;
use super::outbox::Outbox;

/// Bytes after which a pump lets the others run. Measured: without it one download of many holds the thread for 8 MiB.
const FAIR: usize = 256 * 1024;

/// Why a body did not go out whole.
#[derive(Debug)]
pub(super) enum Broken<E> {
    /// The link failed.
    Write(io::Error),
    /// The body failed; what came before is out.
    Body(E),
    /// The body is shorter than announced; what came is out.
    Length,
}

/// A body on its way out.
pub(super) struct Pump<B: Body> {
    /// Gone when all of it is in the outbox.
    body: Option<B>,
    writer: Writer,
    touched: bool,
    failed: Option<Broken<B::Error>>,
}

impl<B: Body<Data = Bytes> + Unpin> Pump<B> {
    /// The head is in the outbox already.
    pub(super) fn new(body: B, writer: Writer) -> Self {
        let body = (writer != Writer::Nothing).then_some(body);
        Self {
            body,
            writer,
            touched: false,
            failed: None,
        }
    }

    /// The body, if none of it was asked for.
    pub(super) fn untouched(self) -> Option<B> {
        self.body.filter(|_| !self.touched)
    }

    /// Whether there is nothing to send.
    pub(super) fn is_empty(&self) -> bool {
        self.body.is_none()
    }

    /// Sends until all is written, or the body or the link has to be waited for.
    pub(super) fn poll<IO>(
        &mut self,
        link: &RefCell<Link<IO>>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Broken<B::Error>>>
    where
        IO: AsyncRead + AsyncWrite + Unpin,
    {
        let mut moved = 0;
        loop {
            let asked = self.fill(link, cx, &mut moved);
            ready!(link.borrow_mut().poll_flush(cx)).map_err(Broken::Write)?;
            if self.body.is_none() {
                return Poll::Ready(self.failed.take().map_or(Ok(()), Err));
            }
            ready!(asked);
            if moved >= FAIR {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
        }
    }

    /// Fills the outbox. Nothing is borrowed while the body is polled: it may be read from the same connection.
    fn fill<IO>(&mut self, link: &RefCell<Link<IO>>, cx: &mut Context<'_>, moved: &mut usize) -> Poll<()> {
        while let Some(body) = &mut self.body {
            if link.borrow().outbox.is_full() {
                break;
            }
            if !body.is_end_stream() {
                self.touched = true;
                let frame = ready!(Pin::new(&mut *body).poll_frame(cx));
                let out = &mut link.borrow_mut().outbox;
                let more = match frame {
                    Some(Ok(frame)) => self.writer.frame(frame, out, moved),
                    Some(Err(error)) => {
                        self.failed = Some(Broken::Body(error));
                        self.body = None;
                        break;
                    }
                    None => false,
                };
                if more {
                    continue;
                }
            }
            self.end(&mut link.borrow_mut().outbox);
        }
        Poll::Ready(())
    }

    fn end(&mut self, out: &mut Outbox) {
        self.body = None;
        match self.writer {
            Writer::Length(1..) => self.failed = Some(Broken::Length),
            Writer::Chunked { .. } => out.write(|out| out.extend_from_slice(b"0\r\n\r\n")),
            _ => {}
        }
        self.writer = Writer::Nothing;
    }
}

impl Writer {
    /// Writes a frame; says whether more may follow.
    fn frame(&mut self, frame: Frame<Bytes>, out: &mut Outbox, moved: &mut usize) -> bool {
        match frame.into_data() {
            Ok(piece) => {
                *moved += piece.len();
                self.data(piece, out)
            }
            Err(frame) => frame
                .into_trailers()
                .map_or(true, |trailers| self.trailers(&trailers, out)),
        }
    }

    fn data(&mut self, mut piece: Bytes, out: &mut Outbox) -> bool {
        match self {
            _ if piece.is_empty() => return true,
            Self::Nothing => return false,
            Self::Close => out.push(piece),
            Self::Length(left) => {
                // What is beyond the length announced would be read as the next message.
                piece.truncate(usize::try_from(*left).unwrap_or(usize::MAX));
                *left -= piece.len() as u64;
                out.push(piece);
                return *left > 0;
            }
            Self::Chunked { .. } => {
                out.write(|out| encode::chunk_size(piece.len(), out));
                out.push(piece);
                out.write(|out| out.extend_from_slice(b"\r\n"));
            }
        }
        true
    }

    fn trailers(&mut self, trailers: &HeaderMap, out: &mut Outbox) -> bool {
        if *self == (Self::Chunked { trailers: true }) {
            out.write(|out| {
                out.extend_from_slice(b"0\r\n");
                encode::trailers(trailers, out);
            });
            *self = Self::Nothing;
        }
        false
    }
}

#[cfg(test)]
#[path = "tests/pump.rs"]
mod tests;
