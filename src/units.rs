//! The quantities of the document: parsed once at the edge, valid ever after.
//!
//! Each type reads from text with its unit (`300ms`, `20%`, `1MiB/s`), refuses a bare number with a message
//! that says how to mend it, and writes itself back in a form that reads to the same value.

mod address;
mod bytes;
mod dice;
mod nearest;
mod shell;

use std::{fmt, str::FromStr, time::Duration};

pub use self::{
    address::{Address, Host},
    bytes::{ByteRate, ByteSize},
    dice::{Dice, Stream, stable_hash},
    nearest::nearest,
    shell::shell_word,
};

/// A length of time with its unit in the text: `250us`, `300ms`, `1.5s`, `10m`, `1h30m`, `2d`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span(pub Duration);

/// A share from 0 to 1, written as a percentage (`20%`) or a fraction (`0.2`).
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Probability(f64);

/// Events per unit of time, at least one: `10/s`, `600/m`, `5/h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Rate {
    /// How many events.
    pub events: u32,
    /// In how much time: a second, a minute or an hour.
    pub per: Duration,
}

/// Why a text is no quantity: what is wrong and how to mend it, in one line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadUnit(String);

impl BadUnit {
    /// Makes an error from its one line.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

impl Span {
    /// No time at all.
    pub const ZERO: Self = Self(Duration::ZERO);

    /// So many seconds.
    pub const fn secs(n: u64) -> Self {
        Self(Duration::from_secs(n))
    }

    /// So many milliseconds.
    pub const fn millis(n: u64) -> Self {
        Self(Duration::from_millis(n))
    }
}

impl From<Span> for Duration {
    fn from(span: Span) -> Self {
        span.0
    }
}

/// The units of time, longest first, in nanoseconds.
const TIME_UNITS: [(&str, u64); 7] = [
    ("d", 86_400_000_000_000),
    ("h", 3_600_000_000_000),
    ("m", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("us", 1_000),
    ("ns", 1),
];

/// Longer spans are refused: a century is a slip of the finger, and sums of spans must not overflow.
const LONGEST: Duration = Duration::from_secs(100 * 366 * 86_400);

impl FromStr for Span {
    type Err = BadUnit;

    fn from_str(text: &str) -> Result<Self, BadUnit> {
        let bad = |why: &str| BadUnit::new(format!("`{text}` is no duration: {why}"));
        match text.parse::<f64>() {
            Ok(0.0) => return Err(bad("write `0s`")),
            Ok(_) => return Err(bad(&format!("it needs a unit, as in `{text}s` or `{text}ms`"))),
            Err(_) => {}
        }
        let mut total = Duration::ZERO;
        let mut rest = text;
        while !rest.is_empty() {
            let (number, tail) =
                split_number(rest).ok_or_else(|| bad("write it as `300ms`, `10s` or `1h30m`"))?;
            let end = tail
                .find(|c: char| !c.is_ascii_alphabetic())
                .unwrap_or(tail.len());
            let (unit, tail) = tail.split_at(end);
            let nanos = TIME_UNITS
                .iter()
                .find(|(name, _)| *name == unit)
                .ok_or_else(|| bad("its unit must be one of d, h, m, s, ms, us, ns"))?
                .1;
            #[expect(clippy::cast_precision_loss, reason = "units are far below 2^53 nanoseconds")]
            let piece = number * nanos as f64 / 1e9;
            total += Duration::try_from_secs_f64(piece)
                .ok()
                .filter(|d| *d <= LONGEST)
                .ok_or_else(|| bad("it is longer than a century"))?;
            rest = tail;
        }
        match total {
            _ if text.is_empty() => Err(bad("it is empty; write it as `300ms` or `10s`")),
            d if d > LONGEST => Err(bad("it is longer than a century")),
            d => Ok(Self(d)),
        }
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut left = self.0.as_nanos();
        if left == 0 {
            return f.write_str("0s");
        }
        for (unit, nanos) in TIME_UNITS {
            let n = left / u128::from(nanos);
            if n > 0 {
                write!(f, "{n}{unit}")?;
                left -= n * u128::from(nanos);
            }
        }
        Ok(())
    }
}

impl Probability {
    /// Never.
    pub const NEVER: Self = Self(0.0);
    /// Always.
    pub const ALWAYS: Self = Self(1.0);

    /// Takes a share, which must lie from 0 to 1.
    pub fn new(share: f64) -> Result<Self, BadUnit> {
        if (0.0..=1.0).contains(&share) {
            Ok(Self(share))
        } else {
            Err(BadUnit::new(format!(
                "{share} is no share: it must lie between 0 and 1, or 0% and 100%"
            )))
        }
    }

    /// The share, from 0 to 1.
    pub const fn get(self) -> f64 {
        self.0
    }
}

impl Default for Probability {
    fn default() -> Self {
        Self::ALWAYS
    }
}

impl FromStr for Probability {
    type Err = BadUnit;

    fn from_str(text: &str) -> Result<Self, BadUnit> {
        let bad = |_| BadUnit::new(format!("`{text}` is no share: write it as `20%` or `0.2`"));
        match text.strip_suffix('%') {
            Some(percent) => Self::new(percent.trim_end().parse::<f64>().map_err(bad)? / 100.0),
            None => Self::new(text.parse::<f64>().map_err(bad)?),
        }
        .map_err(|_| {
            let mend = match text.parse::<f64>() {
                // Whoever leaves the unit out means percent.
                Ok(bare) if bare > 1.0 && bare <= 100.0 => format!("write `{text}%`"),
                _ => "it must lie between 0% and 100%".to_owned(),
            };
            BadUnit::new(format!("`{text}` is no share: {mend}"))
        })
    }
}

impl fmt::Display for Probability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A percentage where that is exact, so that what was written `20%` is shown as `20%`.
        let percent = (self.0 * 1e6).round() / 1e4;
        #[expect(clippy::float_cmp, reason = "exactness decides the form that is written")]
        if percent / 100.0 == self.0 {
            write!(f, "{percent}%")
        } else {
            write!(f, "{}", self.0)
        }
    }
}

