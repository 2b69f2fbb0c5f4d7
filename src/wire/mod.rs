//! Wire formats: message boundaries over any byte stream.

pub mod dialogue;
pub mod errors;
pub mod fuzz;
pub mod http1;
mod lexer;
pub mod mysql;
pub mod postgres;
mod prepared;
pub mod redis;
mod spoken;
#[cfg(test)]
mod testing;
