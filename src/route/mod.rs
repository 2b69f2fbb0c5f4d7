//! Which cluster a request goes to.

mod glob;
mod many;
pub mod matcher;
pub mod pattern;

pub use many::OneOrMany;
pub use matcher::{Facts, Match, Matcher};
