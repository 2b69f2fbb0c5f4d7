//! One drill after the other: the one that the process was started with, then those that people start.

use tokio::sync::{mpsc, oneshot};

use super::{Incident, Order, StartError, fresh_seed, incident::Setting, signals::Orders, wheel::turn_wheel};
use crate::{
    admin::{Begin, Feed},
    config::Document,
    drill::Autopilot,
};

impl Setting<'_> {
    /// Runs the first incident, if there is one, and then those that people start, until the process is told to end or ends
    /// with its incident. Gives the exit status, which is the first incident's: those that people start are judged in their
    /// reports.
    pub(super) async fn direct(
        &self,
        first: Option<Incident>,
        seed: u64,
        feed: Feed,
        orders: &mut Orders,
        begins: &mut mpsc::Receiver<Begin>,
    ) -> Result<u8, StartError> {
        let mut status = 0;
        match first {
            None => self.app.say_where(),
            Some(incident) => {
                let exit = incident.exit;
                let (judged, told) =
                    Box::pin(self.run(incident, seed, feed.clone(), orders, &mut None)).await?;
                if exit || told {
                    return Ok(judged);
                }
                status = judged;
                self.goes_on();
            }
        }
        loop {
            // Both arms are cancel-safe.
            let begin = tokio::select! {
                order = orders.next() => match order {
                    Order::End(_) => return Ok(status),
                    order => {
                        self.app.obey(order);
                        continue;
                    }
                },
                Some(begin) = begins.recv() => begin,
            };
            let (incident, mut answer) = asked(begin, &self.app.control.document());
            let incident = match incident {
                Ok(incident) => incident,
                Err(why) => {
                    refuse(answer, why);
                    continue;
                }
            };
            match Box::pin(self.run(incident, seed, feed.clone(), orders, &mut answer)).await {
                Ok((_, true)) => return Ok(status),
                Ok((_, false)) => self.goes_on(),
                Err(error) => {
                    tracing::warn!(%error, "the drill was not started");
                    refuse(answer, error.to_string());
                }
            }
        }
    }
}

/// Whoever waits for an answer, if somebody does.
type Waiting = Option<oneshot::Sender<Result<(), String>>>;

fn refuse(answer: Waiting, why: String) {
    if let Some(answer) = answer {
        // An asker who has gone needs no answer.
        let _ = answer.send(Err(why));
    }
}

/// What was asked for as an incident, or why it cannot be; and who waits for word of it.
fn asked(begin: Begin, document: &Document) -> (Result<Incident, String>, Waiting) {
    let seed = begin.seed.unwrap_or_else(fresh_seed);
    let profile = match begin.profile {
        Some(profile) => Ok(profile),
        None => turn_wheel(Some(document), seed),
    };
    let incident = profile.map(|profile| Incident {
        profile,
        mode: begin.mode,
        compression: begin.wait,
        max_wall: begin.max_wall,
        autopilot: begin.runbook.map(Autopilot::Runbook),
        blind: begin.blind.then_some(seed),
        sealed: begin.sealed,
        exit: false,
        junit: None,
    });
    (incident, Some(begin.answer))
}
