//! A body read from a link.

use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite};

use super::chunked::{Chunked, Step};
use super::facts::Framing;
use super::inbox::Inbox;
use super::link::Link;
use super::{Error, Flaw, Limits};

/// Where in a body the reader stands.
#[derive(Debug)]
pub(super) struct Reader {
    state: State,
    limits: Limits,
    /// Bytes that the body may still have.
    allowed: u64,
}

#[derive(Debug)]
enum State {
    Length(u64),
    Chunked(Chunked),
    Close,
    Done,
    /// Not to be read on: nobody knows where the next message starts.
    Failed,
}

impl Reader {
    pub(super) fn new(framing: Framing, limits: &Limits) -> Self {
        let state = match framing {
            Framing::None => State::Done,
            Framing::Length(length) => State::Length(length),
            Framing::Chunked => State::Chunked(Chunked::new()),
            Framing::Close => State::Close,
        };
        Self {
            state,
            limits: *limits,
            allowed: limits.body,
        }
    }

    /// Whether all of the body was read.
    pub(super) fn is_done(&self) -> bool {
        match &self.state {
            State::Done => true,
            State::Chunked(chunked) => chunked.is_done(),
            _ => false,
        }
    }

    pub(super) fn has_failed(&self) -> bool {
        matches!(self.state, State::Failed)
    }

    /// Bytes that are known to come.
    pub(super) fn left(&self) -> u64 {
        match &self.state {
            State::Length(left) => *left,
            State::Chunked(chunked) => chunked.left(),
            _ => 0,
        }
    }

    pub(super) fn size_hint(&self) -> SizeHint {
        match &self.state {
            State::Length(left) => SizeHint::with_exact(*left),
            _ if self.is_done() => SizeHint::with_exact(0),
            _ => SizeHint::new(),
        }
    }

    /// The next step that the inbox can give.
    pub(super) fn next(&mut self, inbox: &mut Inbox) -> Result<Step, Flaw> {
        let step = match &mut self.state {
            State::Chunked(chunked) => chunked.next(inbox, &self.limits)?,
            State::Done | State::Failed => Step::End,
            _ if inbox.is_empty() => Step::More,
            State::Close => Step::Data(inbox.take(inbox.len())),
            State::Length(left) => {
                let n = inbox.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                *left -= n as u64;
                if *left == 0 {
                    self.state = State::Done;
                }
                Step::Data(inbox.take(n))
            }
        };
        if let Step::Data(piece) = &step {
            self.allowed = self
                .allowed
                .checked_sub(piece.len() as u64)
                .ok_or(Flaw::BodyTooLarge)?;
        }
        Ok(step)
    }

    /// The next piece, read from the link if need be.
    pub(super) fn poll<IO>(
        &mut self,
        link: &mut Link<IO>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>>
    where
        IO: AsyncRead + AsyncWrite + Unpin,
    {
        let polled = ready!(self.poll_step(link, cx));
        Poll::Ready(match polled {
            Ok(Step::Data(piece)) => Some(Ok(Frame::data(piece))),
            Ok(Step::Trailers(trailers)) => Some(Ok(Frame::trailers(trailers))),
            Ok(Step::End | Step::More) => None,
            Err(error) => {
                self.state = State::Failed;
                Some(Err(error))
            }
        })
    }

    fn poll_step<IO>(&mut self, link: &mut Link<IO>, cx: &mut Context<'_>) -> Poll<Result<Step, Error>>
    where
        IO: AsyncRead + AsyncWrite + Unpin,
    {
        loop {
            match self.next(&mut link.inbox)? {
                Step::More => {}
                step => return Poll::Ready(Ok(step)),
            }
            if ready!(link.poll_fill(cx, self.left()))? > 0 {
                continue;
            }
            if matches!(self.state, State::Close) {
                self.state = State::Done;
                return Poll::Ready(Ok(Step::End));
            }
            return Poll::Ready(Err(Error::Eof));
        }
    }
}
