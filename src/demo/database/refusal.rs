//! What the server says when it does not do as it is asked.

/// What the server refuses, as its client is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    /// The SQLSTATE, which is what software reads.
    pub(super) code: &'static str,
    /// One line for people.
    pub(super) message: String,
    /// How to mend it.
    pub(super) hint: Option<&'static str>,
    /// Where in the SQL, in characters from 1.
    pub(super) position: Option<usize>,
}

impl Refusal {
    /// A refusal without hint or place.
    pub(super) fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            hint: None,
            position: None,
        }
    }
}
