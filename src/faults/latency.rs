//! `latency`: time is added, as much as a distribution gives.

use std::time::Duration;

use http::{request, response};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::{
    doc::{Doc, Hook},
    entry::is_default,
    hook::{Acts, Ask, Flow, Unit, Verdict},
    line::{Line, Piece, Shape},
};
use crate::{
    route::Dialect,
    units::{Span, Stream},
};

/// Adds time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Latency {
    /// How much time is added.
    pub add: Span,
    /// How far it varies, as the distribution says. Default: 0s.
    #[serde(default, skip_serializing_if = "is_default")]
    pub jitter: Span,
    /// How it varies. Default: `uniform`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub distribution: Distribution,
    /// When it is added. Default: `open`, before anything is sent.
    #[serde(default, skip_serializing_if = "is_default")]
    pub at: At,
    /// With `at: chunk`, the direction of the bytes. Default: `reply`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub flow: Flow,
}

/// How added time varies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Distribution {
    /// Not at all: `add`, whatever the jitter.
    Constant,
    /// Evenly from `add - jitter` to `add + jitter`.
    #[default]
    Uniform,
    /// The bell curve around `add` with `jitter` as its standard deviation.
    Normal,
    /// At least `add`, most often little more, sometimes much: `add + jitter / 2` on average, `add + 20 jitter` at most.
    Pareto,
}

/// When time is added.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum At {
    /// Before anything is sent.
    #[default]
    Open,
    /// When the head of the answer is there.
    Reply,
    /// Before each chunk of bytes, which keep their order and their distance.
    Chunk,
}

/// The page of `latency`.
pub(super) const DOC: Doc = Doc {
    kind: "latency",
    does: "Adds time before an exchange, before its answer or before each chunk of bytes",
    acts_at: &[Hook::Open, Hook::Reply, Hook::Flow],
    settings: &[
        ("add", "how much time is added"),
        ("jitter", "how far it varies (0s)"),
        ("distribution", "constant, uniform, normal or pareto (uniform)"),
        ("at", "open, reply or chunk (open)"),
        (
            "flow",
            "with `at: chunk`, the direction: request or reply (reply)",
        ),
    ],
    examples: &[
        r#"{odds: 20%, do: {latency: {add: 300ms, jitter: 100ms}}}"#,
        r#"{do: {latency: {add: 20ms, jitter: 40ms, distribution: pareto, at: reply}}}"#,
        r#"{do: {latency: {add: 50ms, at: chunk, flow: request}}}"#,
    ],
};

impl Latency {
    /// Delays each chunk of bytes.
    pub const fn of_chunks(add: Span, jitter: Span, flow: Flow) -> Self {
        Self {
            add,
            jitter,
            distribution: Distribution::Uniform,
            at: At::Chunk,
            flow,
        }
    }

    /// Whether it is bytes that are late, each chunk of them.
    pub fn is_of_chunks(&self) -> bool {
        self.at == At::Chunk
    }

    /// Whether it adds no time, however the dice fall.
    pub fn is_none(&self) -> bool {
        let varies = self.jitter != Span::ZERO && self.distribution != Distribution::Constant;
        self.add == Span::ZERO && !varies
    }

    fn draw(&self, dice: &mut Stream) -> Duration {
        let (add, jitter) = (self.add.0.as_secs_f64(), self.jitter.0.as_secs_f64());
        if self.jitter == Span::ZERO || self.distribution == Distribution::Constant {
            return self.add.0;
        }
        let seconds = match self.distribution {
            Distribution::Constant => add,
            Distribution::Uniform => add + jitter * (2.0 * dice.unit() - 1.0),
            Distribution::Normal => add + jitter * bell(dice),
            Distribution::Pareto => add + jitter * heavy_tail(dice),
        };
        Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or(self.add.0)
    }
}

/// A draw from the bell curve (Box and Muller, 1958).
fn bell(dice: &mut Stream) -> f64 {
    let radius = (-2.0 * (1.0 - dice.unit()).ln()).sqrt();
    radius * (std::f64::consts::TAU * dice.unit()).cos()
}

/// A draw from the shifted Pareto distribution with index 3, whose mean is 1/2, cut off at 20.
fn heavy_tail(dice: &mut Stream) -> f64 {
    ((1.0 - dice.unit()).powf(-1.0 / 3.0) - 1.0).min(20.0)
}

