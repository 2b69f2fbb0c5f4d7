//! How long a drill may last, on the command line.

use crate::units::Span;

/// A time on the wall in which a drill may begin.
pub(super) fn lasting(text: &str) -> Result<Span, String> {
    match text.parse::<Span>() {
        Ok(Span::ZERO) => Err("a drill that may last `0s` never begins: say longer".to_owned()),
        other => other.map_err(|error| error.to_string()),
    }
}
