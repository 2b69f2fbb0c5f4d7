//! Faults that end an exchange a while after it began, though nothing has come by then.

use std::{
    future::{Future, pending},
    pin::pin,
    sync::Arc,
};

use tokio::time::sleep_until;

use crate::faults::{Cut, Due, Fault, Leg};

/// How an exchange was ended.
#[derive(Debug)]
pub struct Struck {
    /// On which leg.
    pub leg: Leg,
    /// With what.
    pub cut: Cut,
    /// By whom.
    pub fault: Arc<Fault>,
}

/// Goes on until it has come to an end, or a fault of the leg's plan ends it first.
///
/// # Errors
/// How it was ended.
pub async fn race<T>(leg: Leg, due: Vec<Due>, going: impl Future<Output = T>) -> Result<T, Struck> {
    if due.is_empty() {
        return Ok(going.await);
    }
    let mut going = pin!(going);
    tokio::select! {
        biased;
        over = going.as_mut() => Ok(over),
        struck = strike(due.into_iter().map(|due| (leg, due))) => Err(struck),
    }
}

/// Waits for the first of these, the first one first, that is not lifted before.
pub async fn strike(all: impl IntoIterator<Item = (Leg, Due)>) -> Struck {
    for (leg, due) in all {
        tokio::select! {
            biased;
            () = due.fault().lifted() => {}
            () = sleep_until(due.at) => {
                due.touch();
                let (cut, fault) = (due.cut, due.fault().clone());
                return Struck { leg, cut, fault };
            }
        }
    }
    pending().await
}
