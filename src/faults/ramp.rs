//! Shares that stand still or change over time, and loads given by figure or by share.

use std::{fmt, time::Duration};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, SeqAccess, Visitor},
};

use crate::units::{Probability, Rate, Span};

/// A share: one for all time (`40%`), or a curve of times and shares with straight lines between them
/// (`[[0m, 20%], [46m, 100%]]`).
#[derive(Clone, Debug, PartialEq)]
pub struct Ramp(Vec<(Span, Probability)>);

/// What a backend carries: exchanges per time (`40/s`), or a share of what it carries when all is well.
#[derive(Clone, Debug, PartialEq)]
pub enum Load {
    /// A figure.
    Rate(Rate),
    /// A share, which may change over time.
    Share(Ramp),
}

impl Ramp {
    /// The share after so much time.
    pub fn at(&self, age: Duration) -> f64 {
        let after = self.0.iter().position(|(time, _)| time.0 > age);
        let (left, right) = match after {
            Some(0) => return self.0[0].1.get(),
            Some(i) => (self.0[i - 1], self.0[i]),
            None => return self.0.last().map_or(1.0, |(_, share)| share.get()),
        };
        let way = (age - left.0.0).as_secs_f64() / (right.0.0 - left.0.0).as_secs_f64();
        left.1.get() + way * (right.1.get() - left.1.get())
    }

    /// The same curve in less time.
    #[must_use]
    pub fn compressed(&self, by: f64) -> Self {
        Self(
            self.0
                .iter()
                .map(|(time, share)| (Span(time.0.div_f64(by)), *share))
                .collect(),
        )
    }

    fn curve(points: Vec<(Span, Probability)>) -> Result<Self, &'static str> {
        if points.is_empty() {
            Err("a curve without points is none: write it as `[[0m, 20%], [46m, 100%]]`")
        } else if points.windows(2).any(|pair| pair[0].0 >= pair[1].0) {
            Err("the times of the curve are out of order: they must rise from point to point")
        } else {
            Ok(Self(points))
        }
    }
}

impl From<Probability> for Ramp {
    fn from(share: Probability) -> Self {
        Self(vec![(Span::ZERO, share)])
    }
}

impl Serialize for Ramp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0.as_slice() {
            [(Span::ZERO, share)] => share.serialize(serializer),
            points => points.serialize(serializer),
        }
    }
}

impl Serialize for Load {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Rate(rate) => rate.serialize(serializer),
            Self::Share(ramp) => ramp.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Ramp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RampVisitor)
    }
}

impl<'de> Deserialize<'de> for Load {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(LoadVisitor)
    }
}

struct RampVisitor;

impl<'de> Visitor<'de> for RampVisitor {
    type Value = Ramp;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a share as `40%` or a curve as `[[0m, 20%], [46m, 100%]]`")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Ramp, E> {
        ShareVisitor.visit_str(text).map(Ramp::from)
    }

    fn visit_f64<E: de::Error>(self, share: f64) -> Result<Ramp, E> {
        ShareVisitor.visit_f64(share).map(Ramp::from)
    }

    fn visit_u64<E: de::Error>(self, share: u64) -> Result<Ramp, E> {
        ShareVisitor.visit_u64(share).map(Ramp::from)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut points: A) -> Result<Ramp, A::Error> {
        let mut curve = Vec::new();
        while let Some(Point(time, Share(share))) = points.next_element()? {
            curve.push((time, share));
        }
        Ramp::curve(curve).map_err(de::Error::custom)
    }
}

struct LoadVisitor;

impl<'de> Visitor<'de> for LoadVisitor {
    type Value = Load;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a rate as `40/s`, a share as `40%`, or a curve as `[[0m, 20%], [46m, 100%]]`")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Load, E> {
        if text.contains('/') {
            return text.parse().map(Load::Rate).map_err(E::custom);
        }
        RampVisitor.visit_str(text).map(Load::Share)
    }

    fn visit_f64<E: de::Error>(self, share: f64) -> Result<Load, E> {
        RampVisitor.visit_f64(share).map(Load::Share)
    }

    fn visit_u64<E: de::Error>(self, share: u64) -> Result<Load, E> {
        RampVisitor.visit_u64(share).map(Load::Share)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, points: A) -> Result<Load, A::Error> {
        RampVisitor.visit_seq(points).map(Load::Share)
    }
}

#[derive(Deserialize)]
struct Point(Span, Share);

/// A share in a curve, where a bare number is plain enough: `[46m, 1.0]`.
struct Share(Probability);

impl<'de> Deserialize<'de> for Share {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ShareVisitor).map(Self)
    }
}

struct ShareVisitor;

impl Visitor<'_> for ShareVisitor {
    type Value = Probability;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a share as `40%`")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Probability, E> {
        text.parse().map_err(E::custom)
    }

    fn visit_f64<E: de::Error>(self, share: f64) -> Result<Probability, E> {
        Probability::new(share).map_err(E::custom)
    }

    fn visit_u64<E: de::Error>(self, share: u64) -> Result<Probability, E> {
        #[expect(clippy::cast_precision_loss, reason = "only 0 and 1 are shares")]
        self.visit_f64(share as f64)
    }
}

impl JsonSchema for Ramp {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Ramp".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let (time, share) = (Span::json_schema(generator), Probability::json_schema(generator));
        let share = json_schema!({"anyOf": [share, {"type": "number", "minimum": 0, "maximum": 1}]});
        let point =
            json_schema!({"type": "array", "prefixItems": [time, share], "minItems": 2, "maxItems": 2});
        json_schema!({"anyOf": [share, {"type": "array", "items": point, "minItems": 1}]})
    }
}

impl JsonSchema for Load {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Load".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let (rate, ramp) = (Rate::json_schema(generator), Ramp::json_schema(generator));
        json_schema!({"anyOf": [rate, ramp]})
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::faults::trial::yaml;

    #[test]
    fn a_curve_has_straight_lines_between_its_points() {
        let check = |text: &str, minutes: u64, share: f64| {
            let ramp: Ramp = serde_json::from_value(yaml(text)).unwrap();
            let at = ramp.at(Duration::from_secs(60 * minutes));
            assert!((at - share).abs() < 1e-9, "{text} at {minutes}: {at}");
        };
        check("40%", 7, 0.4);
        check("0.4", 7, 0.4);
        check("1", 7, 1.0);
        let curve = "[[0m, 0.2], [46m, 100%]]";
        check(curve, 0, 0.2);
        check(curve, 23, 0.6);
        check(curve, 46, 1.0);
        check(curve, 500, 1.0);
        check("[[10m, 0], [10m1ns, 1]]", 9, 0.0);
        check("[[10m, 0], [10m1ns, 1]]", 11, 1.0);
    }

    #[test]
    fn a_load_is_a_figure_or_a_share() {
        let read = |text| serde_json::from_value::<Load>(yaml(text)).unwrap();
        assert!(matches!(read("40/s"), Load::Rate(_)));
        assert!(matches!(read("40%"), Load::Share(_)));
        assert!(matches!(read("[[0m, 0]]"), Load::Share(_)));
    }
}
