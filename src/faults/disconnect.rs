//! `disconnect`: a database's connection that breaks in the middle of an answer.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    cutting::Cutter,
    doc::{Doc, Hook},
    entry::is_default,
    hook::{Acts, Ask, Flow, Unit},
    line::{Cut, Piece, Shape},
};
use crate::{route::Dialect, units::ByteSize};

/// Breaks the connection within the answer to a command: the command is done, and its client does not know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Disconnect {
    /// How it breaks. Default: `reset`.
    #[serde(skip_serializing_if = "is_default")]
    pub with: With,
    /// How many bytes of the answer come; a shorter answer comes whole. Default: 3B, in the middle of the shortest message.
    #[serde(skip_serializing_if = "is_middle")]
    pub after_bytes: ByteSize,
}

/// How a connection breaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum With {
    /// With RST.
    #[default]
    Reset,
    /// With FIN.
    Close,
}

/// No message of any of the protocols is so short.
const MIDDLE: ByteSize = ByteSize(3);

fn is_middle(bytes: &ByteSize) -> bool {
    *bytes == MIDDLE
}

impl Default for Disconnect {
    fn default() -> Self {
        Self {
            with: With::default(),
            after_bytes: MIDDLE,
        }
    }
}

/// The page of `disconnect`.
pub(super) const DOC: Doc = Doc {
    kind: "disconnect",
    does: "A database's connection breaks in the middle of the answer to a command, which is done all the same",
    acts_at: &[Hook::Flow],
    settings: &[
        ("with", "how it breaks: reset or close (reset)"),
        (
            "after_bytes",
            "how many bytes of the answer come; a shorter one comes whole (3B, in the middle of the shortest message)",
        ),
    ],
    examples: &[
        r#"{where: {match: {sql: write}}, odds: 1%, do: disconnect}"#,
        r#"{where: {match: {table: orders}}, do: {disconnect: {with: close, after_bytes: 1KiB}}}"#,
    ],
};

impl Acts for Disconnect {
    fn doc(&self) -> &'static Doc {
        &DOC
    }

    fn unit(&self, _: Dialect) -> Unit {
        Unit::Command
    }

    fn flow(&self, _: &mut Ask, direction: Flow) -> Option<Box<dyn Shape>> {
        let cut = match self.with {
            With::Reset => Cut::Reset,
            With::Close => Cut::Close,
        };
        (direction == Flow::Reply)
            .then(|| Box::new(Cutter::after_bytes(self.after_bytes, Piece::Cut(cut))) as _)
    }
}
