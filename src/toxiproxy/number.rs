//! Values of a toxic's attributes: numbers, shown as Toxiproxy shows them, and what they mean to faults.

use std::time::Duration;

use serde::{Serialize, Serializer};

use crate::units::{Probability, Span};

/// A value of an attribute.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Number {
    Whole(i64),
    Share(f64),
}

/// Longer times are cut to this: sums of times must not overflow.
const LONGEST: Duration = Duration::from_secs(100 * 366 * 86_400);

impl Number {
    /// As a size; there is none below 0.
    pub(super) fn size(self) -> u64 {
        match self {
            Self::Whole(whole) => u64::try_from(whole).unwrap_or(0),
            Self::Share(_) => 0,
        }
    }

    pub(super) fn share(self) -> Probability {
        match self {
            Self::Share(share) => Probability::new(share).unwrap_or(Probability::NEVER),
            Self::Whole(_) => Probability::NEVER,
        }
    }

    pub(super) fn millis(self) -> Span {
        Span(Duration::from_millis(self.size()).min(LONGEST))
    }

    pub(super) fn micros(self) -> Span {
        Span(Duration::from_micros(self.size()).min(LONGEST))
    }
}

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Whole(whole) => serializer.serialize_i64(*whole),
            Self::Share(share) => short(*share, serializer, |serializer| serializer.serialize_f64(*share)),
        }
    }
}

/// Writes a whole number without a fraction, as Toxiproxy does.
pub(super) fn short<S: Serializer>(
    number: f64,
    serializer: S,
    in_full: impl FnOnce(S) -> Result<S::Ok, S::Error>,
) -> Result<S::Ok, S::Error> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if number.fract() != 0.0 || number.abs() > EXACT {
        return in_full(serializer);
    }
    #[expect(
        clippy::cast_possible_truncation,
        reason = "it is whole and below 2^53, as was just asked"
    )]
    serializer.serialize_i64(number as i64)
}
