//! `limit_data`: the connection closes once so many bytes have passed (Toxiproxy's toxic of that name).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    cutting::Cutter,
    doc::{Doc, Hook},
    entry::is_default,
    hook::{Acts, Ask, Flow},
    line::{Cut, Piece, Shape},
};
use crate::units::ByteSize;

/// Closes the connection, both directions, once so many bytes have passed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LimitData {
    /// How many bytes pass, exactly; with 0B the first to come closes it and is lost.
    pub bytes: ByteSize,
    /// The direction that is counted. Default: `reply`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub flow: Flow,
}

/// The page of `limit_data`.
pub(super) const DOC: Doc = Doc {
    kind: "limit_data",
    does: "Closes the connection once exactly so many bytes have passed in one direction",
    acts_at: &[Hook::Flow],
    settings: &[
        ("bytes", "how many bytes pass"),
        ("flow", "the direction that is counted: request or reply (reply)"),
    ],
    examples: &[r#"{do: {limit_data: {bytes: 64KiB}}}"#],
};

impl Acts for LimitData {
    fn doc(&self) -> &'static Doc {
        &DOC
    }

    fn flow(&self, _: &mut Ask, direction: Flow) -> Option<Box<dyn Shape>> {
        (self.flow == direction)
            .then(|| Box::new(Cutter::after_bytes(self.bytes, Piece::Cut(Cut::Close))) as _)
    }
}
