//! What the admin API works with: the truth, the numbers, the drill, and where reports are.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Arc, Mutex, OnceLock, PoisonError, atomic::Ordering::Relaxed},
    time::Duration,
};

use tokio::{
    sync::{Semaphore, broadcast, mpsc, watch},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use super::{
    begin::Begin,
    clearance::Clearance,
    feed::Feed,
    heard::Heard,
    refusal::{Kind, Refusal},
    tokens::{Caller, Role},
};
use crate::{
    control::{ChangeError, Control},
    drill::{Remote, profile::Profile},
    telemetry::{
        Metrics,
        events::{Event, Record},
    },
    toxiproxy::Toxiproxy,
};

/// So many live feeds at most: each keeps a connection and a task.
const MOST_FEEDS: usize = 32;

/// What the admin API works with. Cheap to clone.
#[derive(Clone)]
pub struct Desk(Arc<Things>);

/// What a [`Desk`] holds.
pub struct Things {
    /// The truth and its only writer.
    pub control: Arc<Control>,
    /// Toxiproxy's API over it.
    pub toxiproxy: Arc<Toxiproxy>,
    /// The numbers.
    pub metrics: Arc<Metrics>,
    /// The drill that runs, or ran last.
    pub stage: watch::Receiver<Option<Drill>>,
    /// What drills write to their journals, as they do.
    pub feed: Feed,
    /// Where drills are asked for.
    pub starts: mpsc::Sender<Begin>,
    /// Where journals and reports are: a folder for each drill.
    pub reports: PathBuf,
    /// Cancelled when the proxy ends.
    pub end: CancellationToken,
    /// When the proxy began.
    pub began: Instant,
    pub(super) feeds: Arc<Semaphore>,
    causes: Mutex<Causes>,
    pub(super) heard: Heard,
    /// Who may come in, where tokens say so; nobody knows before the port is served.
    pub(super) people: OnceLock<Vec<Caller>>,
}

/// Why a backend's health is what it is, by cluster and backend.
type Causes = BTreeMap<(String, String), String>;

/// Where people look for a drill: which one it is, and what it writes.
#[derive(Clone, Debug)]
pub struct Stage {
    /// The drill that runs, or ran last.
    pub drill: watch::Receiver<Option<Drill>>,
    /// What drills write to their journals, as they do.
    pub feed: Feed,
    /// Where drills are asked for.
    pub starts: mpsc::Sender<Begin>,
}

/// A drill, as people reach it.
#[derive(Clone, Debug)]
pub struct Drill {
    /// Its name: that of its folder among the reports.
    pub name: String,
    /// The profile, in its long form.
    pub profile: Arc<Profile>,
    /// Whether those who take part must not know what it is about.
    pub blind: bool,
    /// Where orders go and views come from.
    pub remote: Remote,
}

impl std::ops::Deref for Desk {
    type Target = Things;

    fn deref(&self) -> &Things {
        &self.0
    }
}

impl Desk {
    /// A desk for a proxy that has just begun.
    pub fn new(
        control: Arc<Control>,
        metrics: Arc<Metrics>,
        stage: Stage,
        reports: PathBuf,
        end: CancellationToken,
    ) -> Self {
        Self(Arc::new(Things {
            toxiproxy: Arc::new(Toxiproxy::new(control.clone())),
            control,
            metrics,
            stage: stage.drill,
            feed: stage.feed,
            starts: stage.starts,
            reports,
            end,
            began: Instant::now(),
            feeds: Arc::new(Semaphore::new(MOST_FEEDS)),
            causes: Mutex::default(),
            heard: Heard::default(),
            people: OnceLock::new(),
        }))
    }

    /// The drill that runs, or ran last.
    pub(super) fn drill(&self) -> Result<Drill, Refusal> {
        self.stage.borrow().clone().ok_or_else(|| {
            Refusal::new(
                Kind::NotFound,
                "no drill has been started",
                "start one with `chaosproxy drill start NAME`: `chaosproxy profiles` lists what there is",
            )
        })
    }

    /// What somebody of this role may know now.
    pub(super) fn clearance(&self, role: Role) -> Clearance {
        Clearance::of(role, self.runs(|drill| drill.blind))
    }

    /// Whether a drill runs.
    pub(super) fn is_drilling(&self) -> bool {
        self.runs(|_| true)
    }

    /// Whether a drill of this kind runs.
    fn runs(&self, kind: impl FnOnce(&Drill) -> bool) -> bool {
        let stage = self.stage.borrow();
        stage
            .as_ref()
            .is_some_and(|drill| kind(drill) && !drill.remote.is_over())
    }

    /// Whether traffic can be forwarded. What is broken on purpose does not count.
    pub(super) fn is_ready(&self) -> bool {
        !self.metrics.draining.load(Relaxed)
    }

    /// How long the proxy has run.
    pub(super) fn up(&self) -> Duration {
        self.began.elapsed()
    }

    /// Why a backend's health is what it is.
    pub(super) fn cause(&self, cluster: &str, backend: &str) -> String {
        let causes = self.causes.lock().unwrap_or_else(PoisonError::into_inner);
        causes
            .get(&(cluster.to_owned(), backend.to_owned()))
            .cloned()
            .unwrap_or_default()
    }

    /// Who may come in; nothing where there are no tokens.
    pub(super) fn known(&self) -> Option<&[Caller]> {
        self.people.get().map(Vec::as_slice)
    }

    /// Remembers what events say about health, for as long as there are events.
    pub async fn follow(self, mut events: broadcast::Receiver<Arc<Record>>) {
        loop {
            match events.recv().await {
                Ok(record) => self.note(&record.event),
                // What was missed is made good by the next change.
                Err(broadcast::error::RecvError::Lagged(_)) => {}
                Err(broadcast::error::RecvError::Closed) => return,
            }
        }
    }

    fn note(&self, event: &Event) {
        if let Event::HealthChanged {
            cluster,
            backend,
            cause,
            ..
        } = event
        {
            let mut causes = self.causes.lock().unwrap_or_else(PoisonError::into_inner);
            causes.insert((cluster.clone(), backend.clone()), cause.clone());
        }
    }
}

impl From<ChangeError> for Refusal {
    fn from(error: ChangeError) -> Self {
        let detail = error.to_string();
        match error {
            ChangeError::Problems(problems) => Self::problems("the document", problems),
            ChangeError::Obstacles(_) => Self::new(
                Kind::Conflict,
                detail,
                "clear the way and send it again; the document before runs on",
            ),
            ChangeError::NotFound { .. } => Self::new(Kind::NotFound, detail, "check the name"),
            ChangeError::NothingBefore(_) => Self::new(
                Kind::Conflict,
                detail,
                "put another document in force with `chaosproxy config apply FILE` (PUT /api/v1/config)",
            ),
            ChangeError::Panicked => Self::new(
                Kind::Panicked,
                "a panic is in force: no fault is let in",
                "find out why, then let faults in again with `chaosproxy panic reset` (POST /api/v1/panic/reset)",
            ),
            ChangeError::Obstructed(_) => Self::new(
                Kind::ActRefused,
                detail,
                "find out what is missing, and do that first",
            ),
            ChangeError::Refused(_) => Self::new(
                Kind::Conflict,
                detail,
                "change what stands in the way, then try again",
            ),
        }
    }
}
