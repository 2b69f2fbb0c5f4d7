//! A piece of a byte stream, what shapes pieces, and the line on which they wait until they are due.

use std::{collections::VecDeque, fmt};

use bytes::Bytes;
use http::HeaderMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

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
    /// The end by a failure of the peer's connection, for one a RST: it comes after what the peer had sent by then.
    Broken,
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
        matches!(self, Self::End | Self::Cut(_) | Self::Broken)
    }
}

/// How a connection is ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Cut {
    /// As if nobody listened: a dial that is refused, or a client that is turned away with RST before a byte.
    Refuse,
    /// RST: what is on its way is lost.
    Reset,
    /// FIN after what is on its way.
    Close,
}

impl Cut {
    /// Whether it overtakes the bytes that are on their way.
    pub const fn is_abrupt(self) -> bool {
        matches!(self, Self::Refuse | Self::Reset)
    }
}

/// What one fault does to the bytes of one flow.
pub(super) trait Shape: fmt::Debug + Send + Sync {
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

    /// Whether what it holds is on its way, however much that is: it comes after a time, as over a long line.
    fn is_way(&self) -> bool {
        false
    }

    /// Whether it must go on to the end although the fault is lifted, because a head already promised it.
    fn stays(&self) -> bool {
        false
    }

    /// What it leaves to the shaper that takes its place, when its fault is changed while the flow stands.
    fn legacy(&self) -> Legacy {
        Legacy::default()
    }

    /// Goes on from where the one before stood. True if it answers for bytes that were lost; else that one does, as when its
    /// fault is lifted.
    fn inherit(&mut self, _legacy: Legacy, _now: Instant) -> bool {
        false
    }
}

/// What has become of a flow under a shaper.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Legacy {
    /// Bytes that have passed, where they are counted.
    pub(super) passed: u64,
    /// Whether some are lost.
    pub(super) lost: bool,
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

    /// When the first piece is due, if it is by itself.
    pub(super) fn due(&self) -> Option<Instant> {
        self.queue.front().and_then(|(at, _)| *at)
    }

    /// Takes the first piece if it is due by now, with the time when it was.
    pub(super) fn take_due(&mut self, now: Instant) -> Option<(Instant, Piece)> {
        let at = self.due().filter(|at| *at <= now)?;
        let (_, piece) = self.queue.pop_front()?;
        self.bytes -= piece.len();
        Some((at, piece))
    }

    /// Lets an abrupt end, which comes from before the shaper, overtake even an end that waits.
    pub(super) fn cut(&mut self, at: Instant, cut: Cut) {
        self.over = false;
        self.put(Some(at), Piece::Cut(cut));
    }

    /// How many pieces wait.
    pub(super) fn len(&self) -> usize {
        self.queue.len()
    }

    /// Whether the last that waits is this piece, due by then.
    pub(super) fn ends_with(&self, at: Instant, piece: &Piece) -> bool {
        let last = self.queue.back();
        last.is_some_and(|(due, last)| due.is_some_and(|due| due <= at) && last == piece)
    }

    /// How many bytes wait.
    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether the end has been put on the line.
    pub(super) const fn is_over(&self) -> bool {
        self.over
    }

    /// All that waits, in order.
    pub(super) fn into_pieces(self) -> impl Iterator<Item = Piece> {
        self.queue.into_iter().map(|(_, piece)| piece)
    }
}
