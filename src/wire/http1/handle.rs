//! What the owner of a client connection sees of it from outside, and may ask of it.

use std::cell::{Cell, RefCell};
use std::task::{Context, Waker};

/// Where a client connection stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Between requests: not a byte of the next has come.
    Idle,
    /// A part of a head has come.
    Head,
    /// A request is being answered.
    Exchange,
    /// The answer is out; what the client still sends is thrown away until its request is over or, after the last answer, until
    /// it closes, so that the answer is not lost to a reset (RFC 9112 section 9.6).
    Closing,
}

/// A client connection as its owner sees it: where it stands, whether bytes move. A sweeper that compares two looks needs
/// no timer per connection.
#[derive(Debug)]
pub struct Handle {
    phase: Cell<Phase>,
    order: Cell<Order>,
    exchanges: Cell<u64>,
    moved: Cell<u64>,
    stuck: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

/// What the owner asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Order {
    /// Nothing: go on.
    Serve,
    /// The next answer is the last.
    Retire,
    /// No more requests after this one.
    Drain,
    /// Out of time.
    Expire,
}

impl Default for Handle {
    fn default() -> Self {
        Self::new()
    }
}

impl Handle {
    /// A connection that has not begun.
    pub const fn new() -> Self {
        Self {
            phase: Cell::new(Phase::Idle),
            order: Cell::new(Order::Serve),
            exchanges: Cell::new(0),
            moved: Cell::new(0),
            stuck: Cell::new(false),
            waker: RefCell::new(None),
        }
    }

    /// Where the connection stands.
    pub fn phase(&self) -> Phase {
        self.phase.get()
    }

    /// How many requests have begun, so that two looks at the same phase can be told apart.
    pub fn exchanges(&self) -> u64 {
        self.exchanges.get()
    }

    /// Bytes read and written so far: equal at two looks, nothing moved.
    pub fn moved(&self) -> u64 {
        self.moved.get()
    }

    /// Whether bytes wait for the client to take them.
    pub fn is_stuck(&self) -> bool {
        self.stuck.get()
    }

    /// Lets the next answer say `Connection: close`. An idle connection stays open for it: a client may be about to ask, and
    /// would find it closed.
    pub fn retire(&self) {
        self.give(Order::Retire);
    }

    /// Ends the connection gracefully: at once when idle, else the next answer says `Connection: close`.
    pub fn drain(&self) {
        self.give(Order::Drain);
    }

    /// Ends the connection for want of time: silently when idle, with 408 while a head is coming, else in the middle.
    pub fn expire(&self) {
        self.give(Order::Expire);
    }

    fn give(&self, order: Order) {
        self.order.set(self.order.get().max(order));
        self.wake();
    }

    pub(super) fn wake(&self) {
        if let Some(waker) = &*self.waker.borrow() {
            waker.wake_by_ref();
        }
    }

    pub(super) fn order(&self) -> Order {
        self.order.get()
    }

    /// Remembers whom to wake when an order comes.
    pub(super) fn attend(&self, cx: &Context<'_>) {
        let mut waker = self.waker.borrow_mut();
        if !waker.as_ref().is_some_and(|w| w.will_wake(cx.waker())) {
            *waker = Some(cx.waker().clone());
        }
    }

    pub(super) fn enter(&self, phase: Phase) {
        if phase == Phase::Exchange {
            self.exchanges.set(self.exchanges.get() + 1);
        }
        self.phase.set(phase);
    }

    pub(super) fn note(&self, moved: u64, stuck: bool) {
        self.moved.set(moved);
        self.stuck.set(stuck);
    }
}
