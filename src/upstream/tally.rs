//! Errors in a row, in one word, so that workers who count at once never see half of a change.

use super::outlier::Streak;

/// Errors in a row since an ejection. What was begun before that ejection says nothing about the time after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tally {
    /// Which ejection, counted around.
    pub(super) era: u16,
    pub(super) streak: Streak,
}

impl Tally {
    /// The bits of each number in a row; longer rows than they hold are all the same.
    const BITS: u32 = 24;
    const MOST: u32 = (1 << Self::BITS) - 1;

    pub(super) fn to_word(self) -> u64 {
        let [errors, local] = [self.streak.errors, self.streak.local].map(|n| u64::from(n.min(Self::MOST)));
        u64::from(self.era) << (2 * Self::BITS) | errors << Self::BITS | local
    }

    pub(super) fn from_word(word: u64) -> Self {
        let [era, errors, local] = [2 * Self::BITS, Self::BITS, 0].map(|shift| (word >> shift) as u32);
        Self {
            era: era as u16,
            streak: Streak {
                errors: errors & Self::MOST,
                local: local & Self::MOST,
            },
        }
    }

    /// Nothing counted yet.
    pub(super) const fn after_ejection(self) -> Self {
        Self {
            era: self.era.wrapping_add(1),
            streak: Streak { errors: 0, local: 0 },
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_word_holds_it_whole(era: u16, errors in 0..=Tally::MOST, local in 0..=Tally::MOST) {
            let tally = Tally { era, streak: Streak { errors, local } };
            prop_assert_eq!(Tally::from_word(tally.to_word()), tally);
            let longer = Tally { streak: Streak { errors: u32::MAX, local }, ..tally };
            prop_assert_eq!(Tally::from_word(longer.to_word()).streak.local, local);
        }
    }
}
