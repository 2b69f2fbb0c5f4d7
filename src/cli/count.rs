//! How many, in words.

/// A number of things in words: `1 fault`, `2 faults`.
pub(super) fn counted(number: usize, thing: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {thing}{plural}")
}
