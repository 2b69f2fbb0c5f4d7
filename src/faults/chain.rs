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

/// How many bytes a chain may hold before its performer should stop reading: enough for 300 ms at 25 Mbit/s, and
/// little enough that a thousand stalled flows fit into a gigabyte.
pub const MOST_HELD: usize = 1 << 20;

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

    /// How many bytes the chain holds; the performer stops reading at `MOST_HELD`.
    pub fn held(&self) -> usize {
        let stages = self.stages.iter().filter(|_| !self.over);
        stages.map(|stage| stage.line.bytes() + stage.shaper.kept()).sum()
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

    /// Appends the shapers of faults that were added while the flow stands.
    pub fn extend(&mut self, more: Self) {
        self.stages.extend(more.stages);
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
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::faults::{
        Cut, drive_chain,
        trial::{advance, chain, data, drain, joined, lift, ms, push, text},
    };

    #[test]
    fn an_abrupt_end_overtakes_what_is_on_its_way_and_a_good_one_does_not() {
        let now = Instant::now();
        let slow = "{latency: {add: 1s, at: chunk}}";
        let check = |kind: &str, expected: &[(std::time::Duration, Piece)]| {
            let (_, mut chain) = chain(&[kind, slow], now);
            let mut out: Vec<_> = push(&mut chain, now, text("abcd"))
                .into_iter()
                .map(|piece| (ms(0), piece))
                .collect();
            out.extend(drain(&mut chain, now));
            assert_eq!(out, expected, "{kind}");
            assert_eq!((chain.held(), chain.is_over()), (0, true));
        };
        check("{reset: {after_bytes: 2B}}", &[(ms(0), Piece::Cut(Cut::Reset))]);
        check(
            "{close: {after_bytes: 2B}}",
            &[(ms(1000), text("ab")), (ms(1000), Piece::Cut(Cut::Close))],
        );
    }

    #[test]
    fn after_the_end_nothing_comes_even_when_the_fault_is_lifted() {
        let now = Instant::now();
        let (faults, mut chain) = chain(&["{truncate: {after_bytes: 2B}}"], now);
        assert_eq!(push(&mut chain, now, text("abcd")), [text("ab"), Piece::End]);
        faults[0].lift();
        assert_eq!(lift(&mut chain, now), []);
        assert_eq!(push(&mut chain, now, text("efgh")), []);
        assert!(chain.is_over());
    }

    #[test]
    fn lifting_one_of_several_hands_what_it_held_to_the_next() {
        let now = Instant::now();
        let (faults, mut chain) = chain(&["stall", "{latency: {add: 100ms, at: chunk}}"], now);
        push(&mut chain, now, text("a"));
        push(&mut chain, now, text("b"));
        assert_eq!(chain.next_wakeup(), None);
        faults[0].lift();
        assert_eq!(lift(&mut chain, now + ms(50)), []);
        assert_eq!(chain.next_wakeup(), Some(now + ms(150)));
        assert_eq!(joined(&advance(&mut chain, now + ms(150))), b"ab");
    }

    #[test]
    fn a_fault_that_comes_later_takes_what_comes_later() {
        let now = Instant::now();
        let (_, mut standing) = chain(&["{latency: {add: 10ms, at: chunk}}"], now);
        push(&mut standing, now, text("a"));
        let (_, added) = chain(&["{latency: {add: 90ms, at: chunk}}"], now);
        standing.extend(added);
        assert_eq!(drain(&mut standing, now), [(ms(100), text("a"))]);
    }

    #[test]
    fn late_looking_adds_up_to_nothing() {
        let now = Instant::now();
        let (_, mut chain) = chain(&["{latency: {add: 100ms, at: chunk}}"; 3], now);
        push(&mut chain, now, text("a"));
        assert_eq!(advance(&mut chain, now + ms(299)), []);
        assert_eq!(advance(&mut chain, now + ms(301)), [text("a")]);
    }

    #[test]
    fn what_is_held_is_counted() {
        let now = Instant::now();
        let kinds = [
            "stall",
            "{throttle: {rate: 10B/s}}",
            "{slice: {size: 1B, pause: 1s}}",
        ];
        for kind in kinds {
            let (_, mut chain) = chain(&[kind], now);
            let out = push(&mut chain, now, data(vec![0; 1000]));
            assert_eq!(chain.held() + joined(&out).len(), 1000, "{kind}");
        }
    }

    #[tokio::test]
    async fn a_performer_is_woken_by_the_first_lifting() {
        let (faults, mut chain) = chain(&["stall", "{throttle: {rate: 1B/s}}"], Instant::now());
        let watching = tokio::spawn(chain.lifting());
        tokio::task::yield_now().await;
        assert!(!watching.is_finished());
        faults[1].lift();
        watching.await.unwrap();
        lift(&mut chain, Instant::now());
        // A lifting that came before anybody waited is not missed.
        faults[0].lift();
        chain.lifting().await;
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn whatever_is_done_to_a_chain_it_keeps_its_word(program in prop::collection::vec(any::<u8>(), 0..200)) {
            let driven = drive_chain(&program, Instant::now());
            prop_assert_eq!(driven.verdict(), Ok(()), "{:?}", driven);
        }

        #[test]
        fn kinds_that_must_lose_nothing_lose_nothing(
            kinds in prop::collection::vec((0_u8..7, any::<u8>()), 1..5),
            steps in prop::collection::vec(any::<u8>(), 0..200),
        ) {
            let mut program = vec![u8::try_from(kinds.len() - 1).unwrap()];
            program.extend(kinds.iter().flat_map(|(kind, size)| [*kind, *size]));
            program.extend(steps);
            let driven = drive_chain(&program, Instant::now());
            prop_assert!(driven.lossless);
            prop_assert_eq!(driven.verdict(), Ok(()), "{:?}", driven);
        }
    }
}
