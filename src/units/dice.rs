//! Chance that a seed repeats.

use super::Probability;

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
    use super::*;

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
}
