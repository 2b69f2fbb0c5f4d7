//! The only writer of the truth: changes are compiled first, then published whole or refused whole.
//!
//! Nothing here waits for traffic: a change is compiled, published through one `watch` channel, and the mutex is never
//! held across an await.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use serde::Serialize;
use tokio::{sync::watch, time::Instant};

use crate::{
    config::{self, Document, Problems},
    faults::{self, Fault},
    snapshot::{Compiler, Snapshot},
    telemetry::events::{Event, Events},
    units::Span,
};

pub mod history;
pub mod lease;

pub use history::{Author, Revision};
pub use lease::{Lease, LeaseId, Owner};
