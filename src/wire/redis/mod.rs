//! Redis's protocol (RESP 2 and 3) as a proxy needs it: where commands and replies begin and end, and its errors.
//!
//! Format: <https://redis.io/docs/latest/develop/reference/protocol-spec/>

mod choice;
mod errors;
mod frame;
mod inline;
mod passing;
mod session;
#[cfg(test)]
mod tests;
mod transaction;
mod words;

pub use choice::{DEFAULT_DATABASE, DEFAULT_USER};
pub use errors::{ERRORS, refusal};
pub use session::Session;
pub use transaction::is_met_at_exec;
