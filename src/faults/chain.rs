//! Bytes under faults: a chain of shapers, each a pure function from a piece and its time to pieces and theirs.
//!
//! A stage keeps what its shaper has put on its line until it is due; then it arrives at the next stage, at the time it
//! was due and not when somebody looked, so that late looking adds up to nothing. The performer (`proxy/flow.rs`) reads,
//! pushes, writes what comes out, and looks again at `next_wakeup`.

use std::{collections::VecDeque, future::poll_fn, sync::Arc, task::Poll};

use tokio::time::Instant;

use super::{
    fault::{Fault, Mark},
    line::{Line, Piece, Shape},
};

/// How many bytes a chain may hold back before its performer should stop reading: little enough that a thousand stalled flows
/// fit into a gigabyte.
pub const MOST_HELD: usize = 1 << 20;

/// How many a chain may hold that are on their way, so that time added is no limit of bandwidth: a second at 256 Mbit/s, and
/// what Toxiproxy holds (1,024 pieces of 32 KiB).
pub const MOST_ON_THE_WAY: usize = 32 << 20;

#[derive(Debug)]
struct Stage {
    mark: Arc<Mark>,
    shaper: Box<dyn Shape>,
    line: Line,
}

impl Stage {
    fn take(&mut self, at: Instant, piece: Piece) {
        self.ring(at);
        match piece {
            Piece::Cut(cut) if cut.is_abrupt() => {
                self.line.cut(at, cut);
            }
            piece => self.shape(at, piece),
        }
    }

    /// The fault has touched the flow unless the piece goes on as it is, at once, and nothing else does.
    fn shape(&mut self, at: Instant, piece: Piece) {
        let (waiting, kept) = (self.line.len(), self.shaper.kept());
        self.shaper.shape(at, piece.clone(), &mut self.line);
        self.ring_untold(at);
        let goes_on = self.line.len() == waiting + 1 && self.line.ends_with(at, &piece);
        if !goes_on || self.shaper.kept() != kept {
            self.mark.touch();
        }
    }

    fn ring(&mut self, now: Instant) {
        let waiting = self.line.len();
        self.ring_untold(now);
        if self.line.len() != waiting {
            self.mark.touch();
        }
    }

    fn ring_untold(&mut self, now: Instant) {
        while let Some(at) = self.shaper.alarm().filter(|at| *at <= now) {
            self.shaper.ring(at, &mut self.line);
        }
    }

    fn held(&self) -> usize {
        self.line.bytes() + self.shaper.kept()
    }

    /// Goes on from where the one before it stood; what that one held meets this one as if it came now.
    fn succeed(&mut self, mut before: Self, now: Instant) {
        let legacy = before.shaper.legacy();
        if !(self.shaper.inherit(legacy, now) && legacy.lost) {
            before.shaper.release(&mut before.line);
        }
        for piece in before.line.into_pieces() {
            self.take(now, piece);
        }
    }

    /// Whether its fault is what became of the other's, by a change of it.
    fn replaces(&self, before: &Self) -> bool {
        let (now, then) = (self.mark.fault(), before.mark.fault());
        now.name() == then.name() && now.entry() != then.entry() && !before.shaper.stays()
    }

    fn wakeup(&self) -> Option<Instant> {
        let due = self.line.due();
        let alarm = self.shaper.alarm().filter(|_| !self.line.is_over());
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
    /// A chain of one.
    pub(super) fn of(mark: Arc<Mark>, shaper: Box<dyn Shape>) -> Self {
        let stage = Stage {
            mark,
            shaper,
            line: Line::default(),
        };
        Self {
            stages: vec![stage],
            over: false,
        }
    }

    /// Takes a piece that has been read, and puts what may be written now on `out`. Once the end has come out, whatever is
    /// pushed is dropped.
    pub fn push(&mut self, now: Instant, piece: Piece, out: &mut VecDeque<Piece>) {
        if self.over {
            return;
        }
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
        let stages = self.stages.iter().filter(|_| !self.over);
        stages.filter_map(Stage::wakeup).min()
    }

    /// How many bytes the chain holds; the performer stops reading at `MOST_ON_THE_WAY`.
    pub fn held(&self) -> usize {
        let stages = self.stages.iter().filter(|_| !self.over);
        stages.map(Stage::held).sum()
    }

    /// How many of them are not merely on their way; the performer stops reading at `MOST_HELD`.
    pub fn held_back(&self) -> usize {
        let stages = self.stages.iter().filter(|_| !self.over);
        stages
            .filter(|stage| !stage.shaper.is_way())
            .map(Stage::held)
            .sum()
    }

    /// Takes out the faults that are lifted; what they held goes on at once, in order. Call `advance` or `push` as before
    /// afterwards; when the chain is empty then, bytes may pass beside it.
    pub fn lift(&mut self, now: Instant, out: &mut VecDeque<Piece>) {
        // From the end, so that what a lifted stage gives up does not pass through another lifted one.
        for i in (0..self.stages.len()).rev() {
            if self.stages[i].mark.fault().is_lifted() && !self.stages[i].shaper.stays() {
                let mut stage = self.stages.remove(i);
                stage.shaper.release(&mut stage.line);
                for piece in stage.line.into_pieces() {
                    self.feed(i, now, piece, out);
                }
            }
        }
        self.advance(now, out);
    }

    /// Comes when `lift` should be called: at once if a fault in the chain is lifted already, never if none is left that
    /// can be. Ask anew after `lift` and `extend`.
    pub fn lifting(&self) -> impl Future<Output = ()> + Send + 'static + use<> {
        let stages = self.stages.iter().filter(|stage| !stage.shaper.stays());
        let faults: Vec<_> = stages.map(|stage| Arc::clone(stage.mark.fault())).collect();
        async move {
            let mut waits: Vec<_> = faults.iter().map(|fault| Box::pin(fault.lifted())).collect();
            poll_fn(|context| {
                let lifted = waits
                    .iter_mut()
                    .any(|wait| wait.as_mut().poll(context).is_ready());
                if lifted { Poll::Ready(()) } else { Poll::Pending }
            })
            .await;
        }
    }

    /// Appends the shapers of more faults.
    pub fn extend(&mut self, more: Self) {
        self.stages.extend(more.stages);
    }

    /// Takes in the faults that have come while the flow stands. What a changed fault has become goes on in its place: it counts from
    /// where the one before stood, and is asked before that one is lifted. The others come last.
    pub fn follow(&mut self, more: Self, now: Instant) {
        for mut stage in more.stages {
            match self.stages.iter_mut().find(|before| stage.replaces(before)) {
                Some(place) => {
                    std::mem::swap(place, &mut stage);
                    place.succeed(stage, now);
                }
                None => self.stages.push(stage),
            }
        }
    }

    /// The faults that shape this flow.
    pub fn faults(&self) -> impl Iterator<Item = &Arc<Fault>> {
        self.stages.iter().map(|stage| stage.mark.fault())
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

#[cfg(test)]
mod tests;
