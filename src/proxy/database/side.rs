//! One direction of a session: what is read of it, and what goes on, through the faults that shape its bytes.

use std::{
    future::poll_fn,
    io,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use tokio::io::AsyncWriteExt;

use super::input::{self, Input};
use crate::{
    faults::{Chain, Cut, Piece},
    net::{Reader, Writer},
    proxy::{
        bell::Waiting,
        flow::{Failed, Shaping},
    },
};

/// One direction of a session.
pub(super) struct Side {
    reader: Reader,
    writer: Writer,
    shaping: Option<Shaping>,
    /// What shapes the answer that is passing, before whatever shapes the session.
    answer: Option<Shaping>,
    changes: Waiting,
    /// Rings when the client was told the end.
    told: Option<Waiting>,
    ended: bool,
    /// Its peer's connection has failed.
    is_broken: bool,
    /// By this, of which its faults have yet to hear.
    broken: Option<io::Error>,
}

/// What happened on a side.
#[derive(Debug)]
pub(super) enum Event {
    /// More bytes were read.
    Bytes,
    /// The peer has finished.
    End,
    /// The truth has changed.
    Change,
    /// The client was told the end.
    Told,
    /// A fault of bytes ends the connection.
    Cut(Cut),
    /// The end was passed on.
    Finished,
}

impl Side {
    pub(super) const fn new(reader: Reader, writer: Writer, changes: Waiting, told: Option<Waiting>) -> Self {
        Self {
            reader,
            writer,
            shaping: None,
            answer: None,
            changes,
            told,
            ended: false,
            is_broken: false,
            broken: None,
        }
    }

    /// Which of its connections it is that an error comes from.
    pub(super) fn failed(&self, error: io::Error) -> Failed {
        if self.is_broken && self.broken.is_none() {
            Failed::Read(error)
        } else {
            Failed::Write(error)
        }
    }

    /// What it is read from.
    pub(super) const fn reader(&mut self) -> &mut Reader {
        &mut self.reader
    }

    /// Its peer's connection has failed. What had come by then goes on first, where faults hold it.
    fn break_off(&mut self, error: io::Error) -> io::Result<()> {
        (self.ended, self.is_broken) = (true, true);
        match self.answer.as_mut().or(self.shaping.as_mut()) {
            Some(shaping) => {
                self.broken = Some(error);
                shaping.push(Piece::Broken);
                Ok(())
            }
            None => Err(error),
        }
    }

    /// Shapes what passes from now on by these faults too.
    pub(super) fn shape(&mut self, more: Option<Chain>) {
        match (&mut self.shaping, more) {
            (Some(shaping), Some(more)) => shaping.follow(more),
            (none, Some(more)) => *none = Some(Shaping::new(more)),
            (_, None) => {}
        }
    }

    /// Shapes the answer that begins now by these faults.
    pub(super) fn shape_answer(&mut self, more: Chain) {
        match &mut self.answer {
            Some(answer) => answer.extend(more),
            none => *none = Some(Shaping::new(more)),
        }
    }

    /// The answer has ended: what its faults still hold comes out before anything follows.
    pub(super) async fn finish_answer(&mut self) -> io::Result<Option<Event>> {
        while self.answer.as_ref().is_some_and(Shaping::holds) {
            let (answer, shaping) = (&mut self.answer, &mut self.shaping);
            let out = poll_fn(|cx| poll_out(answer, shaping, cx)).await;
            if let Some(event) = self.carry(out).await? {
                return Ok(Some(event));
            }
        }
        self.answer = None;
        Ok(None)
    }

    /// Passes on the front of what was read.
    pub(super) async fn pass(&mut self, input: &mut Input, n: usize) -> io::Result<()> {
        if n == 0 {
            return Ok(());
        }
        match self.answer.as_mut().or(self.shaping.as_mut()) {
            Some(shaping) => shaping.push(Piece::Data(input.take(n))),
            None => {
                self.writer.write_all(&input[..n]).await?;
                self.writer.flush().await?;
                input.advance(n);
            }
        }
        Ok(())
    }

    /// Says something of our own.
    pub(super) async fn say(&mut self, bytes: Bytes) -> io::Result<()> {
        match self.answer.as_mut().or(self.shaping.as_mut()) {
            _ if bytes.is_empty() => {}
            Some(shaping) => shaping.push(Piece::Data(bytes)),
            None => {
                self.writer.write_all(&bytes).await?;
                self.writer.flush().await?;
            }
        }
        Ok(())
    }

    /// Passes on the end of the direction. Where faults shape it, [`Event::Finished`] comes once it is out.
    pub(super) async fn end(&mut self) -> io::Result<bool> {
        match self.answer.as_mut().or(self.shaping.as_mut()) {
            Some(shaping) => {
                shaping.push(Piece::End);
                Ok(false)
            }
            None => self.writer.shutdown().await.map(|()| true),
        }
    }

    /// Carries on what has come out of a chain.
    async fn carry(&mut self, out: Out) -> io::Result<Option<Event>> {
        let piece = match (out, &mut self.shaping) {
            (Out::Answer(piece), Some(shaping)) => {
                shaping.push(piece);
                return Ok(None);
            }
            (Out::Answer(piece) | Out::Session(piece), _) => piece,
        };
        match piece {
            Piece::Data(bytes) => {
                self.writer.write_all(&bytes).await?;
                self.writer.flush().await?;
                Ok(None)
            }
            Piece::Trailers(_) => Ok(None),
            Piece::End => {
                self.writer.shutdown().await?;
                Ok(Some(Event::Finished))
            }
            Piece::Cut(cut) => Ok(Some(Event::Cut(cut))),
            Piece::Broken => Err(self
                .broken
                .take()
                .unwrap_or_else(|| io::ErrorKind::ConnectionReset.into())),
        }
    }

    /// Waits for what comes next; faults that have changed come before those that they replace let go. Cancel-safe.
    pub(super) async fn next(&mut self, input: &mut Input, has_news: &dyn Fn() -> bool) -> io::Result<Event> {
        loop {
            let done = |shaping: &Option<Shaping>| shaping.as_ref().is_some_and(Shaping::is_done);
            if !self.ended && done(&self.shaping) {
                self.shaping = None;
            }
            if !self.ended && done(&self.answer) {
                self.answer = None;
            }
            match poll_fn(|cx| self.poll_next(cx, input, has_news)).await? {
                Came::Out(out) => {
                    if let Some(event) = self.carry(out).await? {
                        return Ok(event);
                    }
                }
                Came::Event(event) => return Ok(event),
            }
        }
    }

    fn poll_next(
        &mut self,
        cx: &mut Context<'_>,
        input: &mut Input,
        has_news: &dyn Fn() -> bool,
    ) -> Poll<io::Result<Came>> {
        if self.shaping.is_some() && has_news() {
            return Poll::Ready(Ok(Came::Event(Event::Change)));
        }
        if let Poll::Ready(out) = poll_out(&mut self.answer, &mut self.shaping, cx) {
            return Poll::Ready(Ok(Came::Out(out)));
        }
        let came = |event| Poll::Ready(Ok(Came::Event(event)));
        if self
            .told
            .as_mut()
            .is_some_and(|told| told.poll_rung(cx).is_ready())
        {
            return came(Event::Told);
        }
        if self.changes.poll_rung(cx).is_ready() {
            return came(Event::Change);
        }
        let wants = |shaping: &Option<Shaping>| shaping.as_ref().is_none_or(Shaping::wants_more);
        if self.ended || !wants(&self.shaping) || !wants(&self.answer) {
            return Poll::Pending;
        }
        match ready!(input.poll_read(&mut self.reader, cx)) {
            Ok(n) => {
                self.ended = n == 0;
                came(if self.ended { Event::End } else { Event::Bytes })
            }
            Err(error) => {
                self.break_off(error)?;
                self.poll_next(cx, input, has_news)
            }
        }
    }

    /// Comes when the peer has gone.
    pub(super) async fn gone(&mut self, input: &mut Input) {
        input::gone(&mut self.reader, input).await;
    }

    /// Reads and drops what still comes, until the peer finishes.
    pub(super) async fn drain(&mut self) {
        input::drain(&mut self.reader).await;
    }
}

/// What a side has waited for.
enum Came {
    Out(Out),
    Event(Event),
}

/// What has come out of a chain.
enum Out {
    /// Of that of an answer.
    Answer(Piece),
    /// Of that of the session.
    Session(Piece),
}

fn poll_out(answer: &mut Option<Shaping>, shaping: &mut Option<Shaping>, cx: &mut Context<'_>) -> Poll<Out> {
    if let Some(answer) = answer
        && let Poll::Ready(piece) = answer.poll_next(cx)
    {
        return Poll::Ready(Out::Answer(piece));
    }
    match shaping {
        Some(shaping) => shaping.poll_next(cx).map(Out::Session),
        None => Poll::Pending,
    }
}
