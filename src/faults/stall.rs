//! `stall`: nothing passes until the fault is lifted, and nothing is lost.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::{
    cutting::Cutter,
    doc::{Doc, Hook},
    entry::is_default,
    hook::{Acts, Ask, Flow},
    line::{Line, Piece, Shape},
};
use crate::units::ByteSize;

/// Lets nothing pass until it is lifted; nothing is lost.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Stall {
    /// Only once so many bytes have passed. Default: 0B.
    #[serde(default, skip_serializing_if = "is_default")]
    pub after_bytes: ByteSize,
    /// The direction. Default: `reply`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub flow: Flow,
}

/// The page of `stall`.
pub(super) const DOC: Doc = Doc {
    kind: "stall",
    does: "Lets no byte pass until it is lifted; then all of them, in order",
    acts_at: &[Hook::Flow],
    settings: &[
        ("after_bytes", "only once so many bytes have passed (0B)"),
        ("flow", "the direction: request or reply (reply)"),
    ],
    examples: &[
        r#"{do: stall}"#,
        r#"{do: {stall: {after_bytes: 1KiB, flow: request}}}"#,
    ],
};

impl Acts for Stall {
    fn doc(&self) -> &'static Doc {
        &DOC
    }

    fn flow(&self, _: &mut Ask, direction: Flow) -> Option<Box<dyn Shape>> {
        (self.flow == direction).then(|| {
            Box::new(Staller {
                left: self.after_bytes.0,
            }) as _
        })
    }
}

#[derive(Debug)]
struct Staller {
    left: u64,
}

impl Shape for Staller {
    fn shape(&mut self, at: Instant, piece: Piece, line: &mut Line) {
        match piece {
            Piece::Data(mut bytes) => {
                let passed = Cutter::share(&mut self.left, bytes.len());
                line.pass(at, Piece::Data(bytes.split_to(passed)));
                line.hold(Piece::Data(bytes));
            }
            // What ends before so many bytes have come is not held.
            end if self.left > 0 => line.pass(at, end),
            end => line.hold(end),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::faults::trial::{chain, lift, push, text};

    #[test]
    fn nothing_passes_until_the_fault_is_lifted_and_then_all_of_it_in_order() {
        let now = Instant::now();
        let (faults, mut chain) = chain(&["{stall: {after_bytes: 1B}}"], now);
        assert_eq!(push(&mut chain, now, text("abc")), [text("a")]);
        assert_eq!(push(&mut chain, now, text("def")), []);
        assert_eq!(push(&mut chain, now, Piece::End), []);
        assert_eq!((chain.next_wakeup(), chain.held()), (None, 5));
        faults[0].lift();
        assert_eq!(lift(&mut chain, now), [text("bc"), text("def"), Piece::End]);
        let (faults, mut chain) = self::chain(&["{stall: {after_bytes: 4B}}"], now);
        assert_eq!(push(&mut chain, now, text("abc")), [text("abc")]);
        assert_eq!(push(&mut chain, now, Piece::End), [Piece::End]);
        assert_eq!(faults[0].hits(), 0);
    }
}
