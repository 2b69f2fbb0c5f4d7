//! HTTP statuses as people write them: `503`, `"500-504"`, `5xx`.

use std::{borrow::Cow, fmt, ops::RangeInclusive, str::FromStr};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::units::BadUnit;

/// One status or a range of them: `503`, `"500-504"`, `5xx`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Statuses {
    first: u16,
    last: u16,
}

impl Statuses {
    /// What a status may be (RFC 9110 section 15).
    const ALL: RangeInclusive<u16> = 100..=599;

    /// A range, both ends included.
    pub const fn range(first: u16, last: u16) -> Self {
        Self { first, last }
    }

    /// Whether the status is one of these.
    pub const fn contains(self, status: u16) -> bool {
        self.first <= status && status <= self.last
    }
}

impl FromStr for Statuses {
    type Err = BadUnit;

    fn from_str(text: &str) -> Result<Self, BadUnit> {
        let class = text
            .strip_suffix("xx")
            .and_then(|class| class.parse::<u16>().ok());
        let range = text.split_once('-').unwrap_or((text, text));
        let (first, last) = match (class, range.0.trim().parse(), range.1.trim().parse()) {
            (Some(class), ..) if class < 6 => (class * 100, class * 100 + 99),
            (None, Ok(first), Ok(last)) => (first, last),
            _ => (0, 0),
        };
        if first <= last && Self::ALL.contains(&first) && Self::ALL.contains(&last) {
            Ok(Self { first, last })
        } else {
            Err(BadUnit::new(format!(
                "`{text}` is no status: write it as `503`, `\"500-504\"` or `5xx`, from 100 to 599"
            )))
        }
    }
}

impl fmt::Display for Statuses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.first, self.last) {
            (first, last) if first == last => write!(f, "{first}"),
            (first, last) if first % 100 == 0 && last == first + 99 => write!(f, "{}xx", first / 100),
            (first, last) => write!(f, "{first}-{last}"),
        }
    }
}

impl Serialize for Statuses {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.first == self.last {
            serializer.serialize_u16(self.first)
        } else {
            serializer.collect_str(self)
        }
    }
}

impl<'de> Deserialize<'de> for Statuses {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NumberOrText)
    }
}

struct NumberOrText;

impl de::Visitor<'_> for NumberOrText {
    type Value = Statuses;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a status such as 503, \"500-504\" or 5xx")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Statuses, E> {
        text.parse().map_err(E::custom)
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Statuses, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Statuses, E> {
        self.visit_str(&number.to_string())
    }
}

impl JsonSchema for Statuses {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Statuses".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"anyOf": [
            {"type": "integer", "minimum": Self::ALL.start(), "maximum": Self::ALL.end()},
            {"type": "string", "pattern": "^[1-5]([0-9]{2}(-[1-5][0-9]{2})?|xx)$"},
        ]})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_read_as_numbers_ranges_and_classes() {
        let check = |written: &str, inside: u16, outside: u16, shown: &str| {
            let read: Statuses = serde_json::from_str(written).unwrap();
            assert!(read.contains(inside) && !read.contains(outside), "{written}");
            assert_eq!(serde_json::to_string(&read).unwrap(), shown);
        };
        check("503", 503, 502, "503");
        check("\"503\"", 503, 504, "503");
        check("\"500-504\"", 504, 505, "\"500-504\"");
        check("\"5xx\"", 599, 499, "\"5xx\"");
        check("\"200-299\"", 204, 301, "\"2xx\"");
    }

    #[test]
    fn what_is_no_status_is_refused() {
        for text in [
            "", "20", "600", "0xx", "9xx", "99999xx", "504-500", "200-", "ok", "-200",
        ] {
            assert!(text.parse::<Statuses>().is_err(), "{text}");
        }
        assert!(serde_json::from_str::<Statuses>("-1").is_err());
        assert!(serde_json::from_str::<Statuses>("99").is_err());
    }
}
