//! Of two drawn by weight, the one with fewer requests in flight for its share: the power of two choices (Mitzenmacher,
//! IEEE TPDS 12(10), 2001). Looking at two is nearly as good as at all, and does not send everyone to the same one.

use super::super::field::Field;
use crate::units::Stream;

pub(super) fn choose(field: &Field<'_>, stream: &mut Stream) -> usize {
    let first = field.draw(stream);
    let mut others = *field;
    others.set.remove(first);
    if others.set.is_empty() {
        return first;
    }
    let second = others.draw(stream);
    // Load for share, compared without dividing. On a tie the first stands: it was drawn by weight.
    let load = |index: usize, other: usize| field.backends[index].active() as u64 * field.share(other);
    if load(second, first) < load(first, second) {
        second
    } else {
        first
    }
}