impl Rate {
    /// The time from one event to the next.
    pub fn period(self) -> Duration {
        self.per / self.events
    }
}

impl FromStr for Rate {
    type Err = BadUnit;

    fn from_str(text: &str) -> Result<Self, BadUnit> {
        let bad = || {
            BadUnit::new(format!(
                "`{text}` is no rate: write it as `10/s`, `600/m` or `5/h`"
            ))
        };
        let (events, per) = text.split_once('/').ok_or_else(bad)?;
        let per = match per {
            "s" => 1,
            "m" => 60,
            "h" => 3600,
            _ => return Err(bad()),
        };
        match events.parse() {
            Ok(events @ 1..) => Ok(Self {
                events,
                per: Duration::from_secs(per),
            }),
            _ => Err(bad()),
        }
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let per = match self.per.as_secs() {
            1 => "s",
            60 => "m",
            _ => "h",
        };
        write!(f, "{}/{per}", self.events)
    }
}

/// Splits `1.5MiB` into `1.5` and `MiB`; `None` where no number stands first.
fn split_number(text: &str) -> Option<(f64, &str)> {
    let end = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, rest) = text.split_at(end);
    Some((number.parse().ok()?, rest))
}

/// Serialises a type as its text (`Display`) and reads it from text (`FromStr`), so that the document and the API share one
/// form; the pattern is what the JSON Schema says about it, and the last text what a mapping or a list in its place is told.
macro_rules! as_text {
    ($($type:ty, $name:literal, $pattern:literal $(, $instead:literal)?;)*) => {$(
        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer);
                $(let text = text.map_err(|_| serde::de::Error::custom($instead));)?
                text?.parse().map_err(serde::de::Error::custom)
            }
        }

        impl schemars::JsonSchema for $type {
            fn inline_schema() -> bool {
                true
            }
            fn schema_name() -> std::borrow::Cow<'static, str> {
                $name.into()
            }
            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({"type": "string", "pattern": $pattern})
            }
        }
    )*};
}
pub(crate) use as_text;

as_text! {
    Span, "Span", r"^([0-9.]+(d|h|m|s|ms|us|ns))+$";
    ByteSize, "ByteSize", r"^[0-9.]+(B|kB|KB|KiB|MB|MiB|GB|GiB)$";
    ByteRate, "ByteRate", r"^[0-9.]+(B|kB|KB|KiB|MB|MiB|GB|GiB)/s$";
    Rate, "Rate", r"^[0-9]+/(s|m|h)$";
    Probability, "Probability", r"^[0-9.]+%?$";
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn durations_read_with_their_unit() {
        let check =
            |text: &str, millis: u64| assert_eq!(text.parse::<Span>(), Ok(Span::millis(millis)), "{text}");
        check("300ms", 300);
        check("1.5s", 1500);
        check("10m", 600_000);
        check("1h30m", 5_400_000);
        check("0s", 0);
    }

    #[test]
    fn a_bare_number_is_refused_with_the_way_to_mend_it() {
        let check = |error: String, mend: &str| assert!(error.contains(mend), "{error}");
        check(
            "300".parse::<Span>().unwrap_err().to_string(),
            "`300s` or `300ms`",
        );
        check("16".parse::<ByteSize>().unwrap_err().to_string(), "`16KiB`");
        check("5".parse::<Rate>().unwrap_err().to_string(), "`10/s`");
        check(
            "19:14".parse::<Span>().unwrap_err().to_string(),
            "unit must be one of",
        );
        check(
            "200%".parse::<Probability>().unwrap_err().to_string(),
            "between 0% and 100%",
        );
        check(
            "20".parse::<Probability>().unwrap_err().to_string(),
            "write `20%`",
        );
        check(
            "101".parse::<Probability>().unwrap_err().to_string(),
            "between 0% and 100%",
        );
        check("0B/s".parse::<ByteRate>().unwrap_err().to_string(), "stall");
    }

    proptest! {
        #[test]
        fn what_is_shown_reads_back(nanos in 0_u64..1 << 53, bytes in 1_u64..1 << 50, share in 0.0..=1.0_f64) {
            let span = Span(Duration::from_nanos(nanos));
            prop_assert!(span.to_string().parse::<Span>().unwrap().0.abs_diff(span.0) < Duration::from_nanos(64));
            prop_assert_eq!(ByteSize(bytes).to_string().parse::<ByteSize>().unwrap(), ByteSize(bytes));
            let share = Probability::new(share).unwrap();
            prop_assert_eq!(share.to_string().parse::<Probability>().unwrap(), share);
        }
    }
}
