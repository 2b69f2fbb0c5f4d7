//! Verdicts carried out: the one performer of what faults decide about an exchange that opens or is answered.

use std::{
    future::{Future, pending},
    pin::{Pin, pin},
    sync::Arc,
};

use http::{request, response};
use tokio::time::{Instant, sleep};

use crate::{
    faults::{Answer, Cut, Fault, Plan, Queue, Release, Verdict},
    telemetry::Level,
};

/// What becomes of the exchange once its faults have had their say.
#[derive(Debug)]
pub enum Course {
    /// It goes on.
    On,
    /// It is answered in the backend's place.
    Answer(Arc<Answer>, Arc<Fault>),
    /// Its connection is ended.
    Cut(Cut, Arc<Fault>),
    /// It was held, and its fault was lifted with the order to end what it held.
    Released(Arc<Fault>),
}

/// What ends a wait before its time.
#[derive(Debug)]
pub enum Interrupt {
    /// Whoever asks has gone.
    Gone,
    /// Whoever asks wants no answer any more, and is told so.
    Answer(Arc<Answer>),
}

impl Interrupt {
    fn course(self, fault: Arc<Fault>) -> Course {
        match self {
            Self::Gone => Course::Cut(Cut::Close, fault),
            Self::Answer(answer) => Course::Answer(answer, fault),
        }
    }
}

/// A place among the exchanges that are held.
struct Place<'a>(&'a Level);

impl<'a> Place<'a> {
    fn enter(held: &'a Level) -> Self {
        held.came.inc();
        Self(held)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.went.inc();
    }
}

/// Asks the faults of one leg before anything is sent on it, and carries out what they say.
pub async fn open(plan: &mut Plan, held: &Level, head: Option<&mut request::Parts>) -> Course {
    open_for(plan, held, head, pending()).await
}

/// The same for a client that may go, or want no more, while it waits, is held or waits for a place: it then gives its place up.
pub async fn open_for(
    plan: &mut Plan,
    held: &Level,
    mut head: Option<&mut request::Parts>,
    interrupt: impl Future<Output = Interrupt>,
) -> Course {
    let mut interrupt = pin!(interrupt);
    for i in 0..plan.len() {
        let verdict = plan.open(i, Instant::now(), head.as_deref_mut());
        if let Some(course) = perform(plan, i, verdict, held, interrupt.as_mut()).await {
            return course;
        }
    }
    Course::On
}

/// Asks the faults of one leg when the head of the answer is there.
pub async fn reply(plan: &mut Plan, held: &Level, head: &mut response::Parts) -> Course {
    reply_for(plan, held, head, pending()).await
}

/// The same for a client that may go while it waits or is held.
pub async fn reply_for(
    plan: &mut Plan,
    held: &Level,
    head: &mut response::Parts,
    interrupt: impl Future<Output = Interrupt>,
) -> Course {
    let mut interrupt = pin!(interrupt);
    for i in 0..plan.len() {
        let verdict = plan.reply(i, Instant::now(), head);
        if let Some(course) = perform(plan, i, verdict, held, interrupt.as_mut()).await {
            return course;
        }
    }
    Course::On
}

/// Carries out one verdict; `None`: the exchange goes on to the next fault.
async fn perform(
    plan: &mut Plan,
    i: usize,
    verdict: Verdict,
    held: &Level,
    interrupt: Pin<&mut impl Future<Output = Interrupt>>,
) -> Option<Course> {
    let fault = match verdict {
        Verdict::Pass => return None,
        _ => plan.fault(i).clone(),
    };
    match verdict {
        Verdict::Pass => None,
        Verdict::Wait(time) => {
            tokio::select! {
                () = sleep(time) => None,
                () = fault.lifted() => None,
                interrupt = interrupt => Some(interrupt.course(fault.clone())),
            }
        }
        Verdict::Hold(hold) => {
            let _place = Place::enter(held);
            fault.hold();
            tokio::select! {
                () = fault.lifted() => {}
                interrupt = interrupt => return Some(interrupt.course(fault)),
            }
            fault.release();
            (hold.release == Release::Unavailable).then_some(Course::Released(fault))
        }
        Verdict::Queue(queue) => wait_for_thread(plan, i, queue, &fault, held, interrupt).await,
        Verdict::Answer(answer) => Some(Course::Answer(answer, fault)),
        Verdict::Cut(cut) => Some(Course::Cut(cut, fault)),
    }
}

/// Waits for a free thread, as long as patience lasts. A place that is free is taken, however short the patience.
async fn wait_for_thread(
    plan: &mut Plan,
    i: usize,
    queue: Queue,
    fault: &Arc<Fault>,
    held: &Level,
    interrupt: Pin<&mut impl Future<Output = Interrupt>>,
) -> Option<Course> {
    let _place = Place::enter(held);
    let limit = queue.limit.clone();
    let patience = async {
        match limit {
            Some((time, answer)) => {
                sleep(time).await;
                answer
            }
            None => pending().await,
        }
    };
    let mut thread = pin!(queue.thread());
    let at_once = tokio::select! {
        biased;
        place = &mut thread => Some(place),
        () = std::future::ready(()) => None,
    };
    let place = match at_once {
        Some(place) => place,
        None => {
            plan.touch(i);
            fault.hold();
            let place = tokio::select! {
                biased;
                place = thread => place,
                answer = patience => return Some(Course::Answer(answer, fault.clone())),
                () = fault.lifted() => {
                    fault.release();
                    return None;
                }
                interrupt = interrupt => return Some(interrupt.course(fault.clone())),
            };
            if place.is_ok() {
                fault.release();
            }
            place
        }
    };
    match place {
        Ok(guard) => {
            plan.keep(i, guard);
            None
        }
        Err(cut) => {
            plan.touch(i);
            Some(Course::Cut(cut, fault.clone()))
        }
    }
}
