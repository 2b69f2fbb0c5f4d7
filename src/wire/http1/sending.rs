//! A request on its way out and the head of its answer on its way in.

use std::io;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{HeaderMap, Method, Response, StatusCode, request};
use http_body::Body;
use tokio::io::{AsyncRead, AsyncWrite};

use super::answer::{Answer, SendError, Stage};
use super::encode;
use super::facts::Framing;
use super::fields::Scan;
use super::line::Line;
use super::pump::{Broken, Pump};
use super::response::{self, ResponseHead};
use super::{Error, Flaw, recycle};

/// Interim answers before the final one: more are a backend gone mad.
const INTERIMS: u32 = 64;

/// One request without its answer.
pub(super) struct Sending<IO, B: Body, I> {
    line: Box<Line<IO>>,
    pump: Pump<B>,
    interim: I,
    method: Method,
    upgrades: bool,
    /// Whether the body waits for the backend's 100.
    holds: bool,
    sent: bool,
    /// Why no more of the request can be written; an answer may have come all the same.
    broken: Option<io::Error>,
    scan: Scan,
    interims: u32,
    /// Bytes read and written before.
    before: (u64, u64),
}

impl<IO, B, I> Sending<IO, B, I>
where
    IO: AsyncRead + AsyncWrite + Unpin + 'static,
    B: Body<Data = Bytes> + Unpin + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    I: FnMut(StatusCode, &HeaderMap),
{
    pub(super) fn begin(mut line: Box<Line<IO>>, head: &request::Parts, body: B, interim: I) -> Self {
        line.uses += 1;
        let link = line.link.get_mut();
        let before = (link.read, link.written);
        let (writer, said) = link
            .outbox
            .write(|out| encode::request(out, head, body.size_hint()));
        line.lives = !said.close;
        let pump = Pump::new(body, writer);
        let holds = said.expect && !pump.is_empty();
        Self {
            line,
            pump,
            interim,
            method: head.method.clone(),
            upgrades: said.upgrade,
            holds,
            sent: false,
            broken: None,
            scan: Scan::default(),
            interims: 0,
            before,
        }
    }

    /// Whether the body waits for the backend's word.
    pub(super) fn holds(&self) -> bool {
        self.holds
    }

    /// Waits no longer.
    pub(super) fn go_on(&mut self) {
        self.holds = false;
    }

    /// Sends on and looks for the final head.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<ResponseHead, Error>> {
        loop {
            self.poll_request(cx)?;
            let head = ready!(self.poll_head(cx))?;
            if !head.status.is_informational() || head.status == StatusCode::SWITCHING_PROTOCOLS {
                return Poll::Ready(Ok(head));
            }
            self.interims += 1;
            if self.interims > INTERIMS {
                return Poll::Ready(Err(Flaw::Status.into()));
            }
            self.holds &= head.status != StatusCode::CONTINUE;
            (self.interim)(head.status, &head.headers);
            recycle(head.headers);
        }
    }

    fn poll_request(&mut self, cx: &mut Context<'_>) -> Result<(), Error> {
        if self.sent || self.broken.is_some() {
            return Ok(());
        }
        let polled = match self.holds {
            true => self
                .line
                .link
                .get_mut()
                .poll_flush(cx)
                .map_err(Broken::Write)
                .map_ok(|()| false),
            false => self.pump.poll(&self.line.link, cx).map_ok(|()| true),
        };
        match polled {
            Poll::Pending => {}
            Poll::Ready(Ok(sent)) => self.sent = sent,
            Poll::Ready(Err(Broken::Write(error))) => self.broken = Some(error),
            Poll::Ready(Err(Broken::Body(error))) => return Err(Error::Body(error.into())),
            Poll::Ready(Err(Broken::Length)) => return Err(Error::Length),
        }
        Ok(())
    }

    fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<Result<ResponseHead, Error>> {
        let link = self.line.link.get_mut();
        loop {
            if let Some(head) = response::read(&mut link.inbox, &mut self.scan, &self.line.how.limits)? {
                return Poll::Ready(Ok(head));
            }
            match ready!(link.poll_fill(cx, 0)) {
                Ok(1..) => {}
                Ok(0) => return Poll::Ready(Err(self.broken.take().map_or(Error::Eof, Error::Io))),
                Err(error) => return Poll::Ready(Err(self.broken.take().unwrap_or(error).into())),
            }
        }
    }

    /// Makes an answer of the head that came, or says how far the request got.
    pub(super) fn end(self, answered: Result<ResponseHead, Error>) -> Result<Answer<IO>, SendError<B>> {
        match answered.and_then(|head| self.check(&head).map(|framing| (head, framing))) {
            Ok((head, framing)) => Ok(self.answer(head, framing)),
            Err(cause) => Err(SendError {
                stage: self.stage(),
                cause,
                body: self.pump.untouched(),
            }),
        }
    }

    /// How the answer's body ends; `None` when the connection is no longer HTTP.
    fn check(&self, head: &ResponseHead) -> Result<Option<Framing>, Error> {
        let framing = head.framing(&self.method, &self.line.how.limits)?;
        match head.status {
            StatusCode::SWITCHING_PROTOCOLS if self.upgrades && self.sent => Ok(None),
            StatusCode::SWITCHING_PROTOCOLS => Err(Flaw::Status.into()),
            status if self.method == Method::CONNECT && status.is_success() => Ok(None),
            _ => Ok(Some(framing)),
        }
    }

    fn answer(mut self, head: ResponseHead, framing: Option<Framing>) -> Answer<IO> {
        self.line.lives &= head.facts.persists(head.is_old()) && self.broken.is_none();
        let mut response = Response::new(());
        *response.status_mut() = head.status;
        *response.version_mut() = head.version;
        *response.headers_mut() = head.headers;
        let taken = framing
            .is_none()
            .then(|| self.line.link.get_mut().take_io())
            .flatten();
        if let Some((io, rest)) = taken {
            return Answer::Tunnel(response, io, rest);
        }
        let upload = (!self.sent && self.broken.is_none()).then_some(self.pump);
        let framing = framing.unwrap_or(Framing::None);
        let body = self.line.body(framing, upload);
        Answer::Response(response.map(|()| body))
    }

    fn stage(&self) -> Stage {
        let link = self.line.link.borrow();
        if link.read > self.before.0 {
            return Stage::Answering;
        }
        if link.written > self.before.1 {
            Stage::Unanswered
        } else {
            Stage::Unsent
        }
    }
}
