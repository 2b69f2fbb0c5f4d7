//! A request's body on its way to a backend: counted, limited in size and in standing still.

use std::{
    cell::{Cell, RefCell},
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use http_body::{Body, SizeHint};

use super::{
    body::{BodyError, Cover, Polled, Source},
    error::Reason,
    idle::Idle,
};

/// A request's body on its way to a backend: counted, limited in size and in standing still.
#[derive(Default)]
pub struct Upload {
    source: Source,
    guard: Option<Box<Guard>>,
}

/// What watches over a request body that has yet to come.
pub struct Guard {
    progress: Rc<Progress>,
    limit: u64,
    idle: Option<Idle>,
}

/// How far a request body has come, and what went wrong with it; shared with the record of the exchange.
#[derive(Default)]
pub struct Progress {
    /// Bytes so far.
    pub bytes: Cell<u64>,
    /// Why it broke off, when that was the client's doing.
    pub blame: Cell<Option<Reason>>,
    /// Whether a fault broke it off.
    pub cut: Cell<bool>,
    /// Faults that came while it was under way.
    fresh: RefCell<Vec<Cover>>,
    waiting: RefCell<Option<Waker>>,
}

impl Progress {
    /// Puts a chain of faults around what has yet to come.
    pub fn cover(&self, cover: Cover) {
        self.fresh.borrow_mut().push(cover);
        if let Some(waiting) = self.waiting.take() {
            waiting.wake();
        }
    }

    fn wait(&self, cx: &Context<'_>) {
        match &mut *self.waiting.borrow_mut() {
            Some(waker) => waker.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
    }
}

impl Guard {
    /// Watches a body, which may have so many bytes and stand still for so long.
    pub fn new(progress: Rc<Progress>, limit: u64, idle: Option<Idle>) -> Self {
        Self {
            progress,
            limit,
            idle,
        }
    }

    fn check(&mut self, polled: Polled, cx: &mut Context<'_>) -> Polled {
        let progress = &self.progress;
        match polled {
            Poll::Ready(Some(Ok(frame))) => {
                if let Some(idle) = &mut self.idle {
                    idle.moved();
                }
                progress
                    .bytes
                    .set(progress.bytes.get() + frame.data_ref().map_or(0, |data| data.len() as u64));
                if progress.bytes.get() > self.limit {
                    progress.blame.set(Some(Reason::BodyTooLarge));
                    return Poll::Ready(Some(Err(BodyError::TooLarge(self.limit))));
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => {
                progress.blame.set(error.blame());
                progress.cut.set(matches!(error, BodyError::Cut(_)));
                Poll::Ready(Some(Err(error)))
            }
            Poll::Ready(None) => Poll::Ready(None),
            Poll::Pending => {
                progress.wait(cx);
                let Some(idle) = &mut self.idle else {
                    return Poll::Pending;
                };
                idle.poll(cx).map(|expired| {
                    progress.blame.set(Some(Reason::ClientTimeout));
                    Some(Err(expired))
                })
            }
        }
    }
}

impl Upload {
    /// A body that is there, or none: nothing to watch.
    pub fn unguarded(source: Source) -> Self {
        Self { source, guard: None }
    }

    /// What it was made of, where none of it was read.
    pub fn into_source(self) -> Source {
        self.source
    }

    /// A body that has yet to come.
    pub fn guarded(source: Source, guard: Guard) -> Self {
        Self {
            source,
            guard: Some(Box::new(guard)),
        }
    }
}

impl Body for Upload {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Polled {
        let this = self.get_mut();
        if let Some(guard) = &this.guard {
            let fresh = &guard.progress.fresh;
            if !fresh.borrow().is_empty() {
                fresh
                    .take()
                    .into_iter()
                    .for_each(|cover| this.source.cover(cover));
            }
        }
        let polled = Pin::new(&mut this.source).poll_frame(cx);
        match &mut this.guard {
            Some(guard) => guard.check(polled, cx),
            None => polled,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.source.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.source.size_hint()
    }
}
