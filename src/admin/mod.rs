//! The admin API.
pub mod ask;
pub mod guard;
pub mod refusal;
pub mod tokens;
