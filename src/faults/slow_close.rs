//! `slow_close`: bytes pass, but the end is late.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::{
    doc::{Doc, Hook},
    entry::is_default,
    hook::{Acts, Ask, Flow},
    line::{Line, Piece, Shape},
};
use crate::units::Span;

/// Lets bytes pass and keeps the end back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SlowClose {
    /// How late the end is.
    pub delay: Span,
    /// The direction. Default: `reply`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub flow: Flow,
}

/// The page of `slow_close`.
pub(super) const DOC: Doc = Doc {
    kind: "slow_close",
    does: "Lets bytes pass, but keeps the end of the stream back for a time",
    acts_at: &[Hook::Flow],
    settings: &[
        ("delay", "how late the end is"),
        ("flow", "the direction: request or reply (reply)"),
    ],
    examples: &[r#"{do: {slow_close: {delay: 700ms}}}"#],
};

impl Acts for SlowClose {
    fn doc(&self) -> &'static Doc {
        &DOC
    }

    fn flow(&self, _: &mut Ask, direction: Flow) -> Option<Box<dyn Shape>> {
        (self.flow == direction).then(|| Box::new(self.clone()) as _)
    }
}

impl Shape for SlowClose {
    fn shape(&mut self, at: Instant, piece: Piece, line: &mut Line) {
        let delay = if piece.is_last() { self.delay } else { Span::ZERO };
        line.pass(at + delay.0, piece);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::faults::trial::{chain, drain, ms, push, text};

    #[test]
    fn bytes_pass_at_once_and_the_end_late() {
        let now = Instant::now();
        let (_, mut chain) = chain(&["{slow_close: {delay: 700ms}}"], now);
        assert_eq!(push(&mut chain, now, text("abc")), [text("abc")]);
        assert_eq!(push(&mut chain, now, Piece::End), []);
        assert_eq!(drain(&mut chain, now), [(ms(700), Piece::End)]);
    }
}
