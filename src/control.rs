//! The only writer of the truth: changes are compiled first, then published whole or refused whole.
//!
//! Nothing here waits for traffic: a change is compiled and published through one `watch` channel, and the mutex is never
//! held across an await.

mod annex;
mod broken;
pub mod history;
pub mod lease;

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::Ordering},
    time::Duration,
};

use tokio::{sync::watch, time::Instant};

use self::broken::{Sound, wanted};
pub use self::{
    annex::Annex,
    history::{Author, History, Revision},
    lease::{Lease, LeaseId, Leases, Owner},
};
use crate::{
    config::{self, Document, Problems},
    faults::{Do, Entry, Fault},
    snapshot::{Compiler, Obstacle, Snapshot, Source, Steering},
    telemetry::events::{Event, Events},
    units::Probability,
    upstream::Weight,
};

/// The truth and its only writer.
pub struct Control {
    truth: Mutex<Truth>,
    publish: watch::Sender<Arc<Snapshot>>,
    leases_changed: tokio::sync::Notify,
    compiler: Compiler,
    events: Events,
}

struct Truth {
    document: Document,
    /// The document in force before a `bad_reload` put a broken one in its place.
    sound: Option<Sound>,
    history: History,
    /// What stands beside the document.
    annex: Annex,
    leases: Leases,
    panic: Option<Panicked>,
    /// Whether the leases say something that could not be published yet.
    unsettled: bool,
}

/// What a panic did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Panicked {
    /// How many faults were lifted.
    pub lifted: usize,
    /// How many leases ended.
    pub leases: usize,
    /// From the order to the moment at which traffic was told.
    #[serde(serialize_with = "as_millis")]
    pub took: Duration,
}

fn as_millis<S: serde::Serializer>(took: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(took.as_secs_f64() * 1e3)
}

/// A fault that stands.
#[derive(Clone, Debug)]
pub struct FaultStatus {
    /// The fault.
    pub fault: Arc<Fault>,
    /// Who holds its lease; `None` for one of the document.
    pub owner: Option<Owner>,
    /// Its lease.
    pub lease: Option<LeaseId>,
    /// How long it still lives unless its lease is renewed.
    pub ends_in: Option<Duration>,
}

/// Why a change was refused. Nothing of it is in force.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// The text is wrong.
    #[error("{0}")]
    Problems(Problems),
    /// The document is right in itself, but something stands in its way.
    #[error("{}", obstacles(.0))]
    Obstacles(Vec<Obstacle>),
    /// There is no such thing.
    #[error("there is no {what} `{name}`{}", known_list(.known))]
    NotFound {
        /// What kind of thing.
        what: &'static str,
        /// What it was called.
        name: String,
        /// What there is.
        known: Vec<String>,
    },
    /// A panic is in force.
    #[error("a panic is in force and nothing new may start; `chaosproxy panic reset` ends it")]
    Panicked,
    /// It may not be done.
    #[error("{0}")]
    Refused(String),
    /// A drill refuses it for now, in the words of the incident that it re-enacts.
    #[error("{0}")]
    Obstructed(String),
}

