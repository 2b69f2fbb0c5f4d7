//! An answer's body on its way to the client: limited in time, and told to the record of its exchange.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, SizeHint};

use super::{
    body::{BodyError, Polled, Source},
    deadline::Deadline,
    idle::Idle,
};

/// An answer's body on its way to the client. What `record` holds is recorded when it is dropped: an exchange is over when
/// its answer is.
pub struct Download<R> {
    source: Source,
    idle: Option<Idle>,
    whole: Option<Deadline>,
    record: R,
}

/// What an answer's body tells the record of its exchange.
pub trait Tally {
    /// So many bytes went to the client.
    fn sent(&mut self, bytes: usize);
    /// Whether the truth has changed since it was last asked.
    fn is_behind(&self) -> bool;
    /// Puts the faults that have come around what has yet to come of the body.
    fn catch_up(&mut self, source: &mut Source);
    /// The body broke off.
    fn broke(&mut self, error: &BodyError);
    /// The body came to its end.
    fn ended(&mut self);
}

impl<R: Tally> Download<R> {
    /// Passes a body on, which may stand still for so long, and must have ended by the `whole` request's limit.
    pub fn new(source: Source, idle: Option<Idle>, whole: Option<Deadline>, mut record: R) -> Self {
        if source.is_end_stream() {
            record.ended();
        }
        Self {
            source,
            idle,
            whole,
            record,
        }
    }

    /// Whether one of its limits was reached while nothing came.
    fn poll_limits(&mut self, cx: &mut Context<'_>) -> Polled {
        if let Some(whole) = &self.whole
            && whole.poll_expired(cx).is_ready()
        {
            return Poll::Ready(Some(Err(BodyError::TooSlow)));
        }
        let Some(idle) = &mut self.idle else {
            return Poll::Pending;
        };
        idle.poll(cx).map(|expired| Some(Err(expired)))
    }
}

impl<R: Tally + Unpin> Body for Download<R> {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Polled {
        let this = self.get_mut();
        if this.record.is_behind() {
            this.record.catch_up(&mut this.source);
        }
        let mut polled = Pin::new(&mut this.source).poll_frame(cx);
        if polled.is_pending() {
            polled = this.poll_limits(cx);
        }
        match &polled {
            Poll::Ready(Some(Ok(frame))) => {
                if let Some(idle) = &mut this.idle {
                    idle.moved();
                }
                this.record.sent(frame.data_ref().map_or(0, Bytes::len));
                if this.source.is_end_stream() {
                    this.record.ended();
                }
            }
            Poll::Ready(Some(Err(error))) => this.record.broke(error),
            Poll::Ready(None) => this.record.ended(),
            Poll::Pending => {}
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.source.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.source.size_hint()
    }
}
