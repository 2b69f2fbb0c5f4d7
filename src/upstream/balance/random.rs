//! Drawn by weight.

use super::super::field::Field;
use crate::units::Stream;

pub(super) fn choose(field: &Field<'_>, stream: &mut Stream) -> usize {
    field.draw(stream)
}
