//! `health`: what health checks are told, whatever the truth.

use super::{
    doc::{Doc, Hook},
    hook::{Acts, Told},
};

/// The page of `health`.
pub(super) const DOC: Doc = Doc {
    kind: "health",
    does: "Tells health checks that all is well, or ill, or nothing at all, whatever the truth; with `pass` outlier ejection does \
           not find out either",
    acts_at: &[Hook::Probe],
    settings: &[("", "what they are told: pass, fail or hang")],
    examples: &[
        r#"{where: {cluster: app}, do: {health: pass}}"#,
        r#"{where: {cluster: app}, do: {health: hang}}"#,
    ],
};

impl Acts for Told {
    fn doc(&self) -> &'static Doc {
        &DOC
    }

    fn told(&self) -> Option<Told> {
        Some(*self)
    }
}
