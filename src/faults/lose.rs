//! `lose`: pieces of a stream are missing (Toxiproxy's toxic `packet_loss`).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::{
    doc::{Doc, Hook},
    entry::is_default,
    hook::{Acts, Ask, Flow},
    line::{Line, Piece, Shape},
};
use crate::units::{Probability, Stream};

/// Loses pieces of a stream, as no network does to TCP: what comes after a gap is passed on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Lose {
    /// The share of chunks that are lost; a chunk is what one read gave, at most 16KiB.
    pub share: Probability,
    /// How much likelier a chunk is lost after one that was. Default: 0%.
    #[serde(default = "never", skip_serializing_if = "is_never")]
    pub correlation: Probability,
    /// The direction. Default: `reply`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub flow: Flow,
}

const fn never() -> Probability {
    Probability::NEVER
}

fn is_never(share: &Probability) -> bool {
    *share == Probability::NEVER
}

/// The page of `lose`.
pub(super) const DOC: Doc = Doc {
    kind: "lose",
    does: "Loses chunks of a stream and passes on what follows, as no network does to TCP",
    acts_at: &[Hook::Flow],
    settings: &[
        ("share", "the share of chunks that are lost"),
        ("correlation", "how much likelier after one that was lost (0%)"),
        ("flow", "the direction: request or reply (reply)"),
    ],
    examples: &[
        r#"{do: {lose: {share: 5%}}}"#,
        r#"{do: {lose: {share: 1%, correlation: 25%, flow: request}}}"#,
    ],
};

impl Acts for Lose {
    fn doc(&self) -> &'static Doc {
        &DOC
    }

    fn flow(&self, ask: &mut Ask, direction: Flow) -> Option<Box<dyn Shape>> {
        let leak = || Leak {
            lose: self.clone(),
            dice: ask.dice,
            lost: false,
        };
        (self.flow == direction).then(|| Box::new(leak()) as _)
    }
}

#[derive(Debug)]
struct Leak {
    lose: Lose,
    dice: Stream,
    /// Whether the last chunk was lost.
    lost: bool,
}

impl Shape for Leak {
    fn shape(&mut self, at: Instant, piece: Piece, line: &mut Line) {
        if piece.is_empty() {
            return line.pass(at, piece);
        }
        let more = if self.lost {
            self.lose.correlation.get()
        } else {
            0.0
        };
        self.lost = self.dice.unit() < self.lose.share.get() + more;
        if !self.lost {
            line.pass(at, piece);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::faults::trial::{chain, push, text};

    /// Which of 10,000 chunks come through.
    fn through(kind: &str) -> Vec<bool> {
        let now = Instant::now();
        let (_, mut chain) = chain(&[kind], now);
        let came = (0..10_000)
            .map(|_| !push(&mut chain, now, text("abc")).is_empty())
            .collect();
        assert_eq!(
            push(&mut chain, now, Piece::End),
            [Piece::End],
            "the end is never lost"
        );
        came
    }

    #[test]
    fn a_share_of_the_chunks_is_lost() {
        let lost = |kind| through(kind).into_iter().filter(|came| !came).count();
        // 3.29 standard deviations hold 99.9% of a binomial distribution.
        assert!(lost("{lose: {share: 5%}}").abs_diff(500) < 72);
        assert_eq!(lost("{lose: {share: 0%}}"), 0);
        assert_eq!(lost("{lose: {share: 100%}}"), 10_000);
    }

    #[test]
    fn losses_come_together_where_they_should() {
        let came = through("{lose: {share: 10%, correlation: 70%}}");
        let after_loss: Vec<bool> = came
            .windows(2)
            .filter(|pair| !pair[0])
            .map(|pair| !pair[1])
            .collect();
        let share = after_loss.iter().filter(|lost| **lost).count() * 100 / after_loss.len();
        assert!((75..85).contains(&share), "{share}%");
    }
}
