//! A moment of the story, written as text: `+4m` after the change that began the incident.

use std::{borrow::Cow, fmt, str::FromStr, time::Duration};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::units::{BadUnit, Span};

/// A moment of the story, counted from T0: `+4m`, `+1h30m`.
///
/// Profiles hold offsets and never clock times: an incident that crosses midnight stays in order, and `19:14` is a
/// number to some readers of YAML.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Offset(pub Duration);

impl Offset {
    /// So many minutes after T0.
    pub const fn mins(n: u64) -> Self {
        Self(Duration::from_secs(60 * n))
    }
}

impl Offset {
    /// As people speak of it: `+9m48s`, later `+27m`, since nobody counts the seconds of an hour.
    pub fn rounded(self) -> Self {
        let grain = if self.0 < SECONDS_COUNT { 1 } else { 60 };
        let grains = (self.0 + Duration::from_secs(grain) / 2).as_secs() / grain;
        Self(Duration::from_secs(grains * grain))
    }
}

/// How long seconds matter.
const SECONDS_COUNT: Duration = Duration::from_secs(600);

impl FromStr for Offset {
    type Err = BadUnit;

    fn from_str(text: &str) -> Result<Self, BadUnit> {
        let bad = |why: String| BadUnit::new(format!("`{text}` is no offset: {why}"));
        let after = text
            .strip_prefix('+')
            .ok_or_else(|| bad("write the time since the change as `+4m` or `+1h30m`".into()))?;
        let Span(after) = after.parse().map_err(|e: BadUnit| bad(e.to_string()))?;
        Ok(Self(after))
    }
}

/// Shows minutes, as post-mortems count (`+136m`, not `+2h16m`), with seconds where they matter.
impl fmt::Display for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.0.as_millis();
        f.write_str("+")?;
        if millis == 0 || millis >= 60_000 {
            write!(f, "{}m", millis / 60_000)?;
        }
        if !(millis / 1000).is_multiple_of(60) {
            write!(f, "{}s", millis / 1000 % 60)?;
        }
        if !millis.is_multiple_of(1000) {
            write!(f, "{}ms", millis % 1000)?;
        }
        Ok(())
    }
}

impl Serialize for Offset {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Offset {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

impl JsonSchema for Offset {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Offset".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "pattern": r"^\+([0-9.]+(d|h|m|s|ms))+$"})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offset_reads_and_is_shown_in_minutes() {
        let check = |text: &str, shown: &str| {
            let offset: Offset = text.parse().unwrap();
            assert_eq!(offset.to_string(), shown);
            assert_eq!(shown.parse::<Offset>().unwrap(), offset);
        };
        check("+0m", "+0m");
        check("+4m", "+4m");
        check("+2h16m", "+136m");
        check("+90s", "+1m30s");
        check("+250ms", "+250ms");
    }

    #[test]
    fn people_read_seconds_first_and_minutes_later() {
        let check = |text: &str, shown: &str| {
            assert_eq!(text.parse::<Offset>().unwrap().rounded().to_string(), shown);
        };
        check("+4m", "+4m");
        check("+4m12ms", "+4m");
        check("+9m48s370ms", "+9m48s");
        check("+26m5s578ms", "+26m");
        check("+90m31s", "+91m");
    }

    #[test]
    fn a_clock_time_or_a_bare_span_is_refused_with_the_way_to_mend_it() {
        let check = |text: &str, mend: &str| {
            let error = text.parse::<Offset>().unwrap_err().to_string();
            assert!(error.contains(mend), "{error}");
        };
        check("4m", "write the time since the change as `+4m`");
        check("19:14", "write the time since the change");
        check("+4", "`4s` or `4ms`");
    }
}
