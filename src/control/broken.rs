//! A broken document that a `bad_reload` puts live, as a release without a test stage does, and the ways back from it: a
//! rollback, a sound document, or the end of the fault.

use super::{Author, ChangeError, Control, Document, LeaseId, Truth, held};
use crate::{
    config,
    faults::{BadReload, Do, Entry},
};

/// What a rollback of a broken document goes back to.
pub(super) struct Sound {
    pub(super) document: Document,
    /// The fault that broke it.
    fault: String,
}

/// The document that the leases want in force.
pub(super) struct Wanted {
    pub(super) document: Document,
    /// What it broke, and its text, where a `bad_reload` among them breaks the sound one.
    broken: Option<(Sound, String)>,
}

/// The document that the leases want in force: the sound one, unless a `bad_reload` among them breaks it.
pub(super) fn wanted(truth: &Truth) -> Result<Wanted, ChangeError> {
    let sound = truth
        .sound
        .as_ref()
        .map_or(&truth.document, |sound| &sound.document);
    let mut leased = truth.leases.iter().flat_map(|(_, lease)| &lease.faults);
    let bad = leased.find_map(|(name, entry)| match &entry.r#do {
        Do::BadReload(bad) => Some((name, entry, bad)),
        _ => None,
    });
    let Some((fault, entry, bad)) = bad else {
        return Ok(Wanted {
            document: sound.clone(),
            broken: None,
        });
    };
    let text = truth.history.sound().map_or("", |revision| &revision.text);
    let text = broken_text(text, entry, bad).ok_or_else(|| {
        ChangeError::Refused("the document in force holds nothing that `bad_reload` could break".into())
    })?;
    let document = config::read_unchecked(&text).ok_or_else(|| {
        ChangeError::Refused("the broken document of `bad_reload` cannot be read at all".into())
    })?;
    let sound = Sound {
        document: sound.clone(),
        fault: fault.clone(),
    };
    Ok(Wanted {
        document,
        broken: Some((sound, text)),
    })
}

/// The broken text; `None` where there is nothing to break.
fn broken_text(text: &str, entry: &Entry, bad: &BadReload) -> Option<String> {
    match bad {
        BadReload::Misspell(what) => config::misspelt(text, entry.r#where.role.as_deref(), *what),
        BadReload::Replace { find, replace } if find.is_empty() => Some(replace.clone()),
        BadReload::Replace { find, replace } => text.contains(find).then(|| text.replace(find, replace)),
    }
}

impl Truth {
    /// The document that was wanted is in force: what broke it is in the history, as a release would be, and so is the end of
    /// the fault.
    pub(super) fn turn_to(&mut self, wanted: Wanted) {
        self.document = wanted.document;
        self.sound = match wanted.broken {
            None => {
                if self.history.last().is_some_and(|last| last.broken) {
                    self.history.mended(Author::new("release", "restored"));
                }
                None
            }
            Some((sound, text)) => {
                if self.history.last().is_none_or(|last| last.text != text) {
                    self.history.add_broken(Author::new("release", "push"), &text);
                }
                Some(sound)
            }
        };
    }

    /// Whether a broken document may be put right now.
    pub(super) fn may_be_mended(&self) -> Result<(), ChangeError> {
        let mut leases = self.leases.iter().filter(|_| self.sound.is_some());
        let words = leases.find_map(|(_, lease)| lease.obstruction.clone());
        words.map_or(Ok(()), |words| Err(ChangeError::Obstructed(words)))
    }
}

impl Control {
    /// Whether a broken document is in force.
    pub fn is_broken(&self) -> bool {
        self.lock().sound.is_some()
    }

    /// Refuses every sound document while a broken one is in force, in these words, for as long as a lease lives; `None` lets
    /// them through again.
    ///
    /// # Errors
    /// When the lease has ended.
    pub fn obstruct(&self, id: LeaseId, words: Option<String>) -> Result<(), ChangeError> {
        held(&mut self.lock().leases, id)?.obstruction = words;
        Ok(())
    }

    /// Goes back from a broken document to the sound one; its fault is over.
    pub(super) fn roll_back_broken(&self, author: Author) -> Result<u64, ChangeError> {
        let mut truth = self.lock();
        if let Err(error) = truth.may_be_mended() {
            drop(truth);
            self.tell_refused(&error, error.brief(), &author);
            return Err(error);
        }
        let Some(fault) = truth.sound.as_ref().map(|sound| sound.fault.clone()) else {
            return Ok(truth.history.last().map_or(0, |revision| revision.number));
        };
        truth.leases.remove_fault(&fault);
        let author = Author {
            via: "rollback".into(),
            ..author
        };
        let revision = truth.history.mended(author.clone());
        self.settle_for_less(&mut truth, "its document was rolled back");
        drop(truth);
        self.tell_applied(revision, &author);
        Ok(revision)
    }
}
