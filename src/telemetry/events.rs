//! What happened, as it happens: for the log, for live feeds and for the drill's journal.
//!
//! Events are few and about the proxy, not about requests. The stream is bounded: a reader that falls behind is told how
//! many it missed, and nobody waits for it.

use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use serde::Serialize;
use tokio::sync::broadcast;
use tracing::{info, warn};

use crate::units::Span;

/// How many events a slow reader may be behind.
pub const KEPT: usize = 1024;

/// Something that happened to the proxy.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Event {
    /// A backend's health has changed.
    HealthChanged {
        /// Its cluster.
        cluster: String,
        /// The backend.
        backend: String,
        /// How it is now.
        healthy: bool,
        /// What the check saw.
        cause: String,
    },
    /// A backend of a database has another copy of the data than before: a promotion, or the first look.
    ReplicationChanged {
        /// Its cluster.
        cluster: String,
        /// The backend.
        backend: String,
        /// What it is now: `primary` or `replica`.
        is: String,
    },
    /// A backend was ejected for its errors.
    Ejected {
        /// Its cluster.
        cluster: String,
        /// The backend.
        backend: String,
        /// For how long.
        lasts: Span,
        /// Which errors.
        cause: String,
    },
    /// An ejected backend is back.
    Readmitted {
        /// Its cluster.
        cluster: String,
        /// The backend.
        backend: String,
    },
    /// A document went live.
    ReloadApplied {
        /// The number of its snapshot.
        generation: u64,
        /// Who asked for it.
        by: String,
    },
    /// A document was refused; the old one runs on.
    ReloadRefused {
        /// Who asked for it.
        by: String,
        /// What is wrong with it.
        cause: String,
        /// The same in one line, for the log.
        #[serde(skip)]
        brief: String,
    },
    /// A fault is active.
    FaultAdded {
        /// Its name.
        fault: String,
        /// Who added it.
        by: String,
        /// When it ends by itself, if it does.
        lasts: Option<Span>,
    },
    /// A fault is gone.
    FaultLifted {
        /// Its name.
        fault: String,
        /// Why.
        cause: String,
    },
    /// A lease has ended, and its faults with it.
    LeaseEnded {
        /// Its holder.
        lease: String,
        /// Why.
        cause: String,
    },
    /// All faults were taken off at once.
    Panic {
        /// Who pulled it.
        by: String,
        /// How long it took until traffic was clean.
        clean_after: Span,
    },
    /// New faults are allowed again after a panic.
    PanicReset {
        /// Who allowed it.
        by: String,
    },
    /// An operator changed what a cluster's balancer may do.
    BalancerChanged {
        /// The cluster.
        cluster: String,
        /// The backend; `None` for the whole cluster.
        backend: Option<String>,
        /// How it is now.
        state: String,
    },
    /// A listener had to stop accepting for a while.
    AcceptPaused {
        /// The listener.
        listener: String,
        /// Why.
        cause: String,
    },
    /// The proxy finishes what runs and takes nothing new.
    DrainBegun {
        /// How long what runs may take.
        limit: Span,
    },
}

/// An event with its place in the stream.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Record {
    /// Counts from 1 without a gap.
    pub number: u64,
    /// When, on the wall's clock.
    pub at: Timestamp,
    /// What.
    #[serde(flatten)]
    pub event: Event,
}

/// The stream of events: clones share it.
#[derive(Clone, Debug)]
pub struct Events(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    stream: broadcast::Sender<Arc<Record>>,
    /// Held while sending, so that numbers arrive in order.
    last: Mutex<u64>,
}

impl Default for Events {
    fn default() -> Self {
        Self(Arc::new(Shared {
            stream: broadcast::channel(KEPT).0,
            last: Mutex::default(),
        }))
    }
}

impl Events {
    /// Tells everybody, the log included. Never waits.
    pub fn tell(&self, event: Event) {
        event.log();
        self.tell_unlogged(event);
    }

    /// Tells those who follow the stream, which is told apart by who they are, and not the log, which anybody may read.
    pub fn tell_unlogged(&self, event: Event) {
        let mut last = self.0.last.lock().unwrap_or_else(PoisonError::into_inner);
        *last += 1;
        let record = Record {
            number: *last,
            at: Timestamp::now(),
            event,
        };
        // Fails when nobody listens, which is fine.
        let _ = self.0.stream.send(Arc::new(record));
    }

    /// A reader of what happens from now on.
    pub fn subscribe(&self) -> broadcast::Receiver<Arc<Record>> {
        self.0.stream.subscribe()
    }
}

