//! One direction of a session: what is read of it, and what goes on, through the faults that shape its bytes.

use std::{
    future::{Future, poll_fn},
    io,
    sync::Arc,
};

use bytes::{Buf, Bytes, BytesMut};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::watch,
};

use crate::{
    faults::{Chain, Cut, Piece},
    net::{Reader, Writer},
    proxy::flow::Shaping,
    snapshot::Snapshot,
};

/// How much is read at once. Large enough for many rows, and held only while bytes are there.
const READ_SIZE: usize = 32 * 1024;

/// One direction of a session.
pub(super) struct Side {
    reader: Reader,
    writer: Writer,
    shaping: Option<Shaping>,
    truth: watch::Receiver<Arc<Snapshot>>,
    ended: bool,
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
    /// What the caller waits for has come.
    Told,
    /// A fault of bytes ends the connection.
    Cut(Cut),
    /// The end was passed on.
    Finished,
}

impl Side {
    pub(super) const fn new(reader: Reader, writer: Writer, truth: watch::Receiver<Arc<Snapshot>>) -> Self {
        Self {
            reader,
            writer,
            shaping: None,
            truth,
            ended: false,
        }
    }

    /// Shapes what passes from now on by these faults too.
    pub(super) fn shape(&mut self, more: Option<Chain>) {
        match (&mut self.shaping, more) {
            (Some(shaping), Some(more)) => shaping.extend(more),
            (none, Some(more)) => *none = Some(Shaping::new(more)),
            (_, None) => {}
        }
    }

    /// Passes on the front of what was read.
    pub(super) async fn pass(&mut self, input: &mut BytesMut, n: usize) -> io::Result<()> {
        if n == 0 {
            return Ok(());
        }
        match &mut self.shaping {
            Some(shaping) => shaping.push(Piece::Data(input.split_to(n).freeze())),
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
        match &mut self.shaping {
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
        match &mut self.shaping {
            Some(shaping) => {
                shaping.push(Piece::End);
                Ok(false)
            }
            None => self.writer.shutdown().await.map(|()| true),
        }
    }

    /// Waits for what comes next.
    pub(super) async fn next(
        &mut self,
        input: &mut BytesMut,
        told: impl Future<Output = ()>,
    ) -> io::Result<Event> {
        let mut told = std::pin::pin!(told);
        loop {
            if self.shaping.as_ref().is_some_and(Shaping::is_done) && !self.ended {
                self.shaping = None;
            }
            let wants = !self.ended && self.shaping.as_ref().is_none_or(Shaping::wants_more);
            let shaping = &mut self.shaping;
            let shaped = poll_fn(|cx| match shaping {
                Some(shaping) => shaping.poll_next(cx),
                None => std::task::Poll::Pending,
            });
            // Every branch is cancel-safe.
            tokio::select! {
                biased;
                piece = shaped => match piece {
                    Piece::Data(bytes) => {
                        self.writer.write_all(&bytes).await?;
                        self.writer.flush().await?;
                    }
                    Piece::Trailers(_) => {}
                    Piece::End => {
                        self.writer.shutdown().await?;
                        return Ok(Event::Finished);
                    }
                    Piece::Cut(cut) => return Ok(Event::Cut(cut)),
                },
                () = &mut told => return Ok(Event::Told),
                () = changed(&mut self.truth) => return Ok(Event::Change),
                read = read_some(&mut self.reader, input), if wants => {
                    self.ended = read? == 0;
                    return Ok(if self.ended { Event::End } else { Event::Bytes });
                }
            }
        }
    }

    /// Reads and drops what still comes, until the peer finishes.
    pub(super) async fn drain(&mut self) {
        drain(&mut self.reader).await;
    }
}

/// Reads and drops what still comes, until the peer finishes: bytes that are left unread would turn the end into a RST,
/// which can destroy what was said before it.
pub(super) async fn drain(reader: &mut Reader) {
    let mut input = BytesMut::new();
    while matches!(read_some(reader, &mut input).await, Ok(n) if n > 0) {
        input.clear();
    }
}

/// Comes when the truth has changed; never once nobody is left to change it.
async fn changed(truth: &mut watch::Receiver<Arc<Snapshot>>) {
    if truth.changed().await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// Reads some; no buffer is held while nothing is there.
async fn read_some(reader: &mut Reader, input: &mut BytesMut) -> io::Result<usize> {
    if input.is_empty() {
        *input = BytesMut::new();
        poll_fn(|cx| reader.poll_readable(cx)).await?;
    }
    input.reserve(READ_SIZE);
    reader.read_buf(input).await
}
