//! Bodies on their way through: one enum of kinds, so that the common ones cost no box and no dynamic call.

use std::{
    cell::RefCell,
    error::Error,
    future::Future as _,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
    time::Duration,
};

use super::{error::Reason, flow::Shaping};
use crate::{
    faults::{Chain, Cut, Leg, Piece},
    wire::http1,
};
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::time::{Sleep, sleep};

/// Why a body ended before its end.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// The connection it came from failed.
    #[error("{0}")]
    Source(Box<dyn Error + Send + Sync>),
    /// It stood still for too long.
    #[error("no byte of the body within {}", crate::units::Span(*.0))]
    Idle(Duration),
    /// The whole request took longer than its route allows.
    #[error("the request took longer than its route allows")]
    TooSlow,
    /// It is larger than its limit.
    #[error("the body is larger than {0} bytes")]
    TooLarge(u64),
    /// A fault cut it.
    #[error("cut by a fault")]
    Cut(Leg),
}

impl BodyError {
    /// What the error says of a client whose body it ended; nothing where it was ended on the way to the backend.
    pub fn blame(&self) -> Option<Reason> {
        let flaw = match self {
            Self::Cut(Leg::Upstream) => return None,
            Self::Cut(Leg::Client) => return Some(Reason::Injected),
            Self::Source(error) => error.downcast_ref::<http1::Error>(),
            _ => None,
        };
        Some(match flaw {
            Some(http1::Error::Garbage(flaw)) => Reason::of_flaw(*flaw),
            _ => Reason::ClientGone,
        })
    }
}

/// What polling a body gives.
pub type Polled = Poll<Option<Result<Frame<Bytes>, BodyError>>>;

/// Where a body comes from.
#[derive(Default)]
pub enum Source {
    /// There is none.
    #[default]
    Empty,
    /// It is here whole.
    Whole(Bytes),
    /// It is read from an HTTP/1.1 connection.
    H1(http1::Incoming),
    /// It is read from an HTTP/2 stream.
    H2(hyper::body::Incoming),
    /// It is kept while it passes, so that it can be sent again.
    Kept(Rc<RefCell<Kept>>, usize),
    /// Faults shape it.
    Shaped(Box<ShapedBody>),
}

impl Source {
    /// Puts a chain of faults around it.
    pub fn shaped(self, cover: Cover) -> Self {
        Self::Shaped(Box::new(ShapedBody {
            source: self,
            ended: false,
            shaping: Shaping::new(cover.chain),
            leg: cover.leg,
            on_cut: cover.on_cut,
            linger: cover.linger,
            in_order: cover.in_order,
            broken: None,
            cut: None,
        }))
    }

    /// The same while it is under way. Where a chain of the same leg stands already it grows, so that faults that come and go
    /// for as long as a body lasts leave no layer each.
    pub fn cover(&mut self, cover: Cover) {
        if self.is_end_stream() {
            return;
        }
        match self.layer(cover.leg) {
            Some(shaped) => shaped.shaping.follow(cover.chain),
            None => *self = std::mem::take(self).shaped(cover),
        }
    }

    fn layer(&mut self, leg: Leg) -> Option<&mut ShapedBody> {
        match self {
            Self::Shaped(shaped) => match shaped.leg == leg {
                true => Some(shaped),
                false => shaped.source.layer(leg),
            },
            _ => None,
        }
    }

    /// Whether some of it is not here yet.
    pub fn is_to_come(&self) -> bool {
        match self {
            Self::Empty | Self::Whole(_) => false,
            Self::H1(body) => !body.is_here(),
            Self::H2(body) => !body.is_end_stream(),
            Self::Kept(..) | Self::Shaped(_) => true,
        }
    }

    /// Its length, where that is known and stays true.
    pub fn exact_len(&self) -> Option<u64> {
        self.size_hint().exact()
    }
}

impl Body for Source {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Polled {
        match self.get_mut() {
            Self::Empty => Poll::Ready(None),
            Self::Whole(bytes) => {
                let bytes = std::mem::take(bytes);
                Poll::Ready((!bytes.is_empty()).then(|| Ok(Frame::data(bytes))))
            }
            Self::H1(body) => Pin::new(body)
                .poll_frame(cx)
                .map_err(|e| BodyError::Source(Box::new(e))),
            Self::H2(body) => Pin::new(body)
                .poll_frame(cx)
                .map_err(|e| BodyError::Source(Box::new(e))),
            Self::Kept(kept, read) => kept.borrow_mut().poll_from(read, cx),
            Self::Shaped(shaped) => shaped.poll(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Whole(bytes) => bytes.is_empty(),
            Self::H1(body) => body.is_end_stream(),
            Self::H2(body) => body.is_end_stream(),
            Self::Kept(kept, read) => kept.borrow().is_over(*read),
            Self::Shaped(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Self::H1(body) => body.size_hint(),
            Self::H2(body) => body.size_hint(),
            Self::Kept(kept, read) => kept.borrow().size_hint(*read),
            // A fault may add or lose bytes: the length that was announced no longer holds.
            Self::Shaped(_) => SizeHint::default(),
        }
    }
}

/// A request body that is kept while it is sent, up to a limit, so that another backend can be sent it again.
pub struct Kept {
    source: Source,
    pieces: Vec<Frame<Bytes>>,
    room: u64,
    length: SizeHint,
    ended: bool,
    lost: bool,
}

impl Kept {
    /// Keeps up to `room` bytes.
    pub fn new(source: Source, room: u64) -> Rc<RefCell<Self>> {
        let length = source.size_hint();
        Rc::new(RefCell::new(Self {
            source,
            pieces: Vec::new(),
            room,
            length,
            ended: false,
            lost: false,
        }))
    }