impl Event {
    /// The event as those are told who may not know what is broken on purpose, if they are.
    pub fn plain(&self) -> Option<Self> {
        match self {
            Self::FaultAdded { .. } | Self::FaultLifted { .. } | Self::LeaseEnded { .. } => None,
            // The number counts up with every fault that comes or goes.
            Self::ReloadApplied { by, .. } => Some(Self::ReloadApplied {
                generation: 0,
                by: by.clone(),
            }),
            _ => Some(self.clone()),
        }
    }

    /// `warn` for what needs a human, `info` for what a human did.
    fn log(&self) {
        match self {
            Self::HealthChanged {
                cluster,
                backend,
                healthy: true,
                cause,
            } => {
                info!(cluster, backend, cause, "backend healthy");
            }
            Self::HealthChanged {
                cluster,
                backend,
                healthy: false,
                cause,
            } => {
                warn!(cluster, backend, cause, "backend unhealthy");
            }
            Self::ReplicationChanged { cluster, backend, is } => {
                info!(cluster, backend, is, "backend's copy of the data");
            }
            Self::Ejected {
                cluster,
                backend,
                lasts,
                cause,
            } => {
                warn!(cluster, backend, %lasts, cause, "backend ejected");
            }
            Self::Readmitted { cluster, backend } => info!(cluster, backend, "backend readmitted"),
            Self::ReloadApplied { generation, by } => info!(generation, by, "document applied"),
            Self::ReloadRefused { by, cause, brief } if cause == brief => {
                warn!(by, cause, "document refused, the old one runs on");
            }
            Self::ReloadRefused { by, brief: cause, .. } => {
                warn!(
                    by,
                    cause, "document refused, the old one runs on; `chaosproxy check` shows all"
                );
            }
            Self::FaultAdded { fault, by, lasts } => {
                info!(
                    fault,
                    by,
                    lasts = lasts.map(tracing::field::display),
                    "fault added"
                );
            }
            Self::FaultLifted { fault, cause } => info!(fault, cause, "fault lifted"),
            Self::LeaseEnded { lease, cause } => info!(lease, cause, "lease ended"),
            Self::Panic { by, clean_after } => warn!(by, %clean_after, "panic: all faults off"),
            Self::PanicReset { by } => info!(by, "panic reset"),
            Self::BalancerChanged {
                cluster,
                backend,
                state,
            } => {
                info!(
                    cluster,
                    backend = backend.as_deref().unwrap_or("*"),
                    state,
                    "balancer changed"
                );
            }
            Self::AcceptPaused { listener, cause } => warn!(listener, cause, "accepting paused"),
            Self::DrainBegun { limit } => {
                info!(%limit, "draining; a second signal ends what is left at once");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lifted(fault: &str) -> Event {
        Event::FaultLifted {
            fault: fault.into(),
            cause: "asked".into(),
        }
    }

    #[test]
    fn every_reader_gets_every_event_in_order() {
        let events = Events::default();
        let (mut one, mut two) = (events.subscribe(), events.subscribe());
        events.tell(lifted("a"));
        events.clone().tell(lifted("b"));
        for reader in [&mut one, &mut two] {
            for (number, fault) in [(1, "a"), (2, "b")] {
                let record = reader.try_recv().unwrap();
                assert_eq!((record.number, &record.event), (number, &lifted(fault)));
            }
        }
    }

    #[test]
    fn a_reader_that_falls_behind_is_told_and_holds_nobody_up() {
        let events = Events::default();
        let mut slow = events.subscribe();
        for i in 0..KEPT + 10 {
            events.tell(lifted(&i.to_string()));
        }
        assert_eq!(
            slow.try_recv().unwrap_err(),
            broadcast::error::TryRecvError::Lagged(10)
        );
        assert_eq!(slow.try_recv().unwrap().event, lifted("10"));
    }

    #[test]
    fn a_record_is_one_flat_object() {
        let event = Event::FaultAdded {
            fault: "slow".into(),
            by: "ada".into(),
            lasts: Some(Span::secs(90)),
        };
        let record = Record {
            number: 7,
            at: Timestamp::UNIX_EPOCH,
            event,
        };
        let json = serde_json::to_string(&record).unwrap();
        assert_eq!(
            json,
            r#"{"number":7,"at":"1970-01-01T00:00:00Z","type":"fault_added","fault":"slow","by":"ada","lasts":"1m30s"}"#
        );
    }
}
