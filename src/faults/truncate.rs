//! `truncate`: a stream ends too early, as if that were all.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    cutting::Cutter,
    doc::{Doc, Hook},
    entry::is_default,
    hook::{Acts, Ask, Flow},
    line::{Piece, Shape},
};
use crate::units::ByteSize;

/// Ends a stream too early, as if that were all; the rest is lost.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Truncate {
    /// How many bytes pass before the end.
    pub after_bytes: ByteSize,
    /// The direction. Default: `reply`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub flow: Flow,
}

/// The page of `truncate`.
pub(super) const DOC: Doc = Doc {
    kind: "truncate",
    does: "Ends a stream after so many bytes, as if that were all; the rest is lost",
    acts_at: &[Hook::Flow],
    settings: &[
        ("after_bytes", "how many bytes pass before the end"),
        ("flow", "the direction: request or reply (reply)"),
    ],
    examples: &[r#"{odds: 1%, do: {truncate: {after_bytes: 100B}}}"#],
};

impl Acts for Truncate {
    fn doc(&self) -> &'static Doc {
        &DOC
    }

    fn flow(&self, _: &mut Ask, direction: Flow) -> Option<Box<dyn Shape>> {
        (self.flow == direction).then(|| Box::new(Cutter::after_bytes(self.after_bytes, Piece::End)) as _)
    }
}
