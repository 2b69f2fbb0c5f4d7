//! Documents that come into force: by file change, signal or API, whole or not at all, and back again.

use super::{Annex, Author, ChangeError, Control, Revision};
use crate::{
    config::{self, Document, Problems},
    faults::Do,
    telemetry::events::Event,
};

impl Control {
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
            Ok(revision) => {
                self.tell_applied(*revision, &author);
                let waiting = self.waiting();
                if !waiting.is_empty() {
                    tracing::warn!(
                        settings = waiting.join(", "),
                        "changed, but a process takes them once: they hold from the next start"
                    );
                }
            }
            Err(error) => self.tell_refused(error, error.brief(), &author),
        }
        result
    }

    /// The settings in which the document in force differs from the one that the process began with, and that hold only from
    /// the next start.
    pub fn waiting(&self) -> Vec<&'static str> {
        self.once.waiting(&self.lock().document)
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
        self.tell_refused(problems, problems.brief(), author);
    }

    pub(super) fn tell_applied(&self, revision: u64, author: &Author) {
        self.compiler.metrics().reloads_applied.add_shared(1);
        self.events.tell(Event::ReloadApplied {
            generation: revision,
            by: author.to_string(),
        });
    }

    pub(super) fn tell_refused(&self, cause: &dyn std::fmt::Display, brief: String, author: &Author) {
        self.compiler.metrics().reloads_refused.add_shared(1);
        self.events.tell(Event::ReloadRefused {
            by: author.to_string(),
            cause: cause.to_string(),
            brief,
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
        let revision = self.back(to)?;
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

    /// The revision of a number, or the one before.
    fn back(&self, to: Option<u64>) -> Result<Revision, ChangeError> {
        let truth = self.lock();
        let history = &truth.history;
        let found = match to {
            Some(number) => history.get(number).ok_or_else(|| ChangeError::NotFound {
                what: "revision",
                name: number.to_string(),
                known: history
                    .iter()
                    .map(|revision| revision.number.to_string())
                    .collect(),
            })?,
            None => history.before_last().ok_or_else(|| {
                ChangeError::NothingBefore(history.last().map_or(0, |revision| revision.number))
            })?,
        };
        Ok(found.clone())
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

    /// Whether something in the document itself, where traffic comes in or goes to, has this name.
    pub fn is_named(&self, name: &str) -> bool {
        let document = &self.lock().document;
        document.listeners.has(name) || document.clusters.has(name)
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
}
