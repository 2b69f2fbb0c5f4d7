//! Bytes under faults: a chain of shapers, each a pure function from a piece and its time to pieces and theirs.
//!
//! A stage keeps what its shaper has put on its line until it is due; then it arrives at the next stage, at the time it
//! was due and not when somebody looked, so that late looking adds up to nothing. The performer (`proxy/flow.rs`) reads,
//! pushes, writes what comes out, and looks again at `next_wakeup`.

use std::{collections::VecDeque, fmt, pin::Pin, sync::Arc};

use bytes::Bytes;
use http::HeaderMap;
use tokio::time::Instant;

use super::{fault::Fault, hook::Cut};

/// How many bytes a chain may hold before its performer should stop reading: enough for 300 ms at 25 Mbit/s, and
/// little enough that a thousand stalled flows fit into a gigabyte.
pub const MOST_HELD: usize = 1 << 20;

/// A piece of a byte stream. Its end is a piece too.
#[derive(Clone, Debug, PartialEq)]
pub enum Piece {
    /// Bytes.
    Data(Bytes),
    /// HTTP trailers.
    Trailers(HeaderMap),
    /// The end: FIN, or the end of a body.
    End,
    /// The end of the whole connection.
    Cut(Cut),
}

impl Piece {
    /// How many bytes it holds.
    pub fn len(&self) -> usize {
        match self {
            Self::Data(bytes) => bytes.len(),
            _ => 0,
        }
    }

    /// Whether it holds no bytes.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether nothing can follow it.
    pub const fn is_last(&self) -> bool {
        matches!(self, Self::End | Self::Cut(_))
    }
}

/// What one fault does to the bytes of one flow.
pub(super) trait Shape: fmt::Debug + Send {
    /// Takes a piece that arrives at a time and puts on the line what comes of it.
    fn shape(&mut self, at: Instant, piece: Piece, line: &mut Line);

    /// When the shaper wants to act without a piece.
    fn alarm(&self) -> Option<Instant> {
        None
    }

    /// The time of the alarm has come; afterwards the alarm must be later or off.
    fn ring(&mut self, _at: Instant, _line: &mut Line) {}

    /// Gives up what it keeps besides the line, in order: the fault is lifted.
    fn release(&mut self, _line: &mut Line) {}

    /// How many bytes it keeps besides the line.
    fn kept(&self) -> usize {
        0
    }

    /// Whether it must go on to the end although the fault is lifted, because a head already promised it.
    fn stays(&self) -> bool {
        false
    }
}

/// The pieces that have left a shaper and wait until they are due, in order.
#[derive(Debug, Default)]
pub(super) struct Line {
    queue: VecDeque<(Option<Instant>, Piece)>,
    bytes: usize,
    latest: Option<Instant>,
    over: bool,
}

impl Line {
    /// Lets a piece leave at a time, but never before what stands before it.
    pub(super) fn pass(&mut self, at: Instant, piece: Piece) {
        let overtakes = matches!(piece, Piece::Cut(cut) if cut.is_abrupt());
        let at = self
            .latest
            .filter(|_| !overtakes)
            .map_or(at, |latest| latest.max(at));
        self.latest = Some(at);
        self.put(Some(at), piece);
    }

    /// Keeps a piece, and what follows it, until the fault is lifted; also how a shaper gives up pieces when it is.
    pub(super) fn hold(&mut self, piece: Piece) {
        self.put(None, piece);
    }

    fn put(&mut self, at: Option<Instant>, piece: Piece) {
        if self.over || matches!(&piece, Piece::Data(bytes) if bytes.is_empty()) {
            return;
        }
        if matches!(piece, Piece::Cut(cut) if cut.is_abrupt()) {
            self.drop_later_than(at);
        }
        self.over = piece.is_last();
        self.bytes += piece.len();
        self.queue.push_back((at, piece));
    }

    /// An abrupt end overtakes what is still on its way.
    fn drop_later_than(&mut self, at: Option<Instant>) {
        while self
            .queue
            .back()
            .is_some_and(|(due, _)| due.is_none() || *due > at)
        {
            let lost = self.queue.pop_back();
            self.bytes -= lost.map_or(0, |(_, piece)| piece.len());
        }
    }

    fn due(&self) -> Option<Instant> {
        self.queue.front().and_then(|(at, _)| *at)
    }

    fn take_due(&mut self, now: Instant) -> Option<(Instant, Piece)> {
        let at = self.due().filter(|at| *at <= now)?;
        let (_, piece) = self.queue.pop_front()?;
        self.bytes -= piece.len();
        Some((at, piece))
    }
}

#[derive(Debug)]
struct Stage {
    fault: Arc<Fault>,
    shaper: Box<dyn Shape>,
    line: Line,
}

