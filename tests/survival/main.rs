//! Toughness: the real binary, real servers, real load, and everything that may go wrong meanwhile.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]
#![allow(clippy::print_stderr, reason = "a failing test shows what the proxy said")]
#![allow(unreachable_pub, reason = "a test binary has no outside")]

mod circuit;
mod end;
mod failure;
mod held;
#[allow(dead_code, unused_imports, reason = "a kit has what the next test needs too")]
mod kit;
mod safety;
mod scenario;
mod standing;
