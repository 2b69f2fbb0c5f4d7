//! One drill after the other: the one that the process was started with, then those that people start.

use tokio::sync::{mpsc, oneshot};

use super::{Incident, Order, StartError, incident::Setting, signals::Orders};
use crate::{
    admin::{Begin, Feed},
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
            let (incident, answer) = asked(begin);
            let mut answer = Some(answer);
            match Box::pin(self.run(incident, seed, feed.clone(), orders, &mut answer)).await {
                Ok((_, true)) => return Ok(status),
                Ok((_, false)) => self.goes_on(),
                Err(error) => {
                    tracing::warn!(%error, "the drill was not started");
                    if let Some(answer) = answer {
                        // An asker who has gone needs no answer.
                        let _ = answer.send(Err(error.to_string()));
                    }
                }
            }
        }
    }
}

/// What was asked for as an incident, and who waits for word of it.
fn asked(begin: Begin) -> (Incident, oneshot::Sender<Result<(), String>>) {
    let incident = Incident {
        profile: begin.profile,
        mode: begin.mode,
        compression: begin.wait,
        max_wall: begin.max_wall,
        autopilot: begin.runbook.map(Autopilot::Runbook),
        blind: begin.blind,
        exit: false,
        junit: None,
    };
    (incident, begin.answer)
}
