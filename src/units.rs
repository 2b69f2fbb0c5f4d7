//! The quantities of the document: parsed once at the edge, valid ever after.
//!
//! Each type reads from text with its unit (`300ms`, `20%`, `1MiB/s`), refuses a bare number with a message
//! that says how to mend it, and writes itself back in a form that reads to the same value.

use std::{fmt, str::FromStr, time::Duration};

/// A length of time with its unit in the text: `250us`, `300ms`, `1.5s`, `10m`, `1h30m`, `2d`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span(pub Duration);

/// A share from 0 to 1, written as a percentage (`20%`) or a fraction (`0.2`).
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Probability(f64);

/// A number of bytes: `512B`, `16KiB`, `1MB`. Bare numbers are refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ByteSize(pub u64);

/// Bytes per second, at least one: `64KiB/s`, `1MB/s`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ByteRate(u64);

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
        if text.parse::<f64>().is_ok() {
            return Err(bad(&format!("it needs a unit, as in `{text}s` or `{text}ms`")));
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
        .map_err(|_| BadUnit::new(format!("`{text}` is no share: it must lie between 0% and 100%")))
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

/// The units of size, largest first within each family.
const SIZE_UNITS: [(&str, u64); 7] = [
    ("GiB", 1 << 30),
    ("GB", 1_000_000_000),
    ("MiB", 1 << 20),
    ("MB", 1_000_000),
    ("KiB", 1 << 10),
    ("kB", 1_000),
    ("B", 1),
];

fn parse_size(text: &str, kind: &str) -> Result<u64, BadUnit> {
    let bad = |why: &str| BadUnit::new(format!("`{text}` is no {kind}: {why}"));
    if text.parse::<f64>().is_ok() {
        return Err(bad(&format!("it needs a unit, as in `{text}KiB` or `{text}MB`")));
    }
    let (number, unit) = split_number(text).ok_or_else(|| bad("write it as `16KiB` or `1MB`"))?;
    let unit = if unit == "KB" { "kB" } else { unit };
    let factor = SIZE_UNITS
        .iter()
        .find(|(name, _)| *name == unit)
        .ok_or_else(|| bad("its unit must be one of B, kB, KiB, MB, MiB, GB, GiB"))?
        .1;
    #[expect(clippy::cast_precision_loss, reason = "units are powers well below 2^53")]
    let bytes = number * factor as f64;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the range is checked first"
    )]
    if bytes < 9e15 {
        Ok(bytes.round() as u64)
    } else {
        Err(bad("it is too large"))
    }
}

fn show_size(bytes: u64, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let (unit, factor) = SIZE_UNITS
        .into_iter()
        .find(|(_, factor)| bytes >= *factor && bytes.is_multiple_of(*factor))
        .unwrap_or(("B", 1));
    write!(f, "{}{unit}", bytes / factor)
}

impl FromStr for ByteSize {
    type Err = BadUnit;

    fn from_str(text: &str) -> Result<Self, BadUnit> {
        parse_size(text, "size").map(Self)
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        show_size(self.0, f)
    }
}

impl ByteRate {
    /// Takes bytes per second, at least one.
    pub fn new(bytes_per_second: u64) -> Result<Self, BadUnit> {
        match bytes_per_second {
            0 => Err(BadUnit::new(
                "a byte rate must be at least 1B/s; to let nothing through use `stall`",
            )),
            n => Ok(Self(n)),
        }
    }

    /// Bytes per second.
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl FromStr for ByteRate {
    type Err = BadUnit;

    fn from_str(text: &str) -> Result<Self, BadUnit> {
        let size = text
            .strip_suffix("/s")
            .ok_or_else(|| BadUnit::new(format!("`{text}` is no byte rate: write it as `64KiB/s`")))?;
        Self::new(parse_size(size, "byte rate")?)
    }
}

impl fmt::Display for ByteRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        show_size(self.0, f)?;
        f.write_str("/s")
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
/// form; the pattern is what the JSON Schema says about it.
macro_rules! as_text {
    ($($type:ty, $name:literal, $pattern:literal;)*) => {$(
        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
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

/// Seeded dice: every roll is a keyed hash of what it is for, so the same seed gives the same faults whatever
/// the order in which exchanges arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dice {
    seed: u64,
}

impl Dice {
    /// Dice that a seed repeats.
    pub const fn new(seed: u64) -> Self {
        Self { seed }
    }

    /// The seed, to be shown so that a run can be repeated.
    pub const fn seed(self) -> u64 {
        self.seed
    }

    /// A number in `[0, 1)` for one question (`key`, such as a fault) about one thing (`subject`, such as an exchange).
    pub fn roll(self, key: u64, subject: u64) -> f64 {
        self.stream(key, subject).unit()
    }

    /// Whether something with these odds happens. Odds of 0 never do, odds of 1 always do.
    pub fn hits(self, odds: Probability, key: u64, subject: u64) -> bool {
        self.roll(key, subject) < odds.get()
    }

    /// An endless stream of numbers for one question about one thing.
    pub fn stream(self, key: u64, subject: u64) -> Stream {
        Stream {
            state: mix(mix(self.seed ^ 0x9e37_79b9_7f4a_7c15).wrapping_add(key)).wrapping_add(mix(subject)),
        }
    }
}

/// Numbers drawn one after the other (SplitMix64; Steele, Lea and Flood, OOPSLA 2014).
#[derive(Clone, Copy, Debug)]
pub struct Stream {
    state: u64,
}

impl Stream {
    /// Sixty-four even bits.
    pub fn bits(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.state)
    }

    /// An even number in `[0, 1)`.
    pub fn unit(&mut self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "53 bits fit a double exactly")]
        let unit = (self.bits() >> 11) as f64 / (1_u64 << 53) as f64;
        unit
    }

    /// An even index below `n`, which must not be 0.
    pub fn below(&mut self, n: usize) -> usize {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "the product's high half is below n"
        )]
        let index = ((u128::from(self.bits()) * n as u128) >> 64) as usize;
        index
    }
}

/// A stable hash of bytes (FNV-1a, then mixed): for names, hash balancing and sticky faults, never for secrets.
pub fn stable_hash(bytes: &[u8]) -> u64 {
    mix(bytes.iter().fold(0xcbf2_9ce4_8422_2325, |h, b| {
        (h ^ u64::from(*b)).wrapping_mul(0x0100_0000_01b3)
    }))
}

const fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
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
        check("0B/s".parse::<ByteRate>().unwrap_err().to_string(), "stall");
    }

    #[test]
    fn a_seed_repeats_the_dice_and_another_does_not() {
        let rolls = |seed| {
            (0..64)
                .map(|n| Dice::new(seed).roll(7, n).to_bits())
                .collect::<Vec<_>>()
        };
        assert_eq!(rolls(1), rolls(1));
        assert_ne!(rolls(1), rolls(2));
    }

    #[test]
    fn odds_lie_in_the_binomial_band() {
        for percent in [1.0, 5.0, 20.0, 50.0, 99.0] {
            let odds = Probability::new(percent / 100.0).unwrap();
            let hits = (0..10_000).filter(|n| Dice::new(42).hits(odds, 3, *n)).count() as f64;
            let sigma = (10_000.0 * odds.get() * (1.0 - odds.get())).sqrt();
            assert!(
                (hits - 10_000.0 * odds.get()).abs() < 3.29 * sigma,
                "{percent}%: {hits}"
            );
        }
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
