//! MySQL's and MariaDB's protocol as a proxy needs it: the opening of a session, where commands and their results begin and end,
//! and its errors.
//!
//! Format: <https://dev.mysql.com/doc/dev/mysql-server/latest/PAGE_PROTOCOL.html>,
//! <https://mariadb.com/kb/en/clientserver-protocol/>

mod answering;
mod attributes;
mod choice;
mod com;
mod encryption;
mod errors;
mod frame;
mod kill;
mod login;
mod opening;
mod passing;
mod refusing;
mod reply;
mod sealing;
mod session;
mod statements;
#[cfg(test)]
mod tests;
mod using;

pub use encryption::Packet;
pub use errors::{ERRORS, refusal};
pub use login::{Greeting, NoLogin, Said, answer, command, error, first_column};
pub use opening::{Encrypted, PassedGreeting};
pub use sealing::ASK_FOR_KEY;
pub use session::Session;
