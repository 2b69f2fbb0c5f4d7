//! Lets what is ready gather. Under load a worker that wakes for a few sockets at a time spends as much on waking as on them,
//! and so do those that it speaks to. Before it sleeps it then lets whoever waits for its CPU go first, once: what they send
//! meanwhile is found by one look. Where nobody else wants the CPU nobody waits; where somebody keeps it for long, it is let
//! be. `docs/performance.md` has what that gives.

use std::{
    cell::Cell,
    thread,
    time::{Duration, Instant},
};

/// Fewer sockets a wake than this are the visits of a few clients: each is served at once.
const FEW: u32 = 2;

/// So many sockets a wake make it cheap enough.
const MANY: u32 = 20;

/// One wake counts for no more than this, so that a single rush is soon forgotten.
const MOST: u32 = 4 * MANY;

/// The average over wakes is kept in so many parts of a socket, and each wake counts for an eighth of it.
const PARTS: u32 = 256;

/// Those that a worker speaks to have done what they can in far less, a tenth of it on average. Who keeps the CPU for longer
/// works on something of his own, and what is ready would wait for that.
const LONG: Duration = Duration::from_millis(1);

/// Each time of waiting counts for so small a part of their average.
const WEIGHT: u32 = 16;

/// After times of waiting that were long on average none is tried for so long.
const PAUSE: Duration = Duration::from_secs(4);

thread_local! {
    static FOUND: Cell<u32> = const { Cell::new(0) };
    static WAKES: Cell<Wakes> = const { Cell::new(Wakes::NONE) };
}

/// A socket had something to read on this thread.
pub(super) fn found() {
    FOUND.set(FOUND.get().wrapping_add(1));
}

/// For a thread that has nothing left to do and is about to sleep: lets others have its CPU first where that is worth it.
pub fn before_sleep() {
    let mut wakes = WAKES.get();
    if wakes.ended(FOUND.take()) {
        let since = Instant::now();
        if wakes.lets_others(since) {
            thread::yield_now();
            wakes.waited(since, Instant::now());
        }
    }
    WAKES.set(wakes);
}

/// How many sockets a thread finds ready each time it wakes, and how long others keep its CPU when it lets them have it.
#[derive(Clone, Copy, Debug)]
struct Wakes {
    /// In [`PARTS`] of a socket.
    average: u32,
    waits: Duration,
    pause: Option<Instant>,
}

impl Wakes {
    const NONE: Self = Self {
        average: 0,
        waits: Duration::ZERO,
        pause: None,
    };

    /// A wake has ended that found so many; whether more are to gather before the next.
    fn ended(&mut self, found: u32) -> bool {
        // A timer's wake tells nothing of sockets.
        if found == 0 {
            return false;
        }
        self.average = (self.average * 7 + found.min(MOST) * PARTS) / 8;
        (FEW * PARTS..MANY * PARTS).contains(&self.average)
    }

    /// Whether others may have the CPU: not soon after they have kept it for long.
    fn lets_others(&self, now: Instant) -> bool {
        self.pause.is_none_or(|until| until <= now)
    }

    /// Others had the CPU for this time.
    fn waited(&mut self, since: Instant, now: Instant) {
        self.waits = (self.waits * (WEIGHT - 1) + now.saturating_duration_since(since)) / WEIGHT;
        if self.waits > LONG {
            self.waits = Duration::ZERO;
            self.pause = Some(now + PAUSE);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    /// What is said of each of so many wakes in a row that find the same.
    fn said(wakes: &mut Wakes, found: u32, times: usize) -> Vec<bool> {
        (0..times).map(|_| wakes.ended(found)).collect()
    }

    #[test]
    fn some_sockets_a_wake_gather_and_neither_few_nor_many_do() {
        let mut wakes = Wakes::NONE;
        let lone = said(&mut wakes, 1, 1000);
        assert!(!lone.contains(&true), "one client is never kept waiting");
        assert!(!said(&mut wakes, 7, 1)[0], "one wake says little");
        assert!(said(&mut wakes, 7, 100)[3..].iter().all(|gather| *gather));
        let rush = said(&mut wakes, 40, 100);
        assert!(!rush[10..].contains(&true), "they have gathered by themselves");
        assert!(
            !said(&mut wakes, 1, 100)[40..].contains(&true),
            "the load is over"
        );
    }

    #[test]
    fn a_wake_without_sockets_changes_nothing_and_no_number_is_too_large() {
        let mut wakes = Wakes::NONE;
        said(&mut wakes, 7, 100);
        let average = wakes.average;
        assert!(!wakes.ended(0));
        assert_eq!(wakes.average, average);
        said(&mut wakes, u32::MAX, 1000);
        assert!(said(&mut wakes, 7, 100)[50..].iter().all(|gather| *gather));
    }

    #[test]
    fn who_keeps_the_cpu_for_long_is_not_let_have_it_for_a_while() {
        let (mut wakes, mut now) = (Wakes::NONE, Instant::now());
        let mut tries = 0;
        while wakes.lets_others(now) {
            wakes.waited(now, now + 4 * MS);
            (tries, now) = (tries + 1, now + 4 * MS);
        }
        assert_eq!(tries, 5, "20 ms in 4 s, at the most");
        assert!(!wakes.lets_others(now + PAUSE - 5 * MS));
        assert!(wakes.lets_others(now + PAUSE));
    }

    #[test]
    fn a_long_wait_among_short_ones_is_none_to_stop_for() {
        let (mut wakes, now) = (Wakes::NONE, Instant::now());
        for _ in 0..100 {
            (0..20).for_each(|_| wakes.waited(now, now + MS / 8));
            wakes.waited(now, now + 8 * MS);
            assert!(wakes.lets_others(now));
        }
    }

    #[test]
    fn what_was_found_is_counted_until_the_thread_sleeps() {
        WAKES.set(Wakes::NONE);
        FOUND.set(0);
        (0..5).for_each(|_| found());
        assert_eq!(FOUND.get(), 5);
        before_sleep();
        assert_eq!((FOUND.get(), WAKES.get().average), (0, 5 * PARTS / 8));
    }
}