impl Stage {
    fn take(&mut self, at: Instant, piece: Piece) {
        self.ring(at);
        match piece {
            Piece::Cut(cut) if cut.is_abrupt() => {
                self.line.over = false;
                self.line.put(Some(at), piece);
            }
            piece => self.shaper.shape(at, piece, &mut self.line),
        }
    }

    fn ring(&mut self, now: Instant) {
        while let Some(at) = self.shaper.alarm().filter(|at| *at <= now) {
            self.shaper.ring(at, &mut self.line);
        }
    }

    fn wakeup(&self) -> Option<Instant> {
        let due = self.line.due();
        let alarm = self.shaper.alarm().filter(|_| !self.line.over);
        due.into_iter().chain(alarm).min()
    }
}

/// The shapers of one flow, in the order in which their faults were written.
#[derive(Debug, Default)]
pub struct Chain {
    stages: Vec<Stage>,
    over: bool,
}

impl Chain {
    pub(super) fn add(&mut self, fault: Arc<Fault>, shaper: Box<dyn Shape>) {
        self.stages.push(Stage {
            fault,
            shaper,
            line: Line::default(),
        });
    }

    /// Takes a piece that has been read, and puts what may be written now on `out`.
    pub fn push(&mut self, now: Instant, piece: Piece, out: &mut VecDeque<Piece>) {
        self.feed(0, now, piece, out);
        self.advance(now, out);
    }

    /// Puts what is due by now on `out`.
    pub fn advance(&mut self, now: Instant, out: &mut VecDeque<Piece>) {
        for i in 0..self.stages.len() {
            self.stages[i].ring(now);
            self.pass_on(i, now, out);
        }
    }

    /// When to call `advance` next, if nothing is read before; `None`: nothing will be due by itself.
    pub fn next_wakeup(&self) -> Option<Instant> {
        self.stages.iter().filter_map(Stage::wakeup).min()
    }

    /// How many bytes the chain holds; the performer stops reading at `MOST_HELD`.
    pub fn held(&self) -> usize {
        self.stages
            .iter()
            .map(|stage| stage.line.bytes + stage.shaper.kept())
            .sum()
    }

    /// Takes out the faults that are lifted; what they held goes on at once, in order. Call `advance` or `push` as before
    /// afterwards; when the chain is empty then, bytes may pass beside it.
    pub fn lift(&mut self, now: Instant, out: &mut VecDeque<Piece>) {
        // From the end, so that what a lifted stage gives up does not pass through another lifted one.
        for i in (0..self.stages.len()).rev() {
            if self.stages[i].fault.is_lifted() && !self.stages[i].shaper.stays() {
                let mut stage = self.stages.remove(i);
                stage.shaper.release(&mut stage.line);
                for (_, piece) in stage.line.queue {
                    self.feed(i, now, piece, out);
                }
            }
        }
        self.advance(now, out);
    }

    /// Waits until one of the faults is lifted; cancel-safe.
    pub async fn lifted(&self) {
        let mut waits: Vec<Pin<Box<dyn Future<Output = ()> + Send + '_>>> = Vec::new();
        for stage in self.stages.iter().filter(|stage| !stage.shaper.stays()) {
            waits.push(Box::pin(stage.fault.lifted()));
        }
        std::future::poll_fn(|context| {
            let lifted = waits
                .iter_mut()
                .any(|wait| wait.as_mut().poll(context).is_ready());
            if lifted {
                std::task::Poll::Ready(())
            } else {
                std::task::Poll::Pending
            }
        })
        .await;
    }

    /// Appends the shapers of faults that were added while the flow stands.
    pub fn extend(&mut self, more: Self) {
        self.stages.extend(more.stages);
    }

    /// The faults that shape this flow.
    pub fn faults(&self) -> impl Iterator<Item = &Arc<Fault>> {
        self.stages.iter().map(|stage| &stage.fault)
    }

    /// Whether no fault shapes the flow any more.
    pub const fn is_empty(&self) -> bool {
        self.stages.is_empty()
    }

    /// Whether the end has come out: nothing will follow, and reading on is of no use.
    pub const fn is_over(&self) -> bool {
        self.over
    }

    fn feed(&mut self, i: usize, at: Instant, piece: Piece, out: &mut VecDeque<Piece>) {
        match self.stages.get_mut(i) {
            Some(stage) => stage.take(at, piece),
            None if self.over => {}
            None => {
                self.over = piece.is_last();
                out.push_back(piece);
            }
        }
    }

    fn pass_on(&mut self, i: usize, now: Instant, out: &mut VecDeque<Piece>) {
        while let Some((at, piece)) = self.stages[i].line.take_due(now) {
            self.feed(i + 1, at, piece, out);
        }
    }
}
