//! `/api/v1/config`: the document in force, its history, a change and the way back.

use axum::Json;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Desk,
    ask::{Ask, Fields, Text},
    panic::author,
    refusal::{Kind, Refusal},
};
use crate::{
    config,
    control::{Revision, history::diff},
};

/// A document that is or was in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Shown {
    /// Its revision.
    pub revision: u64,
    /// When it came into force.
    pub at: String,
    /// Who put it there.
    pub who: String,
    /// By what way: `start`, `file`, `signal`, `api`, `rollback`, `push`.
    pub via: String,
    /// The file that it came from.
    pub file: String,
    /// The text as it was written.
    pub text: String,
}

/// A revision without its text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RevisionStatus {
    /// Its number.
    pub revision: u64,
    /// When it came into force.
    pub at: String,
    /// Who put it there.
    pub who: String,
    /// By what way: `start`, `file`, `signal`, `api`, `rollback`, `push`.
    pub via: String,
    /// The file that it came from.
    pub file: String,
    /// Lines that it added to the revision before.
    pub added: usize,
    /// Lines that it removed from the revision before.
    pub removed: usize,
    /// Whether it is in force.
    pub in_force: bool,
}

/// A change that was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Changed {
    /// The revision that is now in force.
    pub revision: u64,
    /// What changed, as a unified diff; empty where nothing did.
    pub diff: String,
    /// Settings that differ from those which the process began with, and hold only from its next start.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub from_next_start: Vec<String>,
    /// The same as `diff`, of what those see who may not know everything.
    #[serde(skip)]
    #[schemars(skip)]
    pub plain: String,
}

/// Where to go back to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rollback {
    /// The revision; left out: the one before the one in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<u64>,
}

/// Which revision.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
pub(super) struct Number {
    revision: u64,
}

/// Where a document came from.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub(super) struct From {
    /// The name of its file, for messages and history.
    file: Option<String>,
}

impl std::convert::From<Revision> for Shown {
    fn from(revision: Revision) -> Self {
        let Revision {
            number,
            at,
            author,
            file,
            text,
            broken: _,
        } = revision;
        Self {
            revision: number,
            at,
            who: author.who,
            via: author.via,
            file,
            text,
        }
    }
}

impl Shown {
    /// A text without its faults, and without its roles, which tell what incident it was made ready for.
    pub(super) fn plain(text: &str) -> String {
        config::without(text, &["faults", "roles"])
    }
}

/// Shows the document in force.
pub(super) fn show(desk: &Desk, _: &Ask) -> Result<Json<Shown>, Refusal> {
    let last = desk.control.history().pop();
    last.map(|revision| Json(revision.into())).ok_or_else(|| {
        Refusal::new(
            Kind::NotFound,
            "no document is in force",
            "apply one: `chaosproxy config apply FILE`",
        )
    })
}

/// Lists the revisions, the oldest first.
pub(super) fn history(desk: &Desk, _: &Ask) -> Result<Json<Vec<RevisionStatus>>, Refusal> {
    Ok(Json(entries(&desk.control.history())))
}

/// Shows a document that was in force.
pub(super) fn revision(desk: &Desk, ask: &Ask<Number>) -> Result<Json<Shown>, Refusal> {
    let number = ask.at.revision;
    desk.control
        .revision(number)
        .map(|revision| Json(revision.into()))
        .ok_or_else(|| {
            Refusal::new(
                Kind::NotFound,
                format!("there is no revision {number}"),
                "`chaosproxy config history` (GET /api/v1/config/history) lists them",
            )
        })
}

/// Puts a document into force, or refuses it whole.
pub(super) fn apply(desk: &Desk, ask: &Ask<From, Text>) -> Result<Json<Changed>, Refusal> {
    let file = ask.at.file.as_deref().unwrap_or("request");
    changed(desk, |desk| {
        Ok(desk.control.apply(&ask.body.0, file, author(&ask.caller))?)
    })
}

/// Puts an older document into force again.
pub(super) fn rollback(
    desk: &Desk,
    ask: &Ask<super::ask::Nothing, Fields<Rollback>>,
) -> Result<Json<Changed>, Refusal> {
    changed(desk, |desk| {
        Ok(desk.control.rollback(ask.body.0.to, author(&ask.caller))?)
    })
}

/// Makes a change and tells what it changed.
fn changed(
    desk: &Desk,
    change: impl FnOnce(&Desk) -> Result<u64, Refusal>,
) -> Result<Json<Changed>, Refusal> {
    let before = desk.control.history().pop();
    let revision = change(desk)?;
    let after = desk.control.history().pop();
    let name = |revision: &Option<Revision>| {
        revision
            .as_ref()
            .map_or_else(String::new, |revision| format!("revision {}", revision.number))
    };
    let text = |revision: &Option<Revision>| revision.as_ref().map_or_else(String::new, |r| r.text.clone());
    let (old, new) = (text(&before), text(&after));
    let between = |old: &str, new: &str| diff(old, new, &name(&before), &name(&after));
    Ok(Json(Changed {
        revision,
        diff: between(&old, &new),
        from_next_start: desk.control.waiting().into_iter().map(str::to_owned).collect(),
        plain: between(&Shown::plain(&old), &Shown::plain(&new)),
    }))
}

fn entries(revisions: &[Revision]) -> Vec<RevisionStatus> {
    let before = std::iter::once("").chain(revisions.iter().map(|revision| revision.text.as_str()));
    let last = revisions.last().map(|revision| revision.number);
    revisions
        .iter()
        .zip(before)
        .map(|(revision, before)| {
            let diff = diff(before, &revision.text, "a", "b");
            // The first two lines name the sides.
            let count = |sign| diff.lines().skip(2).filter(|line| line.starts_with(sign)).count();
            RevisionStatus {
                revision: revision.number,
                at: revision.at.clone(),
                who: revision.author.who.clone(),
                via: revision.author.via.clone(),
                file: revision.file.clone(),
                added: count('+'),
                removed: count('-'),
                in_force: Some(revision.number) == last,
            }
        })
        .collect()
}
