//! How many bytes, and how many a second.

use std::{fmt, str::FromStr};

use super::{BadUnit, split_number};

/// A number of bytes: `512B`, `16KiB`, `1MB`. Bare numbers are refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ByteSize(pub u64);

/// Bytes per second, at least one: `64KiB/s`, `1MB/s`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ByteRate(u64);

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
    match text.parse::<f64>() {
        Ok(0.0) if kind == "size" => return Err(bad("write `0B`")),
        // With a unit it would be too little all the same.
        Ok(0.0) => return ByteRate::new(0).map(ByteRate::get),
        Ok(_) => return Err(bad(&format!("it needs a unit, as in `{text}KiB` or `{text}MB`"))),
        Err(_) => {}
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