fn obstacles(all: &[Obstacle]) -> String {
    all.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

fn known_list(known: &[String]) -> String {
    if known.is_empty() {
        "; there are none".into()
    } else {
        format!("; there are: {}", known.join(", "))
    }
}

impl Control {
    /// Puts a first document in force.
    ///
    /// # Errors
    /// What stands in its way; nothing is bound then.
    pub fn start(
        document: Document,
        revision: (Author, &str, &str),
        compiler: Compiler,
        history: History,
        events: Events,
    ) -> Result<Arc<Self>, ChangeError> {
        let source = Source {
            document: &document,
            leased: &[],
            steering: &[],
            previous: None,
            reload: true,
        };
        let snapshot = compiler
            .compile(&source, Instant::now())
            .map_err(ChangeError::Obstacles)?;
        let mut truth = Truth {
            document,
            sound: None,
            history,
            annex: Annex::default(),
            leases: Leases::default(),
            panic: None,
            unsettled: false,
        };
        let (author, file, text) = revision;
        if let Err(error) = truth.history.add(author, file, text) {
            tracing::warn!(%error, "the document is in force, but could not be written to the state folder");
        }
        Ok(Arc::new(Self {
            truth: Mutex::new(truth),
            publish: watch::Sender::new(Arc::new(snapshot)),
            leases_changed: tokio::sync::Notify::new(),
            compiler,
            events,
        }))
    }

    /// The truth as traffic sees it, now and whenever it changes.
    pub fn subscribe(&self) -> watch::Receiver<Arc<Snapshot>> {
        self.publish.subscribe()
    }

    /// The truth as traffic sees it.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.publish.borrow().clone()
    }

    /// What happens, as it happens.
    pub fn events(&self) -> &Events {
        &self.events
    }

    fn lock(&self) -> MutexGuard<'_, Truth> {
        // A panic of another holder leaves a truth that was published, or one that was not: both are whole.
        self.truth.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Compiles what the truth says and publishes it; traffic that is held by a fault which is gone is released.
    fn publish(
        &self,
        truth: &Truth,
        document: &Document,
        reload: bool,
        why: &str,
    ) -> Result<(), ChangeError> {
        let previous = self.snapshot();
        let leased: Vec<(&str, &Entry)> = truth
            .leases
            .iter()
            .flat_map(|(_, lease)| lease.faults.iter().map(|(name, entry)| (name.as_str(), entry)))
            .collect();
        let leased = if truth.panic.is_some() {
            &[][..]
        } else {
            &leased[..]
        };
        let mut document = truth.annex.beside(document);
        if truth.panic.is_some() && !document.faults.is_empty() {
            // A panic lifts the document's faults too; they come back with its reset.
            document.to_mut().faults = config::Named::default();
        }
        let steering: Vec<&Steering> = truth
            .leases
            .iter()
            .flat_map(|(_, lease)| &lease.steering)
            .collect();
        let source = Source {
            document: &document,
            leased,
            steering: &steering,
            previous: Some(&previous),
            reload,
        };
        let snapshot = Arc::new(
            self.compiler
                .compile(&source, Instant::now())
                .map_err(ChangeError::Obstacles)?,
        );
        self.compiler
            .metrics()
            .generation
            .store(snapshot.generation, Ordering::Relaxed);
        self.publish.send_replace(snapshot.clone());
        self.compiler
            .metrics()
            .generation
            .store(snapshot.generation, Ordering::Relaxed);
        self.tell_changes(truth, &snapshot, &previous, why);
        Ok(())
    }

    /// Releases what faults that are gone hold, and tells of those that came and went.
    fn tell_changes(&self, truth: &Truth, now: &Snapshot, before: &Snapshot, why: &str) {
        let (added, gone) = now.faults_changed(before);
        for fault in gone {
            fault.lift();
            self.events.tell(Event::FaultLifted {
                fault: fault.name().to_owned(),
                cause: why.to_owned(),
            });
        }
        for fault in added {
            let owner = truth.holder(fault.name()).map(|(owner, _)| owner);
            self.events.tell(Event::FaultAdded {
                fault: fault.name().to_owned(),
                by: owner.map_or_else(|| "the document".to_owned(), |owner| owner.to_string()),
                lasts: fault.entry().r#for,
            });
        }
    }

    /// Validates a document whole and puts it in force whole, or refuses it whole while the one before runs on. Returns the
    /// number of its revision.
    ///
    /// # Errors
    /// Everything that is wrong with it, or what stands in its way.
    pub fn apply(&self, text: &str, file: &str, author: Author) -> Result<u64, ChangeError> {
        let result = config::read_document(file, text)
            .map_err(ChangeError::Problems)
            .and_then(|loaded| self.put_in_force(loaded.document, text, file, author.clone()));
        match &result {
            Ok(revision) => self.tell_applied(*revision, &author),
            Err(error) => self.tell_refused(error, &author),
        }
        result
    }

    fn put_in_force(
        &self,
        document: Document,
        text: &str,
        file: &str,
        author: Author,
    ) -> Result<u64, ChangeError> {
        let mut truth = self.lock();
        truth.may_be_mended()?;
        if let Some(name) = document.faults.names().find(|name| truth.leases.has_fault(name)) {
            return Err(ChangeError::Refused(format!(
                "faults.{name}: somebody has set a fault of this name by hand; remove that one first, or call this one \
                 something else"
            )));
        }
        if let Some((section, name)) = truth.annex.clash(&document) {
            return Err(ChangeError::Refused(format!(
                "{section}.{name}: a program has made something of this name through Toxiproxy's API; delete that first \
                 (`DELETE /proxies/{name}`), or call this one something else"
            )));
        }
        // Whoever puts a document in force mends a broken one: the fault that broke it is over, or it would do so again.
        let leases = truth.leases.clone();
        truth
            .leases
            .remove_faults(|_, entry| matches!(entry.r#do, Do::BadReload(_)));
        if let Err(error) = self.publish(&truth, &document, true, "its document is no longer in force") {
            truth.leases = leases;
            return Err(error);
        }
        truth.document = document;
        truth.sound = None;
        match truth.history.add(author, file, text) {
            Ok(revision) => Ok(revision),
            Err(error) => {
                tracing::warn!(%error, "the document is in force, but could not be written to the state folder");
                Ok(truth.history.last().map_or(0, |revision| revision.number))
            }
        }
    }

    /// Tells that a document could not even be read; the one in force runs on.
    pub fn refuse(&self, problems: &Problems, author: &Author) {
        self.tell_refused(problems, author);
    }

    fn tell_applied(&self, revision: u64, author: &Author) {
        self.compiler.metrics().reloads_applied.add_shared(1);
        self.events.tell(Event::ReloadApplied {
            generation: revision,
            by: author.to_string(),
        });
    }

    fn tell_refused(&self, cause: &dyn std::fmt::Display, author: &Author) {
        self.compiler.metrics().reloads_refused.add_shared(1);
        self.events.tell(Event::ReloadRefused {
            by: author.to_string(),
            cause: cause.to_string(),
        });
    }

    /// Goes back to an earlier revision: the one before, unless a number is given. A broken document that a `bad_reload`
    /// put in force goes first.
    ///
    /// # Errors
    /// When there is no such revision, or it can no longer be put in force.
    pub fn rollback(&self, to: Option<u64>, author: Author) -> Result<u64, ChangeError> {
        if to.is_none() && self.is_broken() {
            return self.roll_back_broken(author);
        }
        let revision = {
            let truth = self.lock();
            let found = match to {
                Some(number) => truth.history.get(number),
                None => truth.history.before_last(),
            };
            found.cloned().ok_or_else(|| ChangeError::NotFound {
                what: "revision",
                name: to.map_or_else(|| "before the one in force".into(), |number| number.to_string()),
                known: truth
                    .history
                    .iter()
                    .map(|revision| revision.number.to_string())
                    .collect(),
            })?
        };
        if revision.broken {
            let number = revision.number;
            return Err(ChangeError::Refused(format!(
                "revision {number} is the one that was broken; name one before it, or one after"
            )));
        }
        self.apply(
            &revision.text,
            &revision.file,
            Author {
                via: "rollback".into(),
                ..author
            },
        )
    }

    /// The documents that were in force, the oldest first.
    pub fn history(&self) -> Vec<Revision> {
        self.lock().history.iter().cloned().collect()
    }

    /// A document that was in force, by number.
    pub fn revision(&self, number: u64) -> Option<Revision> {
        self.lock().history.get(number).cloned()
    }

    /// The document in force, with what stands beside it.
    pub fn document(&self) -> Document {
        let truth = self.lock();
        truth.annex.beside(&truth.document).into_owned()
    }

    /// Puts another set beside the document, whole.
    ///
    /// # Errors
    /// When a name of it is taken, or something stands in its way; what stood before stands then.
    pub fn set_annex(&self, annex: Annex) -> Result<(), ChangeError> {
        let mut truth = self.lock();
        let leased = annex.faults.names().find(|name| truth.leases.has_fault(name));
        let taken = annex.clash(&truth.document).map(|(_, name)| name).or(leased);
        if let Some(name) = taken {
            return Err(ChangeError::Refused(format!(
                "the name `{name}` is taken; choose another one"
            )));
        }
        let before = std::mem::replace(&mut truth.annex, annex);
        self.settle(&mut truth, "its owner removed or changed it")
            .inspect_err(|_| truth.annex = before)
    }

    /// Sets faults that live as long as the lease is renewed, or until its end.
    ///
    /// # Errors
    /// When a fault does not fit the document in force, a name is taken, or a panic is in force.
    pub fn take_lease(
        &self,
        owner: Owner,
        ttl: Duration,
        faults: Vec<(String, Entry)>,
    ) -> Result<LeaseId, ChangeError> {
        let mut truth = self.lock();
        if truth.panic.is_some() {
            return Err(ChangeError::Panicked);
        }
        self.may_set(&truth, None, &faults)?;
        let lease = Lease {
            owner,
            ends: Instant::now() + ttl,
            faults,
            steering: Vec::new(),
            obstruction: None,
        };
        let id = truth.leases.take(lease);
        if let Err(error) = self.settle(&mut truth, "") {
            truth.leases.end(id);
            return Err(error);
        }
        Ok(id)
    }

    /// Sends traffic where it went in an incident's system, for as long as a lease lives.
    ///
    /// # Errors
    /// When the lease has ended.
    pub fn steer(&self, id: LeaseId, steering: Vec<Steering>) -> Result<(), ChangeError> {
        let mut truth = self.lock();
        held(&mut truth.leases, id)?.steering = steering;
        self.settle(&mut truth, "")
    }

    /// Puts a complete new set in the place of a lease's faults, all at once.
    ///
    /// # Errors
    /// As [`Control::take_lease`]; the set before stands then.
    pub fn replace(&self, id: LeaseId, faults: Vec<(String, Entry)>) -> Result<(), ChangeError> {
        let mut truth = self.lock();
        self.may_set(&truth, Some(id), &faults)?;
        let before = std::mem::replace(&mut held(&mut truth.leases, id)?.faults, faults);
        self.settle(&mut truth, "its holder replaced it")
            .inspect_err(|_| {
                if let Some(lease) = truth.leases.live(id, Instant::now()) {
                    lease.faults = before;
                }
            })
    }

    /// Keeps a lease alive for so long from now.
    ///
    /// # Errors
    /// When it has ended.
    pub fn renew(&self, id: LeaseId, ttl: Duration) -> Result<(), ChangeError> {
        held(&mut self.lock().leases, id)?.ends = Instant::now() + ttl;
        self.leases_changed.notify_one();
        Ok(())
    }

    /// Whether a lease is still held.
    pub fn holds(&self, id: LeaseId) -> bool {
        self.lock().leases.live(id, Instant::now()).is_some()
    }

    /// Gives a lease back: its faults are gone. False when it had ended before.
    pub fn release(&self, id: LeaseId) -> bool {
        let mut truth = self.lock();
        let ended = truth.leases.end(id).is_some();
        self.settle_for_less(&mut truth, "its lease was given back");
        ended
    }

    /// Removes one fault that was set by hand. False when there is none of that name.
    pub fn remove_fault(&self, name: &str) -> bool {
        let mut truth = self.lock();
        let removed = truth.leases.remove_fault(name);
        self.settle_for_less(&mut truth, "it was removed");
        removed
    }

    fn may_set(
        &self,
        truth: &Truth,
        own: Option<LeaseId>,
        faults: &[(String, Entry)],
    ) -> Result<(), ChangeError> {
        if truth.panic.is_some() && !faults.is_empty() {
            return Err(ChangeError::Panicked);
        }
        let others: usize = truth
            .leases
            .iter()
            .filter(|(id, _)| Some(*id) != own)
            .map(|(_, l)| l.faults.len())
            .sum();
        if others + faults.len() > lease::FAULTS_AT_MOST {
            return Err(ChangeError::Refused(format!(
                "more than {} faults at once",
                lease::FAULTS_AT_MOST
            )));
        }
        let document = truth.annex.beside(&truth.document);
        for (place, (name, entry)) in faults.iter().enumerate() {
            let elsewhere = truth.leases.iter().filter(|(id, _)| Some(*id) != own);
            let taken = document.faults.has(name)
                || elsewhere
                    .flat_map(|(_, lease)| &lease.faults)
                    .any(|(other, _)| other == name)
                || faults[..place].iter().any(|(other, _)| other == name);
            if taken {
                return Err(ChangeError::Refused(format!(
                    "there is already a fault `{name}`; remove it first, or give this one another name"
                )));
            }
            let findings = config::check_fault(&document, &config::Path::of(["faults", name]), entry);
            if let Some(finding) = findings.first() {
                return Err(ChangeError::Refused(format!(
                    "{}: {}; {}",
                    finding.path, finding.what, finding.mend
                )));
            }
        }
        Ok(())
    }

    /// Publishes what the leases say now, with the document that a `bad_reload` among them wants.
    fn settle(&self, truth: &mut Truth, why: &str) -> Result<(), ChangeError> {
        self.leases_changed.notify_one();
        let wanted = wanted(truth)?;
        self.publish(truth, &wanted.document, false, why)?;
        truth.turn_to(wanted);
        truth.unsettled = false;
        Ok(())
    }

    /// As [`Control::settle`], where faults only go: the document is one that was in force. What stands in its way is tried
    /// again until it does not, but no fault waits for that.
    fn settle_for_less(&self, truth: &mut Truth, why: &str) {
        let Err(error) = self.settle(truth, why) else {
            return;
        };
        tracing::error!(%error, "faults could not be lifted in the regular way; each is lifted by itself");
        truth.unsettled = true;
        let lives = |fault: &Fault| {
            truth.panic.is_none()
                && (truth.leases.has_fault(fault.name())
                    || truth.document.faults.has(fault.name())
                    || truth.annex.faults.has(fault.name()))
        };
        for fault in self.snapshot().faults.iter().filter(|fault| !lives(fault)) {
            fault.lift();
        }
    }

    /// The faults that stand, in the order in which they are tried.
    pub fn faults(&self) -> Vec<FaultStatus> {
        let truth = self.lock();
        let now = Instant::now();
        let snapshot = self.snapshot();
        let status = |fault: &Arc<Fault>| {
            let (owner, held) = truth.holder(fault.name()).unzip();
            let held = held.flatten();
            FaultStatus {
                fault: fault.clone(),
                owner,
                lease: held.map(|(id, _)| id),
                ends_in: held.map(|(_, lease)| lease.ends.saturating_duration_since(now)),
            }
        };
        let stands = |fault: &&Arc<Fault>| !fault.is_lifted();
        snapshot.faults.iter().filter(stands).map(status).collect()
    }

    /// Lifts every fault at once and lets none start until the panic is reset.
    pub fn panic(&self, by: &Author) -> Panicked {
        let begun = Instant::now();
        let mut truth = self.lock();
        let lifted = self.faults_standing().len();
        let leases = truth.leases.end_all().len();
        truth.panic = Some(Panicked {
            lifted,
            leases,
            took: Duration::ZERO,
        });
        self.settle_for_less(&mut truth, "panic");
        let done = Panicked {
            lifted,
            leases,
            took: begun.elapsed(),
        };
        truth.panic = Some(done);
        drop(truth);
        self.events.tell(Event::Panic {
            by: by.to_string(),
            clean_after: crate::units::Span(done.took),
        });
        done
    }

    /// The panic that is in force.
    pub fn panicked(&self) -> Option<Panicked> {
        self.lock().panic
    }

    /// Ends every lease and lifts every fault, because the process ends: what they hold goes on, and can end too. Says how many
    /// stood.
    pub fn end(&self) -> usize {
        let mut truth = self.lock();
        let standing = self.faults_standing();
        truth.leases.end_all();
        self.settle_for_less(&mut truth, "the proxy ends");
        standing.iter().for_each(|fault| fault.lift());
        standing.len()
    }

    fn faults_standing(&self) -> Vec<Arc<Fault>> {
        let snapshot = self.snapshot();
        let standing = snapshot.faults.iter().filter(|fault| !fault.is_lifted());
        standing.cloned().collect()
    }

    /// Lets faults start again. False when no panic was in force.
    pub fn panic_reset(&self, by: &Author) -> bool {
        let mut truth = self.lock();
        let was = truth.panic.take().is_some();
        if was {
            self.settle_for_less(&mut truth, "the panic was reset");
            self.events.tell(Event::PanicReset { by: by.to_string() });
        }
        was
    }

    /// Ends the leases whose time is over, at that time, for as long as the process lives.
    pub async fn expire_leases(self: Arc<Self>) {
        loop {
            let next = {
                let truth = self.lock();
                let again = truth.unsettled.then(|| Instant::now() + SETTLE_AGAIN);
                truth.leases.next_end().into_iter().chain(again).min()
            };
            let over = async {
                match next {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = over => self.expire(Instant::now()),
                () = self.leases_changed.notified() => {}
            }
        }
    }

    fn expire(&self, now: Instant) {
        let mut truth = self.lock();
        let over = truth.leases.expire(now);
        if over.is_empty() && !truth.unsettled {
            return;
        }
        self.settle_for_less(&mut truth, "its lease was not renewed in time");
        for lease in over {
            self.events.tell(Event::LeaseEnded {
                lease: lease.owner.to_string(),
                cause: "it was not renewed in time".into(),
            });
        }
    }

    /// Takes a backend out of the choice; what runs on it ends by itself.
    ///
    /// # Errors
    /// When there is no such backend.
    pub fn drain(&self, cluster: &str, backend: &str) -> Result<(), ChangeError> {
        self.with_backend(cluster, backend, crate::upstream::Backend::drain)
    }

    /// Puts a drained backend back.
    ///
    /// # Errors
    /// When there is no such backend.
    pub fn enable(&self, cluster: &str, backend: &str) -> Result<(), ChangeError> {
        self.with_backend(cluster, backend, |backend| backend.enable(Instant::now()))
    }

    /// Changes a backend's share, until the document says otherwise.
    ///
    /// # Errors
    /// When there is no such backend.
    pub fn set_weight(&self, cluster: &str, backend: &str, weight: Weight) -> Result<(), ChangeError> {
        self.with_backend(cluster, backend, |backend| backend.set_weight(Some(weight)))?;
        // Rounds are laid out when a snapshot is made: one with more turns than before needs another.
        self.settle(&mut self.lock(), "a weight was changed")
    }

    /// Admits a share of a cluster's traffic; the rest is answered 503.
    ///
    /// # Errors
    /// When there is no such cluster.
    pub fn admit(&self, cluster: &str, share: Probability) -> Result<(), ChangeError> {
        let snapshot = self.snapshot();
        let target = snapshot
            .cluster(cluster)
            .ok_or_else(|| no_cluster(&snapshot, cluster))?;
        target.cluster.admit(share);
        self.events.tell(Event::BalancerChanged {
            cluster: cluster.into(),
            backend: None,
            state: format!("admits {share}"),
        });
        Ok(())
    }

    fn with_backend(
        &self,
        cluster: &str,
        backend: &str,
        act: impl FnOnce(&crate::upstream::Backend),
    ) -> Result<(), ChangeError> {
        let snapshot = self.snapshot();
        let target = snapshot
            .cluster(cluster)
            .ok_or_else(|| no_cluster(&snapshot, cluster))?;
        let backends = target.cluster.backends();
        let found =
            backends
                .iter()
                .find(|one| one.name() == backend)
                .ok_or_else(|| ChangeError::NotFound {
                    what: "backend",
                    name: format!("{cluster}/{backend}"),
                    known: backends.iter().map(|one| one.name().to_owned()).collect(),
                })?;
        act(found);
        self.events.tell(Event::BalancerChanged {
            cluster: cluster.into(),
            backend: Some(backend.into()),
            state: format!(
                "{}, weight {}",
                found.state_word(Instant::now()),
                found.weight().get()
            ),
        });
        Ok(())
    }
}

/// How soon it is tried again to publish what could not be published.
const SETTLE_AGAIN: Duration = Duration::from_secs(1);

impl Truth {
    /// Who holds a fault, and by which lease; `None` for one of the document.
    fn holder(&self, fault: &str) -> Option<(Owner, Option<(LeaseId, &Lease)>)> {
        if self.annex.faults.has(fault) {
            return Some((Owner::Toxiproxy, None));
        }
        let has = |lease: &Lease| lease.faults.iter().any(|(name, _)| name == fault);
        let (id, lease) = self.leases.iter().find(|(_, lease)| has(lease))?;
        Some((lease.owner.clone(), Some((id, lease))))
    }
}

fn no_cluster(snapshot: &Snapshot, name: &str) -> ChangeError {
    ChangeError::NotFound {
        what: "cluster",
        name: name.to_owned(),
        known: snapshot
            .clusters
            .iter()
            .map(|target| target.name.to_string())
            .collect(),
    }
}

fn held(leases: &mut Leases, id: LeaseId) -> Result<&mut Lease, ChangeError> {
    leases
        .live(id, Instant::now())
        .ok_or_else(|| ChangeError::NotFound {
            what: "lease",
            name: id.0.to_string(),
            known: Vec::new(),
        })
}

#[cfg(test)]
mod tests;
