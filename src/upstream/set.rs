//! A set of backends by their index, on the stack: choosing among backends allocates nothing.

use super::settings::MOST_BACKENDS;

const WORDS: usize = MOST_BACKENDS / 64;

/// Indices below [`MOST_BACKENDS`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Set {
    words: [u64; WORDS],
}

impl Set {
    pub(super) fn insert(&mut self, index: usize) {
        self.words[index / 64] |= 1 << (index % 64);
    }

    pub(super) fn remove(&mut self, index: usize) {
        self.words[index / 64] &= !(1 << (index % 64));
    }

    pub(super) fn contains(&self, index: usize) -> bool {
        self.words[index / 64] & (1 << (index % 64)) != 0
    }

    pub(super) fn len(&self) -> usize {
        self.words.iter().map(|word| word.count_ones() as usize).sum()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.words == [0; WORDS]
    }

    /// The indices, the lowest first.
    pub(super) fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        self.words.iter().enumerate().flat_map(|(n, word)| {
            let mut left = *word;
            std::iter::from_fn(move || {
                let bit = (left != 0).then(|| left.trailing_zeros() as usize)?;
                left &= left - 1;
                Some(n * 64 + bit)
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_is_a_set(inserted in prop::collection::vec(0..MOST_BACKENDS, 0..40), removed in prop::collection::vec(0..MOST_BACKENDS, 0..40)) {
            let (mut set, mut plain) = (Set::default(), BTreeSet::new());
            for index in inserted {
                set.insert(index);
                plain.insert(index);
            }
            for index in removed {
                set.remove(index);
                plain.remove(&index);
            }
            prop_assert_eq!(set.len(), plain.len());
            prop_assert_eq!(set.is_empty(), plain.is_empty());
            prop_assert!(plain.iter().all(|index| set.contains(*index)));
            prop_assert_eq!(set.iter().collect::<Vec<_>>(), plain.into_iter().collect::<Vec<_>>());
        }
    }
}
