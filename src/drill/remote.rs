//! How people reach a drill that runs: orders go in, answers and views come out.

use tokio::sync::{mpsc, oneshot, watch};

use super::{
    facts::{Asked, Order},
    lead::{Lead, Verb},
    signal::Signal,
    timeline::{Answer, View},
};

/// Orders that wait for the next tick; people do not type faster, and a flood must not fill the memory.
const WAITING: usize = 64;

/// Reaches a drill that runs. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Remote {
    orders: mpsc::Sender<Command>,
    view: watch::Receiver<Option<View>>,
}

/// The drill's end of it.
#[derive(Debug)]
pub struct Inbox {
    pub(super) orders: mpsc::Receiver<Command>,
    pub(super) view: watch::Sender<Option<View>>,
}

/// An order, and where its answer goes.
#[derive(Debug)]
pub(super) struct Command {
    pub(super) order: Order,
    pub(super) answer: Option<oneshot::Sender<Answer>>,
}

/// The drill is over, or so many orders wait that this one cannot be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the drill is over or does not answer")]
pub struct Gone;

/// Both ends.
pub fn remote() -> (Remote, Inbox) {
    let (orders, inbox) = mpsc::channel(WAITING);
    let (view, seen) = watch::channel(None);
    (Remote { orders, view: seen }, Inbox { orders: inbox, view })
}

impl Remote {
    /// Declares an act and waits for what comes of it.
    pub async fn act(&self, act: &str, by: &str, text: Option<String>) -> Result<Answer, Gone> {
        let (answer, answered) = oneshot::channel();
        let asked = Asked {
            act: act.to_owned(),
            by: by.to_owned(),
            text,
            ticket: 0,
        };
        self.send(Order::Act(asked), Some(answer))?;
        answered.await.map_err(|_| Gone)
    }

    /// Passes a signal on, such as `page`.
    pub fn signal(&self, signal: impl Into<Signal>) -> Result<(), Gone> {
        self.send(Order::Signal(signal.into()), None)
    }

    /// Asks for something in the facilitator's or an observer's name, and waits for what comes of it.
    pub async fn lead(&self, verb: Verb, by: &str) -> Result<Answer, Gone> {
        let (answer, answered) = oneshot::channel();
        let lead = Lead {
            by: by.to_owned(),
            verb,
            ticket: 0,
        };
        self.send(Order::Lead(lead), Some(answer))?;
        answered.await.map_err(|_| Gone)
    }

    /// Ends the drill before its time, as Ctrl-C does.
    pub fn interrupt(&self, by: &str) -> Result<(), Gone> {
        self.send(Order::Interrupt(by.to_owned()), None)
    }

    /// The emergency button.
    pub fn panic(&self, by: &str) -> Result<(), Gone> {
        self.send(Order::Panic(by.to_owned()), None)
    }

    /// Whether the drill is over.
    pub fn is_over(&self) -> bool {
        self.orders.is_closed()
    }

    /// Waits until the drill is over.
    pub async fn closed(&self) {
        self.orders.closed().await;
    }

    /// What there is to see now; nothing before the drill has begun.
    pub fn view(&self) -> Option<View> {
        self.view.borrow().clone()
    }

    /// Views as they come.
    pub fn views(&self) -> watch::Receiver<Option<View>> {
        self.view.clone()
    }

    fn send(&self, order: Order, answer: Option<oneshot::Sender<Answer>>) -> Result<(), Gone> {
        self.orders.try_send(Command { order, answer }).map_err(|_| Gone)
    }
}