impl Acts for Latency {
    fn doc(&self) -> &'static Doc {
        &DOC
    }

    fn unit(&self, _: Dialect) -> Unit {
        match self.at {
            At::Open | At::Reply => Unit::Command,
            At::Chunk => Unit::Session,
        }
    }

    fn open(&self, ask: &mut Ask, _: Option<&mut request::Parts>) -> Verdict {
        match self.at {
            At::Open => Verdict::Wait(self.draw(&mut ask.dice)),
            _ => Verdict::Pass,
        }
    }

    fn reply(&self, ask: &mut Ask, _: &mut response::Parts) -> Verdict {
        match self.at {
            At::Reply => Verdict::Wait(self.draw(&mut ask.dice)),
            _ => Verdict::Pass,
        }
    }

    fn flow(&self, ask: &mut Ask, direction: Flow) -> Option<Box<dyn Shape>> {
        (self.at == At::Chunk && self.flow == direction).then(|| {
            Box::new(Delay {
                latency: self.clone(),
                dice: ask.dice,
            }) as _
        })
    }
}

#[derive(Debug)]
struct Delay {
    latency: Latency,
    dice: Stream,
}

impl Shape for Delay {
    fn shape(&mut self, at: Instant, piece: Piece, line: &mut Line) {
        match piece {
            Piece::Data(_) => line.pass(at + self.latency.draw(&mut self.dice), piece),
            end => line.pass(at, end),
        }
    }

    fn is_way(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        faults::trial::{chain, drain, fault, ms, open, push, text},
        units::Dice,
    };

    #[test]
    fn the_time_that_is_added_is_exact() {
        let now = Instant::now();
        let check = |kind: &str, wait: Duration| {
            let Verdict::Wait(told) = open(&fault(kind, now), 5, now) else {
                panic!("{kind}")
            };
            assert_eq!(told, wait, "{kind}");
        };
        check("{latency: {add: 300ms}}", ms(300));
        check("{latency: {add: 1ms, jitter: 1s, distribution: constant}}", ms(1));
    }

    #[test]
    fn times_vary_as_their_distribution_says() {
        let check = |distribution, least: f64, mean: f64, most: f64| {
            let latency = Latency {
                distribution,
                ..Latency::of_chunks(Span::millis(500), Span::millis(100), Flow::Reply)
            };
            let mut dice = Dice::new(11).stream(1, 1);
            let mut draws: Vec<f64> = (0..20_000)
                .map(|_| latency.draw(&mut dice).as_secs_f64())
                .collect();
            draws.sort_by(f64::total_cmp);
            let average = draws.iter().sum::<f64>() / draws.len() as f64;
            assert!((average - mean).abs() < 0.01, "{distribution:?}: {average}");
            assert!(
                draws[0] >= least && draws[draws.len() - 1] <= most,
                "{distribution:?}"
            );
        };
        check(Distribution::Constant, 0.5, 0.5, 0.5);
        check(Distribution::Uniform, 0.4, 0.5, 0.6);
        check(Distribution::Normal, 0.0, 0.5, 1.1);
        check(Distribution::Pareto, 0.5, 0.55, 2.5);
    }

    #[test]
    fn no_draw_is_negative() {
        let latency = Latency::of_chunks(Span::millis(1), Span::secs(1), Flow::Reply);
        let mut dice = Dice::new(11).stream(1, 1);
        assert!((0..1000).any(|_| latency.draw(&mut dice) == Duration::ZERO));
    }

    #[test]
    fn chunks_keep_their_order_and_distance_and_the_end_comes_last() {
        let now = Instant::now();
        let (_, mut chain) = chain(
            &[
                "{latency: {add: 300ms, at: chunk}}",
                "{latency: {add: 50ms, at: chunk}}",
            ],
            now,
        );
        assert_eq!(push(&mut chain, now, text("a")), []);
        push(&mut chain, now + ms(20), text("b"));
        push(&mut chain, now + ms(30), Piece::End);
        let out = drain(&mut chain, now);
        assert_eq!(
            out,
            [(ms(350), text("a")), (ms(370), text("b")), (ms(370), Piece::End)]
        );
    }
}
