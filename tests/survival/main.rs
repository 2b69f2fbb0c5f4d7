//! Toughness: the real binary, real servers, real load, and everything that may go wrong meanwhile.
#![allow(unreachable_pub, reason = "a test binary has no outside")]
#![allow(
    clippy::unwrap_used,
    reason = "a test ends where something is not as it should be"
)]
#![allow(clippy::print_stderr, reason = "what a test was doing when it failed")]

mod blind;
mod circuit;
mod end;
mod failure;
mod held;
mod hung_auth;
mod incident;
mod keys;
#[allow(dead_code, unused_imports, reason = "a kit has what the next test needs too")]
mod kit;
mod orm_shop;
mod page;
mod replay;
mod safety;
mod scenario;
mod sights;
mod standing;
mod toolkit;
