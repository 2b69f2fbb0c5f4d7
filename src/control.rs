//! The only writer of the truth: changes are compiled first, then published whole or refused whole.
