//! Toughness: the real binary, real servers, real load, and everything that may go wrong meanwhile.

#![allow(unreachable_pub, reason = "a test binary has no outside")]

mod circuit;
mod end;
mod failure;
mod held;
mod kit;
mod safety;
mod scenario;
mod standing;
