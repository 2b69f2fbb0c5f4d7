//! PostgreSQL's protocol 3 as a proxy needs it: the opening of a session, where its commands begin, and its errors.
//!
//! Format: <https://www.postgresql.org/docs/current/protocol-message-formats.html>

mod binding;
mod changes;
mod errors;
mod frame;
mod opening;
mod passing;
mod places;
#[cfg(test)]
mod replaced;
mod session;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod trial;
mod turns;

pub use errors::{ERRORS, refusal};
pub use opening::{CancelKey, Encryption, MAX_OPENING, NO, Opening, SSL_REQUEST, Startup, YES, take_opening};
pub use session::Session;