    /// Whether what has passed can be sent again from its beginning.
    pub fn can_repeat(&self) -> bool {
        !self.lost
    }

    fn poll_from(&mut self, read: &mut usize, cx: &mut Context<'_>) -> Polled {
        if let Some(piece) = self.pieces.get(*read) {
            *read += 1;
            return Poll::Ready(Some(Ok(copy(piece))));
        }
        if self.ended {
            return Poll::Ready(None);
        }
        match ready!(Pin::new(&mut self.source).poll_frame(cx)) {
            Some(Ok(frame)) => {
                self.keep(&frame);
                *read = self.pieces.len();
                Poll::Ready(Some(Ok(frame)))
            }
            other => {
                self.ended = other.is_none();
                // A body that broke off cannot be sent again either.
                self.lost |= other.is_some();
                Poll::Ready(other)
            }
        }
    }

    fn keep(&mut self, frame: &Frame<Bytes>) {
        let size = frame.data_ref().map_or(0, |data| data.len() as u64);
        if self.lost || size > self.room {
            self.lost = true;
            self.pieces = Vec::new();
        } else {
            self.room -= size;
            self.pieces.push(copy(frame));
        }
    }

    fn is_over(&self, read: usize) -> bool {
        read >= self.pieces.len() && (self.ended || self.source.is_end_stream())
    }

    fn size_hint(&self, read: usize) -> SizeHint {
        if read == 0 {
            self.length
        } else {
            SizeHint::default()
        }
    }
}

fn copy(frame: &Frame<Bytes>) -> Frame<Bytes> {
    match (frame.data_ref(), frame.trailers_ref()) {
        (Some(data), _) => Frame::data(data.clone()),
        (None, Some(trailers)) => Frame::trailers(trailers.clone()),
        (None, None) => Frame::data(Bytes::new()),
    }
}

/// A chain of faults of one leg, and what its cuts do.
pub struct Cover {
    /// The faults.
    pub chain: Chain,
    /// Where they stand.
    pub leg: Leg,
    /// Called when one of them ends the exchange.
    pub on_cut: Box<dyn Fn(Cut)>,
    /// What has passed has so long to get out before the body breaks off, where nobody says that it is out.
    pub linger: Duration,
    /// Where it comes from may break: that comes after what the faults hold, or at once.
    pub in_order: bool,
}

/// A body under a chain of faults.
pub struct ShapedBody {
    source: Source,
    ended: bool,
    shaping: Shaping,
    leg: Leg,
    on_cut: Box<dyn Fn(Cut)>,
    linger: Duration,
    in_order: bool,
    /// Where it came from has failed.
    broken: Option<BodyError>,
    /// It breaks off then.
    cut: Option<Pin<Box<Sleep>>>,
}

impl ShapedBody {
    fn poll(&mut self, cx: &mut Context<'_>) -> Polled {
        loop {
            if let Some(cut) = &mut self.cut {
                ready!(cut.as_mut().poll(cx));
                return Poll::Ready(Some(Err(BodyError::Cut(self.leg))));
            }
            if let Poll::Ready(piece) = self.shaping.poll_next(cx) {
                return Poll::Ready(match piece {
                    Piece::Data(bytes) => Some(Ok(Frame::data(bytes))),
                    Piece::Trailers(trailers) => Some(Ok(Frame::trailers(trailers))),
                    Piece::End => None,
                    Piece::Broken => Some(Err(self.broken.take().unwrap_or(BodyError::Cut(self.leg)))),
                    Piece::Cut(cut) => {
                        (self.on_cut)(cut);
                        if !self.linger.is_zero() {
                            self.cut = Some(Box::pin(sleep(self.linger)));
                            continue;
                        }
                        Some(Err(BodyError::Cut(self.leg)))
                    }
                });
            }
            if self.ended || !self.shaping.wants_more() {
                return Poll::Pending;
            }
            match ready!(Pin::new(&mut self.source).poll_frame(cx)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => self.shaping.push(Piece::Data(data)),
                    Err(frame) => {
                        if let Ok(trailers) = frame.into_trailers() {
                            self.shaping.push(Piece::Trailers(trailers));
                        }
                    }
                },
                Some(Err(error @ BodyError::Source(_))) if self.in_order => {
                    (self.ended, self.broken) = (true, Some(error));
                    self.shaping.push(Piece::Broken);
                }
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => {
                    self.ended = true;
                    self.shaping.push(Piece::End);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    #[tokio::test]
    async fn a_kept_body_can_be_sent_again_from_its_beginning() {
        let kept = Kept::new(Source::Whole(Bytes::from_static(b"hello")), 16);
        for _ in 0..2 {
            let body = Source::Kept(kept.clone(), 0);
            assert_eq!(body.exact_len(), Some(5));
            assert_eq!(body.collect().await.unwrap().to_bytes(), "hello");
        }
        assert!(kept.borrow().can_repeat());
    }

    #[tokio::test]
    async fn a_body_larger_than_its_room_passes_but_is_not_kept() {
        let kept = Kept::new(Source::Whole(Bytes::from_static(b"hello")), 4);
        assert_eq!(
            Source::Kept(kept.clone(), 0).collect().await.unwrap().to_bytes(),
            "hello"
        );
        assert!(!kept.borrow().can_repeat());
    }
}
