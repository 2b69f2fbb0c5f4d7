//! Which cluster a request goes to.

pub mod matcher;
